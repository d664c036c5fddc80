use super::*;

const LISTING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a%2F</Prefix>
<EncodingType>url</EncodingType><KeyCount>3</KeyCount><IsTruncated>true</IsTruncated>
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
<Contents><Key>a/%0A+%2B</Key><LastModified>2026-01-31T23:59:59.000Z</LastModified>
<ETag>&quot;fba9&#100;&quot;</ETag><Size>5368709120</Size><StorageClass>GLACIER</StorageClass></Contents>
<Contents><Key>a/%FF</Key><Size>1</Size></Contents>
<CommonPrefixes><Prefix>a/b%2F</Prefix></CommonPrefixes><CommonPrefixes><Prefix>a/%2F</Prefix></CommonPrefixes>
</ListBucketResult>"#;

#[test]
fn a_page_of_a_listing() {
    let page = listing(LISTING.as_bytes()).expect("a listing");
    assert_eq!(page.next.as_deref(), Some("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="));
    assert_eq!(page.prefixes, ["a/b/".into(), "a//".into()]);
    assert_eq!(page.unreadable, 1);
    let [object] = &page.objects[..] else { panic!("{page:?}") };
    assert_eq!((&*object.key, object.size, object.etag.as_str()), ("a/\n +", 5_368_709_120, "\"fba9d\""));
    assert!(object.archived);
    assert_eq!(object.modified, time::iso8601("2026-01-31T23:59:59Z").expect("a time"));
}

#[test]
fn keys_are_literal_unless_the_server_says_otherwise() {
    let plain = LISTING
        .replace("<EncodingType>url</EncodingType>", "")
        .replace("<IsTruncated>true", "<IsTruncated>false");
    let page = listing(plain.as_bytes()).expect("a listing");
    assert_eq!(&*page.objects[0].key, "a/%0A+%2B");
    assert_eq!(page.next, None);
}

#[test]
fn a_listing_that_is_cut_anywhere_is_no_listing() {
    for length in 0..LISTING.len() - 1 {
        assert!(listing(&LISTING.as_bytes()[..length]).is_err(), "{length}");
    }
    assert!(listing(b"<Error><Code>x</Code></Error>").is_err());
    let endless = LISTING.replace("NextContinuationToken", "NextMarker");
    assert!(listing(endless.as_bytes()).expect_err("no way on").contains("ListObjectsV2"));
    let deep = "<a>".repeat(100);
    assert!(listing(deep.as_bytes()).expect_err("too deep").contains("deep"));
}

#[test]
fn errors_of_s3_and_of_sts() {
    let s3 = b"\n<?xml version=\"1.0\"?><Error><Code>PermanentRedirect</Code><Message>a &amp; b</Message><Region>eu</Region><RequestId>R</RequestId><HostId>H</HostId></Error>";
    let want = ErrorText {
        code: "PermanentRedirect".into(),
        message: "a & b".into(),
        region: Some("eu".into()),
        request_id: "R".into(),
    };
    assert_eq!(error(s3), Some(want));
    let sts = b"<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code></Error><RequestId>S</RequestId></ErrorResponse>";
    let error_of_sts = error(sts).expect("an error");
    assert_eq!(
        (error_of_sts.code.as_str(), error_of_sts.request_id.as_str()),
        ("ExpiredTokenException", "S")
    );
    for other in ["", "<html><body>502</body></html>", "<Error/>", "<Error><Code>x</Code>", "{}"] {
        assert_eq!(error(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn what_is_written_can_be_read() {
    let keys = ["a<b>&\"'", "line\nend\r\ttab", "é\u{1f980}", " space "];
    let document = delete(&keys);
    let mut read_back = Vec::new();
    read(document.as_bytes(), |step| {
        if let Step::Close { name: "Key", text, .. } = step {
            read_back.push(text.to_owned());
        }
    })
    .expect("well-formed");
    assert_eq!(read_back, keys);
    assert!(keys.iter().all(|key| can_express(key)));
    assert!(!can_express("\u{1}") && !can_express("\u{ffff}"));
    let part = |number| Part { number, etag: Etag::new("\"e\"") };
    let [number, etag] =
        texts(complete(&[part(1), part(10_000)]).as_bytes(), ["PartNumber", "ETag"]).expect("well-formed");
    assert_eq!((number.as_deref(), etag.as_deref()), (Some("10000"), Some("\"e\"")));
}

#[test]
fn keys_that_were_not_deleted() {
    let document = b"<DeleteResult><Deleted><Key>x</Key></Deleted><Error><Key>a&amp;b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
    let failed = not_deleted(document).expect("well-formed");
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0.as_str(), failed[0].1.code.as_str()), ("a&b", "AccessDenied"));
    assert!(not_deleted(b"<DeleteResult/>").expect("well-formed").is_empty());
}

#[test]
fn no_document_is_too_odd_to_be_refused() {
    // xorshift, so a failure is the same everywhere.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let pieces = [
        "<",
        ">",
        "/",
        "&",
        ";",
        "&#0;",
        "&#x110000;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "<Key>",
        "</Key>",
        "\0",
        "\u{1f980}",
    ];
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut document = LISTING.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(document.len());
            let piece = pieces[random(pieces.len())].bytes();
            document.splice(at..(at + random(20)).min(LISTING.len()).min(document.len()).max(at), piece);
        }
        refused += usize::from(listing(&document).is_err());
        let _ = (error(&document), not_deleted(&document));
    }
    assert!(refused > 10_000, "{refused}");
}

#[test]
fn only_the_root_makes_a_document_an_error() {
    let error = "<Error><Code>InternalError</Code></Error>";
    assert!(is_error(error.as_bytes()));
    assert!(is_error(format!("<?xml version=\"1.0\"?>  \n{error}").as_bytes()));
    assert!(!is_error(format!("<DeleteResult>{error}</DeleteResult>").as_bytes()));
    assert!(!is_error(b""));
    assert!(!is_error(b"<CopyObjectResult/>"));
}
