//! `wave pack DIR...`: layers from folders. The same folder gives the same bytes on every machine: entries are sorted,
//! owners and times normalised, and the compressor's version is pinned by `Cargo.lock`.

mod archive;
mod failure;
mod folder;
mod gzip;
mod progress;
mod tree;

pub use failure::Failure;
pub use folder::Folder;
pub use progress::{Progress, Silent, Terminal};

use super::Measured;
use super::descriptor::{self, Config, Written};
use crate::oci::{Algorithm, Compression, Digest, Digester, Platform};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What to pack and where to.
#[derive(Clone, Debug)]
pub struct Job {
    /// Each becomes a layer. Several are for one platform each, and no platform has two.
    pub folders: Vec<Folder>,
    /// The result lands in its subfolder `layers`.
    pub output: PathBuf,
    /// gzip's level, 0 to 9.
    pub level: u32,
    /// The JSON file with `entrypoint`, `cmd`, `env`, `workingDir`, and the `platforms` of a folder that is given
    /// without one. `None`: `layer-config.json` beside the first folder, when there is one.
    pub config: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Packed {
    /// A layer for each folder, in their order.
    pub layers: Vec<Made>,
    /// `OUTPUT/layers/layer.json`.
    pub descriptor: PathBuf,
}

/// A layer that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Digests and size of the layer.
    pub measured: Measured,
    /// `OUTPUT/layers/layer.tar.gzip`; `layer-linux-arm64.tar.gzip` and the like beside it for further folders.
    pub path: PathBuf,
    /// The platforms it is for; empty means all.
    pub platforms: Vec<Platform>,
}

const DESCRIPTOR: &str = "layer.json";
const CONFIG: &str = "layer-config.json";

impl Job {
    /// gzip's own default level.
    pub const LEVEL: u32 = 6;

    /// Packs `dir` into `pack`.
    pub fn new(dir: impl Into<PathBuf>) -> Job {
        let folder = Folder { dir: dir.into(), platform: None };
        Job { folders: vec![folder], output: "pack".into(), level: Job::LEVEL, config: None }
    }

    /// Makes each layer in one pass and then the descriptor of all. Each file appears whole or not at all.
    pub fn run(&self, progress: &mut dyn Progress) -> Result<Packed, Failure> {
        folder::check(&self.folders)?;
        let config = self.config()?;
        let output = self.output.join("layers");
        fs::create_dir_all(&output).map_err(|error| Failure::io(&output, error))?;
        self.refuse_overlap(&output)?;
        let (mut layers, mut entries) = (Vec::new(), Vec::new());
        for (index, folder) in self.folders.iter().enumerate() {
            let tree = tree::scan(&folder.dir)?;
            let name = folder.file_name(index);
            let path = output.join(&name);
            let measured = replace(&path, |file| self.write(&tree, file, progress))?;
            let platforms = match &folder.platform {
                Some(platform) => vec![platform.clone()],
                None => config.as_ref().map(Config::platforms).unwrap_or_default(),
            };
            entries.push(descriptor::Packed::new(name, &measured, &platforms));
            layers.push(Made { measured, path, platforms });
        }
        let written = Written::new(config, entries);
        let descriptor = output.join(DESCRIPTOR);
        replace(&descriptor, |file| {
            let io = |error: io::Error| Failure::io(&descriptor, error);
            serde_json::to_writer_pretty(&mut *file, &written).map_err(|error| io(error.into()))?;
            file.write_all(b"\n").map_err(io)
        })?;
        Ok(Packed { layers, descriptor })
    }

    fn config(&self) -> Result<Option<Config>, Failure> {
        let (path, explicit) = match &self.config {
            Some(path) => (path.clone(), true),
            None => (self.folders[0].dir.join("..").join(CONFIG), false),
        };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !explicit => return Ok(None),
            Err(error) => return Err(Failure::io(&path, error)),
        };
        Config::parse(&text).map(Some).map_err(|reason| Failure::new(&path, reason))
    }

    /// A layer that contains its own output would differ each time.
    fn refuse_overlap(&self, output: &Path) -> Result<(), Failure> {
        let real = |path: &Path| fs::canonicalize(path).map_err(|error| Failure::io(path, error));
        let place = real(output)?;
        for folder in &self.folders {
            if place.starts_with(real(&folder.dir)?) {
                return Err(Failure::new(output, "the output lies inside the folder to pack"));
            }
        }
        Ok(())
    }

    /// tar -> its digest -> gzip -> digest and size -> file.
    fn write(
        &self,
        tree: &tree::Tree,
        file: &mut File,
        progress: &mut dyn Progress,
    ) -> Result<Measured, Failure> {
        let sink = Hashing::new(BufWriter::with_capacity(1 << 20, file));
        // This thread reads and hashes, which takes about an eighth of the work.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let fill = |gzip: &mut gzip::Gzip<_>| {
            let mut tar = Hashing::new(gzip);
            archive::write(tree, &mut tar, progress)?;
            Ok(tar.digester.finish())
        };
        let failed = |error| Failure::io(&self.output, error);
        let (diff_id, sink) = gzip::gzip(sink, self.level, threads, fill, failed)?;
        let (size, digest) = (sink.seen, sink.digester.finish());
        Ok(Measured { digest, size, diff_id, compression: Compression::Gzip })
    }
}

/// Writes beside `path` and renames, so that a reader sees the old content or the new one.
fn replace<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T, Failure>) -> Result<T, Failure> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let attempt = || {
        let io = |error| Failure::io(path, error);
        let mut file = File::create(&temporary).map_err(io)?;
        let result = write(&mut file)?;
        file.sync_all().map_err(io)?;
        fs::rename(&temporary, path).map_err(io)?;
        Ok(result)
    };
    attempt().inspect_err(|_| _ = fs::remove_file(&temporary))
}

/// Hashes and counts what is written through it.
struct Hashing<W> {
    inner: W,
    digester: Digester,
    seen: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Hashing<W> {
        let digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        Hashing { inner, digester, seen: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.digester.update(&bytes[..count]);
        self.seen += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Made {
    /// The digest of the layer, as manifests name it.
    pub fn digest(&self) -> Digest {
        self.measured.digest
    }
}

#[cfg(test)]
mod tests;
