//! Tests against scripted peers.

mod corpus;
