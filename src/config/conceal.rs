//! Which lines of a file may hold a secret, and are not shown with a fault.
//!
//! The schema says which keys hold one (`writeOnly`). People write keys wrong, in the wrong place, or a secret where a key
//! belongs; so what fits nowhere and stands beside a secret, or under a name that sounds like one, counts as a secret too.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;

use super::document::{Kind, Node};
use super::fault::{Place, did_you_mean};
use super::interpolate::{Variables, references};
use super::relay::RelayFile;
use super::route::RouteFile;
use super::shape::{SECRET, Shape, constants, schema_of, takes_any_text};
use super::source::SourceFile;
use crate::mask::{self, Secrets};

/// Parts of a key's name by which people say that its value is a secret.
const TELLING: [&str; 11] = [
    "secret",
    "token",
    "passw",
    "passphrase",
    "pwd",
    "credential",
    "apikey",
    "authkey",
    "privatekey",
    "bearer",
    "authorization",
];

/// The schemas of all files, and what they say of names.
static KNOWN: LazyLock<([Value; 3], Names)> = LazyLock::new(|| {
    let schemas = [schema_of::<RelayFile>(), schema_of::<RouteFile>(), schema_of::<SourceFile>()];
    let names = Names::of(&schemas);
    (schemas, names)
});

/// What must not be shown with a fault.
#[derive(Debug, Default)]
pub struct Concealed {
    /// Whether the line it stands on may not be shown.
    pub line: bool,
    /// The secret that it is about.
    own: Option<String>,
    /// The secrets of its file, as written and as filled in.
    all: Secrets,
}

impl Concealed {
    /// What must not be shown with a fault at a place.
    pub fn at(place: &Place, variables: &Variables) -> Self {
        let (schemas, names) = &*KNOWN;
        let line = line_around(place);
        let text = place.source.text.get(line.clone()).unwrap_or_default();
        let has_password = mask::credentials(text) != text;
        let Ok(root) = Node::parse(&place.source) else {
            let line = has_password || names.tell_at(&place.source.text, &line);
            return Self { line, ..Self::default() };
        };
        let roots: Vec<(&Value, &Value)> = schemas.iter().map(|schema| (schema, schema)).collect();
        let mut found = Vec::new();
        secrets_in(&root, &roots, names, &mut found);
        let mut texts: Vec<String> = found.iter().filter_map(|secret| text_of(secret)).map(ToOwned::to_owned).collect();
        filled_in(&root, variables, names, &mut texts);
        Self {
            line: has_password || found.iter().any(|secret| touches(&secret.place.range, &line)),
            own: found
                .iter()
                .find(|secret| touches(&secret.place.range, &place.range))
                .and_then(|secret| text_of(secret))
                .map(ToOwned::to_owned),
            all: Secrets::in_bodies(texts.iter().map(String::as_str)),
        }
    }

    /// What a fault says, without the secrets that it may repeat.
    pub fn hide(&self, said: &str) -> String {
        let said = self.all.hide(said);
        match &self.own {
            Some(own) => said.replace(&format!("`{own}`"), "what stands here"),
            None => said.into_owned(),
        }
    }
}

fn line_around(place: &Place) -> Range<usize> {
    let text = &place.source.text;
    // what stands behind the end is shown with the last line
    let at = place.range.start.min(text.trim_end_matches('\n').len());
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline);
    start..end
}

fn touches(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start <= b.end && b.start <= a.end
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Text(text) | Kind::Number(_, text) => Some(text),
        _ => None,
    }
}

/// Whether a text is nothing but a reference to a variable or a file. A default is the secret, as long as nobody sets the
/// variable.
fn refers(text: &str) -> bool {
    let inside = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|inside| {
        !inside.contains('$') && inside.split_once(":-").is_none_or(|(_, default)| default.is_empty())
    })
}

