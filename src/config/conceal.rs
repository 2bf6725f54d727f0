//! Which lines of a file may hold a secret, and are not shown with a fault.
//!
//! The schema says which keys hold one (`writeOnly`). People write keys wrong, in the wrong place, or a secret where a key
//! belongs; so what fits nowhere and stands beside a secret, or under a name that sounds like one, counts as a secret too.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Value;

use super::diagnostic::{Diagnostic, Place, did_you_mean};
use super::document::{Entry, Kind, Node};
use super::interpolate::{Variables, references};
use super::relay::RelayFile;
use super::route::RouteFile;
use super::schema::schema_of;
use super::shape::{SECRET, Shape, constants, takes_any_text};
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
    /// What must not be shown with a fault.
    pub fn of(diagnostic: &Diagnostic, variables: &Variables) -> Self {
        diagnostic.place.as_ref().map(|place| Self::at(place, variables)).unwrap_or_default()
    }

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
        let mut found = Found { text: &place.source.text, variables, names, ranges: Vec::new(), texts: Vec::new() };
        found.search(&root, &roots);
        let own = found.texts.iter().find(|(range, _)| touches(range, &place.range)).map(|(_, text)| text.clone());
        Self {
            line: has_password || found.ranges.iter().any(|range| touches(range, &line)),
            own,
            all: Secrets::in_bodies(found.texts.iter().map(|(_, text)| text.as_str())),
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
    start..line_end(text, at)
}

fn touches(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start <= b.end && b.start <= a.end
}

/// The end of the line in which a place is.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline)
}

/// Whether a text is nothing but a reference to a variable or a file. A default is the secret, as long as nobody sets the
/// variable.
fn refers(text: &str) -> bool {
    let inside = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|inside| {
        !inside.contains('$') && inside.split_once(":-").is_none_or(|(_, default)| default.is_empty())
    })
}

/// The part of an address that may prove who calls: user and password, or the query.
fn secret_of_address(text: &str) -> Option<&str> {
    let place = text.split_once("://").map_or(text, |(_, place)| place);
    if text.contains("{{") || text.contains(char::is_whitespace) {
        return None;
    }
    let user = place.rsplit_once('@').map(|(user, _)| user).filter(|user| user.contains(':'));
    user.or_else(|| text.contains("://").then(|| place.split_once('?').map(|(_, query)| query))?)
}

/// What of a document is, or may be, secret.
struct Found<'a> {
    text: &'a str,
    variables: &'a Variables,
    names: &'a Names,
    /// Where it stands: what is around a secret, too.
    ranges: Vec<Range<usize>>,
    /// As it is written, and as it is filled in.
    texts: Vec<(Range<usize>, String)>,
}

