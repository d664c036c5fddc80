//! A registry that wants a token, and the service that gives it.

use super::plan::{Plan, respond};
use super::seen::Seen;
use std::sync::Mutex;

/// What a registry asks for.
#[derive(Clone, Debug)]
pub enum Challenge {
    /// A token of the registry's own host, of `/token`.
    Own,
    /// A token of this realm.
    At(String),
    /// These words as they are; each is a line of its own.
    Lines(Vec<&'static str>),
}

/// A guard before a registry: tokens are `t1`, `t2`, and so on, and hold until they are revoked.
pub struct Tokens {
    challenge: Challenge,
    /// `Authorization` that the token service wants to see.
    wants: Option<&'static str>,
    /// The other members of its answers.
    terms: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    given: usize,
    revoked: usize,
    /// In place of the token service's next answers.
    answers: Vec<Plan>,
}

impl Tokens {
    pub fn new(challenge: Challenge, wants: Option<&'static str>) -> Tokens {
        Tokens { challenge, wants, terms: r#""expires_in":300"#, state: Mutex::default() }
    }

    /// With other members beside the token.
    pub fn terms(self, terms: &'static str) -> Tokens {
        Tokens { terms, ..self }
    }

    /// The plan for a request: a token, a challenge, or none for who may pass.
    pub fn plan(&self, seen: &Seen) -> Option<Plan> {
        let mut state = self.state.lock().unwrap();
        if seen.path == "/token" {
            return Some(self.token(seen, &mut state));
        }
        let number =
            seen.authorization().strip_prefix("Bearer t").and_then(|rest| rest.parse::<usize>().ok());
        if number.is_some_and(|number| (state.revoked + 1..=state.given).contains(&number)) {
            return None;
        }
        let lines = match &self.challenge {
            Challenge::Own => {
                vec![format!(r#"Bearer realm="http://{}/token",service="s""#, seen.header("host"))]
            }
            Challenge::At(realm) => vec![format!(r#"Bearer realm="{realm}",service="s""#)],
            Challenge::Lines(lines) => lines.iter().map(ToString::to_string).collect(),
        };
        let lines: Vec<_> = lines.iter().map(|line| ("www-authenticate", &**line)).collect();
        Some(respond(401, &lines, "").into())
    }

    /// No token given so far is good any more.
    pub fn revoke(&self) {
        let mut state = self.state.lock().unwrap();
        state.revoked = state.given;
    }

    /// What the token service answers next.
    pub fn answer_next(&self, plans: impl IntoIterator<Item = Plan>) {
        self.state.lock().unwrap().answers.extend(plans);
    }

    fn token(&self, seen: &Seen, state: &mut State) -> Plan {
        if self.wants.is_some_and(|wants| seen.authorization() != wants) {
            return Plan::status(401);
        }
        if !state.answers.is_empty() {
            return state.answers.remove(0);
        }
        state.given += 1;
        let body = format!(r#"{{"token":"t{}",{}}}"#, state.given, self.terms);
        respond(200, &[("content-type", "application/json")], body).into()
    }
}
