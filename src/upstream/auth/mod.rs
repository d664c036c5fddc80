//! Answering the challenges of registries: none, Basic, Bearer with and without credentials.

mod challenge;
mod layer;
mod login;
mod realm;
mod token;
mod tokens;

pub use layer::{Auth, AuthLayer};
pub use login::Login;
