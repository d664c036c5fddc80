//! Small images for the in-process registry.

use super::upstream::Upstream;
use wave_registry::oci::Digest;

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The digests of an image that a test has put into a registry.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    pub manifest: Digest,
    pub manifest_size: usize,
    pub layer: Digest,
}

impl Image {
    /// A linux image of `architecture` with one layer of `layer` bytes of content.
    pub fn push(registry: &Upstream, tag: Option<&str>, architecture: &str, layer: &[u8]) -> Image {
        Image::with(registry, tag, OCI_MANIFEST, OCI_CONFIG, architecture, layer)
    }

    /// The same with these media types.
    pub fn with(
        registry: &Upstream,
        tag: Option<&str>,
        media: &str,
        config_media: &str,
        architecture: &str,
        layer: &[u8],
    ) -> Image {
        let layer_size = layer.len();
        let layer = registry.blob(layer.to_vec());
        let config = format!(
            r#"{{"created":"2024-01-02T03:04:05Z","architecture":"{architecture}","os":"linux","config":{{"Env":["PATH=/bin"],"Entrypoint":["/bin/app","--x"],"Cmd":["run"]}},"rootfs":{{"type":"layers","diff_ids":["{layer}"]}},"history":[{{"created":"2024-01-02T03:04:05Z","created_by":"test"}}],"x-unknown":12345678901234567890123}}"#
        );
        let config_size = config.len();
        let config = registry.blob(config);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{media}","config":{{"mediaType":"{config_media}","digest":"{config}","size":{config_size}}},"layers":[{{"mediaType":"{OCI_LAYER}","digest":"{layer}","size":{layer_size}}}]}}"#
        );
        let manifest_size = manifest.len();
        let manifest = registry.manifest(tag, media, manifest);
        Image { manifest, manifest_size, layer }
    }
}

/// An OCI index of images, each with its platform.
pub fn index(registry: &Upstream, tag: &str, images: &[(&str, Image)]) -> Digest {
    let entries: Vec<_> = images
        .iter()
        .map(|(architecture, image)| {
            format!(
                r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":{},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#,
                image.manifest, image.manifest_size
            )
        })
        .collect();
    let text =
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","));
    registry.manifest(Some(tag), OCI_INDEX, text)
}
