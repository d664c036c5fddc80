//! The name of a file that is written: it comes, changes and goes while bytes are on their way.

use super::content::{Base, Content};
use super::state::State;
use crate::fs::errno::Errno;
use crate::fs::key::Place;
use crate::s3::Etag;

impl Content {
    /// There must be no object of that name when it is uploaded.
    pub fn be_the_only(&mut self) {
        self.exclusive = true;
    }

    /// Where the file is, or is to be.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// True if another name costs nothing: S3 has heard of nothing yet.
    #[must_use]
    pub fn is_only_here(&self) -> bool {
        !self.in_s3 && self.upload.is_none()
    }

    /// The file has another name. `etag` is the version that is there, if S3 has the file. What the name stood for
    /// before may be in S3 in any case, and must not come back when the file goes.
    pub fn moved(&mut self, place: Place, etag: Option<Etag>) {
        self.place = place;
        (self.in_s3, self.exclusive) = (true, false);
        if let (Some(base), Some(etag)) = (&mut self.base, etag) {
            base.etag = etag;
        }
    }

    /// The object was found to be another one, of which the file has no bytes yet.
    pub fn rebase(&mut self, base: Base) {
        self.drop_bytes();
        self.state = State::of_object(base.size);
        self.base = Some(base);
    }

    /// The file has no name any more and is not for S3. Bytes that were not sent can still be read, and others be
    /// written, by those who have it open.
    pub fn unlink(&mut self) {
        if self.upload.is_some() {
            self.lose(Errno::ESTALE);
        }
        self.reread = true;
    }
}
