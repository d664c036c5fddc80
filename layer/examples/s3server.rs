//! The S3 server of the tests as a program, for containers and for benchmarks beside other clients.
//!
//! ```text
//! s3server [--listen ADDRESS] [--port N] [--bucket NAME]... [--object BUCKET/KEY=BYTES]...
//!          [--many BUCKET/PREFIX=COUNTxBYTES]... [--first-byte MS] [--rate BYTES/S] [--s3-like] [--anonymous]
//!          [--min-part BYTES] [--log]
//! ```
//!
//! Prints `listening on http://127.0.0.1:PORT` and the key pair it knows, and serves until it is killed. Generated
//! objects cost no memory. With `--log` every request is told on standard error when it is done; a line on
//! standard input prints the counts by operation and starts them anew.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Write};
use std::time::Duration;

use support::s3::{ACCESS_KEY, Config, Object, SECRET_KEY, Server, Shape};

fn main() {
    if let Err(message) = run(std::env::args().skip(1)) {
        eprintln!("s3server: {message}");
        std::process::exit(2);
    }
}

/// What the command line asks for.
#[derive(Default)]
struct Wanted {
    config: Config,
    shape: Shape,
    buckets: Vec<String>,
    objects: Vec<(String, u64)>,
    many: Vec<(String, u64, u64)>,
    log: bool,
}

fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
    let wanted = parse(words)?;
    let server = Server::with(wanted.config);
    server.shape(wanted.shape);
    wanted.buckets.iter().for_each(|bucket| server.store().bucket(bucket));
    for (number, (path, bytes)) in wanted.objects.iter().enumerate() {
        let (bucket, key) = split(path)?;
        server.store().bucket(bucket);
        server.store().put(bucket, key, Object::generated(number as u64, *bytes));
    }
    for (path, count, bytes) in &wanted.many {
        let (bucket, prefix) = split(path)?;
        server.store().bucket(bucket);
        let keys = (0..*count).map(|number| format!("{prefix}{number:07}"));
        server.store().fill(bucket, keys, Object::generated(*count, *bytes));
    }
    println!("listening on {}", server.endpoint());
    println!("access key {ACCESS_KEY}\nsecret key {SECRET_KEY}");
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    attend(&server, wanted.log)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--anonymous" => wanted.config.anonymous = true,
            "--log" => wanted.log = true,
            "--s3-like" => wanted.shape = Shape::s3_like(),
            _ => {
                let value = words.next().ok_or_else(|| format!("{word} needs a value, or is unknown"))?;
                option(&mut wanted, &word, &value)?;
            }
        }
    }
    Ok(wanted)
}

fn option(wanted: &mut Wanted, name: &str, value: &str) -> Result<(), String> {
    let number =
        |text: &str| text.parse::<u64>().map_err(|_| format!("{name} {value}: {text:?} is no number"));
    match name {
        "--port" => wanted.config.port = value.parse().map_err(|_| format!("{value:?} is no port"))?,
        "--listen" => wanted.config.listen = value.parse().map_err(|_| format!("{value:?} is no address"))?,
        "--min-part" => wanted.config.min_part = number(value)?,
        "--bucket" => wanted.buckets.push(value.to_owned()),
        "--first-byte" => wanted.shape.first_byte = Duration::from_millis(number(value)?),
        "--rate" => wanted.shape.rate = Some(number(value)?),
        "--object" => {
            let (path, bytes) = value.rsplit_once('=').ok_or("--object wants BUCKET/KEY=BYTES")?;
            wanted.objects.push((path.to_owned(), number(bytes)?));
        }
        "--many" => {
            let wrong = "--many wants BUCKET/PREFIX=COUNTxBYTES";
            let (path, shape) = value.rsplit_once('=').ok_or(wrong)?;
            let (count, bytes) = shape.split_once('x').ok_or(wrong)?;
            wanted.many.push((path.to_owned(), number(count)?, number(bytes)?));
        }
        _ => return Err(format!("{name} is unknown")),
    }
    Ok(())
}

fn split(path: &str) -> Result<(&str, &str), String> {
    path.split_once('/').ok_or_else(|| format!("{path:?} has no bucket before a slash"))
}

/// Serves until killed.
fn attend(server: &Server, log: bool) -> Result<(), String> {
    std::thread::scope(|scope| {
        if log {
            scope.spawn(|| tell(server));
        }
        counts(server)
    })
}

/// Prints the counts by operation for each line of standard input, whose end is no end of the server.
fn counts(server: &Server) -> Result<(), String> {
    for line in std::io::stdin().lock().lines() {
        line.map_err(|error| error.to_string())?;
        let mut counts = BTreeMap::<String, usize>::new();
        for op in server.log().ops() {
            *counts.entry(format!("{op:?}")).or_default() += 1;
        }
        server.log().clear();
        println!("{counts:?}");
    }
    loop {
        std::thread::park();
    }
}

/// Tells each request on standard error, those that take long after the ones that overtook them.
fn tell(server: &Server) {
    let mut told = HashSet::new();
    loop {
        let entries = server.log().entries();
        for entry in entries.iter().filter(|entry| entry.finished.is_some()) {
            if told.insert(entry.order) {
                eprintln!(
                    "{} {:?} /{}/{} {:?} in {} out {}",
                    entry.status,
                    entry.op,
                    entry.bucket,
                    entry.key,
                    entry.query,
                    entry.bytes_in,
                    entry.bytes_out
                );
            }
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