impl Found<'_> {
    /// `schemas` are what the node may be, each with its root.
    fn search(&mut self, node: &Node, schemas: &[(&Value, &Value)]) {
        let ways: Vec<(&Value, &Value)> = schemas
            .iter()
            .flat_map(|(root, schema)| Shape::new(root).ways(schema).into_iter().map(|way| (*root, way)))
            .collect();
        match &node.kind {
            Kind::Map(entries) => entries.iter().for_each(|entry| self.search_entry(entry, &ways)),
            Kind::List(items) => {
                let inner: Vec<(&Value, &Value)> =
                    ways.iter().filter_map(|(root, way)| Some((*root, way.get("items")?))).collect();
                items.iter().for_each(|item| self.search(item, &inner));
            }
            Kind::Text(text) | Kind::Number(_, text) => {
                let constant: Vec<&str> = ways.iter().flat_map(|(_, way)| constants(way)).collect();
                let meant = did_you_mean(text, constant.iter().copied()).is_some();
                let takes_it = ways.iter().any(|(_, way)| takes_any_text(way));
                // a text in the place of something that holds a secret is the secret
                if !takes_it && !meant && ways.iter().any(|(root, way)| leads_to_secret(root, way, 0)) {
                    self.hide(node);
                } else {
                    self.hide_parts(node, text);
                }
            }
            Kind::Null | Kind::Bool(_) => {}
        }
    }

    fn search_entry(&mut self, entry: &Entry, ways: &[(&Value, &Value)]) {
        let inner: Vec<(&Value, &Value)> =
            ways.iter().filter_map(|(root, way)| Some((*root, way.pointer("/properties")?.get(&entry.key)?))).collect();
        let free = ways.iter().filter_map(|(root, way)| Some((*root, way.get("additionalProperties")?)));
        let free: Vec<(&Value, &Value)> = free.filter(|(_, more)| **more != Value::Bool(false)).collect();
        let known = || ways.iter().flat_map(|(_, way)| properties(way));
        let is_secret = match (inner.is_empty(), free.is_empty()) {
            (false, _) => inner.iter().any(|(_, schema)| is_secret(schema)),
            _ if self.names.tell(&entry.key) => true,
            (true, false) => false,
            // nobody knows what was meant
            (true, true) => {
                did_you_mean(&entry.key, known().map(|(name, _)| name)).is_none()
                    && known().any(|(_, schema)| is_secret(schema))
            }
        };
        if is_secret {
            self.hide_entry(entry);
        } else if inner.is_empty() {
            self.search(&entry.value, &free);
        } else {
            self.search(&entry.value, &inner);
        }
    }

    /// From the key to the end of the value's line: what is written as a comment, an anchor or a key was meant as the secret.
    fn hide_entry(&mut self, entry: &Entry) {
        let (value, end) = (&entry.value, entry.place.range.end.max(entry.value.place.range.end));
        let is_reference = matches!(&value.kind, Kind::Text(text) if refers(text));
        let rest = self.text.get(end..line_end(self.text, end)).unwrap_or_default();
        if !is_reference || !rest.trim_matches([' ', '"', '\'', '}', ']', ',', '\r']).is_empty() {
            self.ranges.push(entry.place.range.start..line_end(self.text, end));
        }
        self.hide(value);
    }

    fn hide(&mut self, node: &Node) {
        match &node.kind {
            Kind::Map(entries) => {
                for entry in entries {
                    self.texts.push((entry.place.range.clone(), entry.key.clone()));
                    self.hide(&entry.value);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.hide(item)),
            Kind::Text(text) | Kind::Number(_, text) => {
                if !refers(text) {
                    self.ranges.push(node.place.range.clone());
                }
                self.texts.push((node.place.range.clone(), text.clone()));
                references(text).for_each(|inside| self.hide_filled(node, inside));
            }
            Kind::Null | Kind::Bool(_) => {}
        }
    }

    /// Of a text that is not a secret itself, what may be: an address's user and query, and what variables and files hold.
    fn hide_parts(&mut self, node: &Node, text: &str) {
        if let Some(secret) = secret_of_address(text) {
            self.ranges.push(node.place.range.clone());
            self.texts.push((node.place.range.clone(), secret.to_owned()));
        }
        for inside in references(text) {
            if inside.starts_with("file:") || self.names.tell(inside) {
                self.hide_filled(node, inside);
            } else if let Some(secret) =
                self.variables.look_up(inside, &node.place).ok().as_deref().and_then(secret_of_address)
            {
                self.texts.push((node.place.range.clone(), secret.to_owned()));
            }
        }
    }

    fn hide_filled(&mut self, node: &Node, inside: &str) {
        if let Ok(text) = self.variables.look_up(inside, &node.place) {
            self.texts.push((node.place.range.clone(), text));
        }
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
    let mut below = inner.flat_map(|inner| Shape::new(root).ways(inner).into_iter().chain([inner]));
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
            if depth == usize::MAX && !content.contains(':') {
                // a value that was forgotten to indent belongs to the key before it
                depth = indent + 1;
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
