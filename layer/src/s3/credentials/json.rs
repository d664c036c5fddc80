//! The documents of the container and instance endpoints.

use serde_json::Value;

use super::Credentials;
use crate::s3::time;

/// Reads `{"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...}`.
pub(super) fn credentials(document: &[u8]) -> Result<Credentials, String> {
    let document: Value =
        serde_json::from_slice(document).map_err(|_| "its answer is no JSON document".to_owned())?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    match text("Code") {
        None | Some("Success") => {}
        Some(code) => {
            let message = text("Message").or_else(|| text("message")).unwrap_or_default();
            return Err(format!("it answers {code} {message}"));
        }
    }
    let field = |name: &str| text(name).ok_or_else(|| format!("its answer has no {name}"));
    let expires = text("Expiration").and_then(time::iso8601);
    Ok(Credentials::temporary(field("AccessKeyId")?, field("SecretAccessKey")?, field("Token")?, expires))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_endpoints_answer() {
        let document =
            br#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",
            "Expiration":"2026-01-31T23:59:59Z"}"#;
        let credentials = credentials(document).expect("complete");
        assert_eq!((credentials.access(), credentials.secret(), credentials.token()), ("A", "S", Some("T")));
        assert_eq!(credentials.expires, time::iso8601("2026-01-31T23:59:59Z"));
    }

    #[test]
    fn other_answers_are_told_without_their_secrets() {
        for (document, reason) in [
            ("nonsense", "JSON"),
            (
                "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"no\"}",
                "AssumeRoleUnauthorizedAccess no",
            ),
            ("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hidden\"}", "Token"),
        ] {
            let message = credentials(document.as_bytes()).expect_err(document);
            assert!(message.contains(reason) && !message.contains("hidden"), "{message}");
        }
    }
}
