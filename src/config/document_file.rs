//! One YAML file: read, its variables filled in, fitted into its shape.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::diagnostic::{Diagnostic, Source};
use super::document::Node;
use super::interpolate::{Variables, interpolate};
use super::shape::{Reading, Shaped};
use super::{bare_variable, shape};

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
