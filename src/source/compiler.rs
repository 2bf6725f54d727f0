//! From expressions as written to expressions at work; every fault where it is written: in the route or in the source.

use std::sync::Arc;

use crate::config::diagnostic::{Diagnostic, Place, Source};
use crate::config::document::Node;
use crate::config::one_or_many::OneOrMany;
use crate::map::expression::Expression;
use crate::map::lint::Broken;

/// The parts of a profile compile one by one; all faults are kept, each at its place.
pub struct Compiler<'a> {
    pub files: &'a [&'a Node],
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiler<'_> {
    /// Where a path is written: in the nearest file that has it.
    pub fn place(&self, path: &[&str]) -> Place {
        let has = |node: &&&Node| {
            let mut node = **node;
            path.iter().all(|step| {
                match step.parse::<usize>().ok().and_then(|index| node.entry(index)).or_else(|| node.get(step)) {
                    Some(next) => {
                        node = next;
                        true
                    }
                    None => false,
                }
            })
        };
        let file = self.files.iter().find(has).or_else(|| self.files.first());
        file.map_or_else(|| Place::start_of(Arc::new(Source::new("", ""))), |file| file.place_of(path).clone())
    }

    pub fn broken(&mut self, path: &[&str], broken: Broken, source: &str) {
        let place = self.place(path);
        let lead = place.text().find(source).unwrap_or(0);
        let diagnostic = Diagnostic::at(
            &broken.range.map_or_else(|| place.clone(), |range| place.part(lead + range.start..lead + range.end)),
            broken.message,
        );
        self.diagnostics.push(match broken.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        });
    }

    pub fn one(&mut self, path: &[&str], source: Option<&String>) -> Option<Expression> {
        let source = source?;
        Expression::compile(source).map_err(|broken| self.broken(path, broken, source)).ok()
    }

    pub fn condition(&mut self, path: &[&str], source: Option<&String>) -> Option<Expression> {
        let source = source?;
        Expression::condition(source).map_err(|broken| self.broken(path, broken, source)).ok()
    }

    pub fn several(&mut self, path: &[&str], sources: Option<&OneOrMany<String>>) -> Vec<Expression> {
        let sources = sources.map(OneOrMany::as_slice).unwrap_or_default();
        let expression = |(index, source): (usize, &String)| {
            let index = index.to_string();
            let path: Vec<&str> =
                if sources.len() == 1 { path.to_vec() } else { path.iter().copied().chain([index.as_str()]).collect() };
            self.one(&path, Some(source))
        };
        sources.iter().enumerate().filter_map(expression).collect()
    }
}
