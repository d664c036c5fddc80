//! The order of the layers.

pub mod upstream;
