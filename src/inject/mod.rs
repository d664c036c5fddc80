//! The layers we add to images: where their bytes come from, what they really are, how they are made.
//!
//! [`descriptor`] reads the operator's default layer, [`accept`] takes the layers of a token, [`blob`] serves both,
//! [`pack`] makes one.

mod archive;
mod decode;
pub mod measure;
mod refusal;
#[cfg(test)]
pub(crate) mod scratch;

pub use measure::Measured;
pub use refusal::Refusal;
