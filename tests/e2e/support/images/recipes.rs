//! What is in the images.

use std::path::Path;

use flate2::Compression;
use serde_json::{Value, json};

use super::GREETING;
use super::layer::{Files, Layer, sha256};
use super::layout::{CONFIG, INDEX, Layout, MANIFEST};
use crate::support::{run, tools};

/// Six of these make the large image.
const LARGE_LAYER: usize = 50 * 1000 * 1000;

/// The programs in the images: whatever Debian and the compiler have made of them.
pub(super) struct Programs {
    busybox: Busybox,
    /// The example of the layer package, which prints files.
    hello: Vec<u8>,
}

/// A shell and its tools.
pub(crate) struct Busybox {
    program: Vec<u8>,
    /// The names of the tools, one a line.
    applets: String,
}

/// An example program of the layer package, which runs in any image.
pub(crate) fn example(name: &str) -> Vec<u8> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("layer/static.sh");
    let mut build = tools::isolated(&script);
    tools::with_cargo(&mut build);
    // The first time, the compiler is asked for more than three minutes on a small machine.
    let path = run::run_within(900, build.args(["--example", name])).ok();
    std::fs::read(path.trim()).expect("the program was just built")
}

impl Programs {
    pub(super) fn find() -> Self {
        Self { busybox: Busybox::find(), hello: example("hello") }
    }

    /// Different for different programs.
    pub(super) fn digests(&self) -> String {
        self.busybox.digests() + &sha256(&self.hello)
    }
}

impl Busybox {
    pub(crate) fn find() -> Self {
        let program = std::fs::read(tools::find("busybox")).expect("busybox can be read");
        let applets = run::run(tools::command("busybox").arg("--list")).ok();
        Self { program, applets }
    }

    /// Different for different programs.
    pub(crate) fn digests(&self) -> String {
        [&self.program, self.applets.as_bytes()].map(sha256).concat()
    }

    /// All that is needed to run a shell.
    pub(crate) fn layer(&self) -> Layer {
        let mut files = Files::new();
        files.folder("bin/", 0o755);
        files.file("bin/busybox", 0o755, &self.program);
        for applet in self.applets.lines().filter(|name| *name != "busybox") {
            files.symlink(&format!("bin/{applet}"), "busybox");
        }
        files.folder("etc/", 0o755);
        files.file("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n");
        files.folder("tmp/", 0o1777);
        files.pack(Compression::default())
    }
}

/// Writes all images of the layout.
pub(super) fn write(layout: &mut Layout, programs: &Programs) {
    let base = [programs.busybox.layer(), greeter()];
    let hello = layout.image(config("amd64", &json!(["/bin/hello"]), &["cat", "foo.txt"]), &base);
    layout.tag("hello", hello.clone());
    let string = layout.image(config("amd64", &json!("/bin/hello"), &["cat", "foo.txt"]), &base);
    layout.tag("string", string);

    let mut amd64 = hello.clone();
    amd64["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let mut arm64 = layout.image(config("arm64", &json!(["/bin/hello"]), &["cat", "foo.txt"]), &base);
    arm64["platform"] = json!({"architecture": "arm64", "os": "linux", "variant": "v8"});
    let attestation = attestation(layout, &amd64);
    index(layout, "index", &[&amd64, &arm64, &attestation]);
    let attestation = attestation_artifact(layout, &amd64);
    index(layout, "attested", &[&amd64, &arm64, &attestation]);
    index(layout, "list", &[&amd64, &arm64]);

    let scratch = layout.image(
        config("amd64", &json!(["/hello", "cat"]), &["greeting.txt", "foo.txt"]),
        &[program(&programs.hello)],
    );
    layout.tag("scratch", scratch);

    let [busybox, greeter] = base;
    let noise = (1..=6).map(|number| noise(number, LARGE_LAYER));
    let layers: Vec<_> = [busybox, greeter].into_iter().chain(noise).collect();
    let large = layout.image(config("amd64", &json!(["/bin/hello"]), &["cat", "foo.txt"]), &layers);
    layout.tag("large", large);
}

fn config(architecture: &str, entrypoint: &Value, cmd: &[&str]) -> Value {
    json!({
        "created": "2024-02-29T12:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "GREETING=hello"],
            "Entrypoint": entrypoint,
            "Cmd": cmd,
            "WorkingDir": "/",
            "Labels": {"test.image": "yes"},
        },
    })
}

/// An entry point as many images have one: a script that does its part and becomes its arguments.
fn greeter() -> Layer {
    let mut files = Files::new();
    let script = format!("#!/bin/sh\necho {GREETING}\nexec \"$@\"\n");
    files.file("bin/hello", 0o755, script.as_bytes());
    files.pack(Compression::default())
}

/// One static program that prints files, and a file.
fn program(hello: &[u8]) -> Layer {
    let mut files = Files::new();
    files.file("hello", 0o755, hello);
    files.file("greeting.txt", 0o644, format!("{GREETING}\n").as_bytes());
    files.pack(Compression::default())
}

/// A file of pseudo-random bytes (xorshift64*), the same ones each time.
fn noise(seed: u64, size: usize) -> Layer {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    let mut files = Files::new();
    files.file(&format!("noise{seed}"), 0o644, &bytes[..size]);
    files.pack(Compression::none())
}

/// What BuildKit adds to an index: a statement about one of its images, under a platform that nobody has.
fn attestation(layout: &mut Layout, about: &Value) -> Value {
    let statement = statement(layout);
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]},
    });
    let config = layout.document(CONFIG, &config);
    attest(layout, json!({"config": config, "layers": [statement]}), about)
}

/// The same as BuildKit stores it with `oci-artifact=true`: an artifact that refers to the image.
fn attestation_artifact(layout: &mut Layout, about: &Value) -> Value {
    const KIND: &str = "application/vnd.docker.attestation.manifest.v1+json";
    let statement = statement(layout);
    let mut config = layout.blob("application/vnd.oci.empty.v1+json", b"{}");
    config["data"] = json!("e30=");
    let subject = json!({"mediaType": MANIFEST, "digest": about["digest"], "size": about["size"]});
    let manifest = json!({"artifactType": KIND, "config": config, "layers": [statement], "subject": subject});
    let mut descriptor = attest(layout, manifest, about);
    descriptor["artifactType"] = json!(KIND);
    descriptor
}

fn statement(layout: &mut Layout) -> Value {
    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "subject": [], "predicate": {}});
    layout.document("application/vnd.in-toto+json", &statement)
}

/// Stores the manifest of an attestation and describes it as indexes do.
fn attest(layout: &mut Layout, mut manifest: Value, about: &Value) -> Value {
    manifest["schemaVersion"] = json!(2);
    manifest["mediaType"] = json!(MANIFEST);
    let mut descriptor = layout.document(MANIFEST, &manifest);
    descriptor["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    descriptor["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": about["digest"],
    });
    descriptor
}

fn index(layout: &mut Layout, tag: &str, entries: &[&Value]) {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    let index = layout.document(INDEX, &index);
    layout.tag(tag, index);
}
