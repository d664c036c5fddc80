//! Who asks: AWS Signature Version 4.

pub mod chunks;
pub mod keys;
pub mod sigv4;
