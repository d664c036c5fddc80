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
    // The same beyond the first window.
    assert_eq!(outline(&format!("{}{text}", "\n".repeat(100))), want);
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
        // At every place of a window, and across two.
        for front in 55..75 {
            check(&format!("{}{word}", " ".repeat(front)));
            check(&format!("[\"{}\",{word}]", "x".repeat(front)));
        }
        check(&format!("{word}{}", " ".repeat(70)));
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

/// Digits are looked at by words where there are as many bytes.
#[test]
fn numbers_end_where_they_end() {
    for length in 0..20 {
        for byte in 0..=u8::MAX {
            let text = [b"0123456789012345678901234"[..length].to_vec(), vec![byte; 10]].concat();
            let want = if byte.is_ascii_digit() { length + 10 } else { length };
            assert_eq!(digits(&text, 0), want, "{byte} behind {length}");
            assert_eq!(digits(&text[..length + 1], 0), want.min(length + 1), "{byte} behind {length}");
        }
    }
}
