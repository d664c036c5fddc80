//! The folders to pack: each becomes a layer, for the platform it is for.

use super::Failure;
use crate::oci::Platform;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A folder whose content becomes a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub dir: PathBuf,
    /// The platform the layer is for. `None`: those that the config names, or all.
    pub platform: Option<Platform>,
}

const LAYER: &str = "layer.tar.gzip";

impl Folder {
    /// What the layer of the folder at `index` is called: the first as the only one is.
    pub(super) fn file_name(&self, index: usize) -> String {
        match &self.platform {
            Some(platform) if index > 0 => {
                format!("layer-{}.tar.gzip", platform.to_string().replace('/', "-"))
            }
            _ => LAYER.into(),
        }
    }
}

/// Several folders are for one platform each: an image gets every layer that fits it, and their names differ by that.
pub(super) fn check(folders: &[Folder]) -> Result<(), Failure> {
    if folders.is_empty() {
        return Err(Failure::new(Path::new(""), "no folder to pack is given"));
    }
    for (index, folder) in folders.iter().enumerate().filter(|_| folders.len() > 1) {
        let Some(own) = &folder.platform else {
            let shown = folder.dir.display();
            let reason = format!("of several folders each needs its platform: linux/amd64={shown}");
            return Err(Failure::new(&folder.dir, reason));
        };
        let meets = |other: &&Folder| {
            other.platform.as_ref().is_some_and(|platform| platform.fits(own) || own.fits(platform))
        };
        if let Some(other) = folders[..index].iter().find(meets) {
            let reason = format!("is for {own}, for which there is {} already", other.dir.display());
            return Err(Failure::new(&folder.dir, reason));
        }
    }
    Ok(())
}

impl FromStr for Folder {
    type Err = String;

    /// `DIR`, or `PLATFORM=DIR`. What is in front of `=` and no platform belongs to the name of the folder.
    fn from_str(text: &str) -> Result<Folder, String> {
        let parts = text.split_once('=').and_then(|(platform, dir)| Some((platform.parse().ok()?, dir)));
        let (platform, dir) = match parts {
            Some((platform, dir)) => (Some(platform), dir),
            None => (None, text),
        };
        Ok(Folder { dir: crate::config::file_name(dir)?, platform })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> Folder {
        text.parse().unwrap()
    }

    #[test]
    fn a_platform_may_be_in_front() {
        let check = |text: &str, platform: Option<&str>, dir: &str| {
            let platform = platform.map(|platform| platform.parse().unwrap());
            assert_eq!(folder(text), Folder { dir: dir.into(), platform }, "{text}");
        };
        check("layer/rootfs", None, "layer/rootfs");
        check("linux/arm64=layer/rootfs", Some("linux/arm64"), "layer/rootfs");
        check("linux/arm/v7=/x=y", Some("linux/arm/v7"), "/x=y");
        check("./linux/arm64=x", None, "./linux/arm64=x");
        check("my=folder", None, "my=folder");
        assert!("".parse::<Folder>().is_err());
        assert!("linux/arm64=".parse::<Folder>().is_err());
    }

    #[test]
    fn several_folders_are_for_one_platform_each() {
        let said = |texts: &[&str]| {
            let folders: Vec<_> = texts.iter().map(|text| folder(text)).collect();
            check(&folders).err().map(|failure| failure.to_string())
        };
        assert_eq!(said(&["a"]), None);
        assert_eq!(said(&["amd64=a", "arm64=b", "linux/arm/v7=c"]), None);
        let want = "b: of several folders each needs its platform: linux/amd64=b";
        assert_eq!(said(&["amd64=a", "b"]).unwrap(), want);
        let want = "b: is for linux/arm/v7, for which there is a already";
        assert_eq!(said(&["linux/arm/v7=a", "arm=b"]).unwrap(), want);
        assert!(said(&[]).is_some());
    }

    #[test]
    fn the_first_layer_is_called_as_the_only_one() {
        assert_eq!(folder("a").file_name(0), "layer.tar.gzip");
        assert_eq!(folder("amd64=a").file_name(0), "layer.tar.gzip");
        assert_eq!(folder("arm64=a").file_name(1), "layer-linux-arm64.tar.gzip");
        assert_eq!(folder("linux/arm/v7=a").file_name(2), "layer-linux-arm-v7.tar.gzip");
    }
}
