//! The file system without a kernel: the requests that are hard to cause from outside.

use std::ffi::OsStr;
use std::sync::Arc;

use fusion::config::{aws::Aws, fusion::Fusion};
use fusion::fs::Fs;
use fusion::fs::attr::{Entry, Kind};
use fusion::fs::dir::{Detail, Sink};
use fusion::fs::errno::Errno;
use fusion::fs::inode::{Ino, ROOT};
use fusion::fs::write::caller::Caller;
use fusion::s3::Client;

use crate::mounted::{BUCKET, settings};
use crate::support::s3::{Object, Op, Server, generated};

const CALLER: Caller = Caller { pid: 1, uid: 0, gid: 0 };

fn fs(server: &Server, memory: u64) -> Arc<Fs> {
    server.store().bucket(BUCKET);
    let variables = settings(server);
    let value = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    let fusion = Fusion { memory: Some(memory), ..Fusion::read(value).unwrap() };
    Fs::new(fusion, Client::new(Aws::read(value).unwrap()), (0, 0))
}

async fn look(fs: &Arc<Fs>, path: &str) -> Result<Entry, Errno> {
    let mut entry = fs.lookup(ROOT, OsStr::new(BUCKET)).await?;
    for name in path.split('/') {
        entry = fs.lookup(entry.attr.ino, OsStr::new(name)).await?;
    }
    Ok(entry)
}

/// Takes so many names at a time.
struct Names {
    room: usize,
    taken: Vec<(u64, String, Option<Ino>)>,
}

impl Sink for Names {
    fn entry(&mut self, cookie: u64, name: &str, entry: &Entry) -> bool {
        self.name(cookie, name, Some(entry.attr.ino), entry.attr.kind)
    }

    fn name(&mut self, cookie: u64, name: &str, ino: Option<Ino>, _: Kind) -> bool {
        let is_full = self.taken.len() == self.room;
        if !is_full {
            self.taken.push((cookie, name.to_owned(), ino));
        }
        is_full
    }
}

async fn names(
    fs: &Arc<Fs>,
    handle: u64,
    cookie: u64,
    room: usize,
    detail: Detail,
) -> Vec<(u64, String, Option<Ino>)> {
    let mut names = Names { room, taken: Vec::new() };
    fs.readdir(handle, cookie, detail, &mut names).await.unwrap();
    names.taken
}

#[tokio::test]
async fn a_folder_is_read_in_any_portions_and_from_any_place() {
    let server = Server::start();
    let fs = fs(&server, 64 << 20);
    server.store().fill(BUCKET, (0..2500).map(|n| format!("d/{n:04}")), Object::of("x"));
    let folder = look(&fs, "d").await.unwrap();
    for room in [1, 7, 1000, 5000] {
        let handle = fs.opendir(folder.attr.ino).unwrap();
        let (mut cookie, mut all) = (0, Vec::new());
        loop {
            let some = names(&fs, handle, cookie, room, Detail::Names).await;
            let Some(last) = some.last() else { break };
            cookie = last.0;
            all.extend(some.into_iter().map(|(_, name, _)| name));
        }
        assert_eq!(all.len(), 2502, "{room} at a time");
        assert_eq!((&*all[0], &*all[1], &*all[2], &*all[2501]), (".", "..", "0000", "2499"));
        let again = names(&fs, handle, 2 + 1234, 1, Detail::Names).await;
        assert_eq!(again[0].1, "1234", "back to a place");
        fs.releasedir(handle);
    }
}

#[tokio::test]
async fn lookups_of_a_listing_are_counted_only_for_names_that_were_taken() {
    let server = Server::start();
    let fs = fs(&server, 64 << 20);
    server.store().fill(BUCKET, (0..100).map(|n| format!("d/{n:02}")), Object::of("x"));
    let folder = look(&fs, "d").await.unwrap();
    let before = fs.table().len();
    let handle = fs.opendir(folder.attr.ino).unwrap();
    let some = names(&fs, handle, 0, 12, Detail::Attributes).await;
    assert_eq!(fs.table().len(), before + 10, "ten names and two dots");
    for (_, _, ino) in some.into_iter().skip(2) {
        fs.forget(ino.unwrap(), 1);
    }
    assert_eq!(fs.table().len(), before);
}

/// A folder larger than all listings that may be kept is read with the memory of a few pages.
#[tokio::test]
async fn a_huge_folder_is_not_kept() {
    let server = Server::start();
    let fs = fs(&server, 32 << 20);
    server.store().fill(BUCKET, (0..60_000).map(|n| format!("d/{n:06}-{}", "x".repeat(60))), Object::of("x"));
    let folder = look(&fs, "d").await.unwrap();
    let handle = fs.opendir(folder.attr.ino).unwrap();
    let (mut cookie, mut count) = (0, 0);
    loop {
        let some = names(&fs, handle, cookie, 500, Detail::Names).await;
        let Some(last) = some.last() else { break };
        (cookie, count) = (last.0, count + some.len());
    }
    assert_eq!(count, 60_002);
    let place = fs.folder(folder.attr.ino).unwrap();
    assert!(fs.listings.get(&place).is_none());
    assert_eq!(names(&fs, handle, 0, 3, Detail::Names).await.len(), 3, "from the start again");
}

