//! What the tests share.

pub mod client;
pub mod image;
pub mod layer;
pub mod proxy;
pub mod upstream;

pub use client::{Answer, get, head, post, send};
pub use image::Image;
pub use layer::TinyLayer;
pub use proxy::Proxy;
pub use upstream::{Plan, Seen, Upstream, noise, respond};
