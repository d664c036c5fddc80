use super::*;
use crate::auth::Access;
use crate::config::{BlobCache, Config};
use crate::error::Side;
use crate::scratch::Scratch;
use std::fs;
use std::path::PathBuf;

/// A shelf whose jobs are done.
fn shelf(scratch: &Scratch) -> Shelf {
    let config = BlobCache { stale_ttl: Duration::from_secs(1000), ..Config::default().blob_cache };
    let shelf = Shelf::open(&scratch.path().join("stale"), &config, 1000).unwrap().unwrap();
    tokio::spawn(shelf.clone().keep());
    shelf
}

fn owner(registry: &str, repository: &str) -> Owner {
    Owner {
        access: Access::anonymous().id().clone(),
        registry: registry.parse().unwrap(),
        repository: repository.parse().unwrap(),
    }
}

fn operator(registry: &str, repository: &str) -> Owner {
    let access = Access::operator(&registry.parse().unwrap(), crate::upstream::script::alice());
    Owner { access: access.id().clone(), ..owner(registry, repository) }
}

fn tag(text: &str) -> Subject {
    Subject::Tag(text.parse().unwrap())
}

fn lesson(subject: Subject, content: &'static str) -> Lesson {
    Lesson {
        subject,
        digest: Digest::sha256(content),
        media: Some("application/x".into()),
        size: None,
        content: Some(Bytes::from(content)),
    }
}

/// The content that is recalled.
async fn recalled(shelf: &Shelf, owner: &Owner, subject: &Subject) -> Option<Bytes> {
    shelf.recall(owner, subject).await.map(|kept| kept.content)
}

/// Waits until all that was learned before is written.
async fn written(shelf: &Shelf) {
    shelf.0.queue.wait(|| Ok(())).await;
}

/// All files below the folder.
fn files(dir: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn what_is_learned_is_recalled_by_who_learned_it() {
    let scratch = Scratch::new();
    let (shelf, own) = (shelf(&scratch), owner("quay.io", "a/b"));
    shelf.learn(&own, lesson(tag("v1"), "one"));
    written(&shelf).await;
    let kept = shelf.recall(&own, &tag("v1")).await.unwrap();
    assert_eq!((&kept.content[..], kept.media.as_deref()), (&b"one"[..], Some("application/x")));
    let by_digest = Subject::Manifest(Digest::sha256("one"));
    assert_eq!(recalled(&shelf, &own, &by_digest).await.unwrap(), "one");
    for other in [owner("quay.io", "a/c"), owner("ghcr.io", "a/b"), operator("quay.io", "a/b")] {
        assert_eq!(recalled(&shelf, &other, &tag("v1")).await, None, "{other:?}");
        assert_eq!(recalled(&shelf, &other, &by_digest).await, None, "{other:?}");
    }
    assert_eq!(recalled(&shelf, &own, &tag("v2")).await, None);
    assert_eq!(shelf.proof(&own, &Digest::sha256("one")).await, None, "a manifest is no blob");
}

#[tokio::test]
async fn what_one_registry_sent_is_no_others() {
    let scratch = Scratch::new();
    let (shelf, own, liar) = (shelf(&scratch), owner("quay.io", "a/b"), owner("liar.test", "a/b"));
    shelf.learn(&own, lesson(tag("v1"), "secret"));
    // It says that it has the digest, and never sends the content.
    shelf.learn(&liar, Lesson { content: None, ..lesson(tag("v1"), "secret") });
    written(&shelf).await;
    assert_eq!(recalled(&shelf, &liar, &tag("v1")).await, None);
    assert_eq!(recalled(&shelf, &own, &tag("v1")).await.unwrap(), "secret");
    // Of its own registry he is told, since that lets him read it.
    let other = operator("quay.io", "a/b");
    shelf.learn(&other, Lesson { content: None, ..lesson(tag("v1"), "secret") });
    written(&shelf).await;
    assert_eq!(recalled(&shelf, &other, &tag("v1")).await.unwrap(), "secret");
}

#[tokio::test]
async fn a_refusal_ends_all_and_a_404_what_was_asked_for() {
    let scratch = Scratch::new();
    let (shelf, own, other) = (shelf(&scratch), owner("quay.io", "a/b"), owner("quay.io", "a/c"));
    let learn = async || {
        for owner in [&own, &other] {
            shelf.learn(owner, lesson(tag("v1"), "one"));
            shelf.learn(owner, lesson(tag("v2"), "two"));
        }
        written(&shelf).await;
    };
    learn().await;
    shelf.heed(&own, &tag("v1"), &Error::client(Code::ManifestUnknown, "gone")).await;
    assert_eq!(recalled(&shelf, &own, &tag("v1")).await, None);
    assert_eq!(recalled(&shelf, &own, &tag("v2")).await.unwrap(), "two");
    learn().await;
    assert_eq!(recalled(&shelf, &own, &tag("v1")).await.unwrap(), "one");
    for code in [Code::Denied, Code::Unauthorized] {
        shelf.heed(&own, &tag("v1"), &Error::new(code, Side::Upstream, "no")).await;
        assert_eq!(recalled(&shelf, &own, &tag("v2")).await, None);
        assert_eq!(recalled(&shelf, &other, &tag("v2")).await.unwrap(), "two");
        learn().await;
        assert_eq!(recalled(&shelf, &own, &tag("v2")).await.unwrap(), "two");
    }
    shelf.heed(&own, &tag("v1"), &Error::bad_gateway("down")).await;
    assert_eq!(recalled(&shelf, &own, &tag("v1")).await.unwrap(), "one");
    assert!(shelf.is_failing(&own) && !shelf.is_failing(&owner("ghcr.io", "a/b")));
}

#[tokio::test]
async fn what_the_disk_does_not_let_go_is_not_believed_either() {
    let scratch = Scratch::new();
    let (shelf, own) = (shelf(&scratch), owner("quay.io", "a/b"));
    shelf.learn(&own, lesson(tag("v1"), "one"));
    written(&shelf).await;
    // In place of the note there is something that cannot be removed as a file.
    let note = scratch.path().join("stale/notes").join(shelf.0.key.owner(&own));
    let note = note.join(shelf.0.key.subject(&tag("v1")));
    let text = fs::read(&note).unwrap();
    fs::remove_file(&note).unwrap();
    fs::create_dir(&note).unwrap();
    shelf.heed(&own, &tag("v1"), &Error::client(Code::ManifestUnknown, "gone")).await;
    fs::remove_dir(&note).unwrap();
    fs::write(&note, text).unwrap();
    assert_eq!(recalled(&shelf, &own, &tag("v1")).await, None);
}

#[tokio::test]
async fn it_survives_a_restart_and_no_name_is_on_disk() {
    let scratch = Scratch::new();
    let own = operator("quay.io", "some/where");
    let first = shelf(&scratch);
    first.learn(&own, lesson(tag("stable-7"), "one"));
    written(&first).await;
    let again = shelf(&scratch);
    assert_eq!(recalled(&again, &own, &tag("stable-7")).await.unwrap(), "one");
    let all = files(scratch.path().to_path_buf());
    assert_eq!(all.len(), 5, "the key, a document, three notes: {all:?}");
    for path in all {
        let text = [path.to_string_lossy().into_owned().into_bytes(), fs::read(&path).unwrap()].concat();
        for word in ["some", "where", "quay", "alice", "operator", "stable"] {
            let found = text.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!found, "{word} in {}", path.display());
        }
    }
}

