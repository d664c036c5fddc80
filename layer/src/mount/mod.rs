//! The mount: made and taken away without help of any other program.
//!
//! - [`device`]: `/dev/fuse` and mount(2)
//! - `userns`: the way for who may not mount
//! - [`readahead`]: larger requests from the kernel
//! - [`hints`]: what a person can do when it fails

pub mod device;
pub mod hints;
pub mod readahead;
mod userns;
