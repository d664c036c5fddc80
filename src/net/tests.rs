//! Connections over loopback.

mod support;

mod drain;
mod http1;
mod http2;
mod sendfile;
mod splice;
mod stack;
mod tls;
mod waits;
