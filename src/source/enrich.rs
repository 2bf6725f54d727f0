//! The read call that gives what an event leaves out: which call, and what its answer means.
//!
//! Described as data (`enrich:`), compiled here, made by [`crate::deliver`]. Nothing here does I/O.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::{Request, Url};
use serde_json::Value as Json;

use super::compiler::Compiler;
use crate::config::enrich::{EnrichSpec, TokenForm, TokenKeyword, TokenSpec};
use crate::config::fault::Fault;
use crate::config::unit::{PerSecond, Rate};
use crate::event::Outcome;
use crate::map::expression::{EvalError, Expression, to_value};
use crate::map::template::Template;
use crate::map::{Scope, text};
use crate::outbound::{Answered, Unanswered, reason, without};
use crate::secret::Secret;

/// How many calls a route makes if nothing is said.
const RATE: Rate = Rate(Some(PerSecond { count: 10, every: Duration::from_secs(1) }));

/// Steps of a path that are shorter are no secrets: `rest`, `v1`, a user's number.
const SECRET_STEP: usize = 8;

/// What expressions over an answer see.
const OF_AN_ANSWER: [&str; 2] = ["status", "answer"];

/// A read call, ready to be made for events.
#[derive(Debug)]
pub struct Enrichment {
    when: Option<Expression>,
    method: http::Method,
    base: Url,
    path: Vec<Template>,
    query: Vec<(String, Template)>,
    shown: Shown,
    token: Secret,
    /// What must not be seen, in logs or in answers that are kept.
    secrets: Vec<Secret>,
    take: Vec<String>,
    into: String,
    retry_when: Option<Expression>,
    hold_when: Option<Expression>,
    /// What a route has to add is not there yet: no call is made until it is.
    pub is_unset: bool,
    /// What stands for the answer meanwhile, where nothing can reach anybody.
    stand_in: Option<Json>,
    /// How many calls may be made.
    pub rate: Rate,
    /// How long an answer serves other events.
    pub cache: Duration,
}

/// How the token is shown.
#[derive(Debug)]
enum Shown {
    Nowhere,
    Header(HeaderName, &'static str),
    Query(String),
}

impl Enrichment {
    /// Whether an event needs it.
    pub fn applies(&self, scope: &Scope) -> bool {
        self.when.as_ref().is_none_or(|when| when.eval(scope.value()).is_ok_and(|value| value.is_true()))
    }

    /// The URL for an event, without the token: equal for events about the same record.
    ///
    /// # Errors
    ///
    /// What the event lacks.
    pub fn url(&self, scope: &Scope) -> Result<Url, String> {
        let mut url = self.base.clone();
        for template in &self.path {
            let step = template.text(scope.value()).map_err(|error| format!("`enrich.path`: {error}"))?;
            // the URL would lose these two
            if matches!(step.as_str(), "." | "..") {
                return Err(format!("`enrich.path`: `{step}` is no step of a path"));
            }
            // `check` has seen to it that the base can have a path
            if let Ok(mut steps) = url.path_segments_mut() {
                steps.pop_if_empty().push(&step);
            }
        }
        for (name, template) in &self.query {
            match template.text(scope.value()) {
                Ok(value) if text::is_blank(&value) => {}
                Ok(value) => drop(url.query_pairs_mut().append_pair(name, &value)),
                Err(EvalError::Missing(_)) => {}
                Err(error) => return Err(format!("`enrich.query.{name}`: {error}")),
            }
        }
        Ok(url)
    }

    /// The URL as people may see it.
    pub fn shown(&self, url: &Url) -> String {
        match self.shown {
            // the base proves the caller: it is not shown
            Shown::Nowhere => {
                let base = self.base.as_str().trim_end_matches('/');
                format!("(enrich.base){}", url.as_str().strip_prefix(base).unwrap_or(""))
            }
            _ => url.to_string(),
        }
    }

    /// The call itself.
    pub fn request(&self, url: &Url) -> Request {
        let mut request = Request::new(self.method.clone(), url.clone());
        request.headers_mut().insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Header(name, prefix) => {
                // `check` has seen to it that it can stand in a header
                if let Ok(mut value) = HeaderValue::try_from(format!("{prefix}{}", self.token.expose().trim())) {
                    value.set_sensitive(true);
                    request.headers_mut().insert(name.clone(), value);
                }
            }
            Shown::Query(name) => {
                request.url_mut().query_pairs_mut().append_pair(name, self.token.expose().trim());
            }
        }
        request
    }

