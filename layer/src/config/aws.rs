//! What the environment says about S3: the variables of the AWS tools, and the `FUSION_*` ones of this driver.
//!
//! Reading it opens no file and no connection; files and endpoints it names are looked at when they are needed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::http::Origin;
use crate::net::tls::Bundles;
use crate::s3::tags::Tags;

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A server that speaks for all buckets or for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub origin: Origin,
    /// What comes before all paths: empty, or with a leading and without a trailing slash.
    pub prefix: Box<str>,
}

/// Keys of the environment.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `AWS_ACCESS_KEY_ID`.
    pub access: Box<str>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Secret,
    /// `AWS_SESSION_TOKEN`.
    pub token: Option<Secret>,
}

/// Where credentials may come from, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `FUSION_AWS_ANONYMOUS`: requests are not signed, and nothing else here counts.
    pub anonymous: bool,
    /// Keys of the environment.
    pub keys: Option<Keys>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, read again for each renewal.
    pub web_identity_file: Option<PathBuf>,
    /// `AWS_ROLE_ARN`.
    pub role: Option<Box<str>>,
    /// `AWS_ROLE_SESSION_NAME`.
    pub session: Option<Box<str>>,
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
    pub container_path: Option<Box<str>>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub container_url: Option<Box<str>>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub container_token: Option<Secret>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, read again for each renewal.
    pub container_token_file: Option<PathBuf>,
    /// `AWS_PROFILE` or `AWS_DEFAULT_PROFILE`.
    pub profile: Option<Box<str>>,
    /// `AWS_CONFIG_FILE`, or `~/.aws/config`.
    pub config_file: Option<PathBuf>,
    /// `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`.
    pub credentials_file: Option<PathBuf>,
    /// `AWS_EC2_METADATA_DISABLED` is not `true`.
    pub instance: bool,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub instance_url: Option<Box<str>>,
    /// `AWS_ENDPOINT_URL_STS` or `AWS_ENDPOINT_URL`.
    pub sts: Option<Endpoint>,
}

/// Server-side encryption of what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: &'static str,
    /// The key of KMS; that of the account if there is none.
    pub key: Option<Box<str>>,
}

/// How S3 is spoken to.
#[derive(Clone, Debug)]
pub struct Aws {
    /// `AWS_S3_ENDPOINT`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`; that of the region if there is none.
    pub endpoint: Option<Endpoint>,
    /// The bucket is part of the path and not of the host.
    pub path_style: bool,
    /// `FUSION_AWS_REGION`, `AWS_REGION` or `AWS_DEFAULT_REGION`: the region of buckets nothing else is known of.
    pub region: Option<Box<str>>,
    /// Credentials.
    pub sources: Sources,
    /// Certificates.
    pub bundles: Bundles,
    /// `FUSION_AWS_REQUEST_PAYER`: the caller pays for requests to buckets of others.
    pub requester_pays: bool,
    /// `FUSION_AWS_EXPECTED_BUCKET_OWNER`: the account all buckets must belong to.
    pub owner: Option<Box<str>>,
    /// `FUSION_AWS_SERVER_SIDE_ENCRYPTION` and `FUSION_AWS_SSEKMS_KEY_ID`.
    pub encryption: Option<Encryption>,
    /// `FUSION_AWS_STORAGE_CLASS` of what is written.
    pub storage_class: Option<Box<str>>,
    /// `FUSION_TAGS` of what is written.
    pub tags: Tags,
    /// How long a body may stand still.
    pub stall: Duration,
}

/// A body that stands still for so long is read on from another connection.
const STALL: Duration = Duration::from_secs(5);

