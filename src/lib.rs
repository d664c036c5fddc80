//! A container registry that changes images while they are pulled.
//!
//! `net` accepts, `stack` orders the layers, `route` is the last place that sees a URL, `pull` and `control`
//! answer, `cache` and `rewrite` derive documents, `inject` supplies the appended layers, `upstream` speaks to
//! other registries, `spool` has their blobs on disk, `state` keeps what outlives the process.
#![deny(unsafe_code)]

pub mod admin;
pub mod admission;
pub mod app;
pub mod auth;
pub mod body;
pub mod cache;
pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
pub mod inject;
pub mod net;
pub mod oci;
pub mod pull;
pub mod rate;
pub mod rewrite;
pub mod route;
#[cfg(test)]
mod scratch;
pub mod secret;
pub mod spool;
pub mod stack;
pub mod state;
pub mod telemetry;
pub mod upstream;