    /// An answer without what proved the caller.
    pub fn without_secrets(&self, answered: Answered) -> Answered {
        Answered { body: without(answered.body, &self.secrets), ..answered }
    }

    /// What an answer means: what was taken from it, or why there is nothing.
    ///
    /// # Errors
    ///
    /// The outcome of a call that did not give it.
    pub fn judge(&self, answered: &Answered) -> Result<Json, Outcome> {
        let Answered { status, retry_after, body, broken } = answered;
        let json: Option<Json> = serde_json::from_str(body.trim_start_matches('\u{FEFF}')).ok();
        let later = |reason: String| Outcome::Transient { reason, retry_after: *retry_after };
        if let Some(cause) = broken {
            return Err(later(format!("{status}, and the answer broke off: {cause}")));
        }
        let said = || reason(*status, body, json.as_ref());
        let scope = minijinja::context! { status, answer => json.as_ref().map(to_value) };
        let holds = |expression: &Option<Expression>| {
            expression.as_ref().is_some_and(|test| test.eval(&scope).is_ok_and(|value| value.is_true()))
        };
        if holds(&self.hold_when) {
            return Err(Outcome::Account { reason: said() });
        }
        if holds(&self.retry_when) {
            return Err(later(said()));
        }
        match status {
            200..=299 => {
                let json = json.ok_or_else(|| later(format!("{status} with an answer that is no JSON")))?;
                self.taken(json).map_err(|reason| Outcome::Refused { reason: format!("{status}, and {reason}") })
            }
            401..=403 => Err(Outcome::Account { reason: said() }),
            300..=399 | 408 | 425 | 429 | 500.. => Err(later(said())),
            _ => Err(Outcome::Refused { reason: said() }),
        }
    }

    /// What is taken from an answer that gives it.
    ///
    /// # Errors
    ///
    /// What the answer lacks.
    pub fn taken(&self, answer: Json) -> Result<Json, String> {
        let mut steps = self.take.iter();
        let found = steps.try_fold(answer, |mut value, step| value.get_mut(step).map(Json::take));
        let found = found.filter(|found| !found.is_null());
        found.ok_or_else(|| format!("there is no `{}` in the answer", self.take.join(".")))
    }

    /// What is taken from an answer of which the body alone is known.
    ///
    /// # Errors
    ///
    /// What would happen instead.
    pub fn read(&self, answer: Json) -> Result<Json, String> {
        let answered = Answered { status: 200, retry_after: None, body: answer.to_string(), broken: None };
        self.judge(&answered).map_err(|outcome| {
            let then = match &outcome {
                Outcome::Account { .. } => "the event waits until that is mended",
                Outcome::Transient { .. } => "it is read again later",
                _ => "that is the end of it; the event is kept",
            };
            let said = outcome.reason();
            format!("the read call gives nothing ({}): {then}", said.strip_prefix("200: ").unwrap_or(said))
        })
    }

    /// Lets a sample's answer stand for those that cannot be asked for yet: the first that is for one event. Only for the
    /// sandbox.
    pub fn stand_in<'a>(&mut self, mut answers: impl Iterator<Item = &'a Json>) {
        if self.is_unset {
            self.stand_in = answers.find(|answer| answer.is_object()).cloned();
        }
    }

    /// What stands for the answer.
    pub fn stand_in_answer(&self) -> Option<&Json> {
        self.stand_in.as_ref()
    }

    /// An event with what was found.
    pub fn enrich(&self, event: &mut Json, found: Json) {
        if let Json::Object(fields) = event {
            fields.insert(self.into.clone(), found);
        }
    }
}

/// The token; where there is none, what the base has in its place: its steps, the shortest apart, which are words.
fn secrets(spec: &EnrichSpec) -> Vec<Secret> {
    if spec.wants_token() {
        return spec.token.iter().map(Secret::new).collect();
    }
    let base = spec.base.as_deref().unwrap_or("");
    let path = base.split_once("://").map_or(base, |(_, rest)| rest).split(['/', '?', '=', '&']).skip(1);
    path.filter(|step| step.len() >= SECRET_STEP).map(Secret::new).collect()
}

/// What a missing answer means for a call that only reads: it may be made again.
pub fn missing(error: &Unanswered) -> Outcome {
    let reason = error.to_string();
    match error {
        Unanswered::Unmade(_) => Outcome::Refused { reason },
        Unanswered::Unreached(_) | Unanswered::Lost(_) => Outcome::Transient { reason, retry_after: None },
    }
}

