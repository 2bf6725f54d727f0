//! `relay.yaml` in layers: the defaults compiled in, the file over them, the environment over both.
//!
//! The `config` crate lays them over each other; every value keeps the place it came from, so that a fault can point
//! there. What the values mean is for [`super::shape`].

use std::collections::HashMap;
use std::sync::Arc;

use config::{Config, Environment, Map, Source as Layer, Value, ValueKind};

use super::diagnostic::{Diagnostic, Place, Source};
use super::document::{Entry, Kind, Node};
use super::interpolate::Variables;

/// What every variable that overrides a key begins with; `__` stands between the steps of its path.
pub const PREFIX: &str = "SERRI_RELAY";

/// Lays documents over each other, later ones first in rank, and `SERRI_RELAY__...` variables over all.
///
/// # Errors
///
/// A fault if a layer is not a set of keys, or a variable's name leads nowhere.
pub fn lay(documents: Vec<Node>, variables: &Variables) -> Result<Node, Diagnostic> {
    let mut places = Vec::new();
    let mut builder = Config::builder();
    let whole = documents.last().map(|node| node.place.clone());
    for document in documents {
        match &document.kind {
            Kind::Map(_) | Kind::Null => builder = builder.add_source(Sheet(collect(&document, &mut places))),
            other => {
                return Err(Diagnostic::at(
                    &document.place,
                    format!("expected keys and values, found {}", other.name()),
                ));
            }
        }
    }
    let prefix = format!("{PREFIX}__");
    let named: HashMap<String, String> = variables
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").source(Some(named));
    let laid = builder.add_source(environment).build().and_then(|config| config.collect());
    let values = laid.map_err(|error| Diagnostic::general(format!("the settings cannot be read: {error}")))?;
    let place = whole.unwrap_or_else(|| Place::start_of(Arc::new(Source::new("relay.yaml", ""))));
    Ok(Node { place, kind: rebuild(values, &places, &mut Vec::new()) })
}

#[derive(Debug, Clone)]
struct Sheet(Map<String, Value>);

impl Layer for Sheet {
    fn clone_into_box(&self) -> Box<dyn Layer + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn collect(node: &Node, places: &mut Vec<Place>) -> Map<String, Value> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), value_of(entry, places))).collect(),
        _ => Map::new(),
    }
}

/// The origin is an index into `places`: the key's place for a table (where an unknown key is shown), else the value's.
fn value_of(entry: &Entry, places: &mut Vec<Place>) -> Value {
    let origin = places.len().to_string();
    places.push(if matches!(entry.value.kind, Kind::Map(_)) { entry.place.clone() } else { entry.value.place.clone() });
    places.push(entry.place.clone());
    let kind = match &entry.value.kind {
        Kind::Null => ValueKind::Nil,
        Kind::Bool(flag) => ValueKind::Boolean(*flag),
        Kind::Number(_, written) => ValueKind::String(written.clone()),
        Kind::Text(text) => ValueKind::String(text.clone()),
        Kind::List(items) => {
            let items = items.iter().enumerate().map(|(index, item)| {
                value_of(&Entry { key: index.to_string(), place: item.place.clone(), value: item.clone() }, places)
            });
            ValueKind::Array(items.collect())
        }
        Kind::Map(_) => ValueKind::Table(collect(&entry.value, places)),
    };
    Value::new(Some(&origin), kind)
}

fn rebuild(values: Map<String, Value>, places: &[Place], path: &mut Vec<String>) -> Kind {
    let mut entries: Vec<Entry> = values
        .into_iter()
        .map(|(key, value)| {
            path.push(key.clone());
            let index = value.origin().and_then(|origin| origin.parse::<usize>().ok());
            let known = index.and_then(|index| Some((places.get(index)?.clone(), places.get(index + 1)?.clone())));
            let kind = kind_of(value.kind, places, path);
            let (at, key_at) = known.unwrap_or_else(|| {
                // a table that takes the place of something else has lost its own place, and stands where its first key does
                let place = first_place(&kind).cloned().unwrap_or_else(|| {
                    let name = format!("environment variable {PREFIX}__{}", path.join("__").to_uppercase());
                    Place::start_of(Arc::new(Source::new(name, "")))
                });
                (place.clone(), place)
            });
            let value = Node { place: at, kind };
            path.pop();
            Entry { key, place: key_at, value }
        })
        .collect();
    entries.sort_by(|a, b| (a.place.range.start, &a.key).cmp(&(b.place.range.start, &b.key)));
    Kind::Map(entries)
}

fn first_place(kind: &Kind) -> Option<&Place> {
    match kind {
        Kind::Map(entries) => entries.first().map(|entry| &entry.place),
        _ => None,
    }
}

fn kind_of(kind: ValueKind, places: &[Place], path: &mut Vec<String>) -> Kind {
    match kind {
        ValueKind::Nil => Kind::Null,
        ValueKind::Boolean(flag) => Kind::Bool(flag),
        ValueKind::Table(table) => rebuild(table, places, path),
        ValueKind::Array(items) => {
            let keyed: Map<String, Value> =
                items.into_iter().enumerate().map(|(index, item)| (format!("{index:06}"), item)).collect();
            match rebuild(keyed, places, path) {
                Kind::Map(entries) => Kind::List(entries.into_iter().map(|entry| entry.value).collect()),
                other => other,
            }
        }
        other => Kind::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, text: &str) -> Node {
        Node::parse(&Arc::new(Source::new(name, text))).expect("YAML")
    }

    #[test]
    fn later_layers_win_and_keep_their_places() {
        let layers = vec![node("defaults", "a: {x: 1, y: 2}"), node("relay.yaml", "a:\n  y: 3\n")];
        let laid = lay(layers, &Variables::given([("SERRI_RELAY__A__Z", "4")])).expect("laid");
        let a = laid.get("a").expect("a");
        assert_eq!(a.get("x").map(|n| n.place.source.name.clone()), Some("defaults".into()));
        assert_eq!(a.get("y").map(|n| (n.place.line_column(), n.kind.clone())), Some(((2, 6), Kind::Text("3".into()))));
        assert_eq!(
            a.get("z").map(|n| n.place.source.name.clone()),
            Some("environment variable SERRI_RELAY__A__Z".into())
        );
    }

    #[test]
    fn keys_in_the_place_of_a_list_keep_their_places() {
        let layers = vec![node("defaults", "a: []"), node("relay.yaml", "b: 1\na:\n  y: 3\n")];
        let laid = lay(layers, &Variables::given([] as [(&str, &str); 0])).expect("laid");
        let place = &laid.get("a").expect("a").place;
        assert_eq!((place.source.name.as_str(), place.line_column()), ("relay.yaml", (3, 3)));
    }
}
