//! Containers that see S3 as files: images pulled through the product with its default layer, and run by podman and
//! docker against moto, which is not ours, and against our own server, which checks signatures.
//!
//! | file | what |
//! |---|---|
//! | `images` | the three images: busybox, Debian, and one static program |
//! | `steps` | what their commands do, in the words each of them understands |
//! | `servers` | S3, and the look into it from outside |
//! | `stage` | engine, registry and product together |
//! | `content` | listing, reading and writing |
//! | `ends` | exit codes, and signals while something is written |
//! | `refused` | no device, no rights, a read-only root |

mod content;
mod ends;
mod images;
mod refused;
mod servers;
mod stage;
mod steps;
