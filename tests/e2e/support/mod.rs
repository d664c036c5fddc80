//! What the tests start, make and look at; one concern per file.
//!
//! | file | what it gives |
//! |---|---|
//! | `tools` | every program by name, with the Debian package it comes from |
//! | `run` | a command that ends: its output, and what it says when it should not have failed |
//! | `server` | a program that stays: its log, its end |
//! | `scratch` | folders that go away |
//! | `pki` | a certificate authority and what it signs |
//! | `registry`, `token_server` | the upstream: docker-registry in four flavours |
//! | `relay` | the wire to it, which breaks |
//! | `images` | the images, and a store of docker-registry that holds them all |
//! | `wave`, `pack` | the product, and the layer it injects |
//! | `clients` | skopeo, podman, buildah, containerd and docker |
//! | `netns` | another machine to pull from |
//! | `http` | a client of our own |
//! | `walk`, `slow` | a pull that verifies every object of an image, and one that takes its time |

pub(crate) mod clients;
pub(crate) mod http;
pub(crate) mod images;
pub(crate) mod netns;
pub(crate) mod pack;
pub(crate) mod pki;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod run;
pub(crate) mod scratch;
pub(crate) mod server;
pub(crate) mod slow;
pub(crate) mod token_server;
pub(crate) mod tools;
pub(crate) mod walk;
pub(crate) mod wave;
