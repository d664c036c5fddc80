//! The layers we add: made, measured, located and served.

mod accept;
mod blob;
mod descriptor;
mod file;
mod location;
mod measure;
mod spool;
mod verify;

pub use blob::Injector;
pub use descriptor::{DescriptorError, load};
pub use measure::{Flaw, Measured, measure, measure_file};
pub use spool::Spool;

