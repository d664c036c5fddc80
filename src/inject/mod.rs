//! The layers we add: made, measured, located and served.

mod accept;
mod blob;
mod descriptor;
mod file;
mod location;
mod measure;
mod pack;
mod spool;
mod verify;

pub use blob::Injector;
pub use descriptor::{DescriptorError, load};
pub use measure::{Flaw, Measured, measure, measure_file};
pub use pack::{PackError, Packed, Progress, pack};
pub use spool::Spool;

