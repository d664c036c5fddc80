//! Blobs on disk, and on their way there: one fetch from upstream for all who read.
//!
//! A *fill* fetches one blob: it writes it to a temporary file, hashes it on the way and publishes it under its digest.
//! Readers read along from that file, each at his own speed; the end of the blob is held back until the digest is
//! right. [`state`] is what they know of each other, `fill` and `writer` do it, `readers` are the bodies, `disk` finds,
//! counts and evicts what is there, `scrub` looks for what has rotted, [`proof`] says who may read what. When the disk
//! fails, readers go on from upstream, each for himself.

mod disk;
mod file;
mod fill;
mod house;
mod prefix;
pub mod proof;
mod readers;
mod scrub;
mod seat;
pub mod shelf;
pub mod state;
mod store;
mod writer;

pub use proof::{Owner, Proofs};
pub use readers::{Reader, Spare};
pub use shelf::Shelf;
pub use store::{Held, Lead, Place, Spool};

use house::House;
