//! Tags of what is written, chosen by name: `[.command.*|.exitcode](kind=metadata),[*](temporary=true)`.
//!
//! The first rule that fits a key counts. A pattern without a slash is for the last component of a key, one with
//! a slash for the whole key; `*` stands for any text and `?` for one character.

use super::encode;

/// The rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    patterns: Vec<String>,
    /// As `x-amz-tagging` has it: `k=v&k=v`, encoded.
    header: String,
}

impl Tags {
    /// Reads the value of `FUSION_TAGS`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = Rule::parse(rest).ok_or_else(|| {
                format!("FUSION_TAGS must look like [*.txt|.command.*](name=value),[*](name=value), but there is: {rest}")
            })?;
            rules.push(rule);
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Ok(Self(rules))
    }

    /// The value of `x-amz-tagging` for a key.
    pub(super) fn of(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|rule| rule.fits(key)).map(|rule| rule.header.as_str())
    }
}

impl Rule {
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (patterns, rest) = text.strip_prefix('[')?.split_once(']')?;
        let (tags, rest) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
        let pairs = tags.split([',', '&']).map(|tag| {
            let (name, value) = tag.trim().split_once('=')?;
            (!name.is_empty()).then(|| format!("{}={}", encode::query(name), encode::query(value)))
        });
        let header = pairs.collect::<Option<Vec<_>>>()?.join("&");
        let patterns = patterns.split('|').map(|pattern| pattern.trim().to_owned()).collect();
        Some((Self { patterns, header }, rest))
    }

    fn fits(&self, key: &str) -> bool {
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        self.patterns.iter().any(|pattern| {
            glob(pattern.as_bytes(), if pattern.contains('/') { key.as_bytes() } else { name.as_bytes() })
        })
    }
}

/// Whether a text is one of those a pattern stands for. Each star is moved on at most once per character.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let tags = Tags::parse(
            "[.command.*|.exitcode](nextflow.io/metadata=true), [out/*](a=b c,d=) [*](nextflow.io/temporary=true)",
        );
        let tags = tags.expect("valid");
        assert_eq!(tags.of("work/aa/.command.sh"), Some("nextflow.io%2Fmetadata=true"));
        assert_eq!(tags.of("out/x"), Some("a=b%20c&d="));
        assert_eq!(tags.of("work/out/x"), Some("nextflow.io%2Ftemporary=true"));
        assert_eq!(Tags::default().of("x"), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["*", "[*]", "[*](a)", "[*](=b)", "[*(a=b)", "[*](a=b)x"] {
            assert!(Tags::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--b", false),
            ("?.txt", "a.txt", true),
            ("?.txt", ".txt", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }
}
