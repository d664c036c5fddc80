//! References: what comes behind the repository, and whole image names.

use super::{Digest, Host, Repository, Tag, digest, host, name};
use std::fmt;
use std::str::FromStr;

/// What names a manifest inside a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// `[registry/]repository[:tag][@digest]` as people write it; Docker Hub and `latest` are the defaults.
/// A tag beside a digest is dropped: the digest decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ImageRef {
    /// Whose image it is.
    pub registry: Host,
    /// The repository, with `library/` added on Docker Hub.
    pub repository: Repository,
    /// Tag or digest.
    pub reference: Reference,
}

/// Why a text is not a reference or image name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The registry part.
    Host,
    /// The repository part.
    Repository(name::Invalid),
    /// The tag.
    Tag(name::Invalid),
    /// The digest.
    Digest(digest::Invalid),
    /// A scheme such as `http://` in front.
    Scheme,
}

impl FromStr for Reference {
    type Err = Invalid;

    /// With a colon it is a digest, otherwise a tag.
    fn from_str(text: &str) -> Result<Reference, Invalid> {
        match text.contains(':') {
            true => text.parse().map(Reference::Digest).map_err(Invalid::Digest),
            false => text.parse().map(Reference::Tag).map_err(Invalid::Tag),
        }
    }
}

impl FromStr for ImageRef {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<ImageRef, Invalid> {
        if text.contains("://") {
            return Err(Invalid::Scheme);
        }
        let (text, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(Invalid::Digest)?)),
            None => (text, None),
        };
        let (registry, rest) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first.parse().map_err(|host::Invalid| Invalid::Host)?, rest)
            }
            _ => (Host::docker_hub(), text),
        };
        let (name, tag) = match rest.split_once(':') {
            Some((name, tag)) => (name, Some(tag.parse().map_err(Invalid::Tag)?)),
            None => (rest, None),
        };
        let repository = name.parse().map_err(Invalid::Repository)?;
        let reference = match (digest, tag) {
            (Some(digest), _) => Reference::Digest(digest),
            (None, Some(tag)) => Reference::Tag(tag),
            (None, None) => Reference::Tag(Tag::latest()),
        };
        Ok(ImageRef { repository: official(&registry, repository), registry, reference })
    }
}

/// Adds `library/` to a single-word repository of Docker Hub.
pub fn official(registry: &Host, repository: Repository) -> Repository {
    if !registry.is_docker_hub() || repository.is_nested() {
        return repository;
    }
    repository.under("library").unwrap_or(repository)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Tag(tag) => tag.fmt(f),
            Reference::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if matches!(self.reference, Reference::Digest(_)) { '@' } else { ':' };
        write!(f, "{}/{}{at}{}", self.registry, self.repository, self.reference)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Host => fmt::Display::fmt(&host::Invalid, f),
            Invalid::Repository(why) => write!(f, "repository: {why}"),
            Invalid::Tag(why) => write!(f, "tag: {why}"),
            Invalid::Digest(why) => fmt::Display::fmt(why, f),
            Invalid::Scheme => f.write_str("an image name has no scheme"),
        }
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names() {
        let check = |text: &str, registry: &str, repository: &str, reference: &str| {
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(
                (image.registry.as_str(), image.repository.as_str(), &*image.reference.to_string()),
                (registry, repository, reference),
                "{text}"
            );
        };
        check("busybox", "docker.io", "library/busybox", "latest");
        check("busybox:1.2.3", "docker.io", "library/busybox", "1.2.3");
        check("foo/busybox:bar", "docker.io", "foo/busybox", "bar");
        check("docker.io/busybox", "docker.io", "library/busybox", "latest");
        check("quay.io/busybox", "quay.io", "busybox", "latest");
        check("quay.io/a/b/c:v1.1", "quay.io", "a/b/c", "v1.1");
        check("localhost/a", "localhost", "a", "latest");
        check(
            "myregistryhost:5000/fedora/httpd:version1.0",
            "myregistryhost:5000",
            "fedora/httpd",
            "version1.0",
        );
        let digest = Digest::sha256(b"x").to_string();
        check(&format!("canonical/ubuntu:22.04@{digest}"), "docker.io", "canonical/ubuntu", &digest);
    }

    #[test]
    fn refuses_what_is_not_an_image_name() {
        for bad in [
            "",
            "http://docker.io/foo:latest",
            "http:docker.io/foo:latest",
            "a b",
            "Foo",
            "a@sha256:12345",
            "a:",
            "q.io/",
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prints_a_name_that_parses_again() {
        for text in ["quay.io/a/b:c", &format!("docker.io/library/x@{}", Digest::sha256(b""))] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), text);
        }
    }
}
