//! The layers we add to images: where their bytes come from, what they really are, how they are made.
//!
//! [`descriptor`] reads the operator's default layer, [`accept`] takes the layers of a token, [`kept`] and [`spool`] have
//! them on disk, [`blob`] serves both, [`pack`] makes one. What a layer really is says [`measure`], once for all
//! ([`measures`]).

pub mod accept;
mod archive;
pub mod blob;
mod checked;
mod decode;
pub mod descriptor;
pub mod kept;
pub mod location;
pub mod measure;
pub mod measures;
pub mod pack;
mod refusal;
mod remote;
mod respond;
pub mod spool;
#[cfg(test)]
mod testing;

pub use accept::Request;
pub use blob::{Injector, Parts};
pub use kept::Kept;
pub use location::Location;
pub use measure::Measured;
pub use measures::{Measures, Verdict};
pub use pack::{Failure, Folder, Job, Packed};
pub use refusal::Refusal;
pub use spool::Spool;
