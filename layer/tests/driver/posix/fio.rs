//! `fio`: blocks written in random order, each with a checksum that is verified when it is read.

use super::mount::{Mount, server};
use super::tools::{Tool, size};
use crate::mounted::BUCKET;
use crate::support::s3::Server;

/// Its options are those of a job file; one job, which stops at the first block that is wrong. The folder comes first:
/// it counts for file names that follow.
fn fio(mount: &Mount, options: &[&str]) -> Tool {
    let folder = format!("--directory={}", mount.bucket().display());
    let common =
        ["--filename=fio", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--thread"];
    Tool::new("fio", 300).args(["--name=job", &folder]).args(common).args(options)
}

/// The file's object, which is as large as was asked for.
#[track_caller]
fn whole(server: &Server) {
    let object = server.store().get(BUCKET, "fio").expect("fio has written to the mount");
    assert_eq!(object.len(), size("FUSION_FIO_MIB", 24) << 20);
    assert_eq!(server.store().uploads(BUCKET), Vec::<String>::new(), "uploads are left over");
}

fn bytes() -> String {
    format!("--size={}M", size("FUSION_FIO_MIB", 24))
}

#[test]
fn fio_verifies_random_writes() {
    let server = server();
    let mount = Mount::of(&server);
    // Each block is read back at once, in the file that is being written, and all once more when it is closed.
    fio(&mount, &[&bytes(), "--rw=randwrite", "--bs=4k-64k", "--verify_backlog=64", "--do_verify=1"])
        .succeeds();
    mount.end();
    // The same generator without writing: what another mount reads from S3.
    let mount = Mount::of(&server);
    fio(&mount, &[&bytes(), "--rw=randwrite", "--bs=4k-64k", "--verify_only"]).succeeds();
    mount.end();
    whole(&server);
}

#[test]
fn fio_verifies_random_reads_of_four_threads() {
    let server = server();
    let mount = Mount::of(&server);
    fio(&mount, &[&bytes(), "--rw=write", "--bs=64k", "--do_verify=0"]).succeeds();
    mount.end();
    let mount = Mount::of(&server);
    fio(&mount, &[&bytes(), "--rw=randread", "--bs=64k", "--numjobs=4"]).succeeds();
    mount.end();
    whole(&server);
}
