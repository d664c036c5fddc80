//! Rewriting: what one image becomes under one recipe.
//!
//! Documents are patched without a model: `scan` checks them in one pass and notes where values lie, [`fields`] finds
//! members, `edit` and `splice` replace them, and [`manifest`], [`index`] and [`config`] say which. All of these are
//! pure; [`derive`](mod@derive) alone fetches.
//! The rules, each a property in [`fuzzing`](crate::fuzzing):
//!
//! - R1 Bytes outside the edited spans are identical.
//! - R2 The result parses, and equals the same edit done on a model of the document.
//! - R3 The result depends on the document and the change alone.
//! - R4 What is no object, cut off or followed by something is a [`Refusal`], never a panic.
//! - R5 A known member occurs once, and no other name folds to it in the way of Go's `encoding/json`.
//! - R6 A document with both `layers` and `manifests` is refused; `mediaType` agrees with `Content-Type`.
//! - R7 Size, depth and number of layers are bounded, and checked before the work they bound; that work is linear in
//!   the document, the change and the result.
//! - R8 Digest and size are computed from the buffer that is sent, in one place.

mod assemble;
pub mod config;
mod derivation;
pub mod derive;
mod descriptor;
mod edit;
pub mod fields;
pub mod image;
pub mod index;
pub mod kind;
mod layer;
pub mod manifest;
mod plan;
mod process;
pub mod provenance;
mod refusal;
mod scan;
mod splice;
mod steps;
mod text;
mod visit;
mod wanted;

pub use derivation::{Derivation, Document, Referrer, Untouched};
pub use derive::derive;
pub use edit::{Edits, Tail};
pub use layer::{Rewrite, RewriteLayer};
pub use refusal::Refusal;
pub use splice::Spliced;
pub(crate) use steps::of as steps_of;

/// Largest document by default, in bytes: what registries accept for a manifest (distribution-spec, "Pushing
/// manifests").
pub const DOCUMENT_LIMIT: usize = 4 << 20;
/// Deepest nesting of arrays and objects.
pub const DEPTH_LIMIT: usize = 64;
/// Most layers of an image, appended ones included: overlayfs stacks no more in common runtimes.
pub const LAYER_LIMIT: usize = 127;
/// Most manifests and nested indexes fetched for one derivation.
pub const IMAGE_LIMIT: usize = 64;
/// Documents of the largest size that the images of one index may have between them: each may take its share.
pub const SHARED_LIMITS: usize = 8;
/// Deepest nesting of indexes; an index of manifests is 1.
pub const NESTING_LIMIT: usize = 3;
