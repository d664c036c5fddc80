//! Connections over loopback.

mod support;

mod drain;
mod http1;
mod http2;
mod splice;
mod stack;
mod tls;
