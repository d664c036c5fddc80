//! What both test binaries use: an independent look at what the product did to a document.
//!
//! Nothing here calls the product. `json` reads a text without losing a byte of it, `edits` finds what differs between
//! two texts and proves that nothing else does, `changes` says what may differ between a document and its augmented
//! form.

pub(crate) mod changes;
pub(crate) mod edits;
mod json;
