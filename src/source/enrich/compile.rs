//! From `enrich:` as written to a read call; every fault where it is written.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::Url;

use super::super::compiler::Compiler;
use super::{Enrichment, Shown};
use crate::config::diagnostic::Diagnostic;
use crate::config::enrich::{EnrichSpec, TokenForm, TokenKeyword, TokenSpec};
use crate::config::unit::{PerSecond, Rate};
use crate::map::expression::Expression;
use crate::map::template::Template;
use crate::mask::Secrets;
use crate::secret::Secret;

/// How many calls a route makes if nothing is said.
const RATE: Rate = Rate(Some(PerSecond { count: 10, every: Duration::from_secs(1) }));

/// What the URL may be made of: nobody knows the contact yet.
const OF_AN_EVENT: [&str; 3] = ["event", "headers", "query"];

/// Steps of a path that are shorter are not secrets: `rest`, `v1`, a user's number.
const SECRET_STEP: usize = 5;

/// What expressions over an answer see.
const OF_AN_ANSWER: [&str; 2] = ["status", "answer"];

impl Compiler<'_> {
    /// Compiles `enrich:`. `None` with faults, and if it lacks what a route has to add: that is a fault if the route has an
    /// `enrich` of its own.
    pub fn enrichment(&mut self, spec: Option<&EnrichSpec>) -> Option<Enrichment> {
        let spec = spec?;
        let before = self.diagnostics.len();
        let asked = matches!(self.files, [route, _source] if route.get("enrich").is_some());
        let (base, token) =
            if asked || spec.is_complete() { (self.base(spec), self.token(spec)) } else { (None, Secret::new("")) };
        let shown = self.shown(spec, &token);
        let into = self.wanted(spec, "into", spec.into.as_ref());
        self.check_names(spec);
        let path = self.path(spec);
        let query = spec
            .query
            .iter()
            .flatten()
            .map(|(name, source)| (name.clone(), self.template(&["enrich", "query", name], source)));
        let query: Vec<_> = query.collect();
        let when = self.condition(&["enrich", "when"], spec.when.as_ref());
        let mut over_answer = |key: &str, source: &Option<String>| {
            let source = source.as_ref()?;
            let compiled = Expression::condition_over(source, &OF_AN_ANSWER);
            compiled.map_err(|broken| self.broken(&["enrich", key], broken, source)).ok()
        };
        let (retry_when, hold_when) =
            (over_answer("retry_when", &spec.retry_when), over_answer("hold_when", &spec.hold_when));
        if self.diagnostics.len() > before {
            return None;
        }
        Some(Enrichment {
            when,
            method: spec.method.map_or(http::Method::GET, crate::config::method::Method::http),
            base: base?,
            path,
            query,
            shown: shown?,
            secrets: secrets(spec),
            take: spec.take.as_deref().map(super::super::steps).unwrap_or_default(),
            into: into?,
            retry_when,
            hold_when,
            is_unset: spec.is_placeholder(),
            stand_in: None,
            rate: spec.rate.unwrap_or(RATE),
            cache: spec.cache.map(|span| span.0).unwrap_or_default(),
        })
    }

    fn wanted(&mut self, spec: &EnrichSpec, key: &str, value: Option<&String>) -> Option<String> {
        let value = value.filter(|value| !value.trim().is_empty());
        if value.is_none() {
            let diagnostic = Diagnostic::at(&self.place(&["enrich"]), format!("`enrich` has no `{key}`"));
            let hint = spec.needs.get(key).cloned();
            let other = "the source has no read call of its own: describe all of it (docs/ADDING-A-SOURCE.md), or leave `enrich` out";
            self.diagnostics.push(diagnostic.hint(hint.unwrap_or_else(|| other.to_owned())));
        }
        value.cloned()
    }

    fn base(&mut self, spec: &EnrichSpec) -> Option<Url> {
        let base = self.wanted(spec, "base", spec.base.as_ref())?;
        let url = base.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let plain = url.filter(|url| {
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
        });
        if plain.is_none() {
            // it may hold a secret: it is not repeated
            let message = "`enrich.base` is not a URL of scheme, host and path alone";
            let diagnostic = Diagnostic::at(&self.place(&["enrich", "base"]), message);
            self.diagnostics.push(
                diagnostic.hint("as https://api.example.com/v1; parameters stand under `query`, a token under `token`"),
            );
        }
        plain
    }

    fn token(&mut self, spec: &EnrichSpec) -> Secret {
        if !spec.wants_token() {
            return Secret::new("");
        }
        Secret::new(self.wanted(spec, "token", spec.token.as_ref()).unwrap_or_default().trim())
    }

    fn shown(&mut self, spec: &EnrichSpec, token: &Secret) -> Option<Shown> {
        let (name, value) = match &spec.auth {
            Some(TokenSpec::Keyword(TokenKeyword::None)) => return Some(Shown::Nowhere),
            Some(TokenSpec::Form(TokenForm::Query(name))) => {
                self.header_value(token.expose())?;
                return Some(Shown::Queries(vec![(name.clone(), Secret::new(token.expose().trim()))]));
            }
            Some(TokenSpec::Form(TokenForm::Queries(names))) => {
                self.header_value(token.expose())?;
                return self.queries(spec, names, token);
            }
            None | Some(TokenSpec::Keyword(TokenKeyword::Bearer)) => {
                (http::header::AUTHORIZATION, format!("Bearer {}", token.expose()))
            }
            Some(TokenSpec::Form(TokenForm::Header(name))) => match HeaderName::try_from(name) {
                Ok(name) => (name, token.expose().to_owned()),
                Err(_) => {
                    let diagnostic = Diagnostic::at(
                        &self.place(&["enrich", "auth"]),
                        format!("`{name}` is not a valid header name"),
                    );
                    self.diagnostics.push(diagnostic);
                    return None;
                }
            },
        };
        Some(Shown::Header(name, self.header_value(&value)?))
    }

    /// A value of the token for each name; nothing is shown as long as there is none.
    fn queries(&mut self, spec: &EnrichSpec, names: &[String], token: &Secret) -> Option<Shown> {
        let values: Vec<&str> = token.expose().split(':').map(str::trim).collect();
        let is_whole = values.len() == names.len() && values.iter().all(|value| !value.is_empty());
        if !is_whole && !token.expose().is_empty() && !spec.is_placeholder() {
            let message = format!("`enrich.token` is not {} values joined by colons", names.len());
            let diagnostic = Diagnostic::at(&self.place(&["enrich", "token"]), message);
            let hint = format!("write {}, each with its value in place of its name", names.join(":"));
            self.diagnostics.push(diagnostic.hint(hint));
            return None;
        }
        let pairs = names.iter().zip(values).map(|(name, value)| (name.clone(), Secret::new(value)));
        Some(Shown::Queries(pairs.collect()))
    }

    /// What can stand in a header: a token that cannot was copied wrong, wherever it is shown.
    fn header_value(&mut self, text: &str) -> Option<HeaderValue> {
        let Ok(mut value) = HeaderValue::try_from(text) else {
            let diagnostic =
                Diagnostic::at(&self.place(&["enrich", "token"]), "`enrich.token` holds a line break or the like");
            self.diagnostics.push(diagnostic.hint("copy the token again, without what stands around it"));
            return None;
        };
        value.set_sensitive(true);
        Some(value)
    }

    /// A template for each step, so that a value can never become several.
    fn path(&mut self, spec: &EnrichSpec) -> Vec<Template> {
        let path = spec.path.as_deref().unwrap_or("");
        let mut made = Vec::new();
        for step in steps(path) {
            let template = self.template(&["enrich", "path"], step);
            let outside = step.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest));
            if matches!(step, "." | "..") || outside.into_iter().any(|text| text.contains(['?', '#'])) {
                let message = format!("`{step}` cannot stand in `enrich.path`");
                let diagnostic = Diagnostic::at(&self.place(&["enrich", "path"]), message);
                self.diagnostics
                    .push(diagnostic.hint("parameters stand under `query`; `.` and `..` mean nothing here"));
            }
            made.push(template);
        }
        made
    }

    fn check_names(&mut self, spec: &EnrichSpec) {
        let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.is_empty();
        if spec.into.as_deref().is_some_and(|into| !is_name(into)) {
            let diagnostic =
                Diagnostic::at(&self.place(&["enrich", "into"]), "`enrich.into` is one name: letters, digits, _");
            self.diagnostics.push(diagnostic.hint("`lead` makes it `event.lead`"));
        }
        if let Some(take) = spec.take.as_deref().filter(|take| take.contains(['[', ']', ' ', '{'])) {
            let diagnostic =
                Diagnostic::at(&self.place(&["enrich", "take"]), format!("`{take}` is not a path of names with dots"));
            self.diagnostics.push(diagnostic.hint("as data.person; what is in a list is picked where it is used"));
        }
    }

    fn template(&mut self, path: &[&str], source: &str) -> Template {
        Template::compile_over(source, &OF_AN_EVENT).unwrap_or_else(|broken| {
            self.broken(path, broken, source);
            Template::Fixed(String::new())
        })
    }
}

/// The steps of a path; a slash inside braces parts nothing.
fn steps(path: &str) -> Vec<&str> {
    let (mut steps, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                steps.push(path.get(start..at).unwrap_or(""));
                start = at + 1;
            }
            _ => {}
        }
    }
    steps.push(path.get(start..).unwrap_or(""));
    steps.into_iter().map(str::trim).filter(|step| !step.is_empty()).collect()
}

/// The token and, where it is several values, each of them; where there is none, what the base has in its place: its steps, the shortest apart, which are words.
fn secrets(spec: &EnrichSpec) -> Secrets {
    if spec.wants_token() {
        let token = spec.token.as_deref();
        let is_several = matches!(spec.auth, Some(TokenSpec::Form(TokenForm::Queries(_))));
        let values = token.into_iter().filter(|_| is_several).flat_map(|token| token.split(':'));
        return Secrets::new(token.into_iter().chain(values));
    }
    let base = spec.base.as_deref().unwrap_or("");
    let path = base.split_once("://").map_or(base, |(_, rest)| rest).split(['/', '?', '=', '&']).skip(1);
    Secrets::new(path.filter(|step| step.len() >= SECRET_STEP))
}
