//! The test server itself, asked by a client that knows nothing of S3 but its documents.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod conditions;
mod credentials;
mod faults;
mod listing;
mod multipart;
mod objects;
mod region;
mod shape;
mod signature;
