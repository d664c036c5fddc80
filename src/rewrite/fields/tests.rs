use super::*;
use crate::rewrite::{Edits, text};

/// The document as the pass and as the visitor see it: both must agree on all that is asked here.
fn both(text: &str) -> [Result<Doc<'_>, Refusal>; 2] {
    [Doc::new(text.as_bytes(), 200), Doc::visited(text.as_bytes(), 200)]
}

fn agreed<T: PartialEq + std::fmt::Debug>(
    text: &str,
    look: impl Fn(&Doc<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let [pass, visitor] = both(text).map(|doc| doc.and_then(|doc| look(&doc)));
    assert_eq!(pass, visitor, "{text}");
    pass
}

fn values(text: &str) -> Result<[Option<String>; 3], Refusal> {
    agreed(text, |doc| {
        let fields = doc.root().object(&Wanted::fields(["config", "size", "links"]))?;
        Ok([0, 1, 2].map(|index| fields.value(index).map(|value| value.text().to_owned())))
    })
}

fn exactly_a(text: &str) -> Result<Option<String>, Refusal> {
    agreed(text, |doc| {
        let fields = doc.root().object(&Wanted::keys(["a"]))?;
        Ok(fields.value(0).map(|value| value.text().to_owned()))
    })
}

#[test]
fn finds_values_as_they_are_written() {
    let check = |text, want: [Option<&str>; 3]| {
        assert_eq!(values(text), Ok(want.map(|value| value.map(String::from))), "{text}")
    };
    check("{}", [None; 3]);
    check(" \t{\"size\" : 1.50e2 , \"x\":[{}]}\r\n", [None, Some("1.50e2"), None]);
    check(
        r#"{"links":"\ud83d\ude00","config":{ "size":1 },"size":null}"#,
        [Some(r#"{ "size":1 }"#), None, Some(r#""\ud83d\ude00""#)],
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
    assert_eq!(exactly_a(r#"{"A":1,"a":2}"#), Ok(Some("2".into())));
    for (text, why) in
        [(r#"{"a":1,"a":2}"#, Refusal::Twice("a")), (r#"{"\u0061":1}"#, Refusal::LookAlike("a"))]
    {
        assert_eq!(exactly_a(text), Err(why));
    }
}

/// Two wanted names, and the value of each or why there is none.
fn two(names: [&'static str; 2], text: &str) -> Result<[Option<String>; 2], Refusal> {
    let find = |wanted: Wanted<2>| {
        agreed(text, |doc| {
            let fields = doc.root().object(&wanted)?;
            Ok([0, 1].map(|index| fields.value(index).map(|value| value.text().to_owned())))
        })
    };
    let (fields, keys) = (find(Wanted::fields(names)), find(Wanted::keys(names)));
    // Names of structures and of maps differ in nothing but what resembles them.
    if !matches!(fields, Err(Refusal::LookAlike(_))) {
        assert_eq!(fields, keys, "{text}");
    }
    fields
}

#[test]
fn names_that_begin_alike_are_two() {
    let values = |first: Option<&str>, second: Option<&str>| Ok([first, second].map(|v| v.map(String::from)));
    // The first eight bytes are the same, the lengths as well; then the lengths are not.
    for names in [["mediaType", "mediaTyp0"], ["mediaType", "mediaTypes"], ["mediaTyp", "mediaType"]] {
        let [first, second] = names;
        let check = |text: String, want| assert_eq!(two(names, &text), want, "{text}");
        check(format!("{{\"{first}\":1,\"{second}\":2}}"), values(Some("1"), Some("2")));
        check(format!("{{\"{second}\":2,\"{first}\":1}}"), values(Some("1"), Some("2")));
        check(format!("{{\"{second}\":2,\"x\":0}}"), values(None, Some("2")));
        check(format!("{{\"{second}\":2,\"{second}\":2}}"), Err(Refusal::Twice(second)));
        check(format!("{{\"{first}\":1,\"{second}\":2,\"{first}\":3}}"), Err(Refusal::Twice(first)));
        check("{\"mediaTyp_\":0,\"mediaTy\":0}".into(), values(None, None));
        let upper = second.to_uppercase();
        check(format!("{{\"{upper}\":2,\"x\":0}}"), Err(Refusal::LookAlike(second)));
    }
}

/// No whole word is left to compare where a name ends within eight bytes of the document's end.
#[test]
fn short_names_at_the_end() {
    let names = ["os", "k"];
    let check = |text: &str, want: Result<[Option<&str>; 2], Refusal>| {
        assert_eq!(
            two(names, text),
            want.map(|values| values.map(|value| value.map(String::from))),
            "{text}"
        );
    };
    for blank in ["", " ", "        "] {
        check(&format!("{{\"os\":1{blank}}}"), Ok([Some("1"), None]));
        check(&format!("{{\"k\":1{blank}}}"), Ok([None, Some("1")]));
        check(&format!("{{\"os\":1,\"k\":2{blank}}}"), Ok([Some("1"), Some("2")]));
        check(&format!("{{\"oS\":1{blank}}}"), Err(Refusal::LookAlike("os")));
        check(&format!("{{\"o\u{17f}\":1{blank}}}"), Err(Refusal::LookAlike("os")));
        check(&format!("{{\"\u{212a}\":1{blank}}}"), Err(Refusal::LookAlike("k")));
        check(&format!("{{\"os\":1,\"os\":2{blank}}}"), Err(Refusal::Twice("os")));
        check(&format!("{{\"o\":1,\"\":2{blank}}}"), Ok([None, None]));
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
    check(&[b' '; 201], Err(Refusal::Size(201)));
    check(b"{\"\xff\":1}", Err(Refusal::Encoding));
    check(&[b'['; 65], Err(Refusal::Depth));
    check(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes(), Ok(128));
    check(format!("[\"\\\"{}\"]", "[".repeat(70)).as_bytes(), Ok(76));
    check(format!("[{}[]]", "[],".repeat(60)).as_bytes(), Ok(184));
    assert_eq!(Doc::visited(&[b'['; 65], 200).map(|doc| doc.text().len()), Err(Refusal::Depth));
}

#[test]
fn edits_of_members() {
    let run = |text: &str, edit: fn(&Fields<'_, 1>, &mut Edits<'_>)| {
        agreed(text, |doc| {
            let fields = doc.root().object(&Wanted::fields(["a"]))?;
            let mut edits = Edits::new(doc, 200);
            edit(&fields, &mut edits);
            Ok(String::from_utf8(edits.splice()?.bytes.to_vec()).unwrap())
        })
        .unwrap()
    };
    let remove = |text, want| {
        let remove = |fields: &Fields<'_, 1>, edits: &mut Edits<'_>| {
            fields.members().for_each(|(_, member)| edits.remove(member));
        };
        assert_eq!(run(text, remove), want);
    };
    remove(r#"{"a":1}"#, "{}");
    remove(r#"{ "a" : {} , "b":2 }"#, r#"{ "b":2 }"#);
    remove(r#"{"b":2 , "a":1 }"#, r#"{"b":2 }"#);
    remove(r#"{"b":2,"a":1,"c":3}"#, r#"{"b":2,"c":3}"#);
    remove(r#"{"b":2}"#, r#"{"b":2}"#);
    let insert = |text, want| {
        let insert = |fields: &Fields<'_, 1>, edits: &mut Edits<'_>| {
            edits.append(fields.whole, |tail| text::number(tail.member("n"), 0));
        };
        assert_eq!(run(text, insert), want);
    };
    insert("{ }", r#"{"n":0 }"#);
    insert(r#" {"b":2 } "#, r#" {"b":2,"n":0 } "#);
    let nothing = |fields: &Fields<'_, 1>, edits: &mut Edits<'_>| edits.append(fields.whole, |_| {});
    assert_eq!(run("{ }", nothing), "{ }");
}

#[test]
fn items_of_arrays() {
    let items = |text: &str| {
        agreed(text, |doc| {
            let items = doc.root().items("it")?;
            assert_eq!(items.clone().count(), doc.root().count("it")?);
            Ok(items.map(|item| item.text().to_owned()).collect::<Vec<_>>().join("|"))
        })
    };
    assert_eq!(items(r#" [ 1 , [2,[3]],{"a":[4]} ,"5,6" ]"#), Ok(r#"1|[2,[3]]|{"a":[4]}|"5,6""#.into()));
    assert_eq!(items("[]"), Ok(String::new()));
    assert_eq!(items("{}"), Err(Refusal::Form("it")));
}
