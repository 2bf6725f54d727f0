//! Keys that stand several times in one JSON object, of which a strict reader takes the last.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::fields::distinct;

/// By this key `serde_json` hands a number over with all its digits (its feature `arbitrary_precision`).
const NUMBER: &str = "$serde_json::private::Number";

/// How many keys a JSON text has at most: its colons after a quote that is not escaped. One that a text holds or begins
/// with is counted too; that a key stands twice is then looked for in vain, but never missed.
pub fn marks(text: &[u8]) -> usize {
    let pairs = || text.iter().zip(text.iter().skip(1));
    let close = pairs().filter(|(before, byte)| **byte == b':' && **before == b'"').count();
    let apart = pairs().filter(|(before, byte)| **byte == b':' && before.is_ascii_whitespace()).count();
    if apart == 0 && !text.windows(3).any(|three| three == b"\\\":") {
        return close;
    }
    let colons = text.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    colons.filter(|at| text.get(..*at).is_some_and(ends_key)).count()
}

fn ends_key(before: &[u8]) -> bool {
    let Some(within) = before.trim_ascii_end().strip_suffix(b"\"") else { return false };
    within.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

/// Reads JSON; a key that stands several times has a list of its different values.
pub fn parse(text: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(text).map(|All(value)| value)
}

struct All(Value);

impl<'de> Deserialize<'de> for All {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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
        let mut list = Vec::new();
        while let Some(All(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut more: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER && map.is_empty() {
                let digits: String = entries.next_value()?;
                return digits.parse().map(Value::Number).map_err(A::Error::custom);
            }
            let All(value) = entries.next_value()?;
            if map.contains_key(&key) {
                more.entry(key).or_default().push(value);
            } else {
                map.insert(key, value);
            }
        }
        for (key, values) in more {
            if let Some(first) = map.get_mut(&key) {
                *first = distinct(std::iter::once(first.take()).chain(values).collect());
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        parse(text.as_bytes()).expect("JSON")
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
    fn no_key_is_missed_however_it_is_written() {
        for (text, count) in [
            (r#"{"a":1}"#, 1),
            ("{\"a\" \t\n:1, \"b\": 2}", 2),
            (r#"{"a\"":1,"b\\":2,"c\\\"":3,"d\\\\" :4}"#, 4),
            (r#"{"a":"\":\"","b":"say \"c\": now"}"#, 2),
            (r#"{"a":"12:30","b":"at : 9"}"#, 2),
            // no key, and counted
            (r#"[":"]"#, 1),
        ] {
            assert_eq!(marks(text.as_bytes()), count, "{text}");
        }
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

    proptest! {
        #[test]
        fn as_many_marks_as_keys_or_more(text in "[\\[\\]{}:,\" \\\\ab1]{0,30}") {
            fn keys(value: &Value) -> usize {
                match value {
                    Value::Array(items) => items.iter().map(keys).sum(),
                    Value::Object(map) => map.len() + map.values().map(keys).sum::<usize>(),
                    _ => 0,
                }
            }
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert!(marks(text.as_bytes()) >= keys(&value));
            }
        }
    }
}
