//! Values of events as people read them.

use minijinja::Value;
use minijinja::value::ValueKind;
use thiserror::Error;

use super::text::is_blank;
use crate::fold::fold;

/// How long a list or an object may become as JSON, in bytes: as long as a body may be by default.
pub const TEXT_LIMIT: usize = 1_024 * 1_024;

/// How many entries of lists are written one after the other.
const ENTRIES_LIMIT: usize = 1_000;

/// A list or an object is too long to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it has more than {ENTRIES_LIMIT} entries, or becomes longer than {TEXT_LIMIT} bytes")]
pub struct TooLong;

/// The longest text that is looked at for a list, in bytes.
const LIST_LIMIT: usize = 4_096;

/// A value as people would write it: `1499.5`, `true`, a list joined by commas, also one that came as a text of JSON, the parts of a name (`{first, last}`) one after the
/// other, any other object as JSON. `None` for what is not there, and for lists and objects in which there is nothing.
///
/// # Errors
///
/// If it is too long: a list may hold the same value many times over.
pub fn text_of(value: &Value) -> Result<Option<String>, TooLong> {
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => return container_text(value),
        ValueKind::Bool => Some(value.is_true().to_string()),
        ValueKind::Number if !value.is_integer() => f64::try_from(value.clone()).ok().map(|number| number.to_string()),
        ValueKind::String if !value.is_safe() => {
            value.as_str().map(|text| list_in(text).unwrap_or_else(|| text.to_owned()))
        }
        _ => value.as_str().map(ToOwned::to_owned).or_else(|| Some(value.to_string())),
    })
}

fn container_text(value: &Value) -> Result<Option<String>, TooLong> {
    if is_nothing(value) {
        return Ok(None);
    }
    if value.kind() == ValueKind::Map {
        return name_of_parts(value).or_else(|| json_of(value)).map(Some).ok_or(TooLong);
    }
    let mut entries = Vec::new();
    if !gather(value, &mut entries)? {
        return json_of(value).map(Some).ok_or(TooLong);
    }
    Ok(Some(entries.join(", ")))
}

/// The list of texts that a text is as JSON, joined: `["Mon","Tue"]` of a form's check boxes.
fn list_in(text: &str) -> Option<String> {
    let list = text.trim();
    if !list.starts_with("[\"") || !list.ends_with("\"]") || list.len() > LIST_LIMIT {
        return None;
    }
    let entries: Vec<String> = serde_json::from_str(list).ok()?;
    let entries: Vec<&str> = entries.iter().map(String::as_str).filter(|entry| !is_blank(entry)).collect();
    (!entries.is_empty()).then(|| entries.join(", "))
}

/// The texts in a list, and in lists in it; false if there are objects, which would not be told apart.
fn gather(list: &Value, entries: &mut Vec<String>) -> Result<bool, TooLong> {
    let mut bytes = 0;
    for (index, entry) in list.try_iter().map_err(|_| TooLong)?.enumerate() {
        if index >= ENTRIES_LIMIT || entries.len() >= ENTRIES_LIMIT {
            return Err(TooLong);
        }
        match entry.kind() {
            ValueKind::Seq | ValueKind::Iterable if !gather(&entry, entries)? => return Ok(false),
            ValueKind::Seq | ValueKind::Iterable => {}
            ValueKind::Map if is_nothing(&entry) => {}
            ValueKind::Map => return Ok(false),
            _ => entries.extend(text_of(&entry)?.filter(|text| !is_blank(text)).inspect(|text| bytes += text.len())),
        }
        if bytes > TEXT_LIMIT {
            return Err(TooLong);
        }
    }
    Ok(true)
}

/// Whether there is nothing in a value: it is not there, blank, or a list or an object of nothing else.
pub fn is_nothing(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => true,
        ValueKind::String => value.as_str().is_some_and(is_blank),
        ValueKind::Seq | ValueKind::Iterable => {
            let entries = value.try_iter().into_iter().flatten().take(ENTRIES_LIMIT + 1);
            value.len() == Some(0)
                || entries.enumerate().all(|(index, entry)| index < ENTRIES_LIMIT && is_nothing(&entry))
        }
        ValueKind::Map => {
            let keys = value.try_iter().into_iter().flatten().take(ENTRIES_LIMIT + 1);
            keys.enumerate()
                .all(|(index, key)| index < ENTRIES_LIMIT && value.get_item(&key).is_ok_and(|entry| is_nothing(&entry)))
        }
        _ => false,
    }
}

/// The parts of a name in the order in which they are written, by what senders call them, folded.
const PARTS: [&[&str]; 5] = [
    &["prefix", "title", "salutation", "honorific"],
    &["first", "firstname", "given", "givenname", "forename", "fname"],
    &["middle", "middlename", "additionalname"],
    &["last", "lastname", "family", "familyname", "surname", "lname"],
    &["suffix"],
];

