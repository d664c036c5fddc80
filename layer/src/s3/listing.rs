//! ListObjectsV2.

use http::Method;

use super::call::Call;
use super::client::Client;
use super::error::{Error, Kind};
use super::object::{List, Listing};
use super::xml;

impl Client {
    /// One page of a listing.
    ///
    /// # Errors
    ///
    /// What any request may fail of.
    pub async fn list(&self, bucket: &str, list: List<'_>) -> Result<Listing, Error> {
        let mut call = Call::new("ListObjectsV2", Method::GET, bucket, None);
        call.ask("list-type", "2");
        // XML cannot express all keys.
        call.ask("encoding-type", "url");
        let parameters = [
            ("prefix", Some(list.prefix).filter(|prefix| !prefix.is_empty())),
            ("delimiter", list.delimiter),
            ("start-after", list.start_after),
            ("continuation-token", list.continuation),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                call.ask(name, value);
            }
        }
        if let Some(most) = list.max_keys {
            call.ask("max-keys", &most.to_string());
        }
        let answer = self.call(&call).await?;
        xml::listing(&answer.text).map_err(|reason| Error::new(Kind::Remote, call.subject(), reason))
    }
}
