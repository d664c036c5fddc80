//! Units as people write them. Each parser has a printer whose text parses to the same value.

use super::Quota;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Longest duration: far enough, and safe to add to any clock.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// `30s`, `5m`, `36h`, `1d`, `500ms`, `1h30m`; more than nothing, at most ten years.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration_or_zero(text).and_then(|duration| {
        if duration.is_zero() { Err("must be more than nothing".into()) } else { Ok(duration) }
    })
}

/// As [`duration`], zero included (`0s`).
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a duration such as 30s, 5m, 36h or 1d".to_string();
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, tail) = split_number(rest);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis = match unit.trim() {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|&total| total <= LONGEST)
            .ok_or("is longer than ten years")?;
        rest = tail;
    }
    Ok(total)
}

/// In the largest unit that divides it.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(size, _)| millis != 0 && millis.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None if millis == 0 => "0s".into(),
        None => format!("{millis}ms"),
    }
}

/// `350MiB`, `4 KiB`, `1GB` (10^9), or bare bytes; more than nothing.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    match bytes_or_zero(text)? {
        0 => Err("must be more than nothing".into()),
        bytes => Ok(bytes),
    }
}

/// As [`bytes`], zero included.
pub(super) fn bytes_or_zero(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text.trim());
    let wrong = || "is not a size such as 350MiB".to_string();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(scale).ok_or_else(|| "is too large".into())
}

/// In the largest binary unit that divides it.
pub(super) fn show_bytes(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes != 0 && bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// A part of a hundred: a number up to 100, with or without its sign.
pub(super) fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse();
    number.ok().filter(|part| *part <= 100).ok_or_else(|| "is not a percentage from 0 to 100".into())
}

/// A count of at least one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("is not a whole number".into()),
    }
}

/// A count, zero included.
pub(super) fn count_or_zero(text: &str) -> Result<usize, String> {
    text.trim().parse().map_err(|_| "is not a whole number".to_string())
}

/// `100 / 1h`, or `off`.
pub(super) fn quota(text: &str) -> Result<Option<Quota>, String> {
    if text.trim() == "off" {
        return Ok(None);
    }
    let (number, per) = text.split_once('/').ok_or("is not a rate such as `100 / 1h`, or `off`")?;
    let number = count(number)?.try_into().map_err(|_| "is too large")?;
    Ok(Some(Quota { count: number, per: duration(per)? }))
}

/// As [`quota`] reads it.
pub(super) fn show_quota(quota: Option<Quota>) -> String {
    quota.map_or("off".into(), |quota| format!("{} / {}", quota.count, show_duration(quota.per)))
}

/// `[::]:9090`, `127.0.0.1:9091`, `localhost:9091`, or `:9090` for every address.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or("is not an address such as [::]:9090")?;
    let port = self::port(port)?;
    let ip: IpAddr = match host {
        "" | "*" => Ipv6Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => return Err("is not an address such as [::]:9090: listeners take addresses, not names".into()),
    };
    Ok(SocketAddr::new(ip, port))
}

/// A TCP port; 0 lets the system choose.
pub(super) fn port(text: &str) -> Result<u16, String> {
    text.trim().parse().map_err(|_| "is not a port".to_string())
}

/// `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false".into()),
    }
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, millis: u64, shown: &str| {
            let read = duration_or_zero(text).unwrap();
            assert_eq!((read, &*show_duration(read)), (Duration::from_millis(millis), shown), "{text}");
            assert_eq!(duration_or_zero(shown), Ok(read));
        };
        check("30s", 30_000, "30s");
        check("5m", 300_000, "5m");
        check("36h", 129_600_000, "36h");
        check("1d", 86_400_000, "1d");
        check("500ms", 500, "500ms");
        check("1h30m", 5_400_000, "90m");
        check("0s", 0, "0s");
        for bad in ["", "30", "s", "1.5s", "-1s", "1w", "1 h x", "99999999999999999999s", "4000d", "s1"] {
            assert!(duration_or_zero(bad).is_err(), "{bad}");
        }
        assert!(duration("0s").is_err());
    }

    #[test]
    fn sizes() {
        let check = |text: &str, bytes_: u64, shown: &str| {
            let read = bytes(text).unwrap();
            assert_eq!((read, &*show_bytes(read)), (bytes_, shown), "{text}");
            assert_eq!(bytes(shown), Ok(read));
        };
        check("350MiB", 350 << 20, "350MiB");
        check("4 KiB", 4096, "4KiB");
        check("1GB", 1_000_000_000, "1000000000");
        check("1024", 1024, "1KiB");
        for bad in ["", "MiB", "0", "1.5GiB", "1M", "-1", "99999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn none_and_parts() {
        assert_eq!((bytes_or_zero("0"), bytes_or_zero("1KiB")), (Ok(0), Ok(1024)));
        assert_eq!((percent("0"), percent("50"), percent("100 %")), (Ok(0), Ok(50), Ok(100)));
        for bad in ["", "101", "-1", "x", "%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates() {
        let hour = Quota { count: 100, per: Duration::from_secs(3600) };
        assert_eq!(quota("100 / 1h"), Ok(Some(hour)));
        assert_eq!(quota("100/60m"), Ok(Some(hour)));
        assert_eq!(quota(&show_quota(Some(hour))), Ok(Some(hour)));
        assert_eq!(quota(&show_quota(None)), Ok(None));
        for bad in ["", "100", "0 / 1h", "1 / 0s", "x / 1h", "1 / 1h / 1h", "9999999999 / 1h"] {
            assert!(quota(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        let check = |text: &str, want: &str| assert_eq!(address(text).unwrap().to_string(), want, "{text}");
        check("[::]:9090", "[::]:9090");
        check("127.0.0.1:0", "127.0.0.1:0");
        check(":9090", "[::]:9090");
        check("localhost:9091", "127.0.0.1:9091");
        for bad in ["", "9090", "example.com:80", "[::]", "1.2.3.4:65536", "::1:80:"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_and_truths() {
        assert_eq!((count("3"), count_or_zero("0")), (Ok(3), Ok(0)));
        assert!(count("0").is_err() && count("-1").is_err() && count_or_zero("x").is_err());
        assert_eq!((truth("true"), truth(" false ")), (Ok(true), Ok(false)));
        assert!(truth("yes").is_err());
    }
}
