//! The slow way to find members: `serde_json` walks one object, wanted values are borrowed slices of it, all others are
//! skipped. It shares no parsing with the validating pass, which is compared with it in tests, fuzz targets and
//! benches.

use super::fields::{Fields, Place, SPACE, Value, Wanted};
use super::refusal::Refusal;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Finds the members of an object, as [`Value::object`] does.
pub(super) fn object<const N: usize>(fields: &mut Fields<'_, N>, wanted: &Wanted<N>) -> Result<(), Refusal> {
    let text = fields.whole.text();
    if !text.starts_with('{') {
        let other = serde_json::from_str::<&RawValue>(text).is_ok();
        return Err(if other { Refusal::Object } else { Refusal::Syntax });
    }
    let mut refusal = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let walked = json.deserialize_map(Walk { wanted, fields, refusal: &mut refusal });
    match (walked, refusal) {
        (_, Some(refusal)) => Err(refusal),
        (Ok(()), None) if json.end().is_ok() => Ok(()),
        _ => Err(Refusal::Syntax),
    }
}

/// The items of an array, as [`Value::items`] gives them.
pub(super) fn array<'a>(whole: Value<'a>, name: &'static str) -> Result<Vec<Value<'a>>, Refusal> {
    let items: Vec<&'a RawValue> = serde_json::from_str(whole.text()).map_err(|_| Refusal::Form(name))?;
    Ok(items.into_iter().map(|item| whole.doc().slice(item.get())).collect())
}

/// Refuses arrays and objects nested too deep; exact for JSON, harmless for anything else.
pub(super) fn depth(bytes: &[u8]) -> Result<(), Refusal> {
    let (mut deepest, mut now) = (0usize, 0usize);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(rest.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if deepest > super::DEPTH_LIMIT { Err(Refusal::Depth) } else { Ok(()) }
}

struct Walk<'a, 'w, const N: usize> {
    wanted: &'w Wanted<N>,
    fields: &'w mut Fields<'a, N>,
    refusal: &'w mut Option<Refusal>,
}

impl<'a, const N: usize> Visitor<'a> for Walk<'a, '_, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&'a RawValue>()? {
            let name = name.get().trim_matches(SPACE);
            let name = &name[1..name.len() - 1];
            let refused = |why, slot: &mut Option<Refusal>| {
                *slot = Some(why);
                serde::de::Error::custom("refused")
            };
            match self.wanted.find(name).map_err(|why| refused(why, self.refusal))? {
                Some(index) => {
                    let value = map.next_value::<&'a RawValue>()?.get();
                    let [name, value] = [name, value].map(|part| {
                        let span = self.fields.whole.doc().span(part);
                        (span.start as u32, span.end as u32)
                    });
                    let place = Place { name, value, node: 0 };
                    self.fields.set(index, place, self.wanted).map_err(|why| refused(why, self.refusal))?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
