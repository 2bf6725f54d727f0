//! `application/x-www-form-urlencoded`, with brackets as PHP writes them: `contact[name]=x`, `ids[]=1`.
//!
//! Our own few lines over `form_urlencoded`: the libraries for bracketed keys refuse `fields[5]=x` without `fields[0]`
//! (ActiveCampaign's custom fields) and keys with a stray bracket (any form's labels). A key without brackets stays as
//! it is, dots and all. A `+` is a space: a number that begins with a space has lost its plus sign, which the phone
//! parser forgives.

use serde_json::{Map, Value};

use super::{BodyError, DEPTH_LIMIT};

/// How many fields one form may have.
const FIELD_LIMIT: usize = 5_000;

/// Reads a form or a query string. Values are texts; a key without brackets that stands twice becomes a list.
pub fn parse(body: &[u8]) -> Result<Value, BodyError> {
    let malformed = |reason: &str| BodyError::malformed("form", reason);
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?.trim();
    if !is_utf8(text) {
        return Err(malformed("its percent-escapes are not UTF-8"));
    }
    let mut root = Map::new();
    for (count, (key, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if count >= FIELD_LIMIT {
            return Err(malformed("it has more than 5,000 fields"));
        }
        let (first, steps) = split_key(&key);
        if steps.len() > DEPTH_LIMIT {
            return Err(malformed("its keys are nested too deep"));
        }
        insert(&mut root, first, &steps, value.into_owned());
    }
    Ok(Value::Object(root.into_iter().map(|(key, value)| (key, listed(value))).collect()))
}

/// Whether the bytes behind the percent-escapes are UTF-8: a lossy reading would change a name for good.
fn is_utf8(text: &str) -> bool {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, beyond @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = beyond;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// `a[b][]` is `a` with the steps `b` and the empty one; brackets that do not pair stay part of the name.
fn split_key(key: &str) -> (&str, Vec<&str>) {
    let whole = (key, Vec::new());
    let Some((first, mut rest)) = key.split_once('[').filter(|(first, _)| !first.is_empty()) else { return whole };
    let mut steps = Vec::new();
    loop {
        let Some((step, after)) = rest.split_once(']') else { return whole };
        steps.push(step);
        match after.strip_prefix('[') {
            Some(next) => rest = next,
            None if after.is_empty() => return (first, steps),
            None => return whole,
        }
    }
}

fn insert(map: &mut Map<String, Value>, key: &str, steps: &[&str], value: String) {
    // `[]` takes the next free position, as in PHP
    let next = map.len().to_string();
    let key = if key.is_empty() { next.as_str() } else { key };
    let Some((step, rest)) = steps.split_first() else {
        match map.get_mut(key) {
            Some(Value::Array(several)) => several.push(Value::String(value)),
            Some(first @ Value::String(_)) => *first = Value::Array(vec![first.take(), Value::String(value)]),
            _ => {
                map.insert(key.to_owned(), Value::String(value));
            }
        }
        return;
    };
    let inner = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        insert(inner, step, rest, value);
    }
}

/// An object whose keys are the positions 0, 1, 2, ... is a list.
fn listed(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let positions = !map.is_empty() && (0..map.len()).all(|position| map.contains_key(&position.to_string()));
            if !positions {
                return Value::Object(map.into_iter().map(|(key, value)| (key, listed(value))).collect());
            }
            let mut numbered: Vec<(usize, Value)> =
                map.into_iter().filter_map(|(key, value)| Some((key.parse().ok()?, value))).collect();
            numbered.sort_by_key(|(position, _)| *position);
            Value::Array(numbered.into_iter().map(|(_, value)| listed(value)).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(text: &str) -> Result<Value, BodyError> {
        parse(text.as_bytes())
    }

    #[test]
    fn brackets_make_objects_and_lists() {
        assert_eq!(
            form("data[merges][FNAME]=Asha&data[id]=7"),
            Ok(json!({"data": {"merges": {"FNAME": "Asha"}, "id": "7"}}))
        );
        assert_eq!(form("data%5Bmerges%5D%5BFNAME%5D=Asha"), Ok(json!({"data": {"merges": {"FNAME": "Asha"}}})));
        assert_eq!(form("ids[]=1&ids[]=2&one[]=3"), Ok(json!({"ids": ["1", "2"], "one": ["3"]})));
        assert_eq!(form("a[1][id]=2&a[0][id]=1"), Ok(json!({"a": [{"id": "1"}, {"id": "2"}]})));
        assert_eq!(form("a=1&a=2&a=3"), Ok(json!({"a": ["1", "2", "3"]})));
    }

    #[test]
    fn numbers_that_are_no_positions_stay_keys() {
        assert_eq!(
            form("contact[fields][5]=Pune&contact[fields][812]=x"),
            Ok(json!({"contact": {"fields": {"5": "Pune", "812": "x"}}}))
        );
        assert_eq!(form("a[999999999]=1"), Ok(json!({"a": {"999999999": "1"}})));
    }

    #[test]
    fn names_and_values_are_text_as_it_was_typed() {
        assert_eq!(
            form("Your+Name=%E0%A4%86%E0%A4%B6%E0%A4%BE&phone=%2B919812345670&1.3=x"),
            Ok(json!({"Your Name": "आशा", "phone": "+919812345670", "1.3": "x"}))
        );
        assert_eq!(form("empty=&flag"), Ok(json!({"empty": "", "flag": ""})));
        assert_eq!(
            form("Size [cm=4&[x]=5&a]b=6&c[d]e=7"),
            Ok(json!({"Size [cm": "4", "[x]": "5", "a]b": "6", "c[d]e": "7"}))
        );
    }

    #[test]
    fn hostile_forms_are_refused_or_harmless() {
        // a replacement character elsewhere does not excuse broken bytes
        assert!(parse(b"a=%FF&z=%EF%BF%BD").is_err());
        assert!(parse(b"a=100%&z=%EF%BF%BD").is_ok());
        assert!(form(&format!("a{}=1", "[x]".repeat(500))).is_err());
        assert!(form(&"a=1&".repeat(6_000)).is_err());
        assert!(form("a=%FF%FE").is_err());
        assert_eq!(form("a=1&a[b]=2&a=3"), Ok(json!({"a": "3"})));
    }
}
