//! `wave token IMAGE`: asks a proxy for an image name that stands for a changed image.

use super::{Client, Failure, host};
use crate::secret::Secret;
use serde_json::{Map, Value, json};
use std::fmt;
use url::Url;

/// What to ask for. Whatever is empty is left to the proxy.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The image.
    pub image: String,
    /// `--config-entrypoint`, split into words by the caller.
    pub entrypoint: Vec<String>,
    /// `--config-cmd`.
    pub cmd: Vec<String>,
    /// `--config-env`, as `KEY=value`.
    pub env: Vec<String>,
    /// `--config-working-dir`.
    pub working_dir: Option<String>,
    /// Layers as the control API takes them: objects with `location` and, as needed, the digests and size.
    pub layers: Vec<Value>,
    /// `--platform`.
    pub platform: Option<String>,
    /// `--tower-token`.
    pub tower_token: Option<Secret>,
    /// `--tower-workspace-id`.
    pub tower_workspace_id: Option<u64>,
}

/// The reply. `Display` is the image name to pull.
#[derive(Clone, Debug)]
pub struct Minted {
    /// `targetImage`.
    pub target_image: String,
    /// The whole reply, for `-o json`.
    pub reply: Value,
}

/// Asks the proxy at `endpoint` for a token.
pub async fn token(client: &Client, endpoint: &Url, request: &TokenRequest) -> Result<Minted, Failure> {
    let url = endpoint
        .join("/container-token")
        .map_err(|why| Failure::new(format!("the endpoint is no base for requests: {why}")))?;
    let response = client.post(&url, &request.body()).await?;
    let unexpected = || Failure::new(format!("{} does not answer like a Wave registry", host(endpoint)));
    let reply: Value = serde_json::from_slice(response.body()).map_err(|_| unexpected())?;
    let target_image = reply["targetImage"].as_str().ok_or_else(unexpected)?.to_string();
    Ok(Minted { target_image, reply })
}

/// The words of a flag: those of a JSON array of strings, if it begins with `[` and is one, else those between
/// spaces.
pub fn words(text: &str) -> Vec<String> {
    let array = text.trim_start().starts_with('[').then(|| serde_json::from_str(text).ok()).flatten();
    array.unwrap_or_else(|| text.split_whitespace().map(String::from).collect())
}

impl TokenRequest {
    /// The request's JSON, without members that say nothing.
    fn body(&self) -> Value {
        let mut config = Map::new();
        let lists = [("entrypoint", &self.entrypoint), ("cmd", &self.cmd), ("env", &self.env)];
        for (name, words) in lists.into_iter().filter(|(_, words)| !words.is_empty()) {
            config.insert(name.into(), json!(words));
        }
        if let Some(dir) = &self.working_dir {
            config.insert("workingDir".into(), json!(dir));
        }
        if !self.layers.is_empty() {
            config.insert("layers".into(), json!(self.layers));
        }
        let mut body = json!({ "containerImage": self.image });
        if !config.is_empty() {
            body["containerConfig"] = config.into();
        }
        if let Some(platform) = &self.platform {
            body["containerPlatform"] = json!(platform);
        }
        if let Some(token) = &self.tower_token {
            body["towerAccessToken"] = json!(token.expose());
        }
        if let Some(id) = self.tower_workspace_id {
            body["towerWorkspaceId"] = json!(id);
        }
        body
    }
}

impl fmt::Display for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target_image)
    }
}

#[cfg(test)]
mod tests {
    use super::super::server::Server;
    use super::*;

    #[tokio::test]
    async fn asks_for_what_was_said_and_prints_the_name() {
        let reply = r#"{"containerToken":"t","targetImage":"host/wt/t/a:b","expiration":"x"}"#;
        let server = Server::start([("/container-token", 200, "application/json", reply.into())]).await;
        let request = TokenRequest {
            image: "a:b".into(),
            env: vec!["A=b".into()],
            working_dir: Some("/w".into()),
            platform: Some("linux/arm64".into()),
            tower_token: Some(Secret::new("hunter2")),
            tower_workspace_id: Some(7),
            ..TokenRequest::default()
        };
        let minted = token(&Client::new(None).unwrap(), &server.url(), &request).await.unwrap();
        assert_eq!(
            (minted.to_string(), &minted.reply["containerToken"]),
            ("host/wt/t/a:b".into(), &json!("t"))
        );
        let sent: Value = serde_json::from_slice(&server.last_body()).unwrap();
        let want = json!({
            "containerImage": "a:b",
            "containerConfig": { "env": ["A=b"], "workingDir": "/w" },
            "containerPlatform": "linux/arm64",
            "towerAccessToken": "hunter2",
            "towerWorkspaceId": 7
        });
        assert_eq!(sent, want);
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn words_of_a_flag() {
        let check = |text: &str, want: &[&str]| assert_eq!(words(text), want, "{text}");
        check("sh -c", &["sh", "-c"]);
        check(r#"["sh", "a b"]"#, &["sh", "a b"]);
        check(" [\"a\"] ", &["a"]);
        check("[ -f x ]", &["[", "-f", "x", "]"]);
        check("[1, 2]", &["[1,", "2]"]);
        for word in ["true", "5", "null", "\"quoted\"", "{}"] {
            check(word, &[word]);
        }
        check("", &[]);
    }

    #[tokio::test]
    async fn failures_carry_the_servers_words() {
        let body = r#"{"message":"Missing access token"}"#;
        let server = Server::start([("/container-token", 400, "application/json", body.into())]).await;
        let failure =
            token(&Client::new(None).unwrap(), &server.url(), &TokenRequest::default()).await.unwrap_err();
        let want = format!("{} answers 400 Bad Request: Missing access token", host(&server.url()));
        assert_eq!(failure.to_string(), want);
    }
}
