//! The mount under programs that expect a POSIX file system: known test tools, and programs people run.

mod coreutils;
mod fio;
mod fsx;
mod mmap;
mod mount;
mod pjdfstest;
mod sqlite;
mod tools;
mod versions;
