//! Holds a document against the shape of a type, and reports everything that does not fit, each at its place.
//!
//! The shape is the type's JSON Schema, the same that editors get, so that there is one truth about what may be
//! written. serde would stop at the first fault and not know where it stands.

use std::cell::Cell;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::diagnostic::{Diagnostic, did_you_mean};
use super::document::{Entry, Kind, Node};
use super::format::{Misfit, check_format};
use super::schema::{part_schema_of, schema_of};

/// What a schema says of a value that is a secret: a keyword of JSON Schema, for what is written and never shown.
pub const SECRET: &str = "writeOnly";

/// A document that was read as a `T`.
#[derive(Debug, Clone)]
pub struct Shaped<T> {
    /// What it says.
    pub value: T,
    /// Whether it says so itself.
    pub reading: Reading,
}

/// Whether what was read is what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It is, but for what was left out.
    AsWritten,
    /// Examples stand in for texts that are not what they should be: all the rest can be checked, and nothing may run by it.
    WithStandIns,
}

impl Reading {
    /// That of a document with two parts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::AsWritten { other } else { self }
    }
}

/// Reads a document as a `T`. What does not fit is a fault, and left out or replaced by an example; `None` if nothing can be
/// made of the rest.
pub fn read<T: JsonSchema + DeserializeOwned>(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Shaped<T>> {
    let schema = schema_of::<T>();
    let before = diagnostics.len();
    let shape = Shape::new(&schema);
    let value = shape.value(node, &schema, diagnostics);
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(value) => Some(Shaped { value, reading: shape.reading.get() }),
        // it cannot be read because of what was reported
        Err(_) if diagnostics.len() > before => None,
        Err(error) => {
            let path = error.path().to_string().replace('[', ".").replace(']', "");
            let steps: Vec<&str> = path.split('.').filter(|step| !step.is_empty()).collect();
            diagnostics.push(Diagnostic::at(node.place_of(&steps), error.inner().to_string()));
            None
        }
    }
}

/// Checks a document that is a part of a `T`, of which anything may be left out.
pub fn check_part<T: JsonSchema>(node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let schema = part_schema_of::<T>(&[]);
    Shape::new(&schema).value(node, &schema, diagnostics);
}

/// A schema whose references are followed.
pub struct Shape<'a> {
    root: &'a Value,
    reading: Cell<Reading>,
}

impl<'a> Shape<'a> {
    /// Of a whole schema.
    pub fn new(root: &'a Value) -> Self {
        Self { root, reading: Cell::new(Reading::AsWritten) }
    }

    fn value(&self, node: &Node, schema: &'a Value, diagnostics: &mut Vec<Diagnostic>) -> Value {
        let ways = self.ways(schema);
        if ways.iter().any(|way| is_anything(way)) {
            return node.to_json();
        }
        match &node.kind {
            Kind::Null if ways.iter().any(|way| takes(way, "null")) => Value::Null,
            Kind::Null => {
                diagnostics.push(
                    Diagnostic::at(&node.place, "a value is missing here")
                        .hint(format!("write {}, or leave the whole key out", expected(&ways))),
                );
                Value::Null
            }
            Kind::Bool(flag) if ways.iter().any(|way| takes(way, "boolean")) => Value::Bool(*flag),
            Kind::Number(number, _)
                if ways.iter().any(|way| {
                    takes(way, "number") || (takes(way, "integer") && number.is_i64() | number.is_u64())
                }) =>
            {
                Value::Number(number.clone())
            }
            Kind::Bool(flag) => self.text(node, &flag.to_string(), &ways, diagnostics),
            Kind::Number(_, written) => self.text(node, written, &ways, diagnostics),
            Kind::Text(text) => self.text(node, text, &ways, diagnostics),
            Kind::List(items) => match ways.iter().find(|way| takes(way, "array")) {
                Some(way) => {
                    let anything = Value::Bool(true);
                    let schema = way.get("items");
                    Value::Array(
                        items
                            .iter()
                            .map(|item| {
                                schema.map_or_else(
                                    || Shape::new(&anything).value(item, &anything, &mut Vec::new()),
                                    |schema| self.value(item, schema, diagnostics),
                                )
                            })
                            .collect(),
                    )
                }
                None => unfit(node, &ways, diagnostics),
            },
            Kind::Map(entries) => self.map(node, entries, &ways, diagnostics),
        }
    }

