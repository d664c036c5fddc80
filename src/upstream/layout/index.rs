//! `index.json`: which manifests a layout names.

use crate::error::{Error, Side};
use crate::oci::{Code, Digest, MediaType, Reference, Repository, Tag};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const NAME: &str = "org.opencontainers.image.ref.name";
/// Entries of an index that are looked at.
const ENTRIES: usize = 10_000;

/// The layout that answers for one repository.
pub(super) struct Layout {
    root: PathBuf,
    repository: Repository,
    entries: Vec<Entry>,
    /// Bytes of a document that are read.
    pub(super) limit: usize,
}

/// A descriptor in `index.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) media_type: Option<String>,
    pub(super) digest: Digest,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Index {
    /// Each read on its own, so that an entry we cannot understand hides no other.
    manifests: Vec<serde_json::Value>,
}

impl Layout {
    /// The layout of `repository` below `directory`. A repository name has no `..` and no leading slash, so that the
    /// path stays below.
    pub(super) async fn open(
        directory: &Path,
        repository: &Repository,
        limit: usize,
    ) -> Result<Layout, Error> {
        for root in [directory.join(repository.as_str()), directory.to_path_buf()] {
            match read_bounded(&root.join("index.json"), limit).await? {
                Some(content) => {
                    let entries = parse(&content)?;
                    return Ok(Layout { root, repository: repository.clone(), entries, limit });
                }
                None => continue,
            }
        }
        Err(fault("there is no index.json in the layout"))
    }

    /// Where the content with this digest is.
    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Digest and, where the index tells it, media type of a manifest. A digest needs no entry.
    pub(super) fn find(&self, reference: &Reference) -> Option<(Digest, Option<MediaType>)> {
        let entry = match reference {
            Reference::Tag(tag) => {
                Some(self.entries.iter().find(|entry| self.tag(entry) == Some(tag.as_str()))?)
            }
            Reference::Digest(digest) => self.entries.iter().find(|entry| entry.digest == *digest),
        };
        let media = entry.and_then(|entry| entry.media_type.as_deref()).map(MediaType::parse);
        match (entry, reference) {
            (Some(entry), _) => Some((entry.digest, media)),
            (None, Reference::Digest(digest)) => Some((*digest, None)),
            (None, Reference::Tag(_)) => None,
        }
    }

    /// The tags, in ASCII order; an error when there is none, since then the layout does not know the repository.
    pub(super) fn tags(&self) -> Result<Vec<&str>, Error> {
        let mut tags: Vec<_> = self.entries.iter().filter_map(|entry| self.tag(entry)).collect();
        tags.retain(|tag| tag.parse::<Tag>().is_ok());
        tags.sort_unstable();
        tags.dedup();
        match tags.is_empty() {
            false => Ok(tags),
            true => {
                Err(Error::client(Code::NameUnknown, format!("repository '{}' not found", self.repository)))
            }
        }
    }

    /// All entries.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tag of an entry in our repository.
    fn tag<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        let name = entry.annotations.as_ref()?.get(NAME)?;
        match name.rsplit_once(':') {
            None => Some(name),
            Some((repository, tag)) => (repository == self.repository.as_str()).then_some(tag),
        }
    }
}

/// The content of a file of at most `limit` bytes; `None` when there is none.
pub(super) async fn read_bounded(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    use tokio::io::AsyncReadExt as _;
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(fault("a file of the layout cannot be read").with_source(error)),
    };
    let mut content = Vec::new();
    match file.take(limit as u64 + 1).read_to_end(&mut content).await {
        Ok(_) if content.len() > limit => Err(fault("a document of the layout is too large")),
        Ok(_) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        Err(error) => Err(fault("a file of the layout cannot be read").with_source(error)),
    }
}

/// A layout that is not what it should be: as an upstream that is out of order.
pub(super) fn fault(message: &'static str) -> Error {
    Error::new(Code::Unavailable, Side::Upstream, message).with_status(http::StatusCode::BAD_GATEWAY)
}

fn parse(content: &[u8]) -> Result<Vec<Entry>, Error> {
    let index: Index = serde_json::from_slice(content)
        .map_err(|error| fault("the index.json of the layout is malformed").with_source(error))?;
    let entries = index.manifests.into_iter().take(ENTRIES);
    Ok(entries.filter_map(|entry| serde_json::from_value(entry).ok()).collect())
}
