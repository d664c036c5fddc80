//! The product between real registries and real clients.
//!
//! Each test starts what it needs on loopback with a port the system chooses, and ends it. A tool that is not
//! installed fails the test by its name and the name of its Debian package; `tests/install.sh` installs all of them.
//! The tests run as root: docker, containerd and network namespaces want that.

mod support;

mod breaks;
mod crash;
mod demo;
mod fusion;
mod images;
mod log;
mod objects;
mod pulls;
mod pulls_tls;
mod readme;
mod replicas;
mod rig;
mod routes;
#[path = "../shared/mod.rs"]
mod shared;
mod soak;
mod state;
mod stop;
mod tags;
mod upstreams;
