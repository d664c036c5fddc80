//! The write side: how bytes written to files become objects.
//!
//! - [`ops`], [`attrs`]: the kernel's requests
//! - [`files`], [`file`]: which files are written, by whom
//! - [`content`], `named`: the bytes of one and its name, as [`state`] decides: in order in memory ([`tail`]) and in parts ([`parts`],
//!   [`upload`]), or in a staging file ([`staging`], [`ranges`], [`area`])
//! - `commit`, `condition`: making the object what the file is; `order`: leaving that for later
//! - `drain`, [`uploads`]: the end
//!
//! An object is only ever replaced as a whole, by one PUT or the completion of an upload: it is the old one, or none,
//! until everything that was written is there. The one exception is a file whose first parts were sent and are then
//! read or changed: they become the object for as long as the rest takes (`Content::settle`), as S3 lets nobody read
//! parts.

pub mod area;
pub mod attrs;
pub mod base;
pub mod caller;
mod commit;
pub(super) mod condition;
pub mod content;
pub mod context;
mod drain;
pub mod file;
pub mod files;
#[cfg(test)]
pub(crate) mod model;
mod named;
pub mod ops;
mod order;
pub mod parts;
pub mod ranges;
mod staged;
pub mod staging;
pub mod state;
pub mod tail;
pub mod upload;
pub mod uploads;

pub use drain::Lost;
