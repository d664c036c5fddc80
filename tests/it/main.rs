//! The product against scripted upstreams in this process: one binary, so that it links once.

#![allow(unreachable_pub, missing_docs, reason = "a test binary exports nothing")]

mod corpus;
mod discovery;
mod errors;
mod faults;
mod images;
mod layers;
mod metrics;
mod process;
mod pull;
mod ranges;
mod rate;
mod restart;
mod security;
#[path = "../shared/mod.rs"]
mod shared;
mod spool;
mod stale;
mod support;
mod syscalls;
mod tidy;
mod token;
mod upstreams;
