//! Making the object what the file is.

use bytes::Bytes;

use super::condition::{is_unknown, refused};
use super::content::{Base, Content};
use super::parts::{FIRST_PART, Piece, pieces};
use super::state::{Commit, Phase};
use super::upload::Upload;
use crate::fs::errno::Errno;
use crate::s3::{Condition, Put};

impl Content {
    /// Uploads what is not uploaded yet; the object is complete and visible when this returns. Bytes that are small
    /// or staged stay at hand for what is written next.
    ///
    /// # Errors
    /// What S3 said. The object is the old one then, or none. What is still here can be committed again later.
    pub async fn commit(&mut self) -> Result<(), Errno> {
        self.usable()?;
        match self.state.commit() {
            Commit::Nothing => return Ok(()),
            Commit::Put => {
                let body = self.tail.all();
                self.put(body).await?;
            }
            Commit::Finish => self.finish().await?,
            Commit::Patch => self.patch().await?,
        }
        (self.in_s3, self.exclusive) = (true, false);
        self.state.committed();
        if self.state.phase() == Phase::Clean {
            self.drop_bytes();
        }
        Ok(())
    }

    async fn put(&mut self, body: Vec<Bytes>) -> Result<(), Errno> {
        let (client, condition, metadata) = (self.context.client(), self.condition(), self.metadata());
        let (bucket, key) = (&self.place.bucket, &self.place.key);
        let put = Put { condition, metadata: &metadata, ..Put::default() };
        let etag = match client.put(bucket, key, body.clone(), put).await {
            Err(error) if is_unknown(&error, condition) => {
                client.put(bucket, key, body, Put { condition: Condition::None, ..put }).await?
            }
            put => put.map_err(|error| refused(&error, condition))?,
        };
        self.base = Some(Base { etag, size: self.state.size() });
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Errno> {
        if !self.tail.is_empty() {
            self.send(self.tail.len()).await?;
        }
        self.settle().await
    }

    async fn patch(&mut self) -> Result<(), Errno> {
        let size = self.state.size();
        if size <= FIRST_PART {
            self.put_staged(size).await?;
        } else {
            self.put_in_pieces(size).await?;
        }
        self.staging()?.committed();
        Ok(())
    }

    async fn put_staged(&mut self, size: u64) -> Result<(), Errno> {
        self.make_present_exactly(0..size).await?;
        // Parts that were sent, all of whose bytes have been replaced.
        self.drop_upload();
        let _memory = self.context.pool().reserve(size as usize).await;
        let body = self.read_piece(0..size).await?;
        self.put(vec![body]).await
    }

    async fn put_in_pieces(&mut self, size: u64) -> Result<(), Errno> {
        let kept = self.staging()?.kept();
        if kept.is_empty() {
            self.drop_upload();
        } else {
            self.settle().await?;
        }
        let mut upload = Upload::begin(
            self.context.client(),
            self.context.uploads(),
            self.place.clone(),
            &self.metadata(),
        )
        .await?;
        for piece in pieces(size, &kept, self.plan.size(1)) {
            if let Err(errno) = self.add(&mut upload, piece).await {
                upload.abort().await;
                return Err(errno);
            }
        }
        // What is staged can be sent again, so nothing of a failed upload is kept.
        match upload.finish(self.condition()).await {
            Ok(etag) => self.base = Some(Base { etag, size }),
            Err(failure) => {
                upload.abort().await;
                return Err(failure.errno);
            }
        }
        Ok(())
    }

    async fn add(&mut self, upload: &mut Upload, piece: Piece) -> Result<(), Errno> {
        match piece {
            Piece::Copy(range) => {
                let etag = self.base.as_ref().ok_or(Errno::EIO)?.etag.clone();
                upload.keep(etag, range).await
            }
            Piece::Send(range) => {
                self.make_present_exactly(range.clone()).await?;
                let memory = self.context.pool().reserve((range.end - range.start) as usize).await;
                let body = self.read_piece(range).await?;
                upload.send(vec![body], Some(memory)).await
            }
        }
    }
}
