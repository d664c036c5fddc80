//! Clients of the test server.

use std::path::PathBuf;

use bytes::Bytes;
use fusion::config::aws::Aws;
use fusion::s3::{Body, Client, Error};

use crate::support::s3::{ACCESS_KEY, SECRET_KEY, Server};

/// Settings as an environment would give them.
pub(crate) fn aws(variables: &[(&str, &str)]) -> Aws {
    let value = |name: &str| {
        variables.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    Aws::read(value).expect("the variables are valid")
}

/// A client with the server's own keys, and further variables that win.
pub(crate) fn client_with(server: &Server, more: &[(&str, &str)]) -> Client {
    let endpoint = server.endpoint();
    let mut variables = vec![
        ("AWS_S3_ENDPOINT", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ];
    variables.extend(more);
    Client::new(aws(&variables))
}

/// A client with the server's own keys.
pub(crate) fn client(server: &Server) -> Client {
    client_with(server, &[])
}

/// A server with the bucket `b`.
pub(crate) fn server() -> Server {
    let server = Server::start();
    server.store().bucket("b");
    server
}

/// A client without keys that looks for credentials itself, and nowhere but where the variables say.
pub(crate) fn keyless(server: &Server, more: &[(&str, &str)]) -> Client {
    let endpoint = server.endpoint();
    let mut variables = vec![("AWS_S3_ENDPOINT", endpoint.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")];
    variables.extend(more);
    Client::new(aws(&variables))
}

/// All bytes of a body.
pub(crate) async fn read(mut body: Body) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

/// Bytes that are no two times the same.
pub(crate) fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect::<Vec<_>>().into()
}

/// A file of the test's own, removed with it.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fusion-s3-{}-{name}", std::process::id()));
        std::fs::write(&path, content).expect("the folder for temporary files can be written");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("the folder's name is UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
