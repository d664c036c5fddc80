//! The pull side of the distribution API: what is asked for, and how it is answered.

mod discover;
mod head;
pub(crate) mod media;
pub mod range;
pub mod request;
pub mod respond;
pub mod serve;
mod spooled;
mod stream;

pub use range::{Span, Spans};
pub use request::{Conditions, Demand, Fetch, Image, Place, Pull, Scoped, Spelt, Verb, What};
pub use serve::Serve;