#[tokio::test]
async fn what_is_corrupt_is_removed_and_counts_as_absent() {
    let scratch = Scratch::new();
    let (shelf, own) = (shelf(&scratch), owner("quay.io", "a/b"));
    for folder in ["documents", "notes"] {
        shelf.learn(&own, lesson(tag("v1"), "one"));
        written(&shelf).await;
        let spoilt = files(scratch.path().join("stale").join(folder));
        for path in &spoilt {
            let mut content = fs::read(path).unwrap();
            content[0] ^= 1;
            fs::write(path, content).unwrap();
        }
        assert_eq!(recalled(&shelf, &own, &tag("v1")).await, None, "{folder}");
        assert!(files(scratch.path().join("stale").join(folder)).len() < spoilt.len(), "{folder}");
    }
}

#[tokio::test]
async fn a_tag_has_its_own_time_and_a_digest_that_of_its_repository() {
    let scratch = Scratch::new();
    let (shelf, own) = (shelf(&scratch), owner("quay.io", "a/b"));
    shelf.learn(&own, lesson(tag("v1"), "one"));
    written(&shelf).await;
    let by_digest = Subject::Manifest(Digest::sha256("one"));
    let old = Note { digest: Some(Digest::sha256("one")), ..Note::at(SystemTime::now() - 2 * shelf.0.ttl) };
    let write = |subject: &Subject, note: &Note| {
        let (group, name) = (shelf.0.key.owner(&own), shelf.0.key.subject(subject));
        let text = note.write(&shelf.0.key, &group, &name);
        shelf.0.notes.write(&group, &name, text.as_bytes()).unwrap();
    };
    for subject in [&tag("v1"), &by_digest, &Subject::Blob(Digest::sha256("one"))] {
        write(subject, &old);
    }
    assert_eq!(recalled(&shelf, &own, &tag("v1")).await, None);
    assert_eq!(recalled(&shelf, &own, &by_digest).await.unwrap(), "one");
    assert_eq!(shelf.proof(&own, &Digest::sha256("one")).await, Some(None));
    write(&Subject::Repository, &Note { digest: None, ..old });
    assert_eq!(recalled(&shelf, &own, &by_digest).await, None);
    assert_eq!(shelf.proof(&own, &Digest::sha256("one")).await, None);
}

#[test]
fn with_no_time_nothing_is_kept() {
    let scratch = Scratch::new();
    let config = BlobCache { stale_ttl: Duration::ZERO, ..Config::default().blob_cache };
    assert!(Shelf::open(&scratch.path().join("stale"), &config, 1000).unwrap().is_none());
    assert!(!scratch.path().join("stale").exists());
}
