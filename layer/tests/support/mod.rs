//! What the test binaries of the driver share. Included by path, so each binary uses a part of it.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

pub mod s3;
