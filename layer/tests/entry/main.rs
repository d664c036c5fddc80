//! The entry program as a process: what its command sees, what its caller sees.

mod arm64;
mod pid1;
mod refuse;
mod replace;
mod rootfs;
mod supervise;
mod support;
