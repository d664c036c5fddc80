//! The images the tests pull, made from Debian's static busybox and the example program of the layer package.
//!
//! | image | what it is |
//! |---|---|
//! | `library/hello:oci` | OCI manifest; its entry point greets and runs its arguments, `cat foo.txt` by default |
//! | `library/hello:schema2` | the same as Docker schema 2 |
//! | `library/hello:index` | OCI index of two platforms and an attestation |
//! | `library/hello:list` | Docker manifest list of two platforms |
//! | `library/hello:string` | OCI manifest whose Entrypoint is a string, as old builders wrote it |
//! | `library/scratch:oci` | OCI manifest of one static program, no shell; an entry point of two words |
//! | `library/scratch:schema2` | the same as Docker schema 2 |
//! | `library/large:oci` | `hello` and six layers of 50 MB that do not compress |
//! | `nextflow/bash:latest` | as `library/hello:oci`: the README's example |
//! | `private/hello:oci`, `:index` | as `library/hello`, in a repository that is not `library/` |

mod layer;
mod layout;
mod recipes;

use std::path::PathBuf;
use std::sync::OnceLock;

pub(crate) use layer::{Files, Layer, hex, sha256};
pub(crate) use layout::Layout;
pub(crate) use recipes::{Busybox, example};

use super::registry::Registry;
use super::scratch;

/// What the entry point of every image prints.
pub(crate) const GREETING: &str = "hello from the image";

/// Tag in the layout, name in the registry, options of skopeo.
const PUSHES: &[(&str, &str, &[&str])] = &[
    ("hello", "library/hello:oci", &[]),
    ("hello", "library/hello:schema2", &["--format", "v2s2"]),
    ("index", "library/hello:index", &["--all"]),
    ("list", "library/hello:list", &["--all", "--format", "v2s2"]),
    ("string", "library/hello:string", &[]),
    ("scratch", "library/scratch:oci", &[]),
    ("scratch", "library/scratch:schema2", &["--format", "v2s2"]),
    ("large", "library/large:oci", &[]),
    ("hello", "private/hello:oci", &[]),
    ("index", "private/hello:index", &["--all"]),
    ("hello", "nextflow/bash:latest", &[]),
];

/// What the images are made by.
const SOURCES: &[&str] = &[
    include_str!("mod.rs"),
    include_str!("layer.rs"),
    include_str!("layout.rs"),
    include_str!("recipes.rs"),
];

/// An OCI layout with the tags of the first column of `PUSHES`; made once for the same inputs.
pub(crate) fn layout() -> PathBuf {
    static LAYOUT: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let programs = recipes::Programs::find();
        scratch::cached("layout", &(SOURCES.concat() + &programs.digests()), |folder| {
            let mut layout = layout::Layout::new(folder);
            recipes::write(&mut layout, &programs);
            layout.finish();
        })
    };
    LAYOUT.get_or_init(make).clone()
}

/// The storage folder of a docker-registry that holds all images; made once for the same layout.
pub(crate) fn store() -> PathBuf {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let layout = layout();
        scratch::cached("store", &layout.display().to_string(), |folder| {
            let registry = Registry::empty();
            for (tag, name, options) in PUSHES {
                registry.push(&format!("{}:{tag}", layout.display()), name, options);
            }
            let storage = registry.into_storage();
            std::fs::rename(storage.path().join("docker"), folder.join("docker"))
                .expect("both folders are ours");
        })
    };
    STORE.get_or_init(make).clone()
}
