//! The vocabulary of the OCI distribution and image specifications.
//!
//! Pure values: no I/O, no async, no hyper. A constructor is the grammar, so a value that exists is valid.

pub mod algorithm;
pub mod challenge;
pub mod code;
pub mod digest;
pub mod headers;
pub mod host;
pub mod media;
pub mod name;
pub mod path;
pub mod platform;
pub mod reference;

pub use algorithm::Algorithm;
pub use challenge::Challenge;
pub use code::Code;
pub use digest::{Digest, Digester};
pub use host::Host;
pub use media::{Compression, Family, MediaType};
pub use name::{Repository, Tag};
pub use platform::Platform;
pub use reference::{ImageRef, Reference};
