//! The client of S3 against the test server.

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
mod tls;
