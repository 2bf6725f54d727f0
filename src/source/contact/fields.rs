//! The fields of a form, in whatever way its sender packs them.

use std::collections::HashMap;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::value::is_number_with_country;

/// What senders call the name of a field, the one that people see first.
const NAME_KEYS: [&str; 12] = [
    "label",
    "title",
    "question",
    "column_name",
    "field_name",
    "fieldName",
    "name",
    "ref",
    "column_id",
    "key",
    "id",
    "fieldElementId",
];

/// What they call its value; a sender with types may call it as the type.
const VALUE_KEYS: [&str; 8] = ["value", "values", "answer", "answers", "string_value", "text", "email", "number"];

/// What an option to choose is called.
const OPTION_KEYS: [&str; 4] = ["text", "label", "name", "title"];

/// What they call its type.
const TYPE_KEYS: [&str; 3] = ["type", "fieldType", "field_type"];

/// A field of a form, filled in.
#[derive(Debug, Clone)]
pub struct Field {
    /// What it is called: the names that people see first.
    pub names: Vec<String>,
    /// Its type, where the sender says it.
    pub kind: Option<String>,
    /// What was filled in.
    pub value: Value,
}

/// What a form says of its fields beside their values, by each of their names.
#[derive(Debug, Default)]
pub struct Titles(HashMap<String, Field>);

impl Titles {
    /// Those of a list of fields.
    pub fn of(list: &Value) -> Self {
        let mut titles = HashMap::new();
        for entry in entries(list) {
            let field = described(&entry);
            for name in &field.names {
                titles.entry(name.clone()).or_insert_with(|| field.clone());
            }
        }
        Self(titles)
    }
}

/// The fields of a form: of an object by their names, or of a list of objects that hold names and values.
pub fn of(form: &Value, titles: &Titles, most: usize) -> Vec<Field> {
    let mut fields: Vec<Field> = match form.kind() {
        ValueKind::Map => {
            form.try_iter().into_iter().flatten().take(most).filter_map(|key| keyed(form, &key)).collect()
        }
        _ => entries(form).take(most).map(|entry| listed(&entry)).collect(),
    };
    for field in &mut fields {
        if let Some(told) = field.names.iter().find_map(|name| titles.0.get(name)) {
            field.names.splice(0..0, told.names.iter().cloned());
            field.kind = field.kind.take().or_else(|| told.kind.clone());
        }
    }
    fields
}

fn entries(list: &Value) -> impl Iterator<Item = Value> {
    let is_list = matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable);
    let items = is_list.then(|| list.try_iter().ok()).flatten();
    items.into_iter().flatten().filter(|entry| entry.kind() == ValueKind::Map)
}

/// A field under its name; its value may be an object that says more of it.
fn keyed(form: &Value, key: &Value) -> Option<Field> {
    let name = key.as_str()?.to_owned();
    let value = form.get_item(key).ok()?;
    // an object with a phone is a person, of whom a value says something else
    if value.kind() == ValueKind::Map && get(&value, "value").is_some() && get(&value, "phone").is_none() {
        let mut field = listed(&value);
        field.names.push(name);
        return Some(field);
    }
    Some(Field { names: vec![name], kind: None, value })
}

/// A field that says its name itself.
fn listed(entry: &Value) -> Field {
    let mut field = described(entry);
    // what is said of the field may stand beside its value
    if let Some(about) = get(entry, "field").filter(|about| about.kind() == ValueKind::Map) {
        let about = described(&about);
        field.names.extend(about.names);
        field.kind = field.kind.or(about.kind);
    }
    // a field of the type "name" has its label under that key
    let by_type = field.kind.as_deref().filter(|kind| !NAME_KEYS.contains(kind)).and_then(|kind| get(entry, kind));
    let by_type = by_type.map(|chosen| get(&chosen, "label").unwrap_or(chosen));
    let value = by_type.or_else(|| VALUE_KEYS.iter().find_map(|key| get(entry, key)));
    field.value = value.map_or(Value::UNDEFINED, |value| of_options(entry, value));
    if is_number_with_country(entry) {
        field.value = entry.clone();
    }
    field
}

/// What was chosen from a list whose entries have ids (`options`), as people read it; any other value as it is.
fn of_options(entry: &Value, value: Value) -> Value {
    let Some(options) = get(entry, "options") else { return value };
    let text = |id: &Value| {
        let option = entries(&options).find(|option| get(option, "id").as_ref() == Some(id))?;
        OPTION_KEYS.iter().find_map(|key| get(&option, key))
    };
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter().into_iter().flatten().map(|id| text(&id).unwrap_or(id)).collect()
        }
        _ => text(&value).unwrap_or(value),
    }
}

fn described(entry: &Value) -> Field {
    let text = |key: &&str| get(entry, key)?.as_str().map(ToOwned::to_owned);
    Field {
        names: NAME_KEYS.iter().filter_map(text).collect(),
        kind: TYPE_KEYS.iter().find_map(text),
        value: Value::UNDEFINED,
    }
}

fn get(object: &Value, key: &str) -> Option<Value> {
    object.get_attr(key).ok().filter(|value| !value.is_undefined() && !value.is_none())
}
