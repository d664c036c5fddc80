//! What a container does with the mount, as a shell's script or as arguments of the program `files`.

use std::fmt::Write;

use super::images::Image;

/// One thing done; paths are absolute.
pub(super) enum Step<'a> {
    List(&'a str),
    Sum(&'a str),
    Cat(&'a str),
    Mkdir(&'a str),
    /// A new file of one line.
    Line(&'a str, &'a str),
    Append(&'a str, &'a str),
    /// A new file of the numbers from 1 to the last, one a line.
    Count(&'a str, u64),
    Move(&'a str, &'a str),
    /// A symbolic link: target and name.
    Link(&'a str, &'a str),
    Exit(u8),
    /// SIGKILL to the command itself.
    Kill,
}

/// The command line that does the steps in an image, after its entry point.
pub(super) fn command(image: Image, steps: &[Step<'_>]) -> Vec<String> {
    match image {
        Image::Busybox | Image::Debian => {
            vec!["sh".to_owned(), "-euc".to_owned(), script(steps)]
        }
        Image::Scratch => {
            let words = steps.iter().map(|step| step.words());
            words.collect::<Vec<_>>().join(&[",".to_owned()][..])
        }
    }
}

/// The steps as a shell reads them.
pub(super) fn script(steps: &[Step<'_>]) -> String {
    steps.iter().fold(String::new(), |mut script, step| {
        step.shell(&mut script);
        script
    })
}

/// What `Count` writes.
pub(super) fn numbers(last: u64) -> Vec<u8> {
    let text = (1..=last).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    });
    text.into_bytes()
}

impl Step<'_> {
    fn shell(&self, script: &mut String) {
        let _ = match self {
            Self::List(folder) => writeln!(script, "ls -la {folder}"),
            Self::Sum(file) => writeln!(script, "sha256sum {file}"),
            Self::Cat(file) => writeln!(script, "cat {file}"),
            Self::Mkdir(folder) => writeln!(script, "mkdir {folder}"),
            Self::Line(file, line) => writeln!(script, "echo '{line}' >{file}"),
            Self::Append(file, line) => writeln!(script, "echo '{line}' >>{file}"),
            Self::Count(file, last) => writeln!(script, "seq 1 {last} >{file}"),
            Self::Move(file, to) => writeln!(script, "mv {file} {to}"),
            Self::Link(target, name) => writeln!(script, "ln -s {target} {name}"),
            Self::Exit(code) => writeln!(script, "exit {code}"),
            Self::Kill => writeln!(script, "kill -9 $$"),
        };
    }

    fn words(&self) -> Vec<String> {
        let (last, code);
        let words = match self {
            Self::List(folder) => vec!["list", folder],
            Self::Sum(file) => vec!["sum", file],
            Self::Cat(file) => vec!["cat", file],
            Self::Mkdir(folder) => vec!["mkdir", folder],
            Self::Line(file, line) => vec!["write", file, line],
            Self::Append(file, line) => vec!["append", file, line],
            Self::Count(file, number) => {
                last = number.to_string();
                vec!["count", file, &last]
            }
            Self::Move(file, to) => vec!["move", file, to],
            Self::Link(target, name) => vec!["link", target, name],
            Self::Exit(number) => {
                code = number.to_string();
                vec!["exit", &code]
            }
            Self::Kill => vec!["kill"],
        };
        words.into_iter().map(str::to_owned).collect()
    }
}
