//! What rides on a body: metrics, access lines, permits.

use crate::error::BoxError;

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was handed on.
    Complete,
    /// The source broke; the connection to the client is reset.
    Failed,
    /// The client went away, or we dropped the response.
    Dropped,
}

impl End {
    /// How many ways there are.
    pub(crate) const COUNT: usize = End::Dropped as usize + 1;

    /// The label in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::Failed => "failed",
            End::Dropped => "dropped",
        }
    }
}

/// Told exactly once how a body ended. A permit is a `Watch` that only has to be dropped.
pub trait Watch: Send {
    /// The source has broken, for this reason; the end follows.
    fn broken(&mut self, _: &BoxError) {}

    /// The body has ended after `bytes` payload bytes.
    fn end(self: Box<Self>, end: End, bytes: u64);
}

impl Watch for (Box<dyn Watch>, Box<dyn Watch>) {
    fn broken(&mut self, error: &BoxError) {
        self.0.broken(error);
        self.1.broken(error);
    }

    fn end(self: Box<Self>, end: End, bytes: u64) {
        let (first, second) = *self;
        first.end(end, bytes);
        second.end(end, bytes);
    }
}

/// A permit: freed when the body ends.
impl Watch for tokio::sync::OwnedSemaphorePermit {
    fn end(self: Box<Self>, _: End, _: u64) {}
}
