use super::*;
use crate::rewrite::splice;

fn values(text: &str) -> Result<[Option<&str>; 3], Refusal> {
    let fields = object(text, ["config", "size", "links"], Names::Folded)?;
    Ok([0, 1, 2].map(|index| fields.value(index)))
}

#[test]
fn finds_values_as_they_are_written() {
    let check = |text, want| assert_eq!(values(text), Ok(want), "{text}");
    check("{}", [None; 3]);
    check(" \t{\"size\" : 1.50e2 , \"x\":[{}]}\r\n", [None, Some("1.50e2"), None]);
    check(
        r#"{"links":"\ud83d","config":{ "size":1 },"size":null}"#,
        [Some(r#"{ "size":1 }"#), None, Some(r#""\ud83d""#)],
    );
}

#[test]
fn refuses_what_clients_could_read_differently() {
    let check = |text, why| assert_eq!(values(text), Err(why), "{text}");
    check(r#"{"size":1,"size":1}"#, Refusal::Twice("size"));
    check(r#"{"size":1,"Size":1}"#, Refusal::LookAlike("size"));
    check(r#"{"SIZE":1}"#, Refusal::LookAlike("size"));
    check("{\"\u{17f}ize\":1}", Refusal::LookAlike("size"));
    check(r#"{"\u017fize":1}"#, Refusal::LookAlike("size"));
    check("{\"lin\u{212a}s\":1}", Refusal::LookAlike("links"));
    check(r#"{"s\u0069ze":1}"#, Refusal::LookAlike("size"));
    // Dotless i, full width and accents fold to nothing in ASCII.
    assert!(values("{\"s\u{131}ze\":1,\"\u{ff53}ize\":2,\"siz\u{e9}\":3}").is_ok());
}

#[test]
fn keys_of_maps_are_exact() {
    let fields = object(r#"{"A":1,"a":2}"#, ["a"], Names::Exact).unwrap();
    assert_eq!(fields.value(0), Some("2"));
    for (text, why) in
        [(r#"{"a":1,"a":2}"#, Refusal::Twice("a")), (r#"{"\u0061":1}"#, Refusal::LookAlike("a"))]
    {
        assert_eq!(object(text, ["a"], Names::Exact).unwrap_err(), why);
    }
}

#[test]
fn refuses_what_is_no_object() {
    for text in [
        "",
        "{",
        "{}x",
        "{}{}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":01}",
        "\u{feff}{}",
        "<html>",
        "nul",
    ] {
        assert_eq!(values(text), Err(Refusal::Syntax), "{text}");
    }
    for text in ["[]", "null", " \"{}\"", "1"] {
        assert_eq!(values(text), Err(Refusal::Object), "{text}");
    }
}

#[test]
fn documents_have_limits() {
    let check = |bytes: &[u8], want| assert_eq!(Doc::new(bytes, 200).map(|doc| doc.text().len()), want);
    check(&[b' '; 200], Ok(200));
    check(&[b' '; 201], Err(Refusal::Size(201)));
    check(b"{\"\xff\":1}", Err(Refusal::Encoding));
    check(&[b'['; 65], Err(Refusal::Depth));
    check(&[b'['; 64], Ok(64));
    check(format!("[\"\\\"{}\"]", "[".repeat(70)).as_bytes(), Ok(76));
    check("[]".repeat(70).as_bytes(), Ok(140));
}

#[test]
fn edits_of_members() {
    let run = |text: &str, edit: fn(Doc<'_>, &Fields<'_, 1>) -> Option<crate::rewrite::Edit>| {
        let doc = Doc::new(text.as_bytes(), 200).unwrap();
        let fields = object(text, ["a"], Names::Folded).unwrap();
        let done = splice(doc, edit(doc, &fields).into_iter().collect(), 200).unwrap();
        String::from_utf8(done.bytes.to_vec()).unwrap()
    };
    let remove = |text, want| assert_eq!(run(text, |doc, f| f.member(0).map(|m| doc.remove(m))), want);
    remove(r#"{"a":1}"#, "{}");
    remove(r#"{ "a" : {} , "b":2 }"#, r#"{ "b":2 }"#);
    remove(r#"{"b":2 , "a":1 }"#, r#"{"b":2 }"#);
    remove(r#"{"b":2,"a":1,"c":3}"#, r#"{"b":2,"c":3}"#);
    remove(r#"{"b":2}"#, r#"{"b":2}"#);
    let insert = |text, want| assert_eq!(run(text, |doc, f| doc.insert(f, &[("n\"", "0".into())])), want);
    insert("{ }", r#"{"n\"":0 }"#);
    insert(r#"{"b":2 }"#, r#"{"b":2,"n\"":0 }"#);
}