    /// The alternatives of a schema, references followed.
    pub fn ways(&self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or_else(Vec::new, |target| self.ways(target));
        }
        match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            Some(ways) => ways.iter().flat_map(|way| self.ways(way)).collect(),
            None => vec![schema],
        }
    }

    fn text(&self, node: &Node, text: &str, ways: &[&'a Value], diagnostics: &mut Vec<Diagnostic>) -> Value {
        let fixed: Vec<&str> = ways.iter().flat_map(|way| constants(way)).collect();
        if fixed.contains(&text) {
            return Value::from(text);
        }
        if let Some(way) = ways.iter().find(|way| takes_any_text(way)) {
            let fits = way.get("format").and_then(Value::as_str).map_or(Ok(()), |format| check_format(format, text));
            let Err(Misfit { message, hint }) = fits else { return Value::from(text) };
            let diagnostic = Diagnostic::at(&node.place, message);
            diagnostics.push(match hint {
                Some(hint) => diagnostic.hint(hint),
                None => diagnostic,
            });
            // with this in its place the rest can be read, and checked as well
            self.reading.set(Reading::WithStandIns);
            return way.pointer("/examples/0").cloned().unwrap_or_else(|| Value::from(text));
        }
        // what comes from the environment is always text
        if ways.iter().any(|way| takes(way, "integer"))
            && let Ok(number) = text.parse::<i64>()
        {
            return Value::from(number);
        }
        if ways.iter().any(|way| takes(way, "boolean"))
            && let Ok(flag) = text.parse::<bool>()
        {
            return Value::from(flag);
        }
        if fixed.is_empty() {
            return unfit(node, ways, diagnostics);
        }
        let forms: Vec<&str> = ways.iter().flat_map(|way| properties(way)).collect();
        let diagnostic = Diagnostic::at(&node.place, format!("`{text}` is not known here"));
        diagnostics.push(if forms.contains(&text) {
            diagnostic.hint(format!("it needs more: `{text}: {{ ... }}`"))
        } else {
            diagnostic.hint(suggestion(text, &[fixed, forms].concat()))
        });
        Value::Null
    }

    fn map(&self, node: &Node, entries: &[Entry], ways: &[&'a Value], diagnostics: &mut Vec<Diagnostic>) -> Value {
        let objects: Vec<&'a Value> = ways.iter().copied().filter(|way| takes(way, "object")).collect();
        let has = |key: &str| entries.iter().any(|entry| entry.key == key);
        let chosen = match objects.as_slice() {
            [] => return unfit(node, ways, diagnostics),
            [only] => *only,
            several => match several.iter().find(|way| required(way).iter().any(|key| has(key))) {
                Some(way) => *way,
                None => {
                    let known: Vec<&str> = several.iter().flat_map(|way| properties(way)).collect();
                    let (place, written) =
                        entries.first().map_or((&node.place, ""), |entry| (&entry.place, entry.key.as_str()));
                    diagnostics.push(
                        Diagnostic::at(place, format!("`{written}` is not known here"))
                            .hint(suggestion(written, &known)),
                    );
                    return Value::Null;
                }
            },
        };
        let mut read = Map::new();
        for entry in entries {
            let schema = chosen
                .pointer("/properties")
                .and_then(|p| p.get(&entry.key))
                .or_else(|| chosen.get("additionalProperties").filter(|more| **more != Value::Bool(false)));
            match schema {
                Some(schema) => {
                    read.insert(entry.key.clone(), self.value(&entry.value, schema, diagnostics));
                }
                None => {
                    let diagnostic = Diagnostic::at(&entry.place, format!("unknown field `{}`", entry.key));
                    diagnostics.push(diagnostic.hint(suggestion(&entry.key, &properties(chosen))));
                }
            }
        }
        for key in required(chosen).into_iter().filter(|key| !has(key)) {
            let description = chosen
                .pointer(&format!("/properties/{key}/description"))
                .and_then(Value::as_str)
                .unwrap_or("it has no default");
            diagnostics.push(
                Diagnostic::at(&node.place, format!("field `{key}` is missing"))
                    .hint(format!("write `{key}:` - {}", description.lines().next().unwrap_or(""))),
            );
        }
        Value::Object(read)
    }
}

fn suggestion(written: &str, known: &[&str]) -> String {
    match did_you_mean(written, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn unfit(node: &Node, ways: &[&Value], diagnostics: &mut Vec<Diagnostic>) -> Value {
    let diagnostic = Diagnostic::at(&node.place, format!("expected {}, found {}", expected(ways), node.kind.name()));
    let lists = matches!(node.kind, Kind::Map(_)) && ways.iter().any(|way| takes(way, "array"));
    diagnostics.push(match lone_key(node).filter(|_| ways.iter().any(|way| takes_any_text(way))) {
        Some(key) => {
            diagnostic.hint(format!("write \"{{{{ {key} }}}}\" in quotes: YAML takes braces for keys and values"))
        }
        None if lists => diagnostic.hint("begin each entry with `- `"),
        None => diagnostic,
    });
    Value::Null
}

/// What stands alone in braces, as `{event.city}` does.
fn lone_key(node: &Node) -> Option<&str> {
    let Kind::Map(entries) = &node.kind else { return None };
    let [Entry { key, value, .. }] = entries.as_slice() else { return None };
    (value.kind == Kind::Null).then_some(key.as_str())
}

fn expected(ways: &[&Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for way in ways {
        for (kind, name) in [
            ("string", "a text"),
            ("integer", "a whole number"),
            ("number", "a number"),
            ("boolean", "true or false"),
            ("array", "a list"),
            ("object", "keys and values"),
        ] {
            if takes(way, kind) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.join(" or ")
}

fn is_anything(schema: &Value) -> bool {
    *schema == Value::Bool(true)
        || schema
            .as_object()
            .is_some_and(|map| ["type", "enum", "const", "properties"].iter().all(|key| !map.contains_key(*key)))
}

fn takes(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == kind),
        _ => kind == "string" && !constants(schema).is_empty(),
    }
}

/// Whether a schema takes whatever text there is.
pub fn takes_any_text(schema: &Value) -> bool {
    is_anything(schema) || takes(schema, "string") && constants(schema).is_empty()
}

/// The texts that a schema lists.
pub fn constants(schema: &Value) -> Vec<&str> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(Value::String(only)), _) => vec![only],
        (_, Some(Value::Array(several))) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn properties(schema: &Value) -> Vec<&str> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|map| map.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

fn required(schema: &Value) -> Vec<&str> {
    schema
        .get("required")
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::Deserialize;

    use super::super::diagnostic::Source;
    use super::super::unit::Span;
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Sample {
        name: String,
        wait: Option<Span>,
        count: Option<u32>,
        way: Option<Way>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Way {
        None,
        Bearer(String),
        Basic { user: String },
    }

    fn sample(text: &str) -> Result<Sample, Vec<String>> {
        let node = Node::parse(&Arc::new(Source::new("s.yaml", text))).expect("YAML");
        let mut diagnostics = Vec::new();
        let sample = read(&node, &mut diagnostics);
        let sample = sample.filter(|sample| diagnostics.is_empty() && sample.reading == Reading::AsWritten);
        sample.map(|sample| sample.value).ok_or_else(|| diagnostics.iter().map(Diagnostic::one_line).collect())
    }

    #[test]
    fn all_faults_are_reported_at_once_and_where_they_stand() {
        let diagnostics = sample("nam: x\nwait: soon\ncount: many\nway: { baerer: y }\n").expect_err("faults");
        assert_eq!(
            diagnostics,
            [
                "s.yaml:1:1: unknown field `nam` (did you mean `name`?)",
                "s.yaml:2:7: `soon` is not a length of time: write a number with ms, s, m, h, d or y, as in 10s or 7d",
                "s.yaml:3:8: expected a whole number, found a text",
                "s.yaml:4:8: `baerer` is not known here (did you mean `bearer`?)",
                "s.yaml:1:1: field `name` is missing (write `name:` - it has no default)",
            ]
        );
    }

    #[test]
    fn a_number_where_a_text_belongs_keeps_its_spelling() {
        assert_eq!(
            sample("name: +0123\nway: { basic: { user: 7 } }").map(|s| (s.name, s.way)),
            Ok(("+0123".into(), Some(Way::Basic { user: "7".into() })))
        );
        assert_eq!(sample("name: x\nway: none\ncount: '3'").map(|s| (s.way, s.count)), Ok((Some(Way::None), Some(3))));
    }
}
