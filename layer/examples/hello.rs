//! The whole content of the image that `make run` pulls: prints a greeting, or the files it is given.
//!
//! `hello` greets; `hello cat FILE...` prints files, so that the injected `foo.txt` can be shown.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("cat") => {
            args.map(|file| print(&file)).fold(ExitCode::SUCCESS, |worst, one| one.unwrap_or(worst))
        }
        _ => {
            println!("hello from the image");
            ExitCode::SUCCESS
        }
    }
}

/// `None` when the file was printed.
fn print(file: &str) -> Option<ExitCode> {
    let shown = std::fs::read(file).and_then(|content| std::io::stdout().write_all(&content));
    let error = shown.err()?;
    eprintln!("hello: {file}: {error}");
    Some(ExitCode::FAILURE)
}
