//! What is written down about something that somebody was let read.

use super::key::Key;
use crate::oci::Digest;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock may be so wrong.
const SKEW: u64 = 60;

/// Upstream has let somebody read this. On disk it is a seal and a line of JSON, without a name of anybody.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Note {
    /// Seconds since 1970.
    pub(super) at: u64,
    /// Of the manifest or blob; `None` for a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<Digest>,
    /// The type a manifest came as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media: Option<String>,
    /// The size of a blob, where upstream told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
}

impl Note {
    /// That upstream says so now.
    pub(super) fn at(now: SystemTime) -> Note {
        let at = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Note { at, digest: None, media: None, size: None }
    }

    /// When upstream said so.
    pub(super) fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.at)
    }

    /// Is it younger than `ttl`? One from the future is not: a clock that was set back must not make it true for ever.
    pub(super) fn is_believed(&self, now: SystemTime, ttl: Duration) -> bool {
        let now = Note::at(now).at;
        self.at <= now + SKEW && now.saturating_sub(self.at) <= ttl.as_secs()
    }

    /// Do both say the same, if not at the same time?
    pub(super) fn says(&self, other: &Note) -> bool {
        Note { at: other.at, ..self.clone() } == *other
    }

    /// As it is written at this place.
    pub(super) fn write(&self, key: &Key, group: &str, name: &str) -> String {
        let text = serde_json::to_string(self).expect("a note is plain data");
        format!("{}\n{text}\n", key.seal(group, name, &text))
    }

    /// What was written at this place; `None` when it was not.
    pub(super) fn read(key: &Key, group: &str, name: &str, content: &[u8]) -> Option<Note> {
        let (seal, text) = std::str::from_utf8(content).ok()?.strip_suffix('\n')?.split_once('\n')?;
        if seal != key.seal(group, name, text) {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_what_was_written_there_is_read() {
        let scratch = Scratch::new();
        let key = Key::open(scratch.path(), scratch.path()).unwrap();
        let note = Note {
            digest: Some(Digest::sha256("x")),
            media: Some("application/x".into()),
            ..Note::at(SystemTime::now())
        };
        let text = note.write(&key, "group", "name");
        assert_eq!(Note::read(&key, "group", "name", text.as_bytes()), Some(note));
        assert_eq!(Note::read(&key, "group", "other", text.as_bytes()), None);
        assert_eq!(Note::read(&key, "another", "name", text.as_bytes()), None);
        assert_eq!(Note::read(&key, "group", "name", &text.as_bytes()[..text.len() - 1]), None);
        assert_eq!(Note::read(&key, "group", "name", text.replace("/x", "/y").as_bytes()), None);
        assert_eq!(Note::read(&key, "group", "name", b""), None);
    }

    #[test]
    fn it_is_believed_for_its_time_and_never_from_the_future() {
        let (ttl, now) = (Duration::from_secs(100), SystemTime::now());
        let note = Note::at(now);
        for (later, believed) in [(0, true), (100, true), (102, false)] {
            assert_eq!(note.is_believed(now + Duration::from_secs(later), ttl), believed, "{later}");
        }
        assert!(note.is_believed(now - Duration::from_secs(30), ttl));
        assert!(!note.is_believed(now - Duration::from_secs(1000), ttl));
    }
}
