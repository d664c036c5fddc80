//! Who may do what: the decisions, without tower.

use super::{Access, AccessKey, Accounts, Caller, Credentials};
use crate::error::Error;
use crate::oci::{Challenge, Code};
use crate::pull::{Place, Scoped};
use crate::upstream::{Registries, Registry};

/// `wave.allow-anonymous`: what callers without an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Mint tokens and pull.
    Allowed,
    /// Pull with a token somebody else minted.
    Refused,
}

/// The rules of the house. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    accounts: Accounts,
    anonymous: Anonymous,
    /// Some registry takes the caller's own credentials, so credentials that are no account may still be right.
    forwards: bool,
    key: AccessKey,
}

impl Gate {
    /// The rules for these registries. Callers whose own credentials go upstream are told apart by `key`.
    pub fn new(accounts: Accounts, anonymous: Anonymous, registries: &Registries, key: AccessKey) -> Gate {
        let forwards = registries.listed().any(|registry| registry.policy.forward_credentials);
        Gate { accounts, anonymous, forwards, key }
    }

    /// What callers without an account may do.
    pub fn anonymous(&self) -> Anonymous {
        self.anonymous
    }

    /// The account these credentials belong to.
    pub fn account<'a>(&self, credentials: Option<&'a Credentials>) -> Option<&'a str> {
        credentials.filter(|own| self.accounts.check(own)).map(|own| own.username.as_str())
    }

    /// May this caller ping? podman and docker take challenges from here and from nowhere else, and `docker
    /// login` believes what is said here.
    pub fn ping(&self, caller: &Caller) -> Result<(), Error> {
        self.api(caller.credentials.as_ref())
    }

    /// May a caller with these credentials use the control plane?
    pub fn api(&self, credentials: Option<&Credentials>) -> Result<(), Error> {
        if self.anonymous == Anonymous::Refused && self.account(credentials).is_none() {
            return Err(refusal(credentials));
        }
        if self.forwards { Ok(()) } else { self.credible(credentials) }
    }

    /// May this pull go on? A token is its own proof; without one the registry's rule applies.
    pub fn pull(&self, scoped: &Scoped) -> Result<(), Error> {
        match scoped.pull.place {
            Place::Token(..) => Ok(()),
            _ => self.enter(&scoped.registry, scoped.pull.caller.credentials.as_ref()),
        }
    }

    /// May a caller with these credentials use `registry` without a token?
    pub fn enter(&self, registry: &Registry, credentials: Option<&Credentials>) -> Result<(), Error> {
        if self.anonymous == Anonymous::Refused && self.account(credentials).is_none() {
            return Err(refusal(credentials));
        }
        if self.forwarded(registry, credentials).is_some() {
            return Ok(());
        }
        if !registry.policy.anonymous && self.account(credentials).is_none() {
            return Err(refusal(credentials));
        }
        self.credible(credentials)
    }

    /// Whose credentials are used upstream: the caller's own where the operator said so, else the operator's.
    pub fn access(&self, registry: &Registry, credentials: Option<&Credentials>) -> Access {
        match self.forwarded(registry, credentials) {
            Some(own) => Access::caller(&registry.host, own.clone(), &self.key),
            None => registry.access(),
        }
    }

    /// The caller's credentials, if they may go to `registry`: never those of an account of ours, not even
    /// with a mistyped password.
    pub fn forwarded<'a>(
        &self,
        registry: &Registry,
        credentials: Option<&'a Credentials>,
    ) -> Option<&'a Credentials> {
        credentials.filter(|own| registry.policy.forward_credentials && !self.accounts.knows(&own.username))
    }

    /// Credentials that are no account's are refused rather than ignored, where there are accounts.
    fn credible(&self, credentials: Option<&Credentials>) -> Result<(), Error> {
        match credentials {
            Some(own) if !self.accounts.is_empty() && !self.accounts.check(own) => Err(refusal(credentials)),
            _ => Ok(()),
        }
    }
}

fn refusal(credentials: Option<&Credentials>) -> Error {
    unauthorized(match credentials {
        Some(_) => "wrong user name or password",
        None => "log in first",
    })
}

/// 401 with our challenge.
pub fn unauthorized(message: &'static str) -> Error {
    Error::client(Code::Unauthorized, message).with_challenge(Challenge::Basic { realm: "Wave".into() })
}
