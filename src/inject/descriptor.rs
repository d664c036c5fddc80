//! The operator's `layer.json`, which `wave pack` writes.

use super::{Flaw, measure_file};
use crate::grant::{Layer, Recipe, Source};
use crate::oci::{Digest, Platform};
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// As it is written: a containerConfig, and the platforms a layer fits. `append` is the older form with one layer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    layers: Option<Vec<WrittenLayer>>,
    #[serde(default)]
    append: Option<WrittenLayer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLayer {
    location: Option<PathBuf>,
    gzip_digest: Option<String>,
    gzip_size: Option<u64>,
    tar_digest: Option<String>,
    #[serde(default)]
    platforms: Option<Vec<String>>,
}

/// Why the default layer cannot be used; it stops the start.
#[derive(Debug)]
pub struct DescriptorError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Read(std::io::Error),
    Json(serde_json::Error),
    Missing(&'static str),
    Prefix(String),
    Digest(String),
    Platform(String),
    Layer(PathBuf, Flaw),
    Differs(PathBuf, &'static str, String, String),
}

/// The recipe of the default layer, each layer measured once and compared with what the file says.
pub async fn load(path: &Path) -> Result<Recipe, DescriptorError> {
    read(path).await.map_err(|why| DescriptorError { path: path.into(), why })
}

async fn read(path: &Path) -> Result<Recipe, Why> {
    let text = tokio::fs::read(path).await.map_err(Why::Read)?;
    let written: Written = serde_json::from_slice(&text).map_err(Why::Json)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut layers = Vec::new();
    for layer in written.append.into_iter().chain(written.layers.unwrap_or_default()) {
        layers.push(checked(layer, dir).await?);
    }
    Ok(Recipe {
        layers,
        entrypoint: written.entrypoint.unwrap_or_default(),
        cmd: written.cmd.unwrap_or_default(),
        env: written.env.unwrap_or_default(),
        working_dir: written.working_dir.filter(|dir| !dir.is_empty()),
        platforms: Vec::new(),
    })
}

async fn checked(layer: WrittenLayer, dir: &Path) -> Result<Layer, Why> {
    let location = layer.location.filter(|path| !path.as_os_str().is_empty());
    let path = dir.join(location.ok_or(Why::Missing("layer tar path"))?);
    let digest = parse(layer.gzip_digest.ok_or(Why::Missing("layer gzip digest"))?)?;
    let diff_id = parse(layer.tar_digest.ok_or(Why::Missing("layer tar digest"))?)?;
    let measured = measure_file(&path).await.map_err(|flaw| Why::Layer(path.clone(), flaw))?;
    let same = |what, said: String, is: String| {
        if said == is { Ok(()) } else { Err(Why::Differs(path.clone(), what, said, is)) }
    };
    same("gzipDigest", digest.to_string(), measured.digest.to_string())?;
    same("tarDigest", diff_id.to_string(), measured.diff_id.to_string())?;
    if let Some(size) = layer.gzip_size {
        same("gzipSize", size.to_string(), measured.size.to_string())?;
    }
    let platforms = layer.platforms.unwrap_or_default();
    let platforms = platforms.iter().map(|text| text.parse::<Platform>());
    Ok(Layer {
        digest,
        size: measured.size,
        diff_id,
        compression: measured.compression,
        platforms: platforms.collect::<Result<_, _>>().map_err(|error| Why::Platform(error.to_string()))?,
        // Absolute, since the recipe outlives the working directory.
        source: Source::File(std::path::absolute(&path).map_err(Why::Read)?),
    })
}

fn parse(text: String) -> Result<Digest, Why> {
    if !text.starts_with("sha256:") {
        return Err(Why::Prefix(text));
    }
    text.parse().map_err(|_| Why::Digest(text))
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.why {
            Why::Read(error) => write!(f, "cannot be read: {error}"),
            Why::Json(error) => write!(f, "is not a layer description: {error}"),
            Why::Missing(what) => write!(f, "Missing {what}"),
            Why::Prefix(text) => {
                write!(f, "a layer digest should start with the 'sha256:' prefix -- offending value: {text}")
            }
            Why::Digest(text) => write!(f, "'{text}' is not a digest"),
            Why::Platform(text) => f.write_str(text),
            Why::Layer(path, flaw) => write!(f, "the layer {} {flaw}", path.display()),
            Why::Differs(path, what, said, is) => {
                write!(f, "{what} is {said}, but the layer {} has {is}; pack it again", path.display())
            }
        }
    }
}

impl std::error::Error for DescriptorError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::measure::tests::{gzip, tiny_tar};
    use serde_json::{Value, json};

    async fn of(change: impl Fn(&mut Value)) -> Result<Recipe, String> {
        let dir = tempfile::tempdir().unwrap();
        let tar = tiny_tar("hello");
        let layer = gzip(&tar);
        std::fs::write(dir.path().join("layer.tar.gzip"), &layer).unwrap();
        let mut written = json!({
            "entrypoint": ["/opt/fusion/entry.sh"], "cmd": null, "workingDir": null, "env": ["FOO=bar"],
            "layers": [{
                "location": "layer.tar.gzip", "gzipDigest": Digest::sha256(&layer), "gzipSize": layer.len(),
                "tarDigest": Digest::sha256(&tar), "platforms": ["linux/amd64"],
            }],
        });
        change(&mut written);
        let path = dir.path().join("layer.json");
        std::fs::write(&path, written.to_string()).unwrap();
        load(&path).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn both_forms() {
        let recipe = of(|_| {}).await.unwrap();
        assert_eq!((&recipe.env[..], &recipe.entrypoint[..]), (&["FOO=bar".into()][..], &["/opt/fusion/entry.sh".into()][..]));
        assert_eq!(recipe.layers[0].platforms, [Platform::linux_amd64()]);
        let older = of(|json| {
            let mut layers = json["layers"].take();
            json["append"] = layers[0].take();
        });
        assert_eq!(older.await.unwrap().id(), recipe.id());
    }

    #[tokio::test]
    async fn each_mistake_is_named() {
        let check = async |key: &str, value: Value, message: &str| {
            let error = of(|json| json["layers"][0][key] = value.clone()).await.unwrap_err();
            assert!(error.contains(message), "{error}");
        };
        check("location", Value::Null, "Missing layer tar path").await;
        check("location", json!("none"), "cannot be read").await;
        check("gzipDigest", Value::Null, "Missing layer gzip digest").await;
        check("tarDigest", Value::Null, "Missing layer tar digest").await;
        check("gzipDigest", json!("md5:12"), "'sha256:' prefix").await;
        check("gzipDigest", json!(Digest::sha256("x")), "gzipDigest is").await;
        check("tarDigest", json!(Digest::sha256("x")), "tarDigest is").await;
        check("gzipSize", json!(7), "gzipSize is 7").await;
        check("platforms", json!(["foo"]), "Unsupported container platform").await;
    }
}
