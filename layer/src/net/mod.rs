//! Connections to servers: names, TLS, and HTTP/1.1 with a pool. Knows nothing of S3.

mod connect;
pub mod dns;
pub mod http;
mod pool;
pub mod tls;
mod upload;
