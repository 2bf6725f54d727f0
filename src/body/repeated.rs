//! JSON, also where a key stands several times in one object, of which a strict reader takes the last. Everything else is read as
//! `serde_json` reads it, and as fast: a map says itself that it has a key already.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::DEPTH_LIMIT;
use super::fields::distinct;

/// By this key `serde_json` hands a number over with all its digits (its feature `arbitrary_precision`).
const NUMBER: &str = "$serde_json::private::Number";

/// By this key it takes a text for JSON that is already written (its feature `raw_value`).
const RAW: &str = "$serde_json::private::RawValue";

/// Reads JSON that is nested no deeper than [`DEPTH_LIMIT`]; a key that stands several times has a list of its different values. Also
/// whether there is one.
pub fn parse(text: &[u8]) -> serde_json::Result<(Value, bool)> {
    let differs = Cell::new(false);
    let reader = Reader { depth: DEPTH_LIMIT, differs: &differs, gathers: false };
    let value = reader.read(text)?;
    if !differs.take() {
        return Ok((value, false));
    }
    // there is a key that stands twice, which is rare: only then the values are gathered, for which a key is hashed twice
    let value = Reader { gathers: true, ..reader }.read(text)?;
    Ok((value, differs.get()))
}

/// Reads a value, and notes whether it may differ from what a strict reader reads; if it gathers the values of repeated keys, whether it
/// does.
#[derive(Clone, Copy)]
struct Reader<'a> {
    depth: usize,
    differs: &'a Cell<bool>,
    gathers: bool,
}

impl Reader<'_> {
    fn read(self, text: &[u8]) -> serde_json::Result<Value> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let value = self.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }

    fn within<E: serde::de::Error>(self) -> Result<Self, E> {
        let deeper = || E::custom(format_args!("nested deeper than {DEPTH_LIMIT}"));
        Ok(Self { depth: self.depth.checked_sub(1).ok_or_else(deeper)?, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut key = match entries.next_key_seed(First)? {
            Some(Key::Own(key)) => key,
            Some(Key::Number) => {
                let digits: String = entries.next_value()?;
                return digits.parse().map(Value::Number).map_err(A::Error::custom);
            }
            Some(Key::Raw) => {
                // as a strict reader does; the text is not the value's
                self.differs.set(true);
                let written: String = entries.next_value()?;
                return self.within()?.read(written.as_bytes()).map_err(A::Error::custom);
            }
            None => return self.within().map(|_| Value::Object(Map::new())),
        };
        let within = self.within()?;
        let mut map = Map::new();
        let mut more: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        loop {
            let value = entries.next_value_seed(within)?;
            if self.gathers && map.contains_key(&key) {
                more.entry(key).or_default().push(value);
            } else if map.insert(key, value).is_some() {
                self.differs.set(true);
            }
            let Some(next) = entries.next_key()? else { break };
            key = next;
        }
        for (key, values) in more {
            if let Some(first) = map.get_mut(&key) {
                let is_same = values.iter().all(|value| value == first);
                self.differs.set(self.differs.get() || !is_same);
                *first = distinct(std::iter::once(first.take()).chain(values).collect());
            }
        }
        Ok(map.into())
    }
}

/// The first key of an object, or what `serde_json` has in its place.
enum Key {
    Own(String),
    Number,
    Raw,
}

/// Reads it; a number costs no text of its own.
struct First;

impl<'de> DeserializeSeed<'de> for First {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for First {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            NUMBER => Key::Number,
            RAW => Key::Raw,
            _ => Key::Own(key.to_owned()),
        })
    }

    fn visit_string<E>(self, key: String) -> Result<Key, E> {
        Ok(match key.as_str() {
            NUMBER => Key::Number,
            RAW => Key::Raw,
            _ => Key::Own(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        parse(text.as_bytes()).expect("JSON").0
    }

    #[test]
    fn a_repeated_key_has_each_of_its_values_once() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":1}"#).to_string(), r#"{"a":1,"b":2}"#);
        assert_eq!(read(r#"{"a":1,"a":"1","a":1,"a":null}"#), json!({"a": [1, "1", null]}));
        assert_eq!(
            read(r#"[{"a":[1],"a":[2]},{"a":{"b":0,"b":1}}]"#),
            json!([{"a": [[1], [2]]}, {"a": {"b": [0, 1]}}])
        );
        // escaped, it is the same key
        assert_eq!(read(r#"{"a":1,"\u0061":2}"#), json!({"a": [1, 2]}));
    }

    #[test]
    fn everything_else_is_read_as_a_strict_reader_reads_it() {
        let text = r#"[null,true,7,-7,-0,1e+400,12345678901234567890123,0.10,"x",{"a":{}},[]]"#;
        assert_eq!(read(text).to_string(), text);
        assert!(parse(br#"{"$serde_json::private::Number":"x"}"#).is_err());
    }

    #[test]
    fn a_hostile_number_of_repetitions_costs_no_more_than_as_many_keys() {
        let many = |value: fn(usize) -> String| {
            let entries: Vec<String> = (0..100_000).map(|n| format!("\"a\":{}", value(n))).collect();
            read(&format!("{{{}}}", entries.join(",")))
        };
        assert_eq!(many(|_| "1".into()), json!({"a": 1}));
        assert_eq!(many(|n| n.to_string())["a"].as_array().map(Vec::len), Some(100_000));
    }

    #[test]
    fn a_repetition_is_told_where_a_strict_reader_would_miss_it() {
        for (text, expected) in [
            (r#"{"a":1,"b":1}"#, false),
            (r#"{"a":1,"a":1}"#, false),
            (r#"{"a":1,"a":2}"#, true),
            (r#"[{"a":{"b":1,"b":[1]},"c":1,"c":1}]"#, true),
            (r#"[{"a":1},{"a":2}]"#, false),
            (r#"{"$serde_json::private::RawValue":"[1]"}"#, true),
        ] {
            assert_eq!(parse(text.as_bytes()).expect(text).1, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_strict_reader_reads_or_refuses_is_read_or_refused_alike(
            text in "([\\[\\]{}:,\" \\\\ab1e.\n-]|true|null|\"a\":){0,30}",
        ) {
            match (parse(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
                (Ok((value, false)), Ok(strict)) => prop_assert_eq!(value, strict),
                (Ok((value, true)), Ok(strict)) => prop_assert_ne!(value, strict),
                (Err(error), Err(strict)) => prop_assert_eq!(error.to_string(), strict.to_string()),
                (found, strict) => prop_assert!(false, "{:?}, and strictly {:?}", found, strict),
            }
        }
    }
}
