//! Fetches the layers of an image as a client would, checks them, and keeps nothing.

use super::inspect::{Descriptor, Inspection, locate};
use super::{Client, Failure, connection, host};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
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
        let answer = connection::open(&self.tls, Method::GET, url, headers, Default::default()).await?;
        if answer.status().is_redirection() {
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| url.join(location).ok());
            let target = target.ok_or_else(|| Failure::new(format!("{} redirects to nowhere", host(url))))?;
            // Credentials are for the host that was asked; a blob is redirected once, to its store.
            let answer =
                connection::open(&self.tls, Method::GET, &target, HeaderMap::new(), Default::default());
            return hashed(&target, layer, answer.await?).await;
        }
        hashed(url, layer, answer).await
    }
}

async fn hashed(
    url: &Url,
    layer: &Descriptor,
    answer: http::Response<connection::Answer>,
) -> Result<(), Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(format!("{} from {}: {why}", layer.digest, host(url)));
    if answer.status() != StatusCode::OK {
        return Err(failed(&answer.status()));
    }
    let mut digester = layer.digest.digester().ok_or_else(|| failed(&"its digest cannot be computed"))?;
    let (mut answer, mut size) = (answer.into_body(), 0);
    while let Some(frame) = answer.body.frame().await {
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
