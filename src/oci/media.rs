//! Media types: the two families, documents and layers (image-spec media-types.md, Docker schema 2).

use http::HeaderValue;
use std::fmt;
use std::sync::Arc;

/// Which of the two compatible families a document belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Docker image manifest version 2, schema 2.
    Docker,
    /// OCI image specification.
    Oci,
}

/// How the tar of a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// A plain tar.
    None,
    /// gzip.
    Gzip,
    /// zstd; it has no media type in the Docker family.
    Zstd,
}

/// A media type: the ones whose meaning matters here, and all others as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `application/vnd.oci.image.index.v1+json`
    OciIndex,
    /// `application/vnd.oci.image.manifest.v1+json`
    OciManifest,
    /// `application/vnd.oci.image.config.v1+json`
    OciConfig,
    /// `application/vnd.oci.empty.v1+json`
    OciEmpty,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    DockerList,
    /// `application/vnd.docker.distribution.manifest.v2+json`
    DockerManifest,
    /// `application/vnd.docker.container.image.v1+json`
    DockerConfig,
    /// `application/vnd.docker.distribution.manifest.v1+json`
    Schema1,
    /// `application/vnd.docker.distribution.manifest.v1+prettyjws`
    Schema1Signed,
    /// Anything else, without parameters.
    Other(Arc<str>),
}

const KNOWN: [(&str, MediaType); 9] = [
    ("application/vnd.oci.image.index.v1+json", MediaType::OciIndex),
    ("application/vnd.oci.image.manifest.v1+json", MediaType::OciManifest),
    ("application/vnd.oci.image.config.v1+json", MediaType::OciConfig),
    ("application/vnd.oci.empty.v1+json", MediaType::OciEmpty),
    ("application/vnd.docker.distribution.manifest.list.v2+json", MediaType::DockerList),
    ("application/vnd.docker.distribution.manifest.v2+json", MediaType::DockerManifest),
    ("application/vnd.docker.container.image.v1+json", MediaType::DockerConfig),
    ("application/vnd.docker.distribution.manifest.v1+json", MediaType::Schema1),
    ("application/vnd.docker.distribution.manifest.v1+prettyjws", MediaType::Schema1Signed),
];

/// What we accept from an upstream when we resolve something ourselves.
pub const ACCEPT_MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5, */*;q=0.1",
);

impl MediaType {
    /// From a `Content-Type` or `mediaType`; parameters are dropped, case does not matter.
    pub fn parse(text: &str) -> MediaType {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match KNOWN.iter().find(|(name, _)| *name == essence) {
            Some((_, known)) => known.clone(),
            None => MediaType::Other(essence.into()),
        }
    }

    /// The type as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            MediaType::Other(text) => text,
            known => KNOWN.iter().find(|(_, kind)| kind == known).expect("every known type has a row").0,
        }
    }

    /// The type as a header value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.as_str()).unwrap_or(super::headers::OCTET_STREAM)
    }

    /// The family of a manifest, index or config.
    pub fn family(&self) -> Option<Family> {
        match self {
            MediaType::OciIndex | MediaType::OciManifest | MediaType::OciConfig | MediaType::OciEmpty => {
                Some(Family::Oci)
            }
            MediaType::DockerList | MediaType::DockerManifest | MediaType::DockerConfig => {
                Some(Family::Docker)
            }
            MediaType::Schema1 | MediaType::Schema1Signed | MediaType::Other(_) => None,
        }
    }

    /// An OCI index or a Docker manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self, MediaType::OciIndex | MediaType::DockerList)
    }

    /// An image manifest of either family.
    pub fn is_manifest(&self) -> bool {
        matches!(self, MediaType::OciManifest | MediaType::DockerManifest)
    }

    /// An image config of either family.
    pub fn is_config(&self) -> bool {
        matches!(self, MediaType::OciConfig | MediaType::DockerConfig)
    }

    /// Docker's first schema, signed or not.
    pub fn is_schema1(&self) -> bool {
        matches!(self, MediaType::Schema1 | MediaType::Schema1Signed)
    }
}

impl Family {
    /// The media type of a layer in this family; `None` where the family has none.
    pub fn layer(self, compression: Compression) -> Option<&'static str> {
        Some(match (self, compression) {
            (Family::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Family::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Family::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Family::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Family::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Family::Docker, Compression::Zstd) => return None,
        })
    }
}

/// Is this the type of a layer that becomes part of a root file system? Foreign and non-distributable ones are.
pub fn is_rootfs_layer(text: &str) -> bool {
    const STEMS: [&str; 4] = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];
    STEMS.iter().any(|stem| {
        text.strip_prefix(stem).is_some_and(|tail| matches!(tail, "" | "+gzip" | "+zstd" | ".gzip" | ".zstd"))
    })
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter() {
        assert_eq!(
            MediaType::parse("Application/vnd.oci.image.index.v1+json; charset=utf-8"),
            MediaType::OciIndex
        );
        assert_eq!(MediaType::parse("text/plain").as_str(), "text/plain");
        for (text, kind) in KNOWN {
            assert_eq!((MediaType::parse(text), kind.as_str()), (kind.clone(), text));
        }
    }

    #[test]
    fn layers() {
        assert!(is_rootfs_layer("application/vnd.oci.image.layer.v1.tar+zstd"));
        assert!(is_rootfs_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
        assert!(!is_rootfs_layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"));
        assert!(!is_rootfs_layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip"));
        assert_eq!(Family::Docker.layer(Compression::Zstd), None);
    }
}
