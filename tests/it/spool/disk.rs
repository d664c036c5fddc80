//! What becomes of the bytes on disk.

use super::reader::Reader;
use super::{cache, caching, caching_with, filling, kept, metric, published, until, url};
use crate::support::{Plan, Proxy, Seen, Upstream, get, head};
use http::Method;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

#[tokio::test]
async fn a_restart_serves_from_disk() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(500_000, 1);
    let proxy = caching(&upstream, "").await;
    assert!(get(&url(&proxy, &digest)).await.body == content);
    published(&proxy, &digest).await;
    std::fs::write(cache(&proxy).join("filling/0123"), "left by a crash").unwrap();
    let proxy = proxy.restart().await;
    assert_eq!(filling(&cache(&proxy)), 0, "swept");
    assert!(get(&url(&proxy, &digest)).await.body == content);
    let answer = head(&url(&proxy, &digest)).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, "500000"));
    assert_eq!((upstream.count(Method::GET), upstream.count(Method::HEAD)), (1, 1), "a proof and no fetch");
}

#[tokio::test]
async fn case_43_a_byte_that_rotted_is_found_when_it_is_read() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(500_000, 2);
    let proxy = caching(&upstream, ", verify-reads: true").await;
    assert!(get(&url(&proxy, &digest)).await.body == content);
    published(&proxy, &digest).await;
    let path = kept(&cache(&proxy), &digest);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[!content[1000]], 1000).unwrap();
    assert_eq!(Reader::get(&url(&proxy, &digest)).await.all().await, None, "it must not look whole");
    until("a removed blob", || !path.exists()).await;
    assert!(metric(&proxy, "wave_blob_cache_corrupt_total").await >= 1.0);
    assert!(get(&url(&proxy, &digest)).await.body == content);
    assert_eq!(upstream.count(Method::GET), 2);
}

#[tokio::test]
async fn case_43_a_blob_that_was_cut_is_not_served() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(500_000, 3);
    let proxy = caching(&upstream, "").await;
    assert!(get(&url(&proxy, &digest)).await.body == content);
    published(&proxy, &digest).await;
    let path = kept(&cache(&proxy), &digest);
    std::fs::File::options().write(true).open(&path).unwrap().set_len(400_000).unwrap();
    assert!(get(&url(&proxy, &digest)).await.body == content, "upstream has told its size");
    until("a whole blob or none", || path.metadata().map_or(true, |metadata| metadata.len() == 500_000))
        .await;
}

#[tokio::test]
async fn case_43_a_blob_that_shrinks_under_a_reader_is_gone_on_with() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(24 << 20, 4);
    let proxy = caching(&upstream, "").await;
    assert!(get(&url(&proxy, &digest)).await.body == content);
    published(&proxy, &digest).await;
    let mut slow = Reader::get(&url(&proxy, &digest)).await;
    assert!(slow.until(1, Duration::ZERO).await);
    std::fs::File::options()
        .write(true)
        .open(kept(&cache(&proxy), &digest))
        .unwrap()
        .set_len(20 << 20)
        .unwrap();
    assert!(slow.all().await.unwrap() == content);
    let last = upstream.seen("").pop().unwrap();
    assert!(last.first() > 10 << 20 && last.method == Method::GET, "{last:?}");
    assert!(metric(&proxy, "wave_blob_cache_fallbacks_total").await >= 1.0);
}

#[tokio::test]
async fn case_44_two_that_share_a_folder() {
    let upstream =
        Upstream::scripted(|_| Some(Plan::normal().trickle(64 * 1024, Duration::from_millis(4)))).await;
    let (digest, content) = upstream.noise(6 << 20, 5);
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("  blob-cache: {{ dir: \"{}\" }}\n", folder.path().display());
    let one = Proxy::to(upstream.address, "", &keys).await;
    let mut first = Reader::get(&url(&one, &digest)).await;
    assert!(first.until(1 << 20, Duration::ZERO).await);
    // The second starts, and sweeps, while the first fills.
    let two = Proxy::to(upstream.address, "", &keys).await;
    assert_eq!(filling(folder.path()), 1, "what is being filled stays");
    let second = Reader::get(&url(&two, &digest)).await;
    let (first, second) = tokio::join!(first.all(), second.all());
    assert!(first.unwrap() == content && second.unwrap() == content);
    until("one blob", || kept(folder.path(), &digest).exists() && filling(folder.path()) == 0).await;
    assert!(std::fs::read(kept(folder.path(), &digest)).unwrap() == content);
    // What one has fetched the other has.
    let (other, content) = upstream.noise(300_000, 6);
    assert!(get(&url(&one, &other)).await.body == content);
    until("a blob", || kept(folder.path(), &other).exists()).await;
    assert!(get(&url(&two, &other)).await.body == content);
    assert_eq!(
        upstream
            .seen("")
            .iter()
            .filter(|seen| seen.method == Method::GET && seen.path.contains(&other.hex()))
            .count(),
        1
    );
}

