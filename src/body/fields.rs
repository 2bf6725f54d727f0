//! The fields of forms, of either kind, as one value: keys with brackets as PHP writes them, keys that stand twice.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::DEPTH_LIMIT;

/// The fields of a form, as they are read.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Adds a field; `false` if its key is nested too deep.
    #[must_use]
    pub fn add(&mut self, key: &str, value: String) -> bool {
        let (first, steps) = split_key(key);
        let fits = steps.len() <= DEPTH_LIMIT;
        if fits {
            insert(&mut self.0, first, &steps, value);
        }
        fits
    }

    /// The fields as an object.
    pub fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().map(|(key, value)| (key, listed(value))).collect())
    }
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

/// An object whose keys are the positions 0, 1, 2, ... is a list; of a key that stands several times, each value once.
fn listed(value: Value) -> Value {
    match value {
        Value::Array(several) => distinct(several),
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

/// The different values of a key that stands several times: the value itself if there is but one.
pub fn distinct(several: Vec<Value>) -> Value {
    let mut seen = HashSet::new();
    let mut distinct: Vec<Value> = several.into_iter().filter(|value| seen.insert(value.to_string())).collect();
    match (distinct.pop(), distinct.is_empty()) {
        (Some(only), true) => only,
        (last, _) => Value::Array(distinct.into_iter().chain(last).collect()),
    }
}
