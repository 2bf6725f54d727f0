//! A YAML file as a tree in which every value knows its place.
//!
//! It knows YAML, not the relay: what the keys mean stands in [`super::shape`] and the types beside it.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::diagnostic::{Diagnostic, Place, Source};

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

/// A line that is indented with something else than spaces, which no message of the parser says.
fn odd_indentation(source: &Arc<Source>) -> Option<Diagnostic> {
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t', '\u{a0}', '\u{3000}']).len();
        let odd = line.char_indices().take_while(|(at, _)| *at < indent).find(|(_, c)| *c != ' ');
        if let Some((at, c)) = odd.filter(|_| !line.trim().is_empty()) {
            let what = if c == '\t' { "a tab" } else { "a space of another kind" };
            let place = Place { source: Arc::clone(source), range: start + at..start + at + c.len_utf8() };
            let diagnostic = Diagnostic::at(&place, format!("not readable as YAML: the line is indented with {what}"));
            return Some(diagnostic.hint("indent with spaces: two for each step"));
        }
        start += line.len();
    }
    None
}

fn not_yaml(source: &Arc<Source>, error: &serde_saphyr::Error) -> Diagnostic {
    if let Some(diagnostic) = odd_indentation(source) {
        return diagnostic;
    }
    let message = error.without_snippet().to_string();
    let message = message
        .split_once(": ")
        .filter(|(head, _)| head.starts_with("line "))
        .map_or(message.as_str(), |(_, rest)| rest);
    let twice = message.contains("duplicate");
    let message = if twice { "a key stands twice" } else { message };
    let place = error.location().map_or_else(|| Place::start_of(Arc::clone(source)), |at| place_at(source, at));
    if let Some(template) = bare_template(&place) {
        let diagnostic = Diagnostic::at(&place, "not readable as YAML: a text that begins with braces needs quotes");
        let quote = if template.contains('"') { '\'' } else { '"' };
        return diagnostic.hint(format!("write {quote}{template}{quote}"));
    }
    Diagnostic::at(&place, format!("not readable as YAML: {message}"))
        .hint("indent with spaces, and put quotes around a text that begins with { or contains ': '")
}

/// A template that stands without quotes, in the second brace of which YAML gave up.
fn bare_template(place: &Place) -> Option<&str> {
    let start = place.range.start.checked_sub(1)?;
    let text = place.source.text.get(start..)?.lines().next()?;
    let end = text.find("}}")?;
    text.starts_with("{{").then(|| text.get(..end + 2))?
}

fn place_at(source: &Arc<Source>, at: serde_saphyr::Location) -> Place {
    let text = &source.text;
    let span = at.span();
    let bytes = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let start =
        bytes(span.byte_offset()).filter(|start| text.is_char_boundary(*start)).unwrap_or_else(|| offset_of(text, at));
    let end = bytes(span.byte_len()).map_or(start, |len| start + len);
    let end = if text.is_char_boundary(end) { end } else { start };
    Place { source: Arc::clone(source), range: start..end }
}

fn offset_of(text: &str, at: serde_saphyr::Location) -> usize {
    let line = usize::try_from(at.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(at.column()).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or("");
    before + rest.char_indices().nth(column).map_or(rest.len(), |(index, _)| index)
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
        Node::parse(&Arc::new(Source { name: "t.yaml".into(), text: text.into() }))
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
    fn an_empty_file_is_nothing() {
        assert_eq!(parse("# only words\n").expect("YAML").kind, Kind::Null);
    }
}
