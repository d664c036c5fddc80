use super::*;
use crate::fs::attr::Clock;

fn table() -> Table {
    Table::new(Time(0), (0, 0))
}

fn now() -> Moment {
    static CLOCK: std::sync::LazyLock<Clock> = std::sync::LazyLock::new(Clock::start);
    CLOCK.now()
}

fn object(etag: &str) -> Found {
    Found {
        kind: Kind::File,
        size: 1,
        modified: Time(1),
        etag: Some(Etag::new(etag)),
        archived: false,
        checked: now(),
        valid: Validity::Asked,
    }
}

fn folder() -> Found {
    Found::folder(Time(0), now(), Validity::Folder)
}

/// Looks up, as the kernel does.
fn look(table: &mut Table, parent: Ino, name: &str, found: Found) -> Ino {
    let ino = table.found(parent, name, found);
    table.remember(ino);
    ino
}

#[test]
fn an_entry_goes_with_the_last_lookup() {
    let mut table = table();
    let ino = look(&mut table, ROOT, "a", object("1"));
    assert_eq!(look(&mut table, ROOT, "a", object("1")), ino);
    assert!(!table.forget(ino, 1));
    assert_eq!(table.child(ROOT, "a"), Some(ino));
    assert!(table.forget(ino, 1));
    assert_eq!((table.child(ROOT, "a"), table.len()), (None, 1));
}

#[test]
fn a_folder_stays_for_its_children() {
    let mut table = table();
    let top = look(&mut table, ROOT, "top", folder());
    let sub = look(&mut table, top, "sub", folder());
    let file = look(&mut table, sub, "file", object("1"));
    assert!(!table.forget(top, 1));
    assert!(!table.forget(sub, 1));
    assert_eq!(table.place(file).unwrap().key, "sub/file");
    assert!(table.forget(file, 1));
    assert_eq!(table.len(), 1, "and goes with the last of them");
}

#[test]
fn another_version_is_another_inode() {
    let mut table = table();
    let old = look(&mut table, ROOT, "a", object("1"));
    let new = look(&mut table, ROOT, "a", object("2"));
    assert_ne!(old, new);
    assert!(table.get(old).unwrap().is_detached());
    assert_eq!(table.child(ROOT, "a"), Some(new));
    assert!(table.forget(old, 1));
    assert_eq!(table.child(ROOT, "a"), Some(new));
    let as_folder = look(&mut table, ROOT, "a", folder());
    assert_ne!(as_folder, new);
}

#[test]
fn what_is_local_is_not_replaced() {
    let mut table = table();
    let ino = table.add(ROOT, "a", object("none"));
    table.set_local(ino, true);
    assert_eq!(look(&mut table, ROOT, "a", object("2")), ino);
    assert!(!table.forget(ino, 1), "nor forgotten");
    assert_eq!(table.locals(ROOT).collect::<Vec<_>>(), [ino]);
    table.set_local(ino, false);
    assert_eq!(table.all_locals().count(), 0);
    assert!(table.forget(ino, 0));
}

#[test]
fn pins_keep_an_inode() {
    let mut table = table();
    let ino = table.add(ROOT, "a", object("1"));
    table.pin(ino);
    assert!(!table.forget(ino, 5));
    table.unpin(ino);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_renamed_folder_takes_its_children_along() {
    let mut table = table();
    let (one, two) = (look(&mut table, ROOT, "1", folder()), look(&mut table, ROOT, "2", folder()));
    let sub = look(&mut table, one, "sub", folder());
    let file = look(&mut table, sub, "file", object("1"));
    table.set_local(file, true);
    table.rename(sub, two, "moved");
    assert_eq!(table.place(file).unwrap().key, "moved/file");
    assert_eq!((table.child(one, "sub"), table.child(two, "moved")), (None, Some(sub)));
    assert!(table.forget(one, 1), "it holds nothing any more");
    assert!(!table.forget(two, 1));
}

#[test]
fn an_older_answer_does_not_undo_a_newer_one() {
    let mut table = table();
    let new = object("1");
    let ino = look(&mut table, ROOT, "a", Found { size: 7, ..new.clone() });
    look(&mut table, ROOT, "a", Found { checked: Moment::LONG_AGO, size: 5, ..new });
    assert_eq!(table.attr(ino).unwrap().size, 7);
    let older = Found { checked: Moment::LONG_AGO, ..object("0") };
    assert_eq!(look(&mut table, ROOT, "a", older), ino);
    assert!(!table.get(ino).unwrap().is_detached());
}

/// A model that knows nothing of hashes and counts everything anew.
#[test]
fn random_lookups_and_forgets_agree_with_a_model() {
    let mut table = table();
    let mut held: HashMap<Ino, u64> = HashMap::new();
    let mut random = 1_u64;
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (name, version) = ((random >> 33) % 50, (random >> 45) % 3);
        if random >> 60 < 8 {
            let ino = look(&mut table, ROOT, &name.to_string(), object(&version.to_string()));
            *held.entry(ino).or_default() += 1;
        } else if let Some((&ino, &count)) = held.iter().nth(name as usize % held.len().max(1)) {
            let take = 1 + version % count;
            table.forget(ino, take);
            if take == count {
                held.remove(&ino)
            } else {
                held.insert(ino, count - take)
            };
        }
        assert_eq!(table.len(), held.len() + 1);
    }
    assert!(held.keys().all(|&ino| table.get(ino).is_some()));
    held.iter().for_each(|(&ino, &count)| assert!(table.forget(ino, count)));
    assert_eq!((table.len(), table.names.len()), (1, 0));
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Node>() <= 144, "{}", size_of::<Node>());
}

#[test]
fn a_table_shrinks_with_what_is_forgotten() {
    let mut table = table();
    let all: Vec<Ino> = (0..50_000).map(|n| look(&mut table, ROOT, &n.to_string(), object("1"))).collect();
    let large = table.nodes.capacity();
    for &ino in &all[..49_000] {
        table.forget(ino, 1);
    }
    assert!(table.nodes.capacity() < large / 4, "{} of {large}", table.nodes.capacity());
    assert!((49_000..50_000).all(|n| table.child(ROOT, &n.to_string()) == Some(all[n])));
}
