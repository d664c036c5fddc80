//! A client of S3 and of what speaks like it.
//!
//! [`Client`] is cheap to clone, opens nothing before its first request, and gives final results: requests are
//! repeated, signed again for another region, or with other credentials inside. Keys go to the server as they are,
//! `//`, `.` and `..` included.
//!
//! The path of a request: an operation ([`objects`], [`listing`], [`multipart`], [`deletion`]) describes it as a
//! `Call`; [`client`] makes attempts until one is answered; [`attempt`] signs and sends one.

mod attempt;
mod body;
mod call;
mod checksum;
mod client;
mod credentials;
mod deletion;
mod encode;
mod endpoint;
mod error;
mod limit;
mod listing;
mod multipart;
mod object;
mod objects;
mod region;
mod retry;
mod settle;
mod sign;
pub mod tags;
mod time;
mod verdict;
mod xml;

pub use body::Body;
pub use client::Client;
pub use error::{Error, Kind};
pub use object::{Condition, Etag, Get, List, Listed, Listing, Meta, Object, Part, Put, Source, UploadId};
