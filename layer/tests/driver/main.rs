//! The driver: the built program mounts, and ordinary programs use the mount. Needs root and `/dev/fuse`.

#[path = "../support/mod.rs"]
mod support;

mod budget;
mod changes;
mod command;
mod errors;
mod faulty_reads;
mod faulty_writes;
mod fs;
mod model;
mod mounted;
mod names;
mod nextflow;
mod order;
mod pages;
mod posix;
mod reads;
mod rename;
mod write;
