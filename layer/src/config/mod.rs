//! What the caller asks for.
//!
//! - `environment`: by the name it calls us, and how the command runs
//! - [`buckets`], [`fusion`]: the mount
//! - [`aws`]: how S3 is spoken to

pub mod aws;
pub mod buckets;
mod environment;
pub mod fusion;

pub(crate) use environment::{ENTRY_CHAIN, Environment, Launch, MountFailure, Supervision};
