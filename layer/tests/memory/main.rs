//! How much memory the driver takes: many readers in a small control group, and a folder of very many keys.
//!
//! Sizes are those of a quick run; `FUSION_MEMORY_FULL=1` makes them 1 GiB for each reader and a million keys.
//! `FUSION_TEST_PROGRAM` names another build of the program than the tests' own. Needs root and `/dev/fuse`.

// These tests wait for other programs; the only runtime is the server's own.
#![allow(clippy::disallowed_methods)]

#[path = "../support/mod.rs"]
mod support;

mod group;
mod listing;
mod mounted;
mod readers;

/// Whether the sizes are those that people meet.
fn full() -> bool {
    std::env::var_os("FUSION_MEMORY_FULL").is_some()
}
