//! Attributes: what `stat` shows of an object or of a folder that S3 does not know as such.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::inode::Ino;

/// What kind of file a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bucket, a prefix, or a marker object `name/`.
    Directory,
    /// An object.
    File,
    /// An object that its folder's `.fusion.symlinks` names; the body is the target.
    Symlink,
}

/// Permissions of everything, until `chmod` says otherwise.
pub const MODE: u16 = 0o755;

/// The attributes of one inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Its number.
    pub ino: Ino,
    /// Its kind.
    pub kind: Kind,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When the object was written; of a directory, when names in it were last changed here, or this mount was made.
    pub modified: Time,
    /// Permission bits.
    pub mode: u16,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// It has a name; what was removed or replaced lives on for those who have it open.
    pub named: bool,
}

/// An answer about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the name stands for.
    pub attr: Attr,
    /// How long the kernel may believe it.
    pub ttl: Duration,
}

/// Wall clock time, nanoseconds since 1970, negative before. Half the size of [`SystemTime`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
        })
    }
}

impl From<Time> for SystemTime {
    fn from(Time(nanos): Time) -> Self {
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        if nanos < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }
}

/// A moment on the clock of this mount: milliseconds since it was made. Zero is long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Before all others: nothing learned then is fresh.
    pub const LONG_AGO: Self = Self(0);

    /// The time from then to `now`.
    pub fn age(self, now: Self) -> Duration {
        Duration::from_millis(now.0.saturating_sub(self.0))
    }
}

/// The clock of this mount.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

/// What the first moment of a clock shows: [`Moment::LONG_AGO`] is a day before it.
const FIRST: u64 = 86_400_000;

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What it shows.
    pub fn now(&self) -> Moment {
        Moment(FIRST + u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - FIRST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_on_both_sides_of_1970() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, -5_000_000_001] {
            assert_eq!(Time::from(SystemTime::from(Time(nanos))), Time(nanos));
        }
    }

    #[test]
    fn nothing_from_long_ago_is_fresh() {
        assert!(Moment::LONG_AGO.age(Clock::start().now()) >= Duration::from_secs(86_400));
        let clock = Clock::start();
        assert!(clock.now().age(clock.now()) < Duration::from_secs(60));
    }
}
