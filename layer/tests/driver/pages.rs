//! Folders of more than one page.

use std::sync::Arc;

use fusion::config::aws::Aws;
use fusion::config::fusion::Fusion;
use fusion::fs::Fs;
use fusion::fs::attr::{Entry, Kind};
use fusion::fs::dir::{Detail, Sink};
use fusion::fs::inode::ROOT;
use fusion::fs::write::caller::Caller;
use fusion::s3::Client;

use crate::mounted::{BUCKET, Mounted, settings};
use crate::support::s3::{Object, Op, Server};

/// The list is on one page, and the links may be on any.
#[test]
fn links_are_links_on_every_page() {
    let mounted = Mounted::new();
    let put = |key: &str, body: &str| mounted.server.store().put(BUCKET, key, Object::of(body.to_owned()));
    for folder in ["before", "behind"] {
        for n in 0..1100 {
            // In the order of S3, `!` comes before `.fusion.symlinks`.
            let mark = if folder == "before" { "m" } else { "!" };
            put(&format!("{folder}/{mark}{n:04}"), "x");
        }
        put(&format!("{folder}/!!"), "target");
        put(&format!("{folder}/zz"), "target");
        put(&format!("{folder}/.fusion.symlinks"), "!!\nzz");
        mounted.requests();
        assert_eq!(
            mounted.sh(&format!("find {folder} -type l | sort")),
            format!("{folder}/!!\n{folder}/zz\n")
        );
        let lists = mounted.requests().iter().filter(|entry| entry.op == Op::GetObject).count();
        assert!(lists <= 2, "the list was read {lists} times");
    }
    assert_eq!(mounted.sh("readlink before/zz behind/zz"), "target\ntarget\n");
}

/// Takes so many names, then has no room.
struct Few(usize, Vec<(u64, String)>);

impl Sink for Few {
    fn entry(&mut self, _: u64, _: &str, _: &Entry) -> bool {
        unreachable!("names only")
    }

    fn name(&mut self, cookie: u64, name: &str, _: Option<u64>, _: Kind) -> bool {
        let full = self.1.len() == self.0;
        if !full {
            self.1.push((cookie, name.to_owned()));
        }
        full
    }
}

/// At most so many names behind a cookie, each with its own.
async fn names(fs: &Arc<Fs>, handle: u64, after: u64, most: usize) -> Vec<(u64, String)> {
    let mut few = Few(most, Vec::new());
    fs.readdir(handle, after, Detail::Names, &mut few).await.unwrap();
    few.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_closed_while_its_folder_is_read_is_there_once() {
    let server = Server::start();
    server.store().bucket(BUCKET);
    for key in ["d/a", "d/old", "d/z"] {
        server.store().put(BUCKET, key, Object::of("x"));
    }
    let settings = settings(&server);
    let value =
        |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let client = Client::new(Aws::read(value).unwrap());
    let fs = Fs::new(Fusion::read(value).unwrap(), client, (0, 0));
    let bucket = fs.lookup(ROOT, BUCKET.as_ref()).await.unwrap().attr.ino;
    let folder = fs.lookup(bucket, "d".as_ref()).await.unwrap().attr.ino;
    let old = fs.lookup(folder, "old".as_ref()).await.unwrap().attr.ino;
    let caller = Caller { pid: std::process::id(), uid: 0, gid: 0 };

    let (_, new) = fs.create(folder, "new".as_ref(), 0o644, libc::O_WRONLY, caller).await.unwrap();
    let old = fs.open(old, libc::O_WRONLY | libc::O_TRUNC, caller).await.unwrap();
    let dir = fs.opendir(folder).unwrap();
    let mut given = names(&fs, dir, 0, 3).await;
    for handle in [new, old] {
        fs.write(handle, 0, "y".into()).await.unwrap();
        fs.flush(handle, caller).await.unwrap();
        fs.release(handle).await;
    }
    let again = fs.lookup(folder, "a".as_ref()).await.unwrap().attr.ino;
    let again = fs.open(again, libc::O_WRONLY | libc::O_TRUNC, caller).await.unwrap();
    loop {
        let last = given.last().expect("a folder has dots").0;
        let more = names(&fs, dir, last, 1).await;
        if more.is_empty() {
            break;
        }
        given.extend(more);
    }
    let mut given: Vec<String> = given.into_iter().map(|(_, name)| name).collect();
    given.sort();
    assert_eq!(given, [".", "..", "a", "new", "old", "z"]);
    fs.release(again).await;
    fs.releasedir(dir);
}
