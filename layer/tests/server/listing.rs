//! Listings against a plain model, with keys that other servers get wrong, and without quadratic cost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::client::{Client, open_server};
use crate::support::s3::{Object, Server, body::mix, uri, xml};

/// One thing that a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Key(String),
    Prefix(String),
}

/// What a listing shows in all, by going over every key.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix) && key.as_str() > after) {
        let item = match key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => Item::Prefix(key[..prefix.len() + at + delimiter.len()].to_owned()),
            None => Item::Key(key.clone()),
        };
        // A common prefix is not behind itself.
        if items.last() != Some(&item) && item != Item::Prefix(after.to_owned()) {
            items.push(item);
        }
    }
    items
}

/// All pages of a listing; each page but the last is full.
fn walk(
    client: &mut Client,
    second: bool,
    prefix: &str,
    delimiter: &str,
    after: &str,
    most: usize,
) -> Vec<Item> {
    let mut items = Vec::new();
    let mut next = String::new();
    loop {
        let mut target = format!("/b?prefix={}&max-keys={most}&encoding-type=url", uri::encode(prefix));
        if !delimiter.is_empty() {
            target.push_str(&format!("&delimiter={}", uri::encode(delimiter)));
        }
        match (second, next.is_empty()) {
            (true, true) => target.push_str(&format!("&list-type=2&start-after={}", uri::encode(after))),
            (true, false) => {
                target.push_str(&format!("&list-type=2&continuation-token={}", uri::encode(&next)))
            }
            (false, true) => target.push_str(&format!("&marker={}", uri::encode(after))),
            (false, false) => target.push_str(&format!("&marker={}", uri::encode(&next))),
        }
        let reply = client.ask("GET", &target, &[], b"").expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text();
        let decode = |text: &str| uri::decode(&text.replace('+', " ")).expect("keys are UTF-8");
        let read = |name: &str, leaf: &str| -> Vec<String> {
            let elements = xml::read(&text, name).expect("documents are well-formed");
            elements.iter().filter_map(|leaves| Some(decode(xml::leaf(leaves, leaf)?))).collect()
        };
        let mut page: Vec<Item> = read("Contents", "Key").into_iter().map(Item::Key).collect();
        page.extend(read("CommonPrefixes", "Prefix").into_iter().map(Item::Prefix));
        let name = |item: &Item| match item {
            Item::Key(name) | Item::Prefix(name) => name.clone(),
        };
        page.sort_by_key(name);
        let truncated = reply.leaf("IsTruncated").as_deref() == Some("true");
        assert!(page.len() == most || !truncated && page.len() < most);
        let last = page.last().map(name);
        items.append(&mut page);
        if !truncated {
            return items;
        }
        next = match (second, reply.leaf("NextMarker")) {
            (true, _) => reply.leaf("NextContinuationToken").expect("truncated pages have a token"),
            (false, Some(marker)) => decode(&marker),
            (false, None) => last.expect("truncated pages are not empty"),
        };
    }
}

#[test]
fn every_listing_is_that_of_the_model() {
    let server = open_server();
    let mut client = Client::to(server.addr());
    let letters = ["a", "b", "/", "//", "é", "\u{d7ff}", "\u{10ffff}"];
    let mut state = 1;
    let mut pick = |of: usize| {
        state = mix(state);
        (state % of as u64) as usize
    };
    let mut text = |most: usize| (0..pick(most)).map(|_| letters[pick(letters.len())]).collect::<String>();
    let keys: BTreeSet<String> = (0..120).map(|_| text(7)).filter(|key| !key.is_empty()).collect();
    server.store().fill("b", keys.iter().cloned(), Object::of("x"));
    for round in 0..96 {
        let (prefix, delimiter) = (text(3), ["", "/", "/", "é"][round % 4]);
        let after = if round % 3 == 0 { text(5) } else { String::new() };
        let most = [1, 2, 7, 1000][round / 4 % 4];
        let expected = model(&keys, &prefix, delimiter, &after);
        let found = walk(&mut client, true, &prefix, delimiter, &after, most);
        assert_eq!(found, expected, "prefix {prefix:?} delimiter {delimiter:?} after {after:?} most {most}");
        let found = walk(&mut client, false, &prefix, delimiter, &after, most);
        assert_eq!(
            found, expected,
            "version 1: prefix {prefix:?} delimiter {delimiter:?} after {after:?} most {most}"
        );
    }
}

