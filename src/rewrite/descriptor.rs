//! Reading one descriptor (image-spec, descriptor.md).

use super::edit::Edits;
use super::fields::{Fields, Value, Wanted};
use super::refusal::Refusal;
use super::splice::Spliced;
use super::text;
use crate::oci::{Digest, MediaType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// A reference to some content, with the places of what changes when the content does.
#[derive(Clone, Debug)]
pub struct Descriptor<'a> {
    /// The content's media type, as written.
    pub media: Cow<'a, str>,
    /// Its digest, as written.
    digest: Cow<'a, str>,
    /// Its size in bytes.
    pub size: u64,
    places: [Value<'a>; 2],
    data: Option<Value<'a>>,
}

const WANTED: Wanted<4> = Wanted::fields(["mediaType", "digest", "size", "data"]);

impl<'a> Descriptor<'a> {
    /// Reads an object.
    pub fn read(object: Value<'a>) -> Result<Descriptor<'a>, Refusal> {
        Descriptor::of(&object.object(&WANTED)?)
    }

    /// Its digest; `None` for an algorithm we do not know.
    #[inline]
    pub fn digest(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }

    /// From an object whose first four wanted names are `mediaType`, `digest`, `size` and `data`.
    #[inline(always)]
    pub fn of<const N: usize>(fields: &Fields<'a, N>) -> Result<Descriptor<'a>, Refusal> {
        let digest = fields.value(1).ok_or(Refusal::Missing("digest"))?;
        let size = fields.value(2).ok_or(Refusal::Missing("size"))?;
        let media = fields.value(0).map(|value| value.string("mediaType")).transpose()?;
        Ok(Descriptor {
            media: media.unwrap_or_default(),
            digest: digest.string("digest")?,
            size: length(size.text())?,
            places: [digest, size],
            data: fields.value(3),
        })
    }

    /// The media type, parsed.
    pub fn kind(&self) -> MediaType {
        MediaType::parse(&self.media)
    }

    /// Makes the descriptor refer to `content`: digest, size, and `data` where the content is embedded, which must
    /// equal it.
    pub fn refer(&self, content: &Spliced, edits: &mut Edits<'_>) {
        let [digest, size] = self.places;
        edits.replace(digest, |texts| text::digest(texts, &content.digest));
        edits.replace(size, |texts| text::number(texts, content.size()));
        if let Some(data) = self.data {
            edits.replace(data, |texts| text::plain(texts, &[&STANDARD.encode(&content.bytes)]));
        }
    }
}

/// A size as clients read it: a non-negative 64-bit signed integer, without fraction or exponent.
fn length(text: &str) -> Result<u64, Refusal> {
    text.parse::<i64>().ok().and_then(|size| size.try_into().ok()).ok_or(Refusal::Form("size"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::fields::Doc;

    #[test]
    fn sizes_are_what_every_client_can_read() {
        let read = |size: &str| {
            let text = format!(r#"{{"digest":"sha256:0","size":{size}}}"#);
            let doc = Doc::new(text.as_bytes(), 1000).unwrap();
            Descriptor::read(doc.root()).map(|descriptor| (descriptor.size, descriptor.digest()))
        };
        assert_eq!(read("9223372036854775807"), Ok((i64::MAX as u64, None)));
        for bad in ["-1", "9223372036854775808", "1.0", "1e3", "\"1\"", "[]"] {
            assert_eq!(read(bad), Err(Refusal::Form("size")), "{bad}");
        }
        assert_eq!(read("null"), Err(Refusal::Missing("size")));
    }
}
