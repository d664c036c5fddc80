//! The S3 client by hand, with the settings of the environment as the driver reads them.
//!
//! ```text
//! s3 ls BUCKET [PREFIX]      s3 stat BUCKET KEY      s3 cat BUCKET KEY
//! s3 put BUCKET KEY < file   s3 cp BUCKET KEY TO     s3 rm BUCKET KEY...
//! ```

use std::error::Error;
use std::io::{Read as _, Write as _};

use bytes::Bytes;
use fusion::config::aws::Aws;
use fusion::s3::{Client, Condition, Get, List, Part, Put, Source};

/// Bodies above this are written in parts of this size.
const PART: usize = 8 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(Aws::read(|name| std::env::var(name).ok())?);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&client, &words))
}

async fn run(client: &Client, words: &[&str]) -> Result<(), Box<dyn Error>> {
    match *words {
        ["ls", bucket] => list(client, bucket, "").await,
        ["ls", bucket, prefix] => list(client, bucket, prefix).await,
        ["stat", bucket, key] => {
            println!("{:#?}", client.head(bucket, key).await?);
            Ok(())
        }
        ["cat", bucket, key] => {
            let mut body = client.get_resumed(bucket, key, Get::default()).await?.body;
            while let Some(piece) = body.next().await {
                std::io::stdout().write_all(&piece?)?;
            }
            Ok(())
        }
        ["put", bucket, key] => put(client, bucket, key).await,
        ["cp", bucket, key, to] => {
            let from = Source { bucket, key, range: None, if_match: None };
            println!("{:?}", client.copy(from, bucket, to, Condition::None).await?);
            Ok(())
        }
        ["rm", bucket, ref keys @ ..] => {
            for (key, error) in client.delete_many(bucket, keys).await? {
                println!("{key:?} {error}");
            }
            Ok(())
        }
        _ => Err("ls, stat, cat, put, cp or rm, a bucket, and keys".into()),
    }
}

async fn list(client: &Client, bucket: &str, prefix: &str) -> Result<(), Box<dyn Error>> {
    let mut next: Option<Box<str>> = None;
    loop {
        let list = List { prefix, delimiter: Some("/"), continuation: next.as_deref(), ..List::default() };
        let page = client.list(bucket, list).await?;
        for prefix in &page.prefixes {
            println!("{:>12}  {prefix:?}", "");
        }
        for object in &page.objects {
            println!("{:>12}  {:?} {:?}", object.size, object.key, object.etag);
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

async fn put(client: &Client, bucket: &str, key: &str) -> Result<(), Box<dyn Error>> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let body = Bytes::from(body);
    if body.len() <= PART {
        println!("{:?}", client.put(bucket, key, vec![body], Put::default()).await?);
        return Ok(());
    }
    let id = client.create_upload(bucket, key, Put::default()).await?;
    let mut parts: Vec<Part> = Vec::new();
    for (number, at) in (1..).zip((0..body.len()).step_by(PART)) {
        let part = vec![body.slice(at..body.len().min(at + PART))];
        parts.push(client.upload_part(bucket, key, &id, number, part).await?);
    }
    println!("{:?}", client.complete_upload(bucket, key, &id, &parts, Condition::None).await?);
    Ok(())
}
