//! An S3 server inside the test's own process: objects in memory, and the parts of the protocol which a real
//! service shows only on a bad day.
//!
//! [`Server::start`] listens on a port of its own and has no bucket. Signatures are verified against [`Keys`],
//! so a client that signs wrongly is found here. What was asked is in the [`Log`]; what goes wrong is said by
//! the [`Faults`]; how fast the network is, by the [`Shape`].
//!
//! A request passes `serve` (log, fault plan), `auth` (who), `ops` (what), `answer` (the body with its faults).

pub mod answer;
pub mod auth;
pub mod body;
pub mod checksum;
pub mod clock;
pub mod conditions;
pub mod endpoints;
pub mod error;
pub mod faults;
pub mod incoming;
pub mod log;
pub mod object;
pub mod op;
pub mod ops;
pub mod request;
pub mod serve;
pub mod server;
pub mod store;
pub mod uri;
pub mod wire;
pub mod xml;

pub use auth::keys::{ACCESS_KEY, Keys, SECRET_KEY};
pub use body::generated;
pub use clock::Clock;
pub use endpoints::{Asked, Container, Imds, Issued, Mode, Sts};
pub use faults::{Action, Faults, When};
pub use log::{Entry, Log};
pub use object::Object;
pub use op::Op;
pub use server::{Config, ForeignRegion, Server};
pub use store::{REGION, Settings, Store};
pub use wire::Shape;
