//! Fetches the layers of an image as a client would, checks them, and keeps nothing.

use super::connection::{self, Answer};
use super::inspect::{Descriptor, Inspection, locate};
use super::{Client, DEADLINE, Failure, host};
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// Fetches every layer of an inspected image; each must have its digest and size. Returns their bytes in all.
pub async fn pull(client: &Client, image: &str, inspection: &Inspection) -> Result<u64, Failure> {
    let (base, name) = locate(image)?;
    let mut total = 0;
    for layer in &inspection.layers {
        let url = base
            .join(&format!("v2/{}/blobs/{}", name.repository, layer.digest))
            .map_err(|why| Failure::new(format!("{image}: {why}")))?;
        client.verify(&url, layer).await?;
        total += layer.size;
    }
    Ok(total)
}

impl Client {
    async fn verify(&self, url: &Url, layer: &Descriptor) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        self.authorize(&mut headers);
        let answer = self.open(url, headers).await?;
        if answer.status().is_redirection() {
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| url.join(location).ok());
            let target = target.ok_or_else(|| Failure::new(format!("{} redirects to nowhere", host(url))))?;
            // Credentials are for the host that was asked; a blob is redirected once, to its store.
            let answer = self.open(&target, HeaderMap::new()).await?;
            return hashed(&target, layer, answer, self.idle).await;
        }
        hashed(url, layer, answer, self.idle).await
    }

    async fn open(&self, url: &Url, headers: HeaderMap) -> Result<Response<Answer>, Failure> {
        let call = connection::open(&self.tls, Method::GET, url, headers, Default::default());
        match timeout(DEADLINE, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(format!("{} does not answer", host(url)))),
        }
    }
}

async fn hashed(
    url: &Url,
    layer: &Descriptor,
    answer: Response<Answer>,
    idle: Duration,
) -> Result<(), Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(format!("{} from {}: {why}", layer.digest, host(url)));
    if answer.status() != StatusCode::OK {
        return Err(failed(&answer.status()));
    }
    let mut digester = layer.digest.digester().ok_or_else(|| failed(&"its digest cannot be computed"))?;
    let (mut answer, mut size) = (answer.into_body(), 0);
    let stopped = |_| failed(&format_args!("nothing came for {} s", idle.as_secs()));
    while let Some(frame) = timeout(idle, answer.body.frame()).await.map_err(stopped)? {
        let frame = frame.map_err(|error| failed(&error))?;
        if let Some(data) = frame.data_ref() {
            digester.update(data);
            size += data.len() as u64;
        }
    }
    match size == layer.size && digester.finish() == layer.digest {
        true => Ok(()),
        false => Err(failed(&"other content was served")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers every request with `text`, and then says nothing.
    async fn serve(text: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/blob", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                stream.write_all(text.as_bytes()).await.unwrap();
                open.push(stream);
            }
        });
        url
    }

    #[tokio::test]
    async fn a_layer_comes_whole_or_is_given_up() {
        let layer: Descriptor = serde_json::from_value(serde_json::json!({
            "mediaType": "x/layer", "digest": Digest::sha256("layer"), "size": 5,
        }))
        .unwrap();
        let client = Client { idle: Duration::from_millis(100), ..Client::new(None).unwrap() };
        let ask = async |text| client.verify(&serve(text).await, &layer).await.map_err(|f| f.to_string());
        assert_eq!(ask("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlayer").await, Ok(()));
        let stopped = ask("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlay").await.unwrap_err();
        assert!(stopped.ends_with("nothing came for 0 s"), "{stopped}");
        let other = ask("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother").await.unwrap_err();
        assert!(other.ends_with("other content was served"), "{other}");
    }
}
