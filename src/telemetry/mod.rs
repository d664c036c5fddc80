//! What an operator can see: metrics, access lines, logs.

mod access;
mod fields;
mod handles;
mod kind;
mod layer;
pub mod names;
mod setup;
mod writer;

pub use kind::{Kind, masked};
pub use layer::{Record, RecordLayer};
pub use setup::{InvalidLevel, Level, Metrics, Telemetry, install};
pub use writer::Lossy;

#[cfg(test)]
pub(crate) mod testing;