#[tokio::test]
async fn case_45_eviction_under_a_reader() {
    let upstream = Upstream::start().await;
    let proxy = caching(&upstream, ", max-size: 30MiB").await;
    let (old, content) = upstream.noise(24 << 20, 7);
    assert!(get(&url(&proxy, &old)).await.body == content);
    published(&proxy, &old).await;
    let mut slow = Reader::get(&url(&proxy, &old)).await;
    assert!(slow.until(1, Duration::ZERO).await);
    let past = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(kept(&cache(&proxy), &old)).unwrap().set_modified(past).unwrap();
    let (new, _) = upstream.noise(10 << 20, 8);
    assert_eq!(get(&url(&proxy, &new)).await.status, 200);
    until("an eviction", || !kept(&cache(&proxy), &old).exists()).await;
    assert!(slow.all().await.unwrap() == content, "its reader keeps it");
    published(&proxy, &new).await;
    assert_eq!(upstream.count(Method::GET), 2);
    assert!(metric(&proxy, "wave_blob_cache_evicted_total").await >= 1.0);
    // More than the whole cache takes is not kept.
    let (large, content) = upstream.noise(31 << 20, 9);
    assert!(get(&url(&proxy, &large)).await.body == content);
    assert!(!kept(&cache(&proxy), &large).exists() && filling(&cache(&proxy)) == 0);
}

/// A small file system of its own.
struct Small(TempDir);

