//! Random operations on one file, against a vector: without the kernel, whose page cache would answer the reads.

use std::sync::Arc;

use bytes::Bytes;
use fusion::config::aws::Aws;
use fusion::fs::key::Place;
use fusion::fs::read::pool::Pool;
use fusion::fs::write::content::{Base, Content, Read};
use fusion::fs::write::context::Context;
use fusion::s3::{Client, Get};

use crate::mounted::{BUCKET, settings};
use crate::support::s3::{Action, Op, Server, When};

const MIB: u64 = 1 << 20;

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % end
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let (len, first) = (self.below(most), self.below(256));
        (0..len).map(|n| (n.wrapping_mul(31) + n / 997 + first) as u8).collect()
    }
}

fn client(server: &Server) -> Client {
    let settings = settings(server);
    let value =
        |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Client::new(Aws::read(value).unwrap())
}

async fn object(client: &Client, place: &Place) -> (Base, Vec<u8>) {
    let mut object = client.get_resumed(&place.bucket, &place.key, Get::default()).await.unwrap();
    let mut body = Vec::new();
    while let Some(bytes) = object.body.next().await {
        body.extend_from_slice(&bytes.unwrap());
    }
    (Base { etag: object.meta.etag, size: object.meta.size }, body)
}

async fn run(seed: u64, memory: u64, steps: u32, prepare: impl Fn(&Server)) {
    let server = Server::start();
    server.store().bucket(BUCKET);
    prepare(&server);
    let client = client(&server);
    let pool = Arc::new(Pool::new(memory));
    let context = Arc::new(Context::new(client.clone(), Arc::clone(&pool), None));
    let place = Place { bucket: BUCKET.into(), key: "file".into() };
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut content = Content::created(Arc::clone(&context), place.clone());
    let mut model: Vec<u8> = Vec::new();
    for step in 0..steps {
        let size = model.len() as u64;
        match random.below(24) {
            // Mostly in order, as most programs write.
            0..12 => {
                let most = if random.below(4) == 0 { 4 * MIB } else { 100_000 };
                let data = random.bytes(most);
                content.write(size, Bytes::from(data.clone())).await.unwrap();
                model.extend_from_slice(&data);
            }
            12..15 => {
                let data = random.bytes(300_000);
                let at = random.below(size + 50_000);
                content.write(at, Bytes::from(data.clone())).await.unwrap();
                if !data.is_empty() {
                    model.resize(model.len().max(at as usize + data.len()), 0);
                    model[at as usize..][..data.len()].copy_from_slice(&data);
                }
            }
            15..18 => {
                let start = random.below(size + 1);
                let range = start..start + random.below(2 * MIB);
                let end = range.end.min(size) as usize;
                match content.read(range).await.unwrap() {
                    Read::Here(chunks) => {
                        assert!(chunks.concat() == model[start as usize..end], "seed {seed}, step {step}");
                    }
                    Read::InObject => {
                        let (base, body) = object(&client, &place).await;
                        assert_eq!(content.base(), Some(&base), "seed {seed}, step {step}");
                        assert!(body == model, "seed {seed}, step {step}");
                    }
                }
            }
            18 => {
                let to = if random.below(4) == 0 { 0 } else { random.below(size + MIB) };
                content.truncate(to).await.unwrap();
                model.resize(to as usize, 0);
            }
            19..22 => {
                content.commit().await.unwrap();
                assert!(!content.dirty());
                let (base, body) = object(&client, &place).await;
                assert_eq!(content.base(), Some(&base), "seed {seed}, step {step}");
                assert!(body == model, "seed {seed}, step {step}: {} {}", body.len(), model.len());
            }
            22 => {
                content.commit().await.unwrap();
                content.let_go();
                assert!(content.size() == size);
                let (base, _) = object(&client, &place).await;
                content = Content::of_object(Arc::clone(&context), place.clone(), base);
            }
            _ => content.expect_reading(),
        }
        assert_eq!(content.size(), model.len() as u64, "seed {seed}, step {step}");
        if model.len() as u64 > 40 * MIB {
            content.truncate(0).await.unwrap();
            model.clear();
        }
    }
    content.commit().await.unwrap();
    assert!(object(&client, &place).await.1 == model, "seed {seed}");
    drop(content);
    // Uploads that were dropped are ended by tasks of their own.
    let ended = async {
        while pool.free() < pool.size() || !server.store().uploads(BUCKET).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_what_a_vector_is() {
    for seed in 1..7 {
        run(seed, 256 * MIB, 120, |_| {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_what_a_vector_is_with_hardly_any_memory() {
    for seed in 11..15 {
        run(seed, 8 * MIB, 100, |_| {}).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_what_a_vector_is_whatever_the_server_does() {
    for seed in 21..24 {
        run(seed, 256 * MIB, 80, |server| {
            let faults = server.faults();
            for n in 0..40 {
                faults.add(When::op(Op::UploadPart).skip(n * 3), Action::ResetUpload { at: 100_000 });
                faults.add(
                    When::op(Op::PutObject).skip(n * 2),
                    Action::Error { status: 503, code: "SlowDown" },
                );
                faults.add(When::op(Op::GetObject).skip(n * 2), Action::ResetAt { at: 50_000 });
                faults.add(
                    When::op(Op::UploadPartCopy).skip(n * 2),
                    Action::ErrorBody { code: "InternalError" },
                );
                faults.add(When::op(Op::CompleteUpload).skip(n * 2), Action::ResetAfterEffect);
            }
        })
        .await;
    }
}
