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
