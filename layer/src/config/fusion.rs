//! `FUSION_*`: what a caller sets about the mount and the driver.

use std::path::PathBuf;
use std::time::Duration;

use super::buckets::Buckets;

/// Variables that name buckets.
const BUCKETS: [&str; 4] = ["NXF_FUSION_BUCKETS", "FUSION_BUCKETS", "FUSION_WORK", "NXF_FUSION_WORK"];
/// Smallest memory budget that still reads with several connections.
const LEAST_MEMORY: u64 = 32 << 20;

/// Settings of the driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fusion {
    /// The buckets the mount point shows.
    pub buckets: Buckets,
    /// `FUSION_MEMORY`: most bytes for data in memory; by default a share of the container's limit.
    pub memory: Option<u64>,
    /// `FUSION_CACHE_LOCATION`: the folder for files that are being written.
    pub cache_location: Option<PathBuf>,
    /// `FUSION_STOP_SHUTDOWN_TIMEOUT`: longest time for what is left to upload at the end; by default no limit.
    pub shutdown_timeout: Option<Duration>,
    /// `FUSION_ASYNC_COMMIT=1`: small files are uploaded after they were closed, see `fs::write::order`.
    pub async_commit: bool,
    /// `FUSION_HARDLINK=deny`: no copies in place of hard links.
    pub no_hard_links: bool,
    /// `FUSION_USERNS=off`: no user namespace of our own if the mount is refused.
    pub no_user_namespace: bool,
}

impl Fusion {
    /// Reads the variables; `value` gives those that are set and not empty.
    ///
    /// # Errors
    /// All mistakes, as sentences.
    pub fn read(value: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut buckets = Buckets::default();
        for name in BUCKETS {
            let Some(list) = value(name) else { continue };
            if let Err(items) = buckets.add(&list) {
                wrong.extend(items.into_iter().map(|item| format!("{name}: {item}")));
            }
        }
        let mut setting = |name: &str, read: &dyn Fn(&str) -> Option<u64>, form: &str| {
            let text = value(name)?;
            let number = read(&text);
            if number.is_none() {
                wrong.push(format!("{name}: {text:?} is not {form}"));
            }
            number
        };
        let memory = setting("FUSION_MEMORY", &bytes, "a number of bytes such as 256M, 32M or more");
        let timeout = setting("FUSION_STOP_SHUTDOWN_TIMEOUT", &millis, "a time such as 90, 90s or 5m");
        let fusion = Self {
            buckets,
            memory,
            cache_location: value("FUSION_CACHE_LOCATION").map(PathBuf::from),
            shutdown_timeout: timeout.map(Duration::from_millis),
            async_commit: value("FUSION_ASYNC_COMMIT").is_some_and(|value| value == "1"),
            no_hard_links: value("FUSION_HARDLINK").is_some_and(|value| value == "deny"),
            no_user_namespace: value("FUSION_USERNS").is_some_and(|value| value == "off"),
        };
        if wrong.is_empty() { Ok(fusion) } else { Err(wrong) }
    }
}

/// A number with an optional K, M or G.
fn bytes(text: &str) -> Option<u64> {
    let text = text.strip_suffix(['B', 'b']).unwrap_or(text);
    let text = text.strip_suffix(['i']).unwrap_or(text);
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    (number >= LEAST_MEMORY).then_some(number)
}

/// A number with an optional ms, s, m or h; seconds without.
fn millis(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[end..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    text[..end].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Fusion, Vec<String>> {
        Fusion::read(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_needed() {
        assert_eq!(read(&[]), Ok(Fusion::default()));
    }

    #[test]
    fn every_setting_is_read() {
        let fusion = read(&[
            ("NXF_FUSION_BUCKETS", "s3://one,s3://two"),
            ("FUSION_WORK", "/fusion/s3/three/work"),
            ("FUSION_MEMORY", "256MiB"),
            ("FUSION_CACHE_LOCATION", "/scratch"),
            ("FUSION_STOP_SHUTDOWN_TIMEOUT", "5m"),
            ("FUSION_ASYNC_COMMIT", "1"),
            ("FUSION_HARDLINK", "deny"),
            ("FUSION_USERNS", "off"),
        ])
        .unwrap();
        assert_eq!(fusion.buckets.names().collect::<Vec<_>>(), ["one", "three", "two"]);
        assert_eq!(fusion.memory, Some(256 << 20));
        assert_eq!(fusion.cache_location, Some("/scratch".into()));
        assert_eq!(fusion.shutdown_timeout, Some(Duration::from_secs(300)));
        assert!(fusion.async_commit && fusion.no_hard_links && fusion.no_user_namespace);
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(
            ["64M", "1G", "33554432", "1M", "x", "", "9999999999999G"].map(bytes)[..3],
            [Some(64 << 20), Some(1 << 30), Some(32 << 20)]
        );
        assert!(["1M", "x", "", "M", "9999999999999G"].iter().all(|text| bytes(text).is_none()));
        assert_eq!(["90", "90s", "250ms", "2h"].map(millis), [90_000, 90_000, 250, 7_200_000].map(Some));
        assert!(["", "s", "1d", "-1"].iter().all(|text| millis(text).is_none()));
    }

    #[test]
    fn all_mistakes_are_told_together() {
        let wrong = read(&[("FUSION_BUCKETS", "!"), ("FUSION_MEMORY", "some")]).unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("FUSION_BUCKETS: "), "{wrong:?}");
    }
}
