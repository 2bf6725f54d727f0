//! Diagnostics of the configuration: what is wrong, where, and what to do about it.
//!
//! They come from anywhere between reading a file and compiling a template; all are collected, then shown together.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// A text that diagnostics can point into.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's path, or where else the text stands (`environment variable SERRI_RELAY__...`).
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Who takes what it says.
    pub takers: Takers,
}

/// Who takes what a text says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takers {
    /// Everything, or whichever route names it: settings, sources.
    #[default]
    All,
    /// One route.
    One,
    /// Several routes, perhaps: a fault in it names those that do.
    Several,
}

/// What a diagnostic is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum About {
    /// The configuration as a whole, or what the file says that it stands in.
    #[default]
    Whole,
    /// These routes; `CLIENT/` stands for all of a client's. Without any, it is about what no route takes.
    Routes(BTreeSet<String>),
}

impl About {
    /// One route.
    pub fn route(name: impl Into<String>) -> Self {
        Self::Routes(BTreeSet::from([name.into()]))
    }

    /// What no route takes.
    pub fn nothing_in_use() -> Self {
        Self::Routes(BTreeSet::new())
    }

    /// The routes.
    pub fn routes(&self) -> impl Iterator<Item = &String> {
        match self {
            Self::Whole => None,
            Self::Routes(routes) => Some(routes),
        }
        .into_iter()
        .flatten()
    }

    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Routes(routes), Self::Routes(more)) => routes.extend(more),
            (own @ Self::Whole, other) => *own = other,
            (Self::Routes(_), Self::Whole) => {}
        }
    }
}

impl Source {
    /// A text by its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), takers: Takers::All }
    }

    /// The same with those who take it.
    #[must_use]
    pub fn taken_by(self, takers: Takers) -> Self {
        Self { takers, ..self }
    }
}

/// A place in a source: a range of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is in.
    pub source: Arc<Source>,
    /// From where to where, in bytes.
    pub range: Range<usize>,
}

impl Place {
    /// The beginning of a source.
    pub fn start_of(source: Arc<Source>) -> Self {
        Self { source, range: 0..0 }
    }

    /// Line and column, both from 1, the column in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.range.start).unwrap_or(&self.source.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// A part of this place: `inner` counts bytes from its start. The whole place if the part does not lie inside it.
    pub fn part(&self, inner: Range<usize>) -> Self {
        let range = self.range.start + inner.start..self.range.start + inner.end;
        if range.end > self.range.end || self.source.text.get(range.clone()).is_none() {
            return self.clone();
        }
        Self { source: Arc::clone(&self.source), range }
    }

    /// The text at this place.
    pub fn text(&self) -> &str {
        self.source.text.get(self.range.clone()).unwrap_or("")
    }
}

/// How severe a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing runs until it is fixed.
    Error,
    /// It runs, and somebody may wish it did not.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, if it is anywhere in particular.
    pub place: Option<Place>,
    /// What to do next.
    pub hint: Option<String>,
    /// What it is about.
    pub about: About,
}

/// How many routes are named with a fault.
const NAMED: usize = 3;

impl Diagnostic {
    /// A diagnostic at a place.
    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), ..Self::general(message) }
    }

    /// A fault that has no place in a file.
    pub fn general(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), place: None, hint: None, about: About::Whole }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same about something else.
    #[must_use]
    pub fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The same as one that was found with a route: it is about that route, unless it stands in what everything takes.
    #[must_use]
    pub fn of_route(mut self, route: &str) -> Self {
        if self.place.as_ref().is_some_and(|place| place.source.takers != Takers::All) {
            self.about.add(About::route(route));
        }
        self
    }

    fn is_in_several(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.source.takers == Takers::Several)
    }

    /// Which routes it is about, if that does not go without saying.
    pub fn taken_by(&self) -> Option<String> {
        let names: Vec<String> = self.about.routes().take(NAMED).map(|route| format!("`{route}`")).collect();
        let count = self.about.routes().count();
        let more = count.saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let routes = if count == 1 { "route" } else { "routes" };
        (self.is_in_several() && !names.is_empty()).then(|| format!("taken by {routes} {}{more}", names.join(", ")))
    }

    /// `file:line:column: message (hint)` on one line, for logs.
    pub fn one_line(&self) -> String {
        let mut line = String::new();
        if let Some(place) = &self.place {
            let (row, column) = place.line_column();
            let _ = write!(line, "{}:{row}:{column}: ", place.source.name);
        }
        line.push_str(&self.message);
        if let Some(hint) = &self.hint {
            let _ = write!(line, " ({hint})");
        }
        if let Some(taken_by) = self.taken_by() {
            let _ = write!(line, " ({taken_by})");
        }
        line
    }
}

/// Each fault once: what several routes take from one file has the same fault in each.
pub fn once_each(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut once: Vec<Diagnostic> = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics {
        let is_in_several = diagnostic.is_in_several();
        let is_same = |known: &&mut Diagnostic| {
            known.severity == diagnostic.severity
                && known.message == diagnostic.message
                && known.place == diagnostic.place
                && (is_in_several || known.hint == diagnostic.hint)
        };
        match once.iter_mut().find(is_same) {
            Some(known) => known.about.add(diagnostic.about),
            None => once.push(diagnostic),
        }
    }
    once
}

/// The nearest of `known` to what was written, if one is near enough to be what was meant.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = written.to_lowercase();
    let length = wanted.chars().count();
    let near = |name: &str| 1 + name.chars().count().min(length) / 4;
    known
        .into_iter()
        // comparing costs the product of the lengths, and anybody may write something long
        .filter(|name| name.chars().count().abs_diff(length) <= near(name))
        .map(|name| (strsim::damerau_levenshtein(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= near(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A name that is not known, with what it may have meant.
pub fn unknown<'a>(place: &Place, kind: &str, name: &str, known: impl IntoIterator<Item = &'a String>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    let hint = did_you_mean(name, known.iter().copied())
        .map_or_else(|| format!("there are: {}", known.join(", ")), |meant| format!("did you mean `{meant}`?"));
    Diagnostic::at(place, format!("there is no {kind} `{name}`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        assert_eq!(did_you_mean("templateParms", ["templateParams", "tags"]), Some("templateParams"));
        assert_eq!(did_you_mean("campaignname", ["campaignName"]), Some("campaignName"));
        assert_eq!(did_you_mean("colour", ["tags", "source"]), None);
    }

    #[test]
    fn a_place_counts_characters_not_bytes() {
        let source = Arc::new(Source::new("a.yaml", "né: x\n"));
        assert_eq!(Place { source, range: 5..6 }.line_column(), (1, 5));
    }
}