/// The contents of files, and of variables that sound like secrets, wherever the document names them.
fn filled_in(node: &Node, variables: &Variables, names: &Names, texts: &mut Vec<String>) {
    match &node.kind {
        Kind::Map(entries) => entries.iter().for_each(|entry| filled_in(&entry.value, variables, names, texts)),
        Kind::List(items) => items.iter().for_each(|item| filled_in(item, variables, names, texts)),
        Kind::Text(text) => {
            let telling = references(text).filter(|inside| inside.starts_with("file:") || names.tell(inside));
            texts.extend(telling.filter_map(|inside| variables.look_up(inside, &node.place).ok()));
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(..) => {}
    }
}

/// The scalars of a document that are, or may be, secrets. `schemas` are what the node may be, each with its root.
fn secrets_in<'a>(node: &'a Node, schemas: &[(&Value, &Value)], names: &Names, found: &mut Vec<&'a Node>) {
    let ways: Vec<(&Value, &Value)> = schemas
        .iter()
        .flat_map(|(root, schema)| Shape { root }.ways(schema).into_iter().map(|way| (*root, way)))
        .collect();
    if schemas.iter().any(|(_, schema)| is_secret(schema)) {
        return all_in(node, found);
    }
    match &node.kind {
        Kind::Map(entries) => {
            let known = || ways.iter().flat_map(|(_, way)| properties(way));
            for entry in entries {
                let inner: Vec<(&Value, &Value)> = ways
                    .iter()
                    .filter_map(|(root, way)| Some((*root, way.pointer("/properties")?.get(&entry.key)?)))
                    .collect();
                let free = ways.iter().filter_map(|(root, way)| Some((*root, way.get("additionalProperties")?)));
                let free: Vec<(&Value, &Value)> = free.filter(|(_, more)| **more != Value::Bool(false)).collect();
                match (inner.is_empty(), free.is_empty()) {
                    (false, _) => secrets_in(&entry.value, &inner, names, found),
                    _ if names.tell(&entry.key) => all_in(&entry.value, found),
                    (true, false) => secrets_in(&entry.value, &free, names, found),
                    // nobody knows what was meant
                    (true, true)
                        if did_you_mean(&entry.key, known().map(|(name, _)| name)).is_none()
                            && known().any(|(_, inner)| is_secret(inner)) =>
                    {
                        all_in(&entry.value, found);
                    }
                    (true, true) => secrets_in(&entry.value, &[], names, found),
                }
            }
        }
        Kind::List(items) => {
            let inner: Vec<(&Value, &Value)> =
                ways.iter().filter_map(|(root, way)| Some((*root, way.get("items")?))).collect();
            items.iter().for_each(|item| secrets_in(item, &inner, names, found));
        }
        // a text in the place of something that holds a secret is the secret
        Kind::Text(text) | Kind::Number(_, text) => {
            let constant: Vec<&str> = ways.iter().flat_map(|(_, way)| constants(way)).collect();
            let meant = did_you_mean(text, constant.iter().copied()).is_some();
            let takes_it = ways.iter().any(|(_, way)| takes_any_text(way));
            if !takes_it && !meant && ways.iter().any(|(root, way)| leads_to_secret(root, way, 0)) {
                all_in(node, found);
            }
        }
        Kind::Null | Kind::Bool(_) => {}
    }
}

fn all_in<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
    match &node.kind {
        Kind::Map(entries) => entries.iter().for_each(|entry| all_in(&entry.value, found)),
        Kind::List(items) => items.iter().for_each(|item| all_in(item, found)),
        Kind::Text(text) if refers(text) => {}
        Kind::Text(_) | Kind::Number(..) => found.push(node),
        Kind::Null | Kind::Bool(_) => {}
    }
}

fn is_secret(schema: &Value) -> bool {
    schema.get(SECRET) == Some(&Value::Bool(true))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    all.map(|(name, inner)| (name.as_str(), inner))
}

/// Whether a secret can be written somewhere below.
fn leads_to_secret(root: &Value, schema: &Value, depth: usize) -> bool {
    const DEEPEST: usize = 4;
    let inner = properties(schema).map(|(_, inner)| inner).chain(schema.get("items"));
    let mut below = inner.flat_map(|inner| Shape { root }.ways(inner).into_iter().chain([inner]));
    depth < DEEPEST && below.any(|way| is_secret(way) || leads_to_secret(root, way, depth + 1))
}

/// A name without what people write differently.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// The names of all keys, by whether they hold a secret.
struct Names {
    secret: BTreeSet<String>,
    other: BTreeSet<String>,
}

impl Names {
    fn of(schemas: &[Value]) -> Self {
        let mut names = Self { secret: BTreeSet::new(), other: BTreeSet::new() };
        schemas.iter().for_each(|schema| names.add(schema));
        names
    }

    fn add(&mut self, schema: &Value) {
        match schema {
            Value::Object(map) => {
                for (name, inner) in properties(schema) {
                    let names = if is_secret(inner) { &mut self.secret } else { &mut self.other };
                    names.insert(name.to_owned());
                }
                map.values().for_each(|inner| self.add(inner));
            }
            Value::Array(items) => items.iter().for_each(|inner| self.add(inner)),
            _ => {}
        }
    }

    /// Whether a key, as somebody wrote it, may hold a secret.
    fn tell(&self, key: &str) -> bool {
        let plain = plain(key);
        if self.secret.contains(key) || TELLING.iter().any(|telling| plain.contains(telling)) {
            return true;
        }
        let near = || did_you_mean(key, self.secret.iter().map(String::as_str)).is_some();
        !self.other.contains(key) && (near() || self.secret.iter().any(|name| plain.contains(&*self::plain(name))))
    }

    /// Whether a line of a text that is no YAML stands under such a key: on the line itself, or on one that it is indented
    /// below.
    fn tell_at(&self, text: &str, line: &Range<usize>) -> bool {
        let mut depth = usize::MAX;
        for line in text.get(..line.end).unwrap_or_default().lines().rev() {
            let indent = line.len() - line.trim_start().len();
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') || indent >= depth {
                continue;
            }
            let words = content.split([' ', '\t', '{', ',', '[', '"', '\'']);
            if words.filter_map(|word| word.split_once(':')).any(|(key, _)| self.tell(key)) {
                return true;
            }
            // an entry of a list may stand at the same depth as the key it belongs to
            depth = if content.starts_with('-') { indent + 1 } else { indent };
        }
        false
    }
}
