//! A YAML file as a tree in which every value knows its place.
//!
//! It knows YAML, not the relay: what the keys mean stands in [`super::shape`] and the types beside it.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::diagnostic::{Diagnostic, Place, Source};
use super::yaml_fault::{DEEPEST, not_yaml, place_at};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, and how it was written (`+91...`, `0123` and `1.50` keep their spelling).
    Number(serde_json::Number, String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in order.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Node,
}

impl Kind {
    /// What it is called in a message.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(..) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "keys and values",
        }
    }
}

impl Node {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// A fault where the text is no YAML, or where a key stands twice.
    pub fn parse(source: &Arc<Source>) -> Result<Self, Diagnostic> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            with_snippet: false,
            budget: serde_saphyr::budget! { max_depth: DEEPEST },
        };
        let root: Option<Spanned<Raw>> =
            serde_saphyr::from_str_with_options(&source.text, options).map_err(|error| not_yaml(source, &error))?;
        Ok(match root {
            Some(root) => root.value.located(source, root.defined),
            None => Self { place: Place::start_of(Arc::clone(source)), kind: Kind::Null },
        })
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// Where a key stands; the place of the whole if it does not.
    pub fn place_of_key(&self, key: &str) -> &Place {
        let Kind::Map(entries) = &self.kind else { return &self.place };
        entries.iter().find(|entry| entry.key == key).map_or(&self.place, |entry| &entry.place)
    }

    /// The entry `index` of a list.
    pub fn entry(&self, index: usize) -> Option<&Self> {
        match &self.kind {
            Kind::List(items) => items.get(index),
            _ => None,
        }
    }

    /// The place of what `path` leads to; of the last value on the way if it leads nowhere.
    pub fn place_of(&self, path: &[&str]) -> &Place {
        let mut node = self;
        for step in path {
            let next = match step.parse::<usize>() {
                Ok(index) if matches!(node.kind, Kind::List(_)) => node.entry(index),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        &node.place
    }

    /// The same as JSON, numbers as numbers.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number, _) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }
}

/// A value as the parser gives it; places are filled in afterwards, since a visitor cannot see the text.
enum Raw {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl Raw {
    fn located(self, source: &Arc<Source>, at: serde_saphyr::Location) -> Node {
        let place = place_at(source, at);
        let kind = match self {
            Self::Null => Kind::Null,
            Self::Bool(flag) => Kind::Bool(flag),
            Self::Number(number) => {
                let written = place.text().trim();
                let written = if written.is_empty() { number.to_string() } else { written.to_owned() };
                Kind::Number(number, written)
            }
            Self::Text(text) => Kind::Text(text),
            Self::List(items) => {
                Kind::List(items.into_iter().map(|item| item.value.located(source, item.defined)).collect())
            }
            Self::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        place: place_at(source, key.defined),
                        key: key.value,
                        value: value.value.located(source, value.defined),
                    })
                    .collect(),
            ),
        };
        Node { place, kind }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any YAML value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(flag))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
                Ok(Raw::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
                Ok(Raw::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
                Ok(serde_json::Number::from_f64(number).map_or_else(|| Raw::Text(number.to_string()), Raw::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }

        deserializer.deserialize_any(RawVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Node, Diagnostic> {
        Node::parse(&Arc::new(Source::new("t.yaml", text)))
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = parse("a:\n  - x\n  - {b: 'y'}\n").expect("YAML");
        assert_eq!(node.place_of(&["a", "1", "b"]).line_column(), (3, 9));
        assert_eq!(node.place_of(&["a", "0"]).text(), "x");
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let node = parse("a: +919812345670\nb: 0123\nc: 1.50\nd: no\n").expect("YAML");
        let written = |key: &str| match node.get(key).map(|n| &n.kind) {
            Some(Kind::Number(_, written)) => written.clone(),
            Some(Kind::Text(text)) => text.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!([written("a"), written("b"), written("c"), written("d")], ["+919812345670", "0123", "1.50", "no"]);
    }

    #[test]
    fn a_key_that_stands_twice_is_a_fault() {
        let diagnostic = parse("a: 1\na: 2\n").expect_err("duplicate");
        assert!(diagnostic.one_line().starts_with("t.yaml:2:"), "{}", diagnostic.one_line());
    }

    #[test]
    fn what_is_marked_can_be_used_again_and_merged() {
        let text = "a: &a { x: 1, y: { p: 1, q: 2 } }\nb: { <<: *a, x: 2, y: { p: 3 } }\nc: *a\nd: { <<: [*a, { x: 9, z: 3 }] }\nn: &n +919812345670\nm: *n\n";
        let node = parse(text).expect("YAML");
        let json = |key: &str| node.get(key).map(|node| node.to_json().to_string()).unwrap_or_default();
        let sorted = |key: &str| {
            let value: std::collections::BTreeMap<String, serde_json::Value> =
                serde_json::from_str(&json(key)).expect("a map");
            serde_json::to_string(&value).expect("JSON")
        };
        assert_eq!(sorted("b"), r#"{"x":2,"y":{"p":3}}"#, "a key that stands there again replaces the whole value");
        assert_eq!(sorted("c"), r#"{"x":1,"y":{"p":1,"q":2}}"#);
        assert_eq!(sorted("d"), r#"{"x":1,"y":{"p":1,"q":2},"z":3}"#);
        assert_eq!(json("m"), json("n"));
        assert!(matches!(node.get("m").map(|m| &m.kind), Some(Kind::Number(_, written)) if written == "+919812345670"));
        // where it was written
        assert_eq!(node.place_of(&["d", "x"]).line_column().0, 1);
    }

    #[test]
    fn faults_of_anchors_say_what_to_write() {
        let laughs: String =
            ('b'..='h').zip('a'..).fold("a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, (name, of)| {
                format!("{text}{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n")
            });
        for (text, said) in [
            ("a: *b\n", "t.yaml:1:4: `*b` stands for what is marked with `&b`, and nothing before it in this file is"),
            ("a: [*Asha*]\n", "a text that begins with * needs quotes"),
            ("a: { <<: text }\n", "t.yaml:1:10: `<<` takes over keys and values"),
            (&laughs, "the file is too long"),
        ] {
            let line = parse(text).expect_err(text).one_line();
            assert!(line.contains(said), "{text}: {line}");
        }
    }

    #[test]
    fn an_empty_file_is_nothing() {
        assert_eq!(parse("# only words\n").expect("YAML").kind, Kind::Null);
    }
}
