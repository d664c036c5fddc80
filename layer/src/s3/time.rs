//! Times in the forms S3 uses, in UTC and without a calendar crate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in the forms SigV4 wants: `20260131T235959Z`, of which the first eight are the date.
pub(super) fn compact(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Reads `2026-01-31T23:59:59.000Z`, with or without a fraction, which is dropped.
pub(super) fn iso8601(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (day, time) = text.split_once('T')?;
    let mut day = day.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (day.next()??, day.next()??, day.next()??);
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let seconds = || days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    valid.then(|| UNIX_EPOCH + Duration::from_secs(seconds()))
}

/// Days since 1970 of a date. Years begin in March here, so the leap day is their last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// The date of a day since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn known_moments() {
        for (seconds, compact_form, iso) in [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (951_782_399, "20000228T235959Z", "2000-02-28T23:59:59.000Z"),
            (951_782_400, "20000229T000000Z", "2000-02-29T00:00:00.999Z"),
            (1_369_353_600, "20130524T000000Z", "2013-05-24T00:00:00+00:00"),
            (4_107_542_400, "21000301T000000Z", "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(compact(at(seconds)), compact_form);
            assert_eq!(iso8601(iso), Some(at(seconds)), "{iso}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_its_own_inverse() {
        for day in 0..146_097 {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "2026-01-31",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "-1-01-01T00:00:00Z",
            "1969-12-31T00:00:00Z",
        ] {
            assert_eq!(iso8601(text), None, "{text}");
        }
    }
}
