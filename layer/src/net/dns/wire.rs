//! Messages of RFC 1035: one question, and the addresses of its answer.

use std::net::IpAddr;

/// A question for IPv4 addresses.
pub(super) const A: u16 = 1;
/// A question for IPv6 addresses (RFC 3596).
pub(super) const AAAA: u16 = 28;

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The addresses, none if the name has only others.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// The server failed or refused.
    Failed(u8),
}

/// A question, or `None` for a name that cannot be asked for. The answer may have 1232 bytes (RFC 6891).
pub(super) fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    message.extend(id.to_be_bytes());
    // Recursion desired; one question, one additional record.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    if name.len() > 253 {
        return None;
    }
    // The root's OPT record: type 41, 1232 bytes, no flags, no data.
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    Some(message)
}

/// Reads the answer to a question; `None` for anything that is not one.
pub(super) fn answer(question: &[u8], message: &[u8]) -> Option<Answer> {
    let header = message.get(..12)?;
    let is_answer = header[2] & 0x80 != 0;
    if header[..2] != question[..2] || !is_answer || header[4..6] != [0, 1] {
        return None;
    }
    match header[3] & 0x0f {
        0 => {}
        3 => return Some(Answer::NoName),
        code => return Some(Answer::Failed(code)),
    }
    let mut at = after_name(message, 12)?;
    // The question must be ours, in whatever case.
    if !message.get(12..at + 4)?.eq_ignore_ascii_case(question.get(12..at + 4)?) {
        return None;
    }
    at += 4;
    let mut addresses = Vec::new();
    for _ in 0..u16::from_be_bytes([header[6], header[7]]) {
        at = after_name(message, at)?;
        let record = message.get(at..at + 10)?;
        let kind = u16::from_be_bytes([record[0], record[1]]);
        let length = usize::from(u16::from_be_bytes([record[8], record[9]]));
        let data = message.get(at + 10..at + 10 + length)?;
        // Aliases are followed by the server, whose answer holds the whole chain.
        match kind {
            A => addresses.extend(<[u8; 4]>::try_from(data).ok().map(IpAddr::from)),
            AAAA => addresses.extend(<[u8; 16]>::try_from(data).ok().map(IpAddr::from)),
            _ => {}
        }
        at += 10 + length;
    }
    Some(Answer::Addresses(addresses))
}

/// The place behind a name, which ends with an empty label or with a pointer.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as a server writes it: the name by pointer, an alias, and an address of each kind.
    fn reply(question: &[u8]) -> Vec<u8> {
        let mut message = question[..question.len() - 11].to_vec();
        message[2] = 0x81;
        message[3] = 0x80;
        message[6..12].copy_from_slice(&[0, 3, 0, 0, 0, 0]);
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'x', 0xc0, 14]);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 7]);
        message.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 9, 0, 16]);
        message.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        message
    }

    #[test]
    fn addresses_are_read_from_behind_aliases() {
        let question = question(0x1234, "S3.test", A).expect("a name");
        let want = ["10.0.0.7", "fe80::9"].map(|text| text.parse().expect("an address"));
        assert_eq!(answer(&question, &reply(&question)), Some(Answer::Addresses(want.to_vec())));
    }

    #[test]
    fn what_is_cut_or_not_ours_is_no_answer() {
        let ours = question(7, "s3.test", A).expect("a name");
        let message = reply(&ours);
        for length in 0..message.len() {
            assert_eq!(answer(&ours, &message[..length]), None, "{length}");
        }
        let other = question(7, "s4.test", A).expect("a name");
        assert_eq!(answer(&other, &message), None);
        let mut refused = message;
        refused[3] = 0x83;
        assert_eq!(answer(&ours, &refused), Some(Answer::NoName));
        refused[3] = 0x85;
        assert_eq!(answer(&ours, &refused), Some(Answer::Failed(5)));
    }

    #[test]
    fn names_that_cannot_be_are_not_asked_for() {
        let long = "a".repeat(64);
        for name in ["", "a..b", ".a", long.as_str(), &["abcdefg"; 40].join(".")] {
            assert_eq!(question(1, name, A), None, "{name}");
        }
    }
}
