//! A tiny injected layer.

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use wave_registry::oci::Digest;

/// A tar with one file, gzipped, with its digests.
pub struct TinyLayer {
    pub gzip: Vec<u8>,
    pub digest: Digest,
    pub diff_id: Digest,
    /// The platform it is for, if it is not for all.
    pub platform: Option<&'static str>,
}

impl TinyLayer {
    /// A layer whose one file `name` holds `content`.
    pub fn new(name: &str, content: &str) -> TinyLayer {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_bytes()).expect("memory takes it");
        let tar = builder.into_inner().expect("memory takes it");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&tar).expect("memory takes it");
        let gzip = encoder.finish().expect("memory takes it");
        TinyLayer { digest: Digest::sha256(&gzip), diff_id: Digest::sha256(&tar), gzip, platform: None }
    }

    /// The member of `containerConfig.layers` for it.
    pub fn json(&self, location: &str) -> serde_json::Value {
        serde_json::json!({
            "location": location,
            "gzipDigest": self.digest,
            "gzipSize": self.gzip.len(),
            "tarDigest": self.diff_id,
            "platforms": self.platform.map(|platform| [platform]),
        })
    }

    /// Its content as a `data:` location.
    pub fn data(&self) -> String {
        use base64::Engine as _;
        format!("data:{}", base64::engine::general_purpose::STANDARD.encode(&self.gzip))
    }

    /// The same as a `gzip:` location, which is deflated once more.
    pub fn deflated(&self) -> String {
        use base64::Engine as _;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.gzip).expect("memory takes it");
        let deflated = encoder.finish().expect("memory takes it");
        format!("gzip:{}", base64::engine::general_purpose::STANDARD.encode(deflated))
    }

    /// Writes it and its `layer.json` into `dir` and returns the path of the latter.
    pub fn write(&self, dir: &Path, entrypoint: &[&str]) -> PathBuf {
        std::fs::write(dir.join("layer.tar.gzip"), &self.gzip).expect("a scratch folder takes it");
        let json = serde_json::json!({
            "entrypoint": entrypoint, "cmd": null, "workingDir": null, "env": null,
            "layers": [self.json("layer.tar.gzip")],
        });
        let path = dir.join("layer.json");
        std::fs::write(&path, json.to_string()).expect("a scratch folder takes it");
        path
    }
}