#[test]
fn odd_keys_come_back_as_they_were() {
    let server = open_server();
    let mut client = Client::to(server.addr());
    let keys = [
        "a//b",
        "dir/",
        ".",
        "..",
        "./x",
        "../y",
        "/lead",
        "emoji-😀",
        "new\nline",
        "cr\rtab\t",
        "per%20cent",
        "plus+ sp",
        "q?x=1&y",
        "#h",
        "<&>\"'",
        "star*(~)!",
        "a/../b",
    ];
    for key in keys {
        let put = client
            .ask("PUT", &format!("/b/{}", uri::encode_path(key)), &[], key.as_bytes())
            .expect("an answer");
        assert_eq!(put.status, 200, "{key:?}");
    }
    let mut sorted: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    sorted.sort();
    assert_eq!(server.store().keys("b"), sorted);
    let found = walk(&mut client, true, "", "", "", 4);
    assert_eq!(found, sorted.iter().cloned().map(Item::Key).collect::<Vec<_>>());
    for key in keys {
        let get = client.ask("GET", &format!("/b/{}", uri::encode_path(key)), &[], b"").expect("an answer");
        assert_eq!((get.status, get.body.as_slice()), (200, key.as_bytes()), "{key:?}");
    }
    // Without encoding, markup is escaped and what XML cannot say is a reference.
    let plain = client.ask("GET", "/b?list-type=2", &[], b"").expect("an answer").text();
    assert!(
        plain.contains("<Key>&lt;&amp;&gt;&quot;'</Key>") && plain.contains("<Key>cr&#xd;tab\t</Key>"),
        "{plain}"
    );
}

#[test]
fn a_page_shows_what_a_listing_has_to_say() {
    let server = open_server();
    server.store().put("b", "d/a", Object::of("hello").with("x-amz-storage-class", "DEEP_ARCHIVE"));
    server.store().put("b", "d/e/f", Object::of("x"));
    let mut client = Client::to(server.addr());
    let page = client.ask("GET", "/b?list-type=2&prefix=d%2F&delimiter=%2F", &[], b"").expect("an answer");
    let leaf = |name: &str| page.leaf(name).unwrap_or_default();
    assert_eq!(
        (leaf("Name"), leaf("Delimiter"), leaf("MaxKeys"), leaf("KeyCount")),
        ("b".into(), "/".into(), "1000".into(), "2".into())
    );
    assert_eq!(
        (leaf("Key"), leaf("Size"), leaf("StorageClass")),
        ("d/a".into(), "5".into(), "DEEP_ARCHIVE".into())
    );
    assert_eq!(leaf("ETag"), "&quot;5d41402abc4b2a76b9719d911017c592&quot;");
    assert_eq!(leaf("LastModified").len(), "2026-11-30T07:48:35.000Z".len());
    assert!(page.text().contains("<CommonPrefixes><Prefix>d/e/</Prefix></CommonPrefixes>"));
    let behind =
        client.ask("GET", "/b?list-type=2&delimiter=%2F&start-after=d%2F", &[], b"").expect("an answer");
    assert_eq!(behind.leaf("KeyCount").as_deref(), Some("0"), "a common prefix is not behind itself");
    let none = client.ask("GET", "/b?list-type=2&max-keys=0", &[], b"").expect("an answer");
    assert_eq!(
        (none.leaf("KeyCount").as_deref(), none.leaf("IsTruncated").as_deref()),
        (Some("0"), Some("false"))
    );
    for wrong in ["max-keys=x", "encoding-type=xml", "continuation-token=%21"] {
        let reply = client.ask("GET", &format!("/b?list-type=2&{wrong}"), &[], b"").expect("an answer");
        assert_eq!((reply.status, reply.leaf("Code").as_deref()), (400, Some("InvalidArgument")), "{wrong}");
    }
}

/// Time of one page far inside a bucket of so many keys under each of ten prefixes.
fn page_time(server: &Server, count: usize) -> Duration {
    let keys = (0..10).flat_map(|dir| (0..count / 10).map(move |number| format!("d{dir}/{number:07}")));
    server.store().fill("b", keys, Object::of("x"));
    let mut client = Client::to(server.addr());
    let last = format!("/b?list-type=2&prefix=d9/&start-after=d9/{:07}", count / 10 - 900);
    let dirs = "/b?list-type=2&delimiter=/&prefix=".to_owned();
    let ask = |client: &mut Client, target: &str| client.ask("GET", target, &[], b"").expect("an answer");
    assert_eq!(ask(&mut client, &last).leaf("KeyCount").as_deref(), Some("899"));
    assert_eq!(ask(&mut client, &dirs).leaf("KeyCount").as_deref(), Some("10"));
    (0..5)
        .map(|_| {
            let begun = Instant::now();
            ask(&mut client, &last);
            ask(&mut client, &dirs);
            begun.elapsed()
        })
        .min()
        .expect("five were taken")
}

#[test]
fn a_page_of_a_million_keys_costs_a_page() {
    let server = open_server();
    let few = page_time(&server, 10_000);
    let server = open_server();
    let many = page_time(&server, 1_000_000);
    assert!(many < few * 10 + Duration::from_millis(20), "10 000 keys {few:?}, 1 000 000 keys {many:?}");
}
