//! `WWW-Authenticate` challenges (RFC 9110, 11.6.1; the Docker token specification).

use std::fmt;

/// One challenge of a registry, or ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// `Basic realm="..."`.
    Basic {
        /// What the credentials are for; some registries put a URL here.
        realm: String,
    },
    /// `Bearer realm="URL",service="...",scope="..."`.
    Bearer {
        /// Where tokens are to be had.
        realm: String,
        /// The audience, when the registry names one.
        service: Option<String>,
        /// The scope the registry suggests. We compute our own and never use this one.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenges of one `WWW-Authenticate` value that we can answer, in their order; a header line may hold
    /// several. Schemes other than Basic and Bearer, a Bearer whose realm is missing or cannot be seen, and what follows
    /// a quoted string that does not end are left out.
    pub fn parse(value: &str) -> Vec<Challenge> {
        let mut rest = Scanner(value);
        let mut found = Vec::new();
        while let Some(scheme) = rest.word() {
            let Some(parameters) = rest.parameters() else { break };
            found.extend(Challenge::new(scheme, &parameters));
        }
        found
    }

    fn new(scheme: &str, parameters: &[(&str, String)]) -> Option<Challenge> {
        let find = |name: &str| {
            let of_name = |(key, _): &&(&str, String)| key.eq_ignore_ascii_case(name);
            parameters.iter().find(of_name).map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic { realm: find("realm").unwrap_or_default() });
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            let realm = find("realm").filter(|realm| !realm.chars().all(char::is_control))?;
            return Some(Challenge::Bearer { realm, service: find("service"), scope: find("scope") });
        }
        None
    }
}

/// What is left of a header value.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    /// The next word behind blanks and commas: a scheme or the name of a parameter.
    fn word(&mut self) -> Option<&'a str> {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
        let end = self.0.find([' ', '\t', ',', '=', '"']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// `name=value` pairs up to the next scheme, which is a word without `=`; `None` when a value is malformed.
    fn parameters(&mut self) -> Option<Vec<(&'a str, String)>> {
        let mut parameters = Vec::new();
        loop {
            let before = self.0;
            let Some(name) = self.word() else { return Some(parameters) };
            let Some(rest) = self.0.trim_start_matches([' ', '\t']).strip_prefix('=') else {
                self.0 = before;
                return Some(parameters);
            };
            self.0 = rest.trim_start_matches([' ', '\t']);
            parameters.push((name, self.value()?));
        }
    }

    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.0.strip_prefix('"') else {
            let end = self.0.find([' ', '\t', ',']).unwrap_or(self.0.len());
            let (value, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(value.to_string());
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &quoted[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Challenge::Basic { realm } => write!(f, "Basic realm=\"{}\"", Quoted(realm)),
            Challenge::Bearer { realm, service, scope } => {
                write!(f, "Bearer realm=\"{}\"", Quoted(realm))?;
                for (key, value) in [("service", service), ("scope", scope)] {
                    if let Some(value) = value {
                        write!(f, ",{key}=\"{}\"", Quoted(value))?;
                    }
                }
                Ok(())
            }
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().filter(|c| !c.is_control()).try_for_each(|c| match c {
            '"' | '\\' => write!(f, "\\{c}"),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    fn basic(realm: &str) -> Challenge {
        Challenge::Basic { realm: realm.into() }
    }

    #[track_caller]
    fn check(text: &str, want: &[Challenge]) {
        assert_eq!(Challenge::parse(text), want, "{text}");
    }

    #[test]
    fn what_registries_send() {
        check(
            r#"Bearer realm="https://quay.io/v2/auth",service="quay.io""#,
            &[bearer("https://quay.io/v2/auth", Some("quay.io"), None)],
        );
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#,
            &[bearer("https://auth.docker.io/token", Some("registry.docker.io"), None)],
        );
        check(r#"Basic realm="http://foo",service="bar""#, &[basic("http://foo")]);
        check(r#"Basic realm="http://foo""#, &[basic("http://foo")]);
        check(
            r#"Bearer realm="https://gitea.example/v2/token",service="container_registry",scope="*""#,
            &[bearer("https://gitea.example/v2/token", Some("container_registry"), Some("*"))],
        );
        check(r#"Basic realm="Some words""#, &[basic("Some words")]);
        check(
            r#"Basic realm="https://1.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com""#,
            &[basic("https://1.dkr.ecr.us-east-1.amazonaws.com/")],
        );
        check(
            r#"Bearer realm="https://europe-docker.pkg.dev/v2/token""#,
            &[bearer("https://europe-docker.pkg.dev/v2/token", None, None)],
        );
        check("foo", &[]);
        check("", &[]);
    }

    #[test]
    fn several_in_one_line() {
        check(
            r#"Negotiate, Bearer realm="https://a/t", service=a , Basic realm="b, c""#,
            &[bearer("https://a/t", Some("a"), None), basic("b, c")],
        );
        check(r#"Negotiate YWJj==, basic REALM="x""#, &[basic("x")]);
    }

    #[test]
    fn odd_spellings() {
        check(
            r#"bearer Realm = "https://a/t?x=\"1\"", scope="repository:x:pull,push""#,
            &[bearer(r#"https://a/t?x="1""#, None, Some("repository:x:pull,push"))],
        );
        check("Basic", &[basic("")]);
        check(r#"Bearer service="x""#, &[]);
        check("Bearer realm=\"\"", &[]);
        check("Bearer realm=\u{1}", &[]);
        check(r#"Bearer realm="https://a"#, &[]);
        check(r#"Bearer realm="\"#, &[]);
        check("= , \" =", &[]);
    }

    #[test]
    fn prints_what_it_parsed() {
        for challenge in [basic(r#"a "b" \c"#), bearer("https://a/t", Some("s"), Some("x"))] {
            check(&challenge.to_string(), &[challenge]);
        }
    }
}
