use super::*;
use crate::inject::measure;
use crate::scratch::Scratch;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const LONG: &str = "a-name-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-\
                    past-one-hundred-bytes";

/// The content of a layer, made in the order given.
fn fill(root: &Path, backwards: impl Fn(&mut Vec<(&'static str, u32)>)) {
    let mut files = vec![
        ("foo.txt", 0o644),
        ("opt/fusion/entry.sh", 0o755),
        ("opt.txt", 0o600),
        ("bin/tool", 0o4755),
        ("wal\u{f6}/x", 0o644),
    ];
    backwards(&mut files);
    for (name, mode) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name.repeat(1000)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(root.join(LONG), "long").unwrap();
    fs::create_dir_all(root.join("fusion/s3")).unwrap();
    for (name, mode) in [("fusion/s3", 0o777), ("fusion", 0o755), ("opt", 0o755), ("opt/fusion", 0o755)] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(root.join("wal\u{f6}"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.join(LONG), fs::Permissions::from_mode(0o644)).unwrap();
    fs::hard_link(root.join("opt/fusion/entry.sh"), root.join("usr-fusion")).unwrap();
    symlink("/opt/fusion/entry.sh", root.join("opt/link")).unwrap();
}

fn pack(scratch: &Scratch, name: &str) -> Result<(Made, PathBuf), Failure> {
    let job =
        Job { output: scratch.path().join(format!("{name}-pack")), ..Job::new(scratch.path().join(name)) };
    let Packed { mut layers, descriptor } = job.run(&mut Silent)?;
    assert_eq!(layers.len(), 1);
    Ok((layers.remove(0), descriptor))
}

fn entries(packed: &Made) -> Vec<(String, u32, tar::EntryType, u64)> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&packed.path).unwrap()));
    let entry = |entry: io::Result<tar::Entry<'_, _>>| {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some(""), Some("")));
        let path = entry.path().unwrap().to_str().unwrap().to_string();
        (path, header.mode().unwrap(), header.entry_type(), entry.size())
    };
    tar.entries().unwrap().map(entry).collect()
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let scratch = Scratch::new();
    fill(&scratch.path().join("one"), |_| {});
    fill(&scratch.path().join("two"), |files| files.reverse());
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    File::open(scratch.path().join("two/foo.txt")).unwrap().set_modified(old).unwrap();
    // Whoever runs the tests as root gets another owner, too; others cannot, and have one owner in both trees.
    _ = std::os::unix::fs::chown(scratch.path().join("two/foo.txt"), Some(1234), Some(1234));
    let (one, two) = (pack(&scratch, "one").unwrap().0, pack(&scratch, "two").unwrap().0);
    assert_eq!(one.measured, two.measured);
    assert_eq!(fs::read(&one.path).unwrap(), fs::read(&two.path).unwrap());
    // The header of a machine nobody knows: no flags, time 0, OS 255.
    assert_eq!(fs::read(&one.path).unwrap()[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    assert_eq!(measure::file(&one.path).unwrap().unwrap(), one.measured, "measured on the way and again");
    fs::write(scratch.path().join("two/foo.txt"), "other").unwrap();
    assert_ne!(one.digest(), pack(&scratch, "two").unwrap().0.digest());
}

#[test]
fn entries_are_as_clients_want_them() {
    let scratch = Scratch::new();
    fill(&scratch.path().join("dir"), |_| {});
    let (packed, _) = pack(&scratch, "dir").unwrap();
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let want = [
        (LONG, 0o644, Regular, 4),
        ("bin/tool", 0o4755, Regular, 8000),
        ("foo.txt", 0o644, Regular, 7000),
        ("fusion/", 0o755, Directory, 0),
        ("fusion/s3/", 0o777, Directory, 0),
        ("opt.txt", 0o600, Regular, 7000),
        ("opt/", 0o755, Directory, 0),
        ("opt/fusion/", 0o755, Directory, 0),
        ("opt/fusion/entry.sh", 0o755, Regular, 19000),
        ("opt/link", 0o777, Symlink, 0),
        ("usr-fusion", 0o755, Link, 0),
        ("wal\u{f6}/", 0o755, Directory, 0),
        ("wal\u{f6}/x", 0o644, Regular, 7000),
    ];
    let want: Vec<_> = want.map(|(name, mode, kind, size)| (name.to_string(), mode, kind, size)).into();
    assert_eq!(entries(&packed), want);
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&packed.path).unwrap()));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, link) =
            (entry.path().unwrap().into_owned(), entry.link_name().unwrap().map(|l| l.into_owned()));
        match path.to_str().unwrap() {
            "usr-fusion" => assert_eq!(link.unwrap(), Path::new("opt/fusion/entry.sh")),
            "opt/link" => assert_eq!(link.unwrap(), Path::new("/opt/fusion/entry.sh")),
            "foo.txt" => {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                assert_eq!(text, "foo.txt".repeat(1000));
            }
            _ => {}
        }
    }
}