#[tokio::test]
async fn all_memory_comes_back_and_everybody_is_answered() {
    let server = Server::start();
    let fs = fs(&server, 32 << 20);
    let size = 40 << 20;
    server.store().put(BUCKET, "file", Object::generated(1, size));
    let file = look(&fs, "file").await.unwrap();
    let readers = (0..24).map(|reader| {
        let fs = Arc::clone(&fs);
        tokio::spawn(async move {
            let handle = fs.open(file.attr.ino, 0, CALLER).await.unwrap();
            let mut at = reader * 100_000;
            while at < size {
                let data = fs.read(handle, at, 1 << 20).await.unwrap();
                let end = (at + (1 << 20)).min(size);
                assert!(data.as_slice() == generated(1, at..end).concat(), "{reader} at {at}");
                // Some stop early, with a window full of data.
                if reader % 5 == 0 && at > size / 2 {
                    break;
                }
                at = end;
            }
            handle
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        let handle = reader.await.unwrap();
        fs.release(handle).await;
    }
    // What was being fetched ahead ends a moment later.
    for _ in 0..200 {
        if fs.pool.free() == fs.pool.size() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} of {} bytes are free", fs.pool.free(), fs.pool.size());
}

/// What is read ahead for nobody is not fetched to its end.
#[tokio::test]
async fn closing_a_file_ends_its_fetches() {
    let server = Server::start();
    let fs = fs(&server, 256 << 20);
    server.store().put(BUCKET, "file", Object::generated(1, 1 << 30));
    let file = look(&fs, "file").await.unwrap();
    let handle = fs.open(file.attr.ino, 0, CALLER).await.unwrap();
    for at in 0..16 {
        fs.read(handle, at << 20, 1 << 20).await.unwrap();
    }
    fs.release(handle).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(server.log().in_flight(), 0);
    assert_eq!(fs.pool.free(), fs.pool.size());
    let read: u64 = server.log().entries().iter().map(|entry| entry.bytes_out).sum();
    assert!(read < 200 << 20, "{read} bytes");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let server = Server::start();
    let fs = fs(&server, 64 << 20);
    server.store().put(BUCKET, "d/file", Object::of("x"));
    let (folder, file) = (look(&fs, "d").await.unwrap(), look(&fs, "d/file").await.unwrap());
    assert_eq!(fs.open(folder.attr.ino, 0, CALLER).await, Err(Errno::EISDIR));
    assert_eq!(fs.opendir(file.attr.ino), Err(Errno::ENOTDIR));
    assert_eq!(fs.readlink(file.attr.ino).await, Err(Errno::EINVAL));
    assert_eq!(fs.lookup(file.attr.ino, OsStr::new("x")).await, Err(Errno::ENOTDIR));
    assert_eq!(fs.lookup(987_654, OsStr::new("x")).await, Err(Errno::ESTALE));
    assert_eq!(fs.lookup(folder.attr.ino, OsStr::new(&"x".repeat(256))).await, Err(Errno::ENAMETOOLONG));
    assert_eq!(fs.read(4711, 0, 10).await.unwrap_err(), Errno::EBADF);
    assert_eq!(fs.getattr(4711), Err(Errno::ESTALE));
    assert_eq!(server.log().count(Op::GetObject), 1, "the list of links");
}

#[tokio::test]
async fn the_late_end_of_a_handle_uploads_nothing_of_the_next_one() {
    let server = Server::start();
    let fs = fs(&server, 64 << 20);
    server.store().put(BUCKET, "f", Object::of("the first"));
    let ino = look(&fs, "f").await.unwrap().attr.ino;
    let overwrite = libc::O_WRONLY | libc::O_TRUNC;
    let first = fs.open(ino, overwrite, CALLER).await.unwrap();
    fs.write(first, 0, "the second".into()).await.unwrap();
    fs.flush(first, CALLER).await.unwrap();
    let body = || server.store().body(BUCKET, "f").unwrap();
    assert_eq!(body(), "the second");
    // The kernel answers close(2) after FLUSH, and tells of RELEASE when it comes to it.
    let next = fs.open(ino, overwrite, CALLER).await.unwrap();
    fs.write(next, 0, "the th".into()).await.unwrap();
    fs.release(first).await;
    assert_eq!(body(), "the second", "a file that is being written is not there yet");
    fs.write(next, 6, "ird".into()).await.unwrap();
    fs.flush(next, CALLER).await.unwrap();
    assert_eq!(body(), "the third");
    fs.release(next).await;
    // A handle whose close was not its opener's keeps its promise when it ends, others or not.
    let shell = fs.open(ino, libc::O_WRONLY, CALLER).await.unwrap();
    let other = fs.open(ino, libc::O_WRONLY, CALLER).await.unwrap();
    fs.write(shell, 0, "THE".into()).await.unwrap();
    fs.release(shell).await;
    assert_eq!(body(), "THE third");
    fs.release(other).await;
}
