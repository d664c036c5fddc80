//! `${NAME:default}` in values of the file.

use std::collections::BTreeMap;

/// Placeholders in placeholders: more is a mistake.
const DEEPEST: usize = 8;

/// Replaces each `${NAME}` by the environment variable of that name, or by the text after the first colon when
/// it is unset. A default may be in backquotes, and may hold placeholders itself; what a variable holds is taken
/// as it is. The error says what is wrong and never shows a value.
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    expand_at(text, env, 0)
}

fn expand_at(text: &str, env: &BTreeMap<String, String>, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err("has too many placeholders in one another".into());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let end = closing(after).ok_or("has a `${` without its `}`")?;
        let (name, default) = match after[..end].split_once(':') {
            Some((name, default)) => (name, Some(unquoted(default))),
            None => (&after[..end], None),
        };
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-')
        {
            return Err("has a `${` that is not followed by the name of a variable".into());
        }
        match (env.get(name), default) {
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(&expand_at(default, env, depth + 1)?),
            (None, None) => return Err(format!("needs the environment variable {name}, which is not set")),
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the `}` is that belongs to the `${` before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'`' => quoted = !quoted,
            b'{' if !quoted && at > 0 && text.as_bytes()[at - 1] == b'$' => open += 1,
            b'}' if !quoted && open == 0 => return Some(at),
            b'}' if !quoted => open -= 1,
            _ => {}
        }
    }
    None
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('`').and_then(|text| text.strip_suffix('`')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_defaults() {
        let env = BTreeMap::from([("HOST", "h"), ("ODD", "${HOST}"), ("EMPTY", "")])
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let check = |text: &str, want: &str| assert_eq!(expand(text, &env).as_deref(), Ok(want), "{text}");
        check("plain $ {text}", "plain $ {text}");
        check("http://${HOST}:80", "http://h:80");
        check("${HOST}${HOST}", "hh");
        check("${NONE:http://x:80}", "http://x:80");
        check("${NONE:`a}b`}c", "a}bc");
        check("${NONE:}", "");
        check("${NONE:${HOST:x}}/y", "h/y");
        check("${NONE:${NEITHER:z}}", "z");
        check("${ODD}", "${HOST}");
        check("${EMPTY:x}", "");
        let wrong = |text: &str, part: &str| {
            let error = expand(text, &env).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        wrong("${NONE}", "NONE");
        wrong("${HOST", "without its `}`");
        wrong("${}", "name of a variable");
        wrong("${a b}", "name of a variable");
        wrong(&format!("{}{}", "${A:".repeat(20), "}".repeat(20)), "too many");
    }
}
