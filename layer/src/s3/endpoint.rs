//! Where a bucket is: host, and the path before the key.

use crate::config::aws::{Aws, Endpoint};
use crate::net::http::Origin;

/// Where to send a request for a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// What comes before the key: `/`, or `/bucket/` and more.
    pub(super) base: String,
}

impl Place {
    /// Of a bucket in a region.
    pub(super) fn of_bucket(aws: &Aws, bucket: &str, region: &str) -> Self {
        let path_style = aws.path_style || !fits_host(bucket);
        let (origin, prefix) = match &aws.endpoint {
            Some(Endpoint { origin, prefix }) => (origin.clone(), &**prefix),
            None => (amazon("s3", region), ""),
        };
        if path_style {
            return Self { origin, base: format!("{prefix}/{bucket}/") };
        }
        let host = format!("{bucket}.{}", origin.host).into();
        Self { origin: Origin { host, ..origin }, base: format!("{prefix}/") }
    }

    /// The path of a key. `key` is encoded.
    pub(super) fn path(&self, key: Option<&str>) -> String {
        match key {
            Some(key) => format!("{}{key}", self.base),
            // The bucket itself; without a trailing slash some servers redirect.
            None => self.base.clone(),
        }
    }
}

/// The value of the header Host: ports that go without saying are left out, as clients sign it.
pub(super) fn host_header(origin: &Origin) -> String {
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.to_string() };
    let usual = if origin.tls { 443 } else { 80 };
    if origin.port == usual { host } else { format!("{host}:{}", origin.port) }
}

/// A service of Amazon's in a region.
pub(super) fn amazon(service: &str, region: &str) -> Origin {
    let suffix = match region {
        _ if region.starts_with("cn-") => "amazonaws.com.cn",
        _ if region.starts_with("eusc-") => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    Origin { tls: true, host: format!("{service}.{region}.{suffix}").into(), port: 443 }
}

/// A bucket's name that may stand before a host: a wildcard certificate covers one label, so no dots; and capitals
/// of old buckets would be lost.
fn fits_host(bucket: &str) -> bool {
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(variables: &[(&str, &str)]) -> Aws {
        Aws::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
            .expect("valid")
    }

    #[test]
    fn amazon_takes_buckets_as_hosts_unless_they_have_dots() {
        let aws = aws(&[]);
        let place = Place::of_bucket(&aws, "my-bucket", "eu-central-1");
        assert_eq!(host_header(&place.origin), "my-bucket.s3.eu-central-1.amazonaws.com");
        assert_eq!(place.path(Some("/a//b")), "//a//b");
        let place = Place::of_bucket(&aws, "my.bucket", "cn-north-1");
        assert_eq!(host_header(&place.origin), "s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(place.path(Some("k")), "/my.bucket/k");
    }

    #[test]
    fn other_endpoints_take_buckets_in_paths_unless_told() {
        let path = aws(&[("AWS_S3_ENDPOINT", "http://[::1]:9000/store")]);
        let place = Place::of_bucket(&path, "b-b", "us-east-1");
        assert_eq!(host_header(&place.origin), "[::1]:9000");
        assert_eq!(place.path(Some("k")), "/store/b-b/k");
        assert_eq!(place.path(None), "/store/b-b/");
        let host = aws(&[("AWS_S3_ENDPOINT", "http://store"), ("FUSION_AWS_PATH_STYLE", "0")]);
        let place = Place::of_bucket(&host, "b-b", "us-east-1");
        assert_eq!(
            (host_header(&place.origin).as_str(), place.path(Some("k")).as_str()),
            ("b-b.store", "/k")
        );
    }
}
