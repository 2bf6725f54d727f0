//! One YAML file of a directory: named, read, its variables filled in, fitted into its shape.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::diagnostic::{Diagnostic, Source};
use super::document::Node;
use super::interpolate::{Variables, interpolate};
use super::shape::{Reading, Shaped};
use super::{bare_variable, directory, shape};

/// A file that fits its shape.
#[derive(Debug, Clone)]
pub struct File<T> {
    /// The file's name without `.yaml`; of a route in a client's directory, `CLIENT/NAME`.
    pub name: String,
    /// What it says.
    pub value: T,
    /// The same with places, for faults found later.
    pub node: Node,
    /// Whether it is as written.
    pub reading: Reading,
}

/// A file's text as a tree, with its variables filled in.
#[derive(Debug, Clone)]
pub struct Document {
    /// The tree.
    pub node: Node,
    /// Whether it is as written.
    pub reading: Reading,
}

impl Document {
    /// Reads one of which the text is at hand; `None` if it is no YAML.
    pub fn parse(source: Source, variables: &Variables, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        match Node::parse(&Arc::new(source)) {
            Ok(mut node) => {
                let reading = filled(&mut node, variables, diagnostics);
                Some(Self { node, reading })
            }
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// Fits it into its shape.
    pub fn shaped<T: JsonSchema + DeserializeOwned>(
        self,
        name: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<File<T>> {
        let Shaped { value, reading } = shape::read(&self.node, diagnostics)?;
        Some(File { name: name.to_owned(), value, node: self.node, reading: self.reading.and(reading) })
    }
}

/// Fills in what stands in `${}`. A text that should name a variable and does not stands in for its value.
fn filled(node: &mut Node, variables: &Variables, diagnostics: &mut Vec<Diagnostic>) -> Reading {
    let before = diagnostics.len();
    bare_variable::check(node, diagnostics);
    let reading = if diagnostics.len() == before { Reading::AsWritten } else { Reading::WithStandIns };
    interpolate(node, variables, diagnostics);
    reading
}

/// Files by their names, without those that cannot have one.
pub fn named(paths: Vec<PathBuf>, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for path in paths {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if !is_name(&name) {
            let message = format!("`{}` becomes part of an address; use a-z, 0-9, - and _", path.display());
            diagnostics.push(directory::fault(&path, message).hint("rename the file"));
            continue;
        }
        match files.entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(path)),
            Entry::Occupied(entry) => {
                let name = entry.key();
                let message = format!("there is a `{name}.yaml` and a `{name}.yml`");
                diagnostics.push(directory::fault(&path, message).hint("keep one"));
            }
        }
    }
    files
}

/// Whether a text can be the name of a file: of a source, a shared piece, a client, or a route among those of one client.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Whether a text can be the name of a route: `NAME`, or `CLIENT/NAME`.
pub fn is_route_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((client, name)) => is_name(client) && is_name(name) && name != CLIENT,
        None => is_name(name),
    }
}

/// The name, without `.yaml`, of the file in a client's directory that holds for all its routes.
pub const CLIENT: &str = "client";
