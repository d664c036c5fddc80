//! What is known of a fill, as its writer and its readers see it: pure, without clock and I/O.

/// Bytes at the end of a blob that nobody reads before its digest is right. A blob that is smaller is held back whole.
pub const HELD: u64 = 64 * 1024;

/// A blob up to this size is fetched to its end whoever leaves: it takes a moment.
const SMALL: u64 = 16 << 20;

/// The state of one fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    stage: Stage,
    /// Size of the blob, once it is known.
    total: Option<u64>,
    /// Bytes in the file, from its beginning.
    written: u64,
    /// Who reads, or waits to.
    readers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Upstream has not answered yet.
    Asked,
    /// Bytes come.
    Filling,
    /// All bytes are there, and their digest is right.
    Verified,
    /// No more will come, and what came is not to be relied on.
    Lost(Loss),
}

/// Why there is no blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Upstream refused the request.
    Refused,
    /// Upstream broke off, and asking again did not help.
    Upstream,
    /// The content does not have its size or its digest.
    Wrong,
    /// The disk refused.
    Disk,
    /// What is on disk is not what was written.
    Rotten,
    /// It is too large to be kept.
    TooLarge,
    /// Nobody read on.
    Abandoned,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// Nothing yet.
    Wait,
    /// The bytes before this one may be read.
    UpTo(u64),
    /// He has read all.
    End,
    /// No more will come.
    Lost(Loss),
}

/// When a fill that nobody reads goes on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Percent of the blob that must be there.
    pub finish: u8,
}

impl State {
    /// A fill that one reader has asked for.
    pub fn asked() -> State {
        State { stage: Stage::Asked, total: None, written: 0, readers: 1 }
    }

    /// Upstream has answered, and said the size or not.
    pub fn answered(&mut self, total: Option<u64>) {
        if self.stage == Stage::Asked {
            (self.stage, self.total) = (Stage::Filling, total);
        }
    }

    /// `count` further bytes are in the file.
    pub fn wrote(&mut self, count: u64) {
        if self.stage == Stage::Filling {
            self.written += count;
        }
    }

    /// All bytes are there, and size and digest are right.
    pub fn verified(&mut self) {
        if self.stage == Stage::Filling {
            (self.stage, self.total) = (Stage::Verified, Some(self.written));
        }
    }

    /// No more will come. The first loss stands; what is verified can only be lost with the disk.
    pub fn lost(&mut self, loss: Loss) {
        match self.stage {
            Stage::Asked | Stage::Filling => self.stage = Stage::Lost(loss),
            Stage::Verified if matches!(loss, Loss::Disk | Loss::Rotten) => self.stage = Stage::Lost(loss),
            Stage::Verified | Stage::Lost(_) => {}
        }
    }

    /// One more reader, unless all is lost.
    pub fn join(&mut self) -> bool {
        let joins = !matches!(self.stage, Stage::Lost(_));
        self.readers += usize::from(joins);
        joins
    }

    /// A reader leaves. Behind the last one the fill may be abandoned.
    pub fn leave(&mut self, policy: Policy) {
        self.readers -= 1;
        if self.readers == 0 && !policy.finishes(self.written, self.total) {
            self.lost(Loss::Abandoned);
        }
    }

    /// Gives it up if nobody reads, who may have come a moment ago; is it lost now?
    pub fn abandon(&mut self) -> bool {
        if self.readers == 0 {
            self.lost(Loss::Abandoned);
        }
        self.loss().is_some()
    }

    /// What a reader finds who wants the byte at `at` next.
    pub fn sight(&self, at: u64) -> Sight {
        let readable = match self.stage {
            Stage::Asked => 0,
            Stage::Filling => match self.total {
                Some(total) => self.written.min(total.saturating_sub(HELD)),
                None => self.written.saturating_sub(HELD),
            },
            Stage::Verified if at >= self.written => return Sight::End,
            Stage::Verified => self.written,
            Stage::Lost(loss) => return Sight::Lost(loss),
        };
        if at < readable { Sight::UpTo(readable) } else { Sight::Wait }
    }

    /// Why all is lost, if it is.
    pub fn loss(&self) -> Option<Loss> {
        match self.stage {
            Stage::Lost(loss) => Some(loss),
            _ => None,
        }
    }

    /// Has upstream answered, or never will?
    pub fn is_answered(&self) -> bool {
        self.stage != Stage::Asked
    }

    /// Is all of it there, and right?
    pub fn is_verified(&self) -> bool {
        self.stage == Stage::Verified
    }

    /// The size, once it is known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// How many read, or wait to.
    pub fn readers(&self) -> usize {
        self.readers
    }
}

impl Policy {
    fn finishes(self, written: u64, total: Option<u64>) -> bool {
        let enough = |total: u64| {
            total <= SMALL || u128::from(written) * 100 >= u128::from(total) * u128::from(self.finish)
        };
        total.is_some_and(enough)
    }
}

#[cfg(test)]
mod tests;