#[test]
fn folders_of_the_system_have_no_entries() {
    let scratch = Scratch::new();
    scratch.write("dir/usr/bin/fusion", "x");
    scratch.write("dir/usr/local/bin/tool", "x");
    scratch.write("dir/etc/profile.d/a.sh", "x");
    scratch.write("dir/lib64/libx.so", "x");
    let (packed, _) = pack(&scratch, "dir").unwrap();
    let names: Vec<_> = entries(&packed).into_iter().map(|(name, ..)| name).collect();
    let want = [
        "etc/profile.d/",
        "etc/profile.d/a.sh",
        "lib64/libx.so",
        "usr/bin/fusion",
        "usr/local/",
        "usr/local/bin/",
        "usr/local/bin/tool",
    ];
    assert_eq!(names, want);
}

#[test]
fn what_cannot_be_in_a_layer_is_refused() {
    let check = |make: &dyn Fn(&Path), want: &str| {
        let scratch = Scratch::new();
        scratch.write("dir/sub/x", "x");
        make(&scratch.path().join("dir/sub"));
        let said = pack(&scratch, "dir").unwrap_err().to_string();
        assert!(said.contains("/dir/sub/") && said.contains(want), "{said}");
        assert!(!scratch.path().join("dir-pack/layers/layer.json").exists());
    };
    check(&|dir| fs::write(dir.join(".wh.x"), "").unwrap(), "'.wh.'");
    check(&|dir| drop(std::os::unix::net::UnixListener::bind(dir.join("s")).unwrap()), "a socket");
    use std::os::unix::ffi::OsStrExt as _;
    check(&|dir| fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap(), "UTF-8");
    let scratch = Scratch::new();
    assert!(pack(&scratch, "none").unwrap_err().to_string().ends_with("none: file not found"));
    let inside = Job { output: scratch.path().join("out"), ..Job::new(scratch.path()) };
    assert!(inside.run(&mut Silent).unwrap_err().to_string().contains("inside the folder to pack"));
}

#[test]
fn the_descriptor_says_what_the_config_says() {
    let scratch = Scratch::new();
    scratch.write("dir/foo.txt", "hello");
    let text = |descriptor: &Path| fs::read_to_string(descriptor).unwrap();
    let bare: serde_json::Value = serde_json::from_str(&text(&pack(&scratch, "dir").unwrap().1)).unwrap();
    assert_eq!(bare.as_object().unwrap().keys().collect::<Vec<_>>(), ["layers"]);
    let config = r#"{"entrypoint":["/opt/fusion/entry.sh"],"cmd":null,"env":["A=b"],"platforms":["x86_64"]}"#;
    scratch.write("layer-config.json", config);
    let (packed, descriptor) = pack(&scratch, "dir").unwrap();
    let Measured { digest, size, diff_id, .. } = packed.measured;
    let want = serde_json::json!({
        "entrypoint": ["/opt/fusion/entry.sh"], "cmd": null, "workingDir": null, "env": ["A=b"],
        "layers": [{
            "location": "layer.tar.gzip", "gzipDigest": digest, "gzipSize": size, "tarDigest": diff_id,
            "platforms": ["linux/amd64"],
        }],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text(&descriptor)).unwrap(), want);
    assert_eq!(
        fs::read_dir(scratch.path().join("dir-pack/layers")).unwrap().count(),
        2,
        "nothing else stays"
    );
    scratch.write("layer-config.json", r#"{"entrypiont":[]}"#);
    assert!(pack(&scratch, "dir").unwrap_err().to_string().contains("entrypiont"));
    let job =
        Job { config: Some("/nowhere".into()), output: scratch.path().join("o"), ..Job::new(scratch.path()) };
    assert_eq!(job.run(&mut Silent).unwrap_err().to_string(), "/nowhere: file not found");
}

#[test]
fn progress_reaches_its_end() {
    struct Note(Vec<(u64, u64)>);
    impl Progress for Note {
        fn advance(&mut self, done: u64, total: u64) {
            self.0.push((done, total));
        }
    }
    let scratch = Scratch::new();
    scratch.write("dir/a", vec![1; 600_000]);
    scratch.write("dir/b", "12345");
    let mut note = Note(Vec::new());
    let job = Job { output: scratch.path().join("out"), ..Job::new(scratch.path().join("dir")) };
    job.run(&mut note).unwrap();
    assert_eq!((note.0[0], *note.0.last().unwrap()), ((0, 600_005), (600_005, 600_005)));
    assert!(note.0.len() > 3 && note.0.is_sorted());
}
