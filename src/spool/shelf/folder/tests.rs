use super::*;
use crate::scratch::Scratch;

const WIDE: Bounds = Bounds { files: 100, bytes: 1000, largest: 100, age: Duration::from_secs(1000) };

fn folder(scratch: &Scratch, bounds: Bounds) -> Arc<Folder> {
    let making = scratch.path().join("making");
    make(&making).unwrap();
    Arc::new(Folder::open(scratch.path(), "folder", making, bounds).unwrap())
}

/// Makes a file look as if it was last used `age` seconds ago.
fn aged(folder: &Folder, group: &str, name: &str, age: u64) {
    let file = File::options().write(true).open(folder.path.join(group).join(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
}

fn counted(folder: &Folder) -> (u64, u64) {
    (folder.files.load(Ordering::Relaxed), folder.bytes.load(Ordering::Relaxed))
}

#[test]
fn files_are_written_read_replaced_and_removed() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, WIDE);
    assert_eq!(folder.read("g", "a").unwrap(), None);
    folder.write("g", "a", b"one").unwrap();
    folder.write("g", "a", b"three").unwrap();
    folder.write("h", "a", b"x").unwrap();
    assert_eq!(folder.read("g", "a").unwrap().unwrap(), b"three");
    assert!(folder.has("g", "a", 5) && !folder.has("g", "a", 4) && !folder.has("g", "b", 5));
    assert_eq!(counted(&folder), (2, 6));
    folder.remove("g", "a").unwrap();
    folder.remove("g", "a").unwrap();
    folder.remove_group("h").unwrap();
    folder.remove_group("h").unwrap();
    assert_eq!(folder.read("g", "a").unwrap(), None);
    assert_eq!(folder.read("h", "a").unwrap(), None);
    folder.look().unwrap();
    assert_eq!(counted(&folder), (0, 0));
    assert_eq!(fs::read_dir(&folder.path).unwrap().count(), 0, "no group is left empty");
    assert_eq!(fs::read_dir(&folder.making).unwrap().count(), 0);
}

#[test]
fn what_is_too_large_is_neither_written_nor_read_whole() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, WIDE);
    folder.write("g", "a", &[0; 101]).unwrap();
    assert_eq!(folder.read("g", "a").unwrap(), None);
    folder.write("g", "b", b"x").unwrap();
    fs::write(folder.path.join("g/b"), [0; 5000]).unwrap();
    assert_eq!(folder.read("g", "b").unwrap().unwrap().len(), 101);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let scratch = Scratch::new();
    let by_files = folder(&scratch, Bounds { files: 20, ..WIDE });
    for at in 0..30 {
        let group = format!("g{}", at % 3);
        by_files.write(&group, &at.to_string(), b"x").unwrap();
        aged(&by_files, &group, &at.to_string(), 500 - at);
    }
    // Reading counts.
    by_files.read("g0", "0").unwrap().unwrap();
    by_files.look().unwrap();
    assert_eq!(counted(&by_files), (18, 18));
    let is_there = |at: u64| by_files.has(&format!("g{}", at % 3), &at.to_string(), 1);
    assert!(is_there(0) && !is_there(1) && !is_there(12) && is_there(13) && is_there(29));

    let scratch = Scratch::new();
    let by_bytes = folder(&scratch, Bounds { bytes: 300, ..WIDE });
    for at in 0..10 {
        by_bytes.write("g", &at.to_string(), &[0; 50]).unwrap();
        aged(&by_bytes, "g", &at.to_string(), 500 - at);
    }
    by_bytes.look().unwrap();
    assert_eq!(counted(&by_bytes), (5, 250));
}

#[test]
fn a_group_lives_as_long_as_any_of_its_files_is_used() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, WIDE);
    for (group, name, age) in [("old", "a", 2000), ("old", "b", 1001), ("used", "a", 2000), ("used", "b", 5)]
    {
        folder.write(group, name, b"x").unwrap();
        aged(&folder, group, name, age);
    }
    folder.look().unwrap();
    assert!(!folder.path.join("old").exists());
    assert!(folder.has("used", "a", 1));
    assert_eq!(counted(&folder), (2, 2));
}

#[tokio::test]
async fn a_full_folder_is_cleared_when_it_is_written_to() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, Bounds { files: 10, ..WIDE });
    let keeper = tokio::spawn(folder.clone().keep());
    tokio::time::sleep(Duration::from_millis(20)).await;
    for at in 0..11 {
        folder.write("g", &at.to_string(), b"x").unwrap();
    }
    while fs::read_dir(folder.path.join("g")).unwrap().count() > 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    keeper.abort();
}