impl Small {
    fn new(size: &str) -> Small {
        let folder = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "none"], folder.path());
        Small(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn mount(arguments: &[&str], path: &Path) {
    let done = Command::new("mount")
        .args(arguments)
        .arg(path)
        .status()
        .expect("mount (Debian package mount) is there");
    assert!(done.success(), "mount works for root alone");
}

#[tokio::test]
async fn case_41_a_full_disk_degrades_to_passing_through() {
    let upstream =
        Upstream::scripted(|_| Some(Plan::normal().trickle(64 * 1024, Duration::from_millis(1)))).await;
    let (digest, content) = upstream.noise(12 << 20, 10);
    let disk = Small::new("5m");
    let keys = format!("  blob-cache: {{ dir: \"{}\" }}\n", disk.0.path().join("cache").display());
    let proxy = Proxy::to(upstream.address, "", &keys).await;
    let readers = [0, 1 << 20, 11 << 20].map(|first| {
        let (url, content) = (url(&proxy, &digest), content.clone());
        async move {
            let reader = Reader::range(&url, &format!("bytes={first}-")).await;
            assert!(reader.all().await.expect("it goes on") == content[first..], "{first}");
        }
    });
    futures_util::future::join_all(readers).await;
    // What had been written is read by all who are before it, and is not asked for again.
    let mut asked: Vec<u64> = upstream.seen("/blobs/").iter().skip(1).map(Seen::first).collect();
    asked.sort_unstable();
    assert!(asked.len() == 3 && asked[0] == asked[1] && asked[2] == 11 << 20, "{asked:?}");
    assert!((3 << 20..=5 << 20).contains(&asked[0]), "{asked:?}");
    let folder = disk.0.path().join("cache");
    until("the end of the fill", || filling(&folder) == 0).await;
    assert!(!kept(&folder, &digest).exists(), "no part is published");
    assert!(metric(&proxy, "wave_blob_cache_disk_failures_total").await >= 1.0);
    assert!(metric(&proxy, "wave_blob_cache_fallbacks_total").await >= 3.0);
    // For a while nothing is tried; what comes passes through.
    let (small, content) = upstream.noise(100_000, 11);
    assert!(get(&url(&proxy, &small)).await.body == content);
    assert!(!kept(&folder, &small).exists());
}

#[tokio::test]
async fn case_41_a_disk_that_fills_hides_no_wrong_byte_and_breaks_no_verified_blob() {
    for (flips, registry) in
        [(None, "verify: always"), (None, ""), (Some(100_000), ""), (Some(100_000), "verify: always")]
    {
        // Only the first request brings the wrong byte: the rest alone would look right.
        let upstream = Upstream::scripted(move |seen| {
            let flips = flips.filter(|_| seen.nth == 0);
            Some(
                flips
                    .into_iter()
                    .fold(Plan::normal(), Plan::flip)
                    .trickle(64 * 1024, Duration::from_millis(1)),
            )
        })
        .await;
        let (digest, content) = upstream.noise(12 << 20, 14);
        let disk = Small::new("5m");
        let keys = format!("  blob-cache: {{ dir: \"{}\" }}\n", disk.0.path().join("cache").display());
        let proxy = Proxy::to(upstream.address, registry, &keys).await;
        let mut reader = Reader::get(&url(&proxy, &digest)).await;
        assert!(reader.until(1 << 20, Duration::ZERO).await);
        match (flips, reader.all().await) {
            (None, whole) => assert!(whole.expect("it goes on") == content, "{registry}"),
            (Some(_), whole) => assert!(whole.is_none(), "{registry}: a wrong byte looks whole"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_published_is_read_to_its_end() {
    let upstream =
        Upstream::scripted(|_| Some(Plan::normal().trickle(64 * 1024, Duration::from_millis(1)))).await;
    let (digest, content) = upstream.noise(24 << 20, 15);
    let proxy = super::caching(&upstream, "").await;
    let mut reader = Reader::get(&url(&proxy, &digest)).await;
    assert!(reader.until(1 << 20, Duration::ZERO).await);
    // A file is where its folder should be.
    let folder = kept(&super::cache(&proxy), &digest).parent().unwrap().to_path_buf();
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "x").unwrap();
    // The fill ends while he reads nothing, and has more before him than sockets hold.
    until("the end of the fill", || filling(&super::cache(&proxy)) == 0).await;
    assert!(reader.all().await.expect("all of it is there") == content);
    assert_eq!(upstream.count(Method::GET), 1, "and nothing is asked for again");
}

#[tokio::test]
async fn case_41_a_disk_that_became_read_only() {
    let upstream = Upstream::start().await;
    let [(one, first), (two, second)] = [12, 13].map(|seed| upstream.noise(200_000, seed));
    let disk = Small::new("5m");
    let keys = format!("  blob-cache: {{ dir: \"{}\" }}\n", disk.0.path().join("cache").display());
    let proxy = Proxy::to(upstream.address, "", &keys).await;
    assert!(get(&url(&proxy, &one)).await.body == first);
    let folder = disk.0.path().join("cache");
    until("a blob", || kept(&folder, &one).exists() && filling(&folder) == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    mount(&["-o", "remount,ro"], disk.0.path());
    assert!(get(&url(&proxy, &two)).await.body == second, "it passes through");
    assert!(get(&url(&proxy, &one)).await.body == first, "what is there is read");
    assert_eq!(
        upstream
            .seen("")
            .iter()
            .filter(|seen| seen.method == Method::GET && seen.path.contains(&one.hex()))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_registry_that_redirects_its_clients_is_not_kept() {
    let upstream = Upstream::start().await;
    let (digest, content) = upstream.noise(1000, 14);
    let proxy = caching_with(&upstream, "redirect: true", "", "").await;
    assert!(get(&url(&proxy, &digest)).await.body == content);
    assert!(!kept(&cache(&proxy), &digest).exists());
}

#[tokio::test]
async fn case_14_only_digests_that_can_be_verified_are_kept() {
    use sha2::Digest as _;
    let upstream = Upstream::scripted(|_| Some(Plan::normal().other("sha512"))).await;
    let proxy = caching(&upstream, "").await;
    let hex: String = sha2::Sha512::digest("sha512").iter().map(|byte| format!("{byte:02x}")).collect();
    for (digest, times) in [(format!("sha512:{hex}"), 1), ("other:abc".to_string(), 2)] {
        let url = proxy.url(&format!("/v2/library/app/blobs/{digest}"));
        for _ in 0..2 {
            assert_eq!(get(&url).await.body, "sha512");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let is = |seen: &Seen| seen.method == Method::GET && seen.path.ends_with(&digest);
        assert_eq!(upstream.seen("").iter().filter(|seen| is(seen)).count(), times, "{digest}");
    }
}
