//! May this caller use this grant? (shape only; see [`RequireLayer`])

/// Makes [`Require`].
#[derive(Clone, Debug)]
pub struct RequireLayer;

/// Refuses callers that must prove who they are.
#[derive(Clone, Debug)]
pub struct Require<S> {
    #[allow(dead_code)]
    inner: S,
}
