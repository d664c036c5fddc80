//! Copies that the server makes: of one object of any size, and of all objects below a prefix.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::errno::Errno;
use super::key::{KEY_MAX, Place};
use super::write::condition::is_unknown;
use super::write::parts::{LARGEST_PART, cut};
use super::write::upload::Upload;
use crate::s3::{Client, Condition, Error, Etag, Kind, List, Listed, Source};

/// Copies that run at a time.
const AT_ONCE: usize = 64;
/// Ranges in which an object is copied that is too large for one request. Small enough that many go at a time.
const RANGE: u64 = 512 << 20;
/// Objects of a folder that is renamed: their names are in memory until the old ones are deleted.
const MOST: usize = 200_000;

/// Copies the version `etag` of an object of `size` bytes, with its metadata. Returns the new version.
///
/// # Errors
/// `ENOENT` if it is not there, `ESTALE` if it is another version, and what else S3 says.
pub async fn copy(client: &Client, from: &Place, etag: &Etag, size: u64, to: &Place) -> Result<Etag, Errno> {
    copy_if_there(client, from, etag, size, to, Condition::None).await?.ok_or(Errno::ENOENT)
}

/// The same, if there is no object at the new place.
///
/// # Errors
/// `EEXIST` if there is, and those of [`copy`].
pub async fn copy_to_nothing(
    client: &Client,
    from: &Place,
    etag: &Etag,
    size: u64,
    to: &Place,
) -> Result<Etag, Errno> {
    match copy_if_there(client, from, etag, size, to, Condition::IfAbsent).await {
        // Which of the two conditions does not hold is not told.
        Err(Errno::ESTALE) if client.head(&to.bucket, &to.key).await.is_ok() => Err(Errno::EEXIST),
        copied => copied?.ok_or(Errno::ENOENT),
    }
}

/// The same; nothing if the object is not there. A bucket that is not there is an error.
async fn copy_if_there(
    client: &Client,
    from: &Place,
    etag: &Etag,
    size: u64,
    to: &Place,
    condition: Condition<'_>,
) -> Result<Option<Etag>, Errno> {
    if size <= LARGEST_PART {
        let source = Source { bucket: &from.bucket, key: &from.key, range: None, if_match: Some(etag) };
        let copied = client.copy(source.clone(), &to.bucket, &to.key, condition).await;
        return there(match copied {
            Err(error) if is_unknown(&error, condition) => {
                client.copy(source, &to.bucket, &to.key, Condition::None).await
            }
            copied => copied,
        });
    }
    let Some(meta) = there(client.head(&from.bucket, &from.key).await)? else { return Ok(None) };
    let metadata: Vec<(&str, &str)> = meta.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut upload = Upload::begin(client, &Arc::default(), to.clone(), &metadata).await?;
    let mut ranges = Vec::new();
    cut(0..size, RANGE, |range| ranges.push(range));
    for range in ranges {
        if let Err(errno) = upload.copy(from.clone(), etag.clone(), range).await {
            upload.abort().await;
            return Err(errno);
        }
    }
    match upload.finish(condition).await {
        Ok(etag) => Ok(Some(etag)),
        Err(failure) => {
            upload.abort().await;
            Err(failure.errno)
        }
    }
}

fn there<T>(answer: Result<T, Error>) -> Result<Option<T>, Errno> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == Kind::NoSuchKey => Ok(None),
        Err(error) => Err(stale(&error)),
    }
}

/// A condition on what is copied does not hold: it is another version by now.
pub(crate) fn stale(error: &Error) -> Errno {
    match error.kind() {
        Kind::Precondition => Errno::ESTALE,
        _ => error.into(),
    }
}

/// An object that was copied, by its key without the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// What follows the folder's key; empty for the folder's marker.
    pub rest: Box<str>,
    /// The version of the copy.
    pub etag: Etag,
}

/// Copies all objects below the folder `from` to `to`. The old ones stay.
///
/// # Errors
/// `EXDEV` if they are too many to be remembered, upon which `mv` moves them one by one; `ENAMETOOLONG` if a new key
/// would be; what S3 says. Copies that were made stay as well.
pub async fn copy_all(client: &Client, from: &Place, to: &Place) -> Result<Vec<Copied>, Errno> {
    let (from, to) = (Arc::new(from.clone()), Arc::new(to.clone()));
    let mut copied = Vec::new();
    let mut tasks = JoinSet::new();
    let mut next = None;
    loop {
        let list = List { prefix: &from.key, continuation: next.as_deref(), ..List::default() };
        let page = client.list(&from.bucket, list).await?;
        for object in page.objects {
            if copied.len() + tasks.len() >= MOST {
                return Err(Errno::EXDEV);
            }
            if tasks.len() >= AT_ONCE {
                copied.extend(ended(tasks.join_next().await)?);
            }
            tasks.spawn(copy_one(client.clone(), Arc::clone(&from), Arc::clone(&to), object));
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    while let Some(task) = tasks.join_next().await {
        copied.extend(ended(Some(task))?);
    }
    Ok(copied)
}

async fn copy_one(
    client: Client,
    from: Arc<Place>,
    to: Arc<Place>,
    object: Listed,
) -> Result<Option<Copied>, Errno> {
    let rest = object.key.strip_prefix(&*from.key).unwrap_or_default();
    if to.key.len() + rest.len() > KEY_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let target = Place { bucket: to.bucket.clone(), key: format!("{}{rest}", to.key) };
    let source = Place { bucket: from.bucket.clone(), key: object.key.to_string() };
    let copied = copy_if_there(&client, &source, &object.etag, object.size, &target, Condition::None).await?;
    // Else somebody deleted it meanwhile.
    Ok(copied.map(|etag| Copied { rest: rest.into(), etag }))
}

fn ended(
    task: Option<Result<Result<Option<Copied>, Errno>, tokio::task::JoinError>>,
) -> Result<Option<Copied>, Errno> {
    match task {
        Some(Ok(copied)) => copied,
        Some(Err(_)) => Err(Errno::EIO),
        None => Ok(None),
    }
}

/// Deletes what was copied from below a folder.
///
/// # Errors
/// What S3 says; of several the first.
pub async fn delete_copied(client: &Client, from: &Place, copied: &[Copied]) -> Result<(), Errno> {
    for batch in copied.chunks(1000) {
        let keys: Vec<String> = batch.iter().map(|copied| format!("{}{}", from.key, copied.rest)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        if let Some((_, error)) = client.delete_many(&from.bucket, &keys).await?.first() {
            return Err(error.into());
        }
    }
    Ok(())
}
