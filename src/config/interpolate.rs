//! `${VAR}`, `${VAR:-default}` and `${file:/path}` inside the strings of a document.
//!
//! Replaced after parsing, so that a `:` or a quote in a secret cannot change the structure. `$${` is a plain `${`,
//! and `${{` is left alone: there a template begins after a dollar sign.

use std::collections::HashMap;
use std::path::Path;

use super::diagnostic::{Diagnostic, Place};
use super::document::{Kind, Node};
use super::{dotenv, file};

/// The largest file that a string may name.
const SECRET_LIMIT: u64 = 64 * 1_024;

/// What stands in for a secret that is not there: long enough for any, and readable as hexadecimal and as base64.
const STAND_IN: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";

/// The environment variables that strings may name.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    set: HashMap<String, String>,
    /// What `.env` sets, where the environment does not; `None` if it is not read.
    of_file: Option<HashMap<String, String>>,
    /// Why `.env` cannot be read.
    unread: Option<String>,
    /// Whether something stands in for those that are not set, and for files that are not there.
    has_stand_ins: bool,
}

impl Variables {
    /// Those of this process, and of `.env` in its working directory. Values that are no Unicode are left out.
    pub fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let set = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { set, of_file: Some(HashMap::new()), ..Self::default() }.read_again()
    }

    /// The same with what `.env` says now.
    #[must_use]
    pub fn read_again(&self) -> Self {
        if self.of_file.is_none() {
            return self.clone();
        }
        let (of_file, unread) = match dotenv::read(Path::new(dotenv::FILE)) {
            Ok(of_file) => (of_file, None),
            Err(wrong) => (HashMap::new(), Some(wrong)),
        };
        Self { of_file: Some(of_file), unread, ..self.clone() }
    }

    /// Why `.env` cannot be read, if it is there and cannot.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// Given ones, for tests.
    pub fn given<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let set = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { set, ..Self::default() }
    }

    /// These, with something in the place of what is not there.
    #[must_use]
    pub fn with_stand_ins(&self) -> Self {
        Self { has_stand_ins: true, ..self.clone() }
    }

    /// Whether something stands in for what a text at a place names.
    pub fn stand_in_at(&self, place: &Place) -> bool {
        self.has_stand_ins
            && references(place.text()).any(|inside| may_be_missing(inside) && self.found(inside, place).is_err())
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let of_file = || self.of_file.as_ref().and_then(|of_file| of_file.get(name));
        self.set.get(name).or_else(of_file).map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_file = self.of_file.iter().flatten().filter(|(key, _)| !self.set.contains_key(*key));
        self.set.iter().chain(of_file).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What stands for a reference: the text inside its `${}`.
    pub fn look_up(&self, inside: &str, place: &Place) -> Result<String, Box<Diagnostic>> {
        let found = self.found(inside, place);
        if self.has_stand_ins && may_be_missing(inside) {
            Ok(found.unwrap_or_else(|_| STAND_IN.to_owned()))
        } else {
            found
        }
    }

    fn found(&self, inside: &str, place: &Place) -> Result<String, Box<Diagnostic>> {
        if let Some(path) = inside.strip_prefix("file:") {
            return file::read(Path::new(path), SECRET_LIMIT)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| {
                    Box::new(
                        Diagnostic::at(place, format!("cannot read `{path}`: {error}"))
                            .hint("mount the file, or correct its path"),
                    )
                });
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match (self.get(name).filter(|value| default.is_none() || !value.is_empty()), default) {
            (Some(value), _) => Ok(value.to_owned()),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => {
                let hint = if may_be_missing(name) {
                    format!(
                        "set it: a line `{name}=...` in .env, or `export {name}=...`; or give a default: `${{{name}:-...}}`"
                    )
                } else {
                    format!(
                        "a value of an event stands in two braces, without the dollar sign: {{{{ {} }}}}",
                        name.trim()
                    )
                };
                Err(Box::new(Diagnostic::at(place, format!("environment variable `{name}` is not set")).hint(hint)))
            }
        }
    }
}

/// Whether a reference is a variable or a file, and not an expression that stands in the wrong brackets.
fn may_be_missing(inside: &str) -> bool {
    inside.starts_with("file:") || !inside.contains(['.', '|', '[', ' '])
}

/// What stands inside each `${}` of a text.
pub fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|after| after.split_once('}').map(|(inside, _)| inside))
}

/// Replaces what stands in `${}` in every string of the tree; keys are left as they are.
pub fn interpolate(node: &mut Node, variables: &Variables, diagnostics: &mut Vec<Diagnostic>) {
    match &mut node.kind {
        Kind::Text(text) if text.contains("${") => match replace(text, &node.place, variables) {
            Ok(replaced) => *text = replaced,
            Err(diagnostic) => diagnostics.push(*diagnostic),
        },
        Kind::List(items) => items.iter_mut().for_each(|item| interpolate(item, variables, diagnostics)),
        Kind::Map(entries) => {
            entries.iter_mut().for_each(|entry| interpolate(&mut entry.value, variables, diagnostics));
        }
        _ => {}
    }
}

fn replace(text: &str, place: &Place, variables: &Variables) -> Result<String, Box<Diagnostic>> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        if after.starts_with('{') {
            out.push_str("${");
            rest = after;
            continue;
        }
        let (inside, following) = after.split_once('}').ok_or_else(|| {
            Box::new(
                Diagnostic::at(place, "`${` is not closed").hint("close it with `}`, or write `$${` for a plain `${`"),
            )
        })?;
        out.push_str(&variables.look_up(inside, place)?);
        rest = following;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::diagnostic::Source;
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let place = Place::start_of(Arc::new(Source::new("t", text)));
        replace(text, &place, &Variables::given([("KEY", "s:e\"c"), ("EMPTY", "")]))
            .map_err(|diagnostic| diagnostic.message)
    }

    #[test]
    fn variables_and_defaults_are_filled_in() {
        assert_eq!(filled("a ${KEY} b"), Ok("a s:e\"c b".into()));
        assert_eq!(filled("${NONE:-x}${EMPTY:-y}"), Ok("xy".into()));
        assert_eq!(filled("${EMPTY}"), Ok(String::new()));
        assert_eq!(filled("$${KEY} costs ${{ price }}"), Ok("${KEY} costs ${{ price }}".into()));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(filled("${NONE}"), Err("environment variable `NONE` is not set".into()));
        assert!(filled("${file:/nowhere/at/all}").is_err_and(|m| m.contains("/nowhere/at/all")));
        assert!(filled("${KEY").is_err());
    }
}
