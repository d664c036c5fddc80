//! `wave pack DIR`: a layer from a folder. The same folder gives the same bytes on every machine: entries are
//! sorted, owners and times normalised, and the compressor's version is pinned by `Cargo.lock`.

mod archive;
mod failure;
mod gzip;
mod progress;
mod tree;

pub use failure::Failure;
pub use progress::{Progress, Silent, Terminal};

use super::Measured;
use super::descriptor::{Config, Written};
use crate::oci::{Algorithm, Compression, Digest, Digester};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What to pack and where to.
#[derive(Clone, Debug)]
pub struct Job {
    /// The folder whose content becomes the layer.
    pub dir: PathBuf,
    /// The result lands in its subfolder `layers`.
    pub output: PathBuf,
    /// gzip's level, 0 to 9.
    pub level: u32,
    /// The JSON file with `entrypoint`, `cmd`, `env`, `workingDir` and `platforms`. `None`: `layer-config.json`
    /// beside `dir`, when there is one.
    pub config: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Digests and size of the layer.
    pub measured: Measured,
    /// `OUTPUT/layers/layer.tar.gzip`.
    pub layer: PathBuf,
    /// `OUTPUT/layers/layer.json`.
    pub descriptor: PathBuf,
}

const LAYER: &str = "layer.tar.gzip";
const DESCRIPTOR: &str = "layer.json";
const CONFIG: &str = "layer-config.json";

impl Job {
    /// gzip's own default level.
    pub const LEVEL: u32 = 6;

    /// Packs `dir` into `pack`.
    pub fn new(dir: impl Into<PathBuf>) -> Job {
        Job { dir: dir.into(), output: "pack".into(), level: Job::LEVEL, config: None }
    }

    /// Makes the layer in one pass and then its descriptor. Each file appears whole or not at all.
    pub fn run(&self, progress: &mut dyn Progress) -> Result<Packed, Failure> {
        let config = self.config()?;
        let folder = self.output.join("layers");
        fs::create_dir_all(&folder).map_err(|error| Failure::io(&folder, error))?;
        self.refuse_overlap(&folder)?;
        let tree = tree::scan(&self.dir)?;
        let (layer, descriptor) = (folder.join(LAYER), folder.join(DESCRIPTOR));
        let measured = replace(&layer, |file| self.write(&tree, file, progress))?;
        let written = Written::new(config, LAYER, &measured);
        replace(&descriptor, |file| {
            let io = |error: io::Error| Failure::io(&descriptor, error);
            serde_json::to_writer_pretty(&mut *file, &written).map_err(|error| io(error.into()))?;
            file.write_all(b"\n").map_err(io)
        })?;
        Ok(Packed { measured, layer, descriptor })
    }

    fn config(&self) -> Result<Option<Config>, Failure> {
        let (path, explicit) = match &self.config {
            Some(path) => (path.clone(), true),
            None => (self.dir.join("..").join(CONFIG), false),
        };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !explicit => return Ok(None),
            Err(error) => return Err(Failure::io(&path, error)),
        };
        Config::parse(&text).map(Some).map_err(|reason| Failure::new(&path, reason))
    }

    /// A layer that contains its own output would differ each time.
    fn refuse_overlap(&self, folder: &Path) -> Result<(), Failure> {
        let real = |path: &Path| fs::canonicalize(path).map_err(|error| Failure::io(path, error));
        match real(folder)?.starts_with(real(&self.dir)?) {
            true => Err(Failure::new(folder, "the output lies inside the folder to pack")),
            false => Ok(()),
        }
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

impl Packed {
    /// The digest of the layer, as manifests name it.
    pub fn digest(&self) -> Digest {
        self.measured.digest
    }
}

#[cfg(test)]
mod tests;
