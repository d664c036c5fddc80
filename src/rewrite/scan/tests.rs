use super::*;
use serde_json::Value;

/// The nodes as `name=value`, indented by how many containers they are in.
fn outline(text: &str) -> String {
    let nodes = scan(text).unwrap();
    let part = |(start, end): (u32, u32)| &text[start as usize..end as usize];
    let mut lines = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        while open.last().is_some_and(|next| *next <= place as u32) {
            open.pop();
        }
        lines.push(format!("{}{}={}", "-".repeat(open.len()), part(node.name), part(node.value)));
        open.push(node.next);
    }
    lines.join("\n")
}

#[test]
fn notes_where_everything_lies() {
    let text = " {\"a\" : [1, {\"b\":\"x\"},[]] ,\n\"\":null, \"\\u0061\":{ }}\n";
    let want = "={\"a\" : [1, {\"b\":\"x\"},[]] ,\n\"\":null, \"\\u0061\":{ }}\n\
        -a=[1, {\"b\":\"x\"},[]]\n--=1\n--={\"b\":\"x\"}\n---b=\"x\"\n--=[]\n-=null\n-\\u0061={ }";
    assert_eq!(outline(text), want);
    assert_eq!(outline("-0.5e+7"), "=-0.5e+7");
}

/// What a whole parser takes, and nothing else. Large numbers are grammar here and a matter of range there.
#[test]
fn accepts_what_a_parser_accepts() {
    let check = |text: &str| {
        let parsed = serde_json::from_str::<Value>(text);
        let is_range =
            parsed.as_ref().is_err_and(|error| error.to_string().starts_with("number out of range"));
        assert_eq!(scan(text).is_ok(), parsed.is_ok() || is_range, "{text:?}: {parsed:?}");
    };
    let words = [
        "null",
        "true",
        "false",
        "nul",
        "0",
        "-0",
        "-",
        "01",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1e",
        "1e5",
        "1E+5",
        "1e-05",
        "+1",
        "1e999",
        "123456789012345678901234567890",
        "Infinity",
        "\"\"",
        "\"",
        "\"a\"",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\/\\b\\f\\n\\r\\t\\\\\"",
        "\"\\u00e9\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud83dx\"",
        "\"\t\"",
        "\"\u{7f}\u{80}\u{1f600}\"",
        "\"\u{0}\"",
        "\"12345678\"",
        "\"1234567\u{1f}\"",
        "\"12345678\\n9\"",
        "{}",
        "[]",
        "{",
        "[",
        "}",
        "]",
        "{]",
        "[}",
        "[,]",
        "[1,]",
        "[1 2]",
        "[1,2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"b\":[{}]}",
        "{1:2}",
        "{'a':1}",
        "{\"a\":1}}",
        "[]]",
        "[] []",
        " \t\r\n[ ] ",
        "\u{b}[]",
        "\u{feff}[]",
        "",
        " ",
        "nullx",
        "/**/1",
        "[\"a\",]",
    ];
    for word in words {
        check(word);
        for wrapped in
            [format!("[{word}]"), format!("{{\"k\":{word}}}"), format!("[0,{word},\"\"]"), format!("{word} ")]
        {
            check(&wrapped);
        }
    }
    for (place, bytes) in words.iter().flat_map(|word| (0..word.len()).map(move |place| (place, word))) {
        if bytes.is_char_boundary(place) {
            check(&bytes[..place]);
        }
    }
}

/// A string as values are read.
fn value(bytes: &[u8]) -> Option<(usize, bool)> {
    string(bytes, plain(bytes, 0))
}

#[test]
fn strings_end_where_they_end() {
    for length in 0..20 {
        let content = format!("{}{}", "\u{e9}".repeat(length / 2), "x".repeat(length % 2));
        for tail in ["", ":", " , some more of the document"] {
            let text = format!("{content}\"{tail}");
            let (end, odd) = string(text.as_bytes(), 0).unwrap();
            assert_eq!(end, length + 1, "{text:?}");
            assert!(odd || length < 2, "{text:?}");
            assert_eq!(value(text.as_bytes()).map(|(end, _)| end), Some(end), "{text:?}");
            for bad in ["\u{1f}", "\0", "\\", "\\u12"] {
                for text in [format!("{content}{bad}"), format!("{content}{bad}{tail}................")] {
                    assert_eq!(string(text.as_bytes(), 0), None, "{text:?}");
                    assert_eq!(value(text.as_bytes()), None, "{text:?}");
                }
            }
        }
        let escaped = format!("{content}\\\"{content}\\n\"{content}");
        assert_eq!(string(escaped.as_bytes(), 0), Some((2 * length + 5, true)), "{escaped:?}");
        assert_eq!(value(escaped.as_bytes()), Some((2 * length + 5, true)), "{escaped:?}");
    }
    assert_eq!(string(b" !#[]\x7f<>\"........", 0), Some((9, false)));
    assert_eq!(value(b" !#[]\x7f<>\x80\xff 123456\"........"), Some((18, false)));
    assert_eq!(string(b"no end", 0), None);
}

/// Every byte at every place of a block and of a word.
#[test]
fn every_byte_is_judged_as_one_by_one() {
    for byte in 0..=u8::MAX {
        for place in 0..24 {
            let mut text = [b'x'; 40];
            (text[place], text[30]) = (byte, b'"');
            let want = match byte {
                b'"' => Some(place + 1),
                // An escape of x.
                ..0x20 | b'\\' => None,
                _ => Some(31),
            };
            assert_eq!(value(&text).map(|(end, _)| end), want, "{byte} at {place}");
            assert_eq!(string(&text, 0).map(|(end, _)| end), want, "{byte} at {place}");
        }
    }
}
