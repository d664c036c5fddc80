//! The layers we add to images: where their bytes come from and what they really are.
//!

mod archive;
mod decode;
pub mod location;
pub mod measure;
pub mod measures;
mod refusal;
#[cfg(test)]
pub(crate) mod scratch;
pub mod spool;

pub use location::Location;
pub use measure::Measured;
pub use measures::{Measures, Verdict};
pub use refusal::Refusal;
pub use spool::Spool;
