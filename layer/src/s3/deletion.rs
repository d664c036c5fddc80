//! DeleteObjects.

use http::{HeaderValue, Method};

use super::call::{Call, STORE};
use super::checksum::Sum;
use super::client::Client;
use super::error::{Error, Failure, Kind, kind_of};
use super::xml;

/// Keys of one request.
const MOST: usize = 1000;

impl Client {
    /// Deletes any number of objects, and returns those that could not be deleted, each with its reason. Objects
    /// that are not there are as good.
    ///
    /// # Errors
    ///
    /// A request failed as a whole; what came before it is deleted.
    pub async fn delete_many(&self, bucket: &str, keys: &[&str]) -> Result<Vec<(Box<str>, Error)>, Error> {
        let mut failed = Vec::new();
        // Keys that a document cannot express go one by one.
        let (together, alone): (Vec<&str>, Vec<&str>) = keys.iter().partition(|key| xml::can_express(key));
        for keys in together.chunks(MOST) {
            match self.delete_some(bucket, keys).await {
                Ok(some) => failed.extend(some),
                Err(error) if error.status() == Some(501) => {
                    self.delete_each(bucket, keys, &mut failed).await
                }
                Err(error) => return Err(error),
            }
        }
        self.delete_each(bucket, &alone, &mut failed).await;
        Ok(failed)
    }

    async fn delete_each(&self, bucket: &str, keys: &[&str], failed: &mut Vec<(Box<str>, Error)>) {
        for key in keys {
            if let Err(error) = self.delete(bucket, key).await {
                failed.push(((*key).into(), error));
            }
        }
    }

    async fn delete_some(&self, bucket: &str, keys: &[&str]) -> Result<Vec<(Box<str>, Error)>, Error> {
        let mut call = Call::new("DeleteObjects", Method::POST, bucket, None);
        call.ask("delete", "");
        call.headers.insert("content-type", HeaderValue::from_static("application/xml"));
        call.body = vec![xml::delete(keys).into()];
        // This request needs a sum, and all servers take this one.
        Sum::Md5.add(&mut call.headers, &call.body);
        call.patience = STORE;
        let answer = self.call(&call).await?;
        let wrong = |reason: String| Error::new(Kind::Remote, call.subject(), reason);
        let failed = xml::not_deleted(&answer.text).map_err(wrong)?;
        let each = failed.into_iter().map(|(key, text)| {
            let failure = Failure {
                subject: format!("DeleteObjects s3://{bucket}/{key}"),
                code: Some(text.code.as_str().into()),
                message: text.message,
                ..Failure::default()
            };
            let kind =
                if text.code == "AccessDenied" { Kind::Denied } else { kind_of(500, Some(&text.code)) };
            (key.into_boxed_str(), Error::of(kind, failure))
        });
        Ok(each.filter(|(_, error)| error.kind() != Kind::NoSuchKey).collect())
    }
}
