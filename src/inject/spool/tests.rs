use super::*;
use crate::scratch::Scratch;
use crate::telemetry::testing;

fn counts(spool: &Spool) -> (u64, usize) {
    let shelf = spool.lock();
    (shelf.bytes, shelf.held.len())
}

#[test]
fn layers_are_kept_once_and_found_again() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("data/layers");
    let spool = Spool::open(&dir, 100).unwrap();
    let (one, two) = (Digest::sha256("one"), Digest::sha256("three"));
    for (digest, content) in [(one, "one"), (two, "three"), (one, "one")] {
        spool.put(&digest, content.as_bytes()).unwrap();
    }
    assert_eq!(counts(&spool), (8, 2));
    assert_eq!(fs::read(spool.path(&one)).unwrap(), b"one");
    fs::write(dir.join("half.3.tmp"), "x").unwrap();
    fs::write(dir.join("README"), "x").unwrap();
    let again = Spool::open(&dir, 100).unwrap();
    assert_eq!(counts(&again), (8, 2));
    assert!(!dir.join("half.3.tmp").exists() && dir.join("README").exists());
    let sha512 = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
    assert!(spool.put(&sha512, b"x").is_err());
}

#[test]
fn sweeping_spares_the_wanted_and_the_young() {
    let scratch = Scratch::new();
    let spool = Spool::open(scratch.path(), 100).unwrap();
    let (one, two) = (Digest::sha256("one"), Digest::sha256("three"));
    spool.put(&one, b"one").unwrap();
    spool.put(&two, b"three").unwrap();
    assert_eq!(spool.sweep(Duration::from_secs(3600), |_| false).unwrap(), 0);
    assert_eq!(spool.sweep(Duration::ZERO, |digest| *digest == one).unwrap(), 5);
    assert_eq!((counts(&spool), spool.path(&two).exists()), ((3, 1), false));
    // After a restart nothing is young.
    let again = Spool::open(scratch.path(), 100).unwrap();
    assert_eq!(again.sweep(Duration::from_secs(3600), |_| false).unwrap(), 3);
}

#[test]
fn no_more_bytes_than_allowed_and_what_goes_makes_room() {
    let (recorder, metrics) = testing::recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let scratch = Scratch::new();
    let spool = Spool::open(scratch.path(), 8).unwrap();
    let put = |content: &str| spool.put(&Digest::sha256(content), content.as_bytes());
    put("one").unwrap();
    put("three").unwrap();
    assert!(matches!(put("x"), Err(PutError::Full)));
    put("one").unwrap();
    let shown = || {
        let value = |name| testing::value(&metrics, name, &[]);
        (value(names::SPOOL_LAYERS), value(names::SPOOL_BYTES))
    };
    assert_eq!((counts(&spool), shown()), ((8, 2), (2.0, 8.0)));
    spool.sweep(Duration::ZERO, |digest| *digest == Digest::sha256("three")).unwrap();
    put("x").unwrap();
    assert_eq!((counts(&spool), shown()), ((6, 2), (2.0, 6.0)));
    // What could not be written takes no room.
    fs::remove_dir_all(scratch.path()).unwrap();
    assert!(matches!(put("yy"), Err(PutError::Io(_))));
    assert_eq!(counts(&spool), (6, 2));
}

#[test]
fn those_who_put_at_once_share_the_room() {
    let scratch = Scratch::new();
    let spool = Spool::open(scratch.path(), 30).unwrap();
    std::thread::scope(|scope| {
        for number in 0..32 {
            let spool = spool.clone();
            let content = format!("layer {:03}", number % 16);
            scope.spawn(move || {
                _ = spool.put(&Digest::sha256(&content), content.as_bytes());
            });
        }
    });
    let (bytes, layers) = counts(&spool);
    assert!(bytes <= 30 && bytes == 9 * layers as u64, "{bytes} {layers}");
    spool.sweep(Duration::ZERO, |_| false).unwrap();
    assert_eq!(counts(&spool), (0, 0));
}