impl Compiler<'_> {
    /// Compiles `enrich:`. `None` with faults, and if it lacks what a route has to add: that is a fault if the route has an
    /// `enrich` of its own.
    pub fn enrichment(&mut self, spec: Option<&EnrichSpec>) -> Option<Enrichment> {
        let spec = spec?;
        let before = self.faults.len();
        let asked = matches!(self.files, [route, _source] if route.get("enrich").is_some());
        let (base, token) =
            if asked || spec.is_complete() { (self.base(spec), self.token(spec)) } else { (None, Secret::new("")) };
        let shown = self.shown(spec);
        let into = self.wanted(spec, "into", spec.into.as_ref());
        let path = self.path(spec);
        let query = spec
            .query
            .iter()
            .flatten()
            .map(|(name, source)| (name.clone(), self.template(&["enrich", "query", name], source)));
        let query: Vec<_> = query.collect();
        let when = self.one(&["enrich", "when"], spec.when.as_ref());
        let mut over_answer = |key: &str, source: &Option<String>| {
            let source = source.as_ref()?;
            let compiled = Expression::compile_over(source, &OF_AN_ANSWER);
            compiled.map_err(|broken| self.broken(&["enrich", key], broken, source)).ok()
        };
        let (retry_when, hold_when) =
            (over_answer("retry_when", &spec.retry_when), over_answer("hold_when", &spec.hold_when));
        if self.faults.len() > before {
            return None;
        }
        Some(Enrichment {
            when,
            method: spec.method.map_or(http::Method::GET, crate::config::source::Method::http),
            base: base?,
            path,
            query,
            shown: shown?,
            secrets: secrets(spec),
            token,
            take: spec.take.as_deref().map(super::steps).unwrap_or_default(),
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
            let fault = Fault::at(&self.place(&["enrich"]), format!("`enrich` has no `{key}`"));
            let hint = spec.needs.get(key).cloned();
            let other = "the source has no read call of its own: describe all of it (docs/ADDING-A-SOURCE.md), or leave `enrich` out";
            self.faults.push(fault.hint(hint.unwrap_or_else(|| other.to_owned())));
        }
        value.cloned()
    }

    fn base(&mut self, spec: &EnrichSpec) -> Option<Url> {
        let base = self.wanted(spec, "base", spec.base.as_ref())?;
        let url = base.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            // it may hold a secret: it is not repeated
            let fault = Fault::at(&self.place(&["enrich", "base"]), "`enrich.base` is no URL");
            self.faults.push(fault.hint("as https://api.example.com/v1"));
        }
        url
    }

    fn token(&mut self, spec: &EnrichSpec) -> Secret {
        if !spec.wants_token() {
            return Secret::new("");
        }
        let token = Secret::new(self.wanted(spec, "token", spec.token.as_ref()).unwrap_or_default());
        if HeaderValue::try_from(token.expose().trim()).is_err() {
            let fault = Fault::at(&self.place(&["enrich", "token"]), "`enrich.token` holds a line break or the like");
            self.faults.push(fault.hint("copy the token again, without what stands around it"));
        }
        token
    }

    fn shown(&mut self, spec: &EnrichSpec) -> Option<Shown> {
        match &spec.auth {
            None | Some(TokenSpec::Keyword(TokenKeyword::Bearer)) => {
                Some(Shown::Header(http::header::AUTHORIZATION, "Bearer "))
            }
            Some(TokenSpec::Keyword(TokenKeyword::None)) => Some(Shown::Nowhere),
            Some(TokenSpec::Form(TokenForm::Query(name))) => Some(Shown::Query(name.clone())),
            Some(TokenSpec::Form(TokenForm::Header(name))) => match HeaderName::try_from(name) {
                Ok(name) => Some(Shown::Header(name, "")),
                Err(_) => {
                    let fault = Fault::at(&self.place(&["enrich", "auth"]), format!("`{name}` is no header name"));
                    self.faults.push(fault);
                    None
                }
            },
        }
    }

    /// A template for each step, so that a value can never become several.
    fn path(&mut self, spec: &EnrichSpec) -> Vec<Template> {
        let path = spec.path.as_deref().unwrap_or("");
        let steps: Vec<&str> = path.split('/').filter(|step| !step.trim().is_empty()).collect();
        steps.into_iter().map(|step| self.template(&["enrich", "path"], step.trim())).collect()
    }

    fn template(&mut self, path: &[&str], source: &str) -> Template {
        Template::compile(source).unwrap_or_else(|broken| {
            self.broken(path, broken, source);
            Template::Fixed(String::new())
        })
    }
}