impl Aws {
    /// Reads the environment through a function that gives the value of a variable. Empty ones count as missing.
    ///
    /// # Errors
    ///
    /// A variable has a value it cannot have; the message names both.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let first =
            |names: &[&'static str]| names.iter().find_map(|&name| text(name).map(|value| (name, value)));
        let endpoint = first(&["AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let mut endpoint = endpoint.map(|(name, value)| Endpoint::parse(name, &value)).transpose()?;
        let path_style = switch(&text, "FUSION_AWS_PATH_STYLE")?;
        let region = first(&["FUSION_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"]);
        let mut region = region.map(|(name, value)| region_name(name, value)).transpose()?;
        if let Some(amazon) = endpoint.as_ref().and_then(Endpoint::as_amazon) {
            // Amazon itself: buckets of other regions must remain within reach.
            region = region.or(amazon);
            endpoint = None;
        }
        let named = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"]
            .into_iter()
            .filter_map(|name| Some((name, text(name)?.into())))
            .collect();
        Ok(Self {
            path_style: path_style.unwrap_or(endpoint.is_some()),
            region,
            sources: Sources::read(&text)?,
            bundles: Bundles { named },
            requester_pays: requester_pays(&text)?,
            owner: text("FUSION_AWS_EXPECTED_BUCKET_OWNER").map(Into::into),
            encryption: encryption(&text)?,
            storage_class: text("FUSION_AWS_STORAGE_CLASS").map(Into::into),
            tags: text("FUSION_TAGS").map(|value| Tags::parse(&value)).transpose()?.unwrap_or_default(),
            endpoint,
            stall: STALL,
        })
    }
}

impl Sources {
    fn read(text: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let short = |name: &str| text(name).map(String::into_boxed_str);
        let path = |name: &str| text(name).map(PathBuf::from);
        let secret = |name: &str| text(name).map(|value| Secret::new(&value));
        let home = |file: &str| text("HOME").map(|home| PathBuf::from(home).join(".aws").join(file));
        let keys = match (short("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY")) {
            (Some(access), Some(secret_key)) => {
                Some(Keys { access, secret: secret_key, token: secret("AWS_SESSION_TOKEN") })
            }
            (None, None) => None,
            (Some(_), None) => return Err("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY".into()),
            (None, Some(_)) => return Err("AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID".into()),
        };
        let sts = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| Some((name, text(name)?)))
            .map(|(name, value)| Endpoint::parse(name, &value))
            .transpose()?;
        Ok(Self {
            anonymous: switch(text, "FUSION_AWS_ANONYMOUS")?.unwrap_or(false),
            keys,
            web_identity_file: path("AWS_WEB_IDENTITY_TOKEN_FILE"),
            role: short("AWS_ROLE_ARN"),
            session: short("AWS_ROLE_SESSION_NAME"),
            container_path: short("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            container_url: short("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            container_token: secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            container_token_file: path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            profile: short("AWS_PROFILE").or_else(|| short("AWS_DEFAULT_PROFILE")),
            config_file: path("AWS_CONFIG_FILE").or_else(|| home("config")),
            credentials_file: path("AWS_SHARED_CREDENTIALS_FILE").or_else(|| home("credentials")),
            instance: !switch(text, "AWS_EC2_METADATA_DISABLED")?.unwrap_or(false),
            instance_url: short("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            sts,
        })
    }
}

impl Endpoint {
    /// Reads `http[s]://host[:port][/prefix]`. A host alone means https. The variable's name is for the message.
    ///
    /// # Errors
    ///
    /// It is no such address.
    pub fn parse(variable: &str, text: &str) -> Result<Self, String> {
        let wrong = || format!("{variable} is not an address of the form https://host[:port]");
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url: http::Uri = full.parse().map_err(|_| wrong())?;
        let tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.map(|authority| authority.host()).filter(|host| !host.is_empty());
        let host = host.ok_or_else(wrong)?.trim_start_matches('[').trim_end_matches(']');
        if url.query().is_some() {
            return Err(wrong());
        }
        let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let origin = Origin { tls, host: host.to_ascii_lowercase().into(), port };
        Ok(Self { origin, prefix: url.path().trim_end_matches('/').into() })
    }

    /// Whether this is Amazon's public S3, and of which region: `s3.amazonaws.com`, `s3.REGION.amazonaws.com`.
    fn as_amazon(&self) -> Option<Option<Box<str>>> {
        let host = self.origin.host.strip_suffix(".cn").unwrap_or(&self.origin.host);
        let middle = host.strip_prefix("s3.")?.strip_suffix("amazonaws.com")?;
        if !self.origin.tls || self.origin.port != 443 || !self.prefix.is_empty() {
            return None;
        }
        if middle.is_empty() {
            return Some(None);
        }
        let region = middle.strip_suffix('.').filter(|region| is_region(region))?;
        Some(Some(region.into()))
    }
}

fn switch(text: &impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<bool>, String> {
    match text(name).map(|value| value.to_ascii_lowercase()).as_deref() {
        None => Ok(None),
        Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
        Some("0" | "false" | "no" | "off") => Ok(Some(false)),
        Some(value) => Err(format!("{name} must be true or false, not {value}")),
    }
}

/// `requester`, as S3 itself writes it, or a switch.
fn requester_pays(text: &impl Fn(&str) -> Option<String>) -> Result<bool, String> {
    let name = "FUSION_AWS_REQUEST_PAYER";
    match text(name) {
        Some(value) if value.eq_ignore_ascii_case("requester") => Ok(true),
        _ => Ok(switch(text, name)?.unwrap_or(false)),
    }
}

fn encryption(text: &impl Fn(&str) -> Option<String>) -> Result<Option<Encryption>, String> {
    let key = text("FUSION_AWS_SSEKMS_KEY_ID").map(String::into_boxed_str);
    let algorithm = match text("FUSION_AWS_SERVER_SIDE_ENCRYPTION").as_deref() {
        Some("AES256") => "AES256",
        Some("aws:kms") => "aws:kms",
        Some("aws:kms:dsse") => "aws:kms:dsse",
        Some(other) => {
            return Err(format!(
                "FUSION_AWS_SERVER_SIDE_ENCRYPTION must be AES256, aws:kms or aws:kms:dsse, not {other}"
            ));
        }
        None if key.is_some() => "aws:kms",
        None => return Ok(None),
    };
    Ok(Some(Encryption { algorithm, key: key.filter(|_| algorithm != "AES256") }))
}

/// A region becomes part of a host's name.
fn region_name(variable: &str, value: String) -> Result<Box<str>, String> {
    if is_region(&value) {
        return Ok(value.into());
    }
    Err(format!("{variable} is not the name of a region: {value}"))
}

/// Letters, digits and hyphens, as in a label of a host's name.
pub(crate) fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