/// What senders call the whole name beside its parts, folded.
const WHOLE: [&str; 4] = ["full", "fullname", "firstandlast", "formatted"];

/// The whole name of an object that holds the parts of one and nothing else, as `{first, last}`.
fn name_of_parts(object: &Value) -> Option<String> {
    let mut keys: Vec<Value> = object.try_iter().ok()?.take(PARTS.len() + WHOLE.len() + 1).collect();
    keys.retain(|key| !key.as_str().is_some_and(|key| WHOLE.contains(&fold(key).as_str())));
    let mut parts = [const { String::new() }; PARTS.len()];
    for key in &keys {
        let name = fold(key.as_str()?);
        let part = PARTS.iter().position(|names| names.contains(&name.as_str()))?;
        let text = object.get_item(key).ok().and_then(|part| text_of(&part).ok()?).unwrap_or_default();
        text.trim().clone_into(parts.get_mut(part)?);
    }
    let [_, first, _, last, _] = &parts;
    if keys.len() > PARTS.len() || (first.is_empty() && last.is_empty()) {
        return None;
    }
    Some(parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" "))
}

/// Whether it is a list or an object.
pub fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
}

/// A value as JSON; `None` if it is longer than [`TEXT_LIMIT`].
pub fn json_of(value: &Value) -> Option<String> {
    let mut out = Bounded::new(TEXT_LIMIT);
    serde_json::to_writer(&mut out, value).ok()?;
    out.text()
}

/// A writer that refuses to grow beyond a limit.
#[derive(Debug)]
pub struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Bounded {
    /// One that takes so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// What was written, if it is text.
    pub fn text(self) -> Option<String> {
        String::from_utf8(self.bytes).ok()
    }
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(std::io::Error::other(format!("it becomes longer than {} bytes", self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::expression::to_value;
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(text_of(&Value::from(1499.50)), Ok(Some("1499.5".into())));
        assert_eq!(text_of(&Value::from(1499.0)), Ok(Some("1499".into())));
        assert_eq!(text_of(&Value::from(u64::MAX)), Ok(Some("18446744073709551615".into())));
        assert_eq!(text_of(&Value::from(true)), Ok(Some("true".into())));
        assert_eq!(text_of(&Value::from(())), Ok(None));
    }

    #[test]
    fn lists_and_names_are_written_as_people_write_them() {
        for (json, expected) in [
            (json!(["Asha Rao"]), Some("Asha Rao")),
            (json!([["Pune"]]), Some("Pune")),
            (json!(["Mon", "Tue"]), Some("Mon, Tue")),
            (json!(["Mon", {"id": 1}]), Some(r#"["Mon",{"id":1}]"#)),
            (json!(["Mon", "", null, "Tue", []]), Some("Mon, Tue")),
            (json!([1, 2.5, true]), Some("1, 2.5, true")),
            (json!([]), None),
            (json!({}), None),
            (json!([""]), None),
            (json!([null, [{"a": ""}]]), None),
            (json!({"first": "Asha", "last": "Rao"}), Some("Asha Rao")),
            (json!({"lastName": "Rao", "firstName": "Asha"}), Some("Asha Rao")),
            (
                json!({"prefix": "Dr.", "first": "Asha", "middle": "", "last": "Rao", "suffix": ""}),
                Some("Dr. Asha Rao"),
            ),
            (json!({"first_name": "", "last_name": ""}), None),
            (json!({"First": "Asha", "Last": "Rao", "FirstAndLast": "Asha Rao"}), Some("Asha Rao")),
            (json!(r#"["Mon","Tue"]"#), Some("Mon, Tue")),
            (json!(r#" ["Mon", ""] "#), Some("Mon")),
            (json!(r#"["Mon"#), Some(r#"["Mon"#)),
            (json!("[1]"), Some("[1]")),
            (json!({"first": "Asha", "age": 7}), Some(r#"{"age":7,"first":"Asha"}"#)),
            (json!({"city": "Pune"}), Some(r#"{"city":"Pune"}"#)),
            (json!([{"id": 1}, {"id": 2}]), Some(r#"[{"id":1},{"id":2}]"#)),
        ] {
            assert_eq!(text_of(&to_value(&json)).as_ref().map(Option::as_deref), Ok(expected), "{json}");
        }
    }

    #[test]
    fn a_list_without_end_is_too_long() {
        let long = |entry: &str| to_value(&Json::Array(vec![json!(entry); ENTRIES_LIMIT + 1]));
        assert_eq!(text_of(&long("x")), Err(TooLong));
        assert_eq!(text_of(&long("")), Err(TooLong));
        assert_eq!(text_of(&to_value(&Json::Array(vec![json!("x".repeat(3_000)); 900]))), Err(TooLong));
    }
}
