//! The documents of S3, read with quick-xml and written by hand.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;

use super::object::{Etag, Listed, Listing, Part, is_archive};
use super::{encode, time};

/// Elements within one another; S3 has four at most.
const MAX_DEPTH: usize = 16;

/// A step of reading.
enum Step<'a> {
    Open(&'a str),
    /// An element's end, with the name of the one around it and its own text.
    Close {
        around: &'a str,
        name: &'a str,
        text: &'a str,
    },
}

/// Reads a document to its end. Namespaces are left out: servers disagree on them.
fn read(document: &[u8], mut visit: impl FnMut(Step<'_>)) -> Result<(), String> {
    let document = std::str::from_utf8(document).map_err(|_| "the document is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(document.trim_start());
    let mut names: Vec<String> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                if names.len() == MAX_DEPTH {
                    return Err("the document is nested too deeply".to_owned());
                }
                let name = start.local_name().as_ref().to_owned();
                visit(Step::Open(&name));
                names.push(name);
                text.clear();
            }
            Event::Empty(empty) => {
                let around = names.last().map_or("", String::as_str);
                let name = empty.local_name();
                visit(Step::Open(name.as_ref()));
                visit(Step::Close { around, name: name.as_ref(), text: "" });
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(reference) => match reference
                .resolve_char_ref()
                .map_err(|error| error.to_string())?
            {
                Some(character) => text.push(character),
                None => text.push_str(resolve_predefined_entity(&reference).ok_or("an entity is not known")?),
            },
            Event::End(_) => {
                // The reader has checked that it matches.
                let name = names.pop().unwrap_or_default();
                let around = names.last().map_or("", String::as_str);
                visit(Step::Close { around, name: &name, text: &text });
                text.clear();
            }
            Event::Eof if names.is_empty() => return Ok(()),
            Event::Eof => return Err("the document ends early".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// What an error document says. Fields that are missing are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorText {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) region: Option<String>,
    pub(super) request_id: String,
}

/// Reads an error, if the document is one.
pub(super) fn error(document: &[u8]) -> Option<ErrorText> {
    let mut error = ErrorText::default();
    let mut is_error = false;
    let end = read(document, |step| match step {
        Step::Open("Error") => is_error = true,
        Step::Close { around: "Error", name, text } => match name {
            "Code" => error.code = text.to_owned(),
            "Message" => error.message = text.to_owned(),
            "Region" => error.region = Some(text.to_owned()),
            "RequestId" => error.request_id = text.to_owned(),
            _ => {}
        },
        // STS names it beside the error.
        Step::Close { name: "RequestId", text, .. } => error.request_id = text.to_owned(),
        Step::Open(_) | Step::Close { .. } => {}
    });
    (is_error && end.is_ok() && !error.code.is_empty()).then_some(error)
}

/// Whether a document as a whole is an error: answers to many questions have errors within them.
pub(super) fn is_error(document: &[u8]) -> bool {
    let Ok(document) = std::str::from_utf8(document) else { return false };
    let mut reader = Reader::from_str(document.trim_start());
    loop {
        match reader.read_event() {
            Ok(Event::Start(root)) => return root.local_name().as_ref() == "Error",
            Ok(Event::Empty(_) | Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// The texts of some elements, wherever they are: the last one of each name.
pub(super) fn texts<const N: usize>(
    document: &[u8],
    names: [&str; N],
) -> Result<[Option<String>; N], String> {
    let mut found = [const { None }; N];
    read(document, |step| {
        if let Step::Close { name, text, .. } = step
            && let Some(place) = names.iter().position(|wanted| *wanted == name)
        {
            found[place] = Some(text.to_owned());
        }
    })?;
    Ok(found)
}

/// Reads a page of ListObjectsV2.
pub(super) fn listing(document: &[u8]) -> Result<Listing, String> {
    let mut page = Page::default();
    read(document, |step| page.step(step))?;
    page.finish()
}

#[derive(Default)]
struct Page {
    is_listing: bool,
    is_encoded: bool,
    is_truncated: bool,
    next: Option<Box<str>>,
    entry: Entry,
    entries: Vec<Entry>,
    prefixes: Vec<String>,
}

#[derive(Clone, Default)]
struct Entry {
    key: String,
    size: Option<u64>,
    etag: String,
    modified: Option<std::time::SystemTime>,
    archived: bool,
}

impl Page {
    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Open("ListBucketResult") => self.is_listing = true,
            Step::Open("Contents") => self.entry = Entry::default(),
            Step::Close { name: "Contents", .. } => self.entries.push(std::mem::take(&mut self.entry)),
            Step::Close { around: "Contents", name, text } => self.entry.field(name, text),
            Step::Close { around: "CommonPrefixes", name: "Prefix", text } => {
                self.prefixes.push(text.to_owned())
            }
            Step::Close { around: "ListBucketResult", name, text } => match name {
                "EncodingType" => self.is_encoded = text == "url",
                "IsTruncated" => self.is_truncated = text == "true",
                "NextContinuationToken" => self.next = Some(text.into()),
                _ => {}
            },
            Step::Open(_) | Step::Close { .. } => {}
        }
    }

    fn finish(self) -> Result<Listing, String> {
        if !self.is_listing {
            return Err("the document is no listing".to_owned());
        }
        if self.is_truncated && self.next.is_none() {
            return Err("the listing is cut and does not say where it goes on: the server does not know ListObjectsV2".to_owned());
        }
        let mut listing = Listing { next: self.next.filter(|_| self.is_truncated), ..Listing::default() };
        let decode = |key: String| if self.is_encoded { encode::decode(&key) } else { Some(key) };
        for entry in self.entries {
            let size = entry.size.ok_or("an object of the listing has no size")?;
            let Some(key) = decode(entry.key) else {
                listing.unreadable += 1;
                continue;
            };
            listing.objects.push(Listed {
                key: key.into(),
                size,
                etag: Etag::new(&entry.etag),
                modified: entry.modified.unwrap_or(std::time::SystemTime::UNIX_EPOCH),
                archived: entry.archived,
            });
        }
        for prefix in self.prefixes {
            match decode(prefix) {
                Some(prefix) => listing.prefixes.push(prefix.into()),
                None => listing.unreadable += 1,
            }
        }
        Ok(listing)
    }
}

impl Entry {
    fn field(&mut self, name: &str, text: &str) {
        match name {
            "Key" => self.key = text.to_owned(),
            "Size" => self.size = text.parse().ok(),
            "ETag" => self.etag = text.to_owned(),
            "LastModified" => self.modified = time::iso8601(text),
            "StorageClass" => self.archived = is_archive(text),
            _ => {}
        }
    }
}

/// The keys a deletion of many has not deleted, each with code and message.
pub(super) fn not_deleted(document: &[u8]) -> Result<Vec<(String, ErrorText)>, String> {
    let mut failed = Vec::new();
    let (mut key, mut error) = (String::new(), ErrorText::default());
    read(document, |step| match step {
        Step::Close { around: "Error", name, text } => match name {
            "Key" => key = text.to_owned(),
            "Code" => error.code = text.to_owned(),
            "Message" => error.message = text.to_owned(),
            _ => {}
        },
        Step::Close { name: "Error", .. } => {
            failed.push((std::mem::take(&mut key), std::mem::take(&mut error)));
        }
        Step::Open(_) | Step::Close { .. } => {}
    })?;
    Ok(failed)
}

/// Whether XML 1.0 can express a key: it has no control characters but three.
pub(super) fn can_express(key: &str) -> bool {
    key.chars().all(|character| match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => character >= ' ',
    })
}

/// The body of DeleteObjects.
pub(super) fn delete(keys: &[&str]) -> String {
    let mut document =
        String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in keys {
        // Line ends would be normalised by the reader.
        let key = escape(*key).replace('\r', "&#13;").replace('\n', "&#10;").replace('\t', "&#9;");
        document.push_str("<Object><Key>");
        document.push_str(&key);
        document.push_str("</Key></Object>");
    }
    document.push_str("</Delete>");
    document
}

/// The body of CompleteMultipartUpload; the parts are in order.
pub(super) fn complete(parts: &[Part]) -> String {
    let mut document =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for part in parts {
        let etag = escape(part.etag.as_str());
        document
            .push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", part.number));
    }
    document.push_str("</CompleteMultipartUpload>");
    document
}

#[cfg(test)]
mod tests;
