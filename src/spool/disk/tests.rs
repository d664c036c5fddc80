use super::*;
use crate::scratch::Scratch;
use std::io::Read as _;
use std::time::SystemTime;

/// Puts a blob of `size` bytes that was last read `age` seconds ago.
fn put(disk: &Disk, size: usize, age: u64) -> Digest {
    let content = vec![size as u8; size];
    let digest = Digest::sha256(&content);
    let path = disk.path(&digest).unwrap();
    make(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    disk.sent(&digest, &registry()).unwrap();
    digest
}

fn registry() -> Host {
    "quay.io".parse().unwrap()
}

fn disk(scratch: &Scratch, max_size: u64) -> Arc<Disk> {
    Arc::new(Disk::open(scratch.path(), max_size).unwrap())
}

#[test]
fn what_was_not_read_for_longest_goes_first() {
    let scratch = Scratch::new();
    let disk = disk(&scratch, 1000);
    let [old, read, young] = [put(&disk, 301, 5000), put(&disk, 302, 9000), put(&disk, 303, 10)];
    disk.look().unwrap();
    assert_eq!(disk.used(), 906);
    assert_eq!(disk.find(&read, &registry()).unwrap().unwrap().size, 302);
    let more = put(&disk, 200, 0);
    disk.look().unwrap();
    let held = |digest| disk.find(digest, &registry()).unwrap().is_some();
    assert_eq!([&old, &read, &young, &more].map(held), [false, true, true, true]);
    assert_eq!(disk.used(), 805);
}

#[test]
fn case_45_eviction_leaves_readers_their_file() {
    let scratch = Scratch::new();
    let disk = disk(&scratch, 100);
    let digest = put(&disk, 90, 5);
    let mut found = disk.find(&digest, &registry()).unwrap().unwrap();
    put(&disk, 91, 4);
    disk.look().unwrap();
    assert!(disk.find(&digest, &registry()).unwrap().is_none());
    let mut content = Vec::new();
    found.file.read_to_end(&mut content).unwrap();
    assert_eq!(content, vec![90; 90]);
    let origins = scratch.path().join("origins").join(relative(&digest).unwrap());
    assert!(!origins.exists(), "nor does anything else of it stay");
}

#[test]
fn what_is_being_filled_is_counted_and_stays() {
    let scratch = Scratch::new();
    let disk = disk(&scratch, 100);
    let temporary = super::super::file::Temporary::create(disk.filling()).unwrap();
    temporary.write(&[0; 80], 0).unwrap();
    let digest = put(&disk, 60, 5);
    let mut room = disk.room(80).unwrap();
    disk.look().unwrap();
    assert!(disk.find(&digest, &registry()).unwrap().is_some(), "what is only announced displaces nothing");
    assert!(room.cover(80));
    disk.look().unwrap();
    assert!(disk.find(&digest, &registry()).unwrap().is_none());
    assert_eq!((fs::read_dir(disk.filling()).unwrap().count(), disk.used()), (1, 80));
    drop(room);
    assert_eq!(disk.used(), 0);
}

#[test]
fn strangers_are_left_alone() {
    let scratch = Scratch::new();
    let disk = disk(&scratch, 10);
    let stranger = scratch.write("blobs/sha256/ab/README", [0; 100]);
    disk.look().unwrap();
    assert!(stranger.exists() && disk.used() == 0);
    let unknown: Digest = "x:abc".parse().unwrap();
    assert!(disk.find(&unknown, &registry()).unwrap().is_none());
    let digest = put(&disk, 5, 0);
    disk.look().unwrap();
    let other = fs::File::open(&stranger).unwrap();
    disk.remove(&digest, &other).unwrap();
    let found = disk.find(&digest, &registry()).unwrap().expect("another file is wrong");
    disk.remove(&digest, &found.file).unwrap();
    assert!(disk.find(&digest, &registry()).unwrap().is_none() && disk.used() == 0);
}

#[test]
fn room_is_given_back() {
    let scratch = Scratch::new();
    let disk = disk(&scratch, 100);
    let used = || disk.used();
    assert!(disk.room(101).is_none());
    let mut room = disk.room(60).unwrap();
    assert_eq!(used(), 0);
    assert!(room.cover(60) && room.cover(50) && room.cover(70) && !room.cover(101));
    assert_eq!(used(), 70);
    let mut kept = disk.room(5).unwrap();
    assert!(kept.cover(5));
    kept.keep();
    drop(room);
    assert_eq!(used(), 5);
}

#[tokio::test]
async fn a_full_folder_is_cleared_when_room_is_wanted() {
    let scratch = Scratch::new();
    let disk = disk(&scratch, 1000);
    let digest = put(&disk, 250, 100);
    let keeper = tokio::spawn(disk.clone().keep());
    while disk.used() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut room = disk.room(900).unwrap();
    assert!(room.cover(900));
    while disk.find(&digest, &registry()).unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    keeper.abort();
}
