//! How much at once: a request that finds no permit is refused at once, with 503 and `Retry-After`.

mod layer;
mod pool;

pub use layer::{Admission, AdmissionLayer};
pub use pool::{Admit, PerRegistry, Permit, Pool};
