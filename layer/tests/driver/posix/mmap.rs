//! Files that are mapped: the kernel's pages are those of the object.

use super::mount::{Mount, server};
use super::tools::{Tool, tool};
use crate::mounted::BUCKET;
use crate::support::s3::Object;

/// Bytes of one block.
const BLOCK: usize = 4096;

#[test]
fn mapped_blocks_hold_what_the_object_has_there() {
    let server = server();
    // Each block is filled with its own offset.
    let blocks = (0..4096_u64).map(|block| block * BLOCK as u64);
    let body: Vec<u8> = blocks.flat_map(|offset| offset.to_le_bytes().repeat(BLOCK / 8)).collect();
    let bytes = body.len();
    server.store().put(BUCKET, "blocks", Object::of(body));
    let mount = Mount::of(&server);
    let file = format!("--filename={}", mount.bucket().join("blocks").display());
    for order in ["--rw=randread", "--rw=read"] {
        let tool =
            Tool::new("fio", 120).args(["--name=job", "--ioengine=mmap", "--readonly", "--thread", order]);
        let tool = tool.args(["--bs=4k", &format!("--size={bytes}"), &file]);
        tool.args(["--verify=pattern", "--verify_pattern=%o", "--verify_fatal=1"]).succeeds();
    }
    mount.end();
}

#[test]
fn a_program_runs_from_the_mount() {
    let server = server();
    let program = std::fs::read(tool("sha256sum")).unwrap();
    server.store().put(BUCKET, "bin/sum", Object::of(program));
    let mount = Mount::of(&server);
    let copy = mount.bucket().join("bin/sum");
    // The program maps itself and then reads itself.
    let from_mount = Tool::new("env", 60).args([copy.as_path(), copy.as_path()]).succeeds();
    let installed = Tool::new("sha256sum", 60).args([tool("sha256sum")]).succeeds();
    assert_eq!(from_mount.split(' ').next(), installed.split(' ').next());
    mount.end();
}
