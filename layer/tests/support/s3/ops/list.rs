//! Listings of objects, version 2 and 1. A page costs what it shows: common prefixes are skipped by seeking.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::error::Error;
use super::super::object::Object;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::uri;
use super::super::xml::Xml;
use super::bucket::NAMESPACE;

/// Where a page begins.
enum From {
    Start,
    /// Behind this key.
    After(String),
    /// Behind all keys with this prefix.
    Past(String),
}

/// One page.
struct Page {
    objects: Vec<(String, Arc<Object>)>,
    prefixes: Vec<String>,
    /// The last thing shown if there is more; whether it is a prefix.
    more: Option<(String, bool)>,
}

/// ListObjectsV2 and ListObjects.
pub fn objects(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let second = request.query("list-type") == Some("2");
    let prefix = request.query("prefix").unwrap_or("");
    let delimiter = request.query("delimiter").filter(|delimiter| !delimiter.is_empty());
    let most = match request.query("max-keys").filter(|text| !text.is_empty()).map(str::parse::<usize>) {
        None => 1000,
        Some(Ok(most)) => most.min(1000),
        Some(Err(_)) => {
            return Err(Error::new("InvalidArgument", "Provided max-keys not an integer or within range"));
        }
    };
    let url = match request.query("encoding-type") {
        None => false,
        Some("url") => true,
        Some(_) => return Err(Error::new("InvalidArgument", "Invalid Encoding Method specified in Request")),
    };
    let from = match request.query("continuation-token").filter(|_| second) {
        Some(token) => continued(token)?,
        None => begun(request.query(if second { "start-after" } else { "marker" }), prefix, delimiter),
    };
    let (page, region) = shared.store.with(&request.bucket, |bucket| {
        Ok((page(&bucket.objects, prefix, delimiter, from, most), bucket.settings.region.clone()))
    })?;
    let shown = |text: &str| if url { encode(text) } else { text.to_owned() };
    let mut document = Xml::document();
    document.inside(&format!("ListBucketResult {NAMESPACE}"), |xml| {
        xml.leaf("Name", &request.bucket);
        xml.leaf("Prefix", shown(prefix));
        delimiter.iter().for_each(|delimiter| xml.leaf("Delimiter", shown(delimiter)));
        xml.leaf("MaxKeys", most);
        if url {
            xml.leaf("EncodingType", "url");
        }
        xml.leaf("IsTruncated", page.more.is_some());
        position(xml, request, second, &page, &shown);
        for (key, object) in &page.objects {
            xml.inside("Contents", |xml| {
                xml.leaf("Key", shown(key));
                xml.leaf("LastModified", iso(object.time()));
                xml.leaf("ETag", object.etag());
                xml.leaf("Size", object.len());
                xml.leaf("StorageClass", object.storage_class());
            });
        }
        for prefix in &page.prefixes {
            xml.inside("CommonPrefixes", |xml| xml.leaf("Prefix", shown(prefix)));
        }
    });
    Ok(Answer::xml(document).with("x-amz-bucket-region", region))
}

/// The elements that say where this page began and where the next begins.
fn position(xml: &mut Xml, request: &Request, second: bool, page: &Page, shown: &impl Fn(&str) -> String) {
    if second {
        xml.leaf("KeyCount", page.objects.len() + page.prefixes.len());
        request.query("start-after").iter().for_each(|after| xml.leaf("StartAfter", shown(after)));
        request.query("continuation-token").iter().for_each(|token| xml.leaf("ContinuationToken", token));
        if let Some((last, prefix)) = &page.more {
            let token = format!("{}{last}", if *prefix { 'p' } else { 'k' });
            xml.leaf("NextContinuationToken", URL_SAFE_NO_PAD.encode(token));
        }
    } else {
        xml.leaf("Marker", shown(request.query("marker").unwrap_or("")));
        if let Some((last, _)) = page.more.as_ref().filter(|_| request.query("delimiter").is_some()) {
            xml.leaf("NextMarker", shown(last));
        }
    }
}

/// Where the page behind that of this token begins.
fn continued(token: &str) -> Result<From, Error> {
    let plain = URL_SAFE_NO_PAD.decode(token).ok().and_then(|token| String::from_utf8(token).ok());
    match plain.as_deref().map(|plain| (plain.get(..1), plain.get(1..).unwrap_or(""))) {
        Some((Some("p"), last)) => Ok(From::Past(last.to_owned())),
        Some((Some("k"), last)) => Ok(From::After(last.to_owned())),
        _ => Err(Error::new("InvalidArgument", "The continuation token provided is incorrect")),
    }
}

/// Where a listing behind this text begins. A text that is a common prefix, because its first delimiter behind the
/// prefix is its end, has been shown with all its keys.
fn begun(after: Option<&str>, prefix: &str, delimiter: Option<&str>) -> From {
    let Some(after) = after.filter(|after| !after.is_empty()) else { return From::Start };
    match (after.strip_prefix(prefix), delimiter) {
        (Some(rest), Some(delimiter))
            if rest.find(delimiter).map(|at| at + delimiter.len()) == Some(rest.len()) =>
        {
            From::Past(after.to_owned())
        }
        _ => From::After(after.to_owned()),
    }
}

fn page(
    objects: &BTreeMap<String, Arc<Object>>,
    prefix: &str,
    delimiter: Option<&str>,
    from: From,
    most: usize,
) -> Page {
    let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), more: None };
    let mut last = None;
    let mut lower = match from {
        From::After(key) if key.as_str() >= prefix => Bound::Excluded(key),
        From::Past(past) if past.as_str() >= prefix => match behind(&past) {
            Some(key) => Bound::Included(key),
            None => return page,
        },
        _ => Bound::Included(prefix.to_owned()),
    };
    if most == 0 {
        return page;
    }
    loop {
        let mut rest = objects.range::<str, _>((lower.as_ref().map(String::as_str), Bound::Unbounded));
        let Some((key, object)) = rest.next().filter(|(key, _)| key.starts_with(prefix)) else { return page };
        if page.objects.len() + page.prefixes.len() == most {
            page.more = last;
            return page;
        }
        let common = delimiter.and_then(|delimiter| {
            let end = prefix.len() + key[prefix.len()..].find(delimiter)? + delimiter.len();
            Some(key[..end].to_owned())
        });
        lower = match common {
            Some(common) => {
                page.prefixes.push(common.clone());
                last = Some((common.clone(), true));
                match behind(&common) {
                    Some(key) => Bound::Included(key),
                    None => return page,
                }
            }
            None => {
                page.objects.push((key.clone(), Arc::clone(object)));
                last = Some((key.clone(), false));
                Bound::Excluded(key.clone())
            }
        };
    }
}

/// The first text behind all that begin with `prefix`: the order of UTF-8 is that of code points.
fn behind(prefix: &str) -> Option<String> {
    let mut text: Vec<char> = prefix.chars().collect();
    while let Some(last) = text.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text.into_iter().collect());
        }
    }
    None
}

/// `encoding-type=url`: slashes stay, a space is a plus sign.
fn encode(text: &str) -> String {
    uri::encode_path(text).replace("%20", "+")
}
