//! The read call that gives what an event leaves out: which call, and what its answer means.
//!
//! Described as data (`enrich:`), compiled here, made by [`crate::deliver`]. Nothing here does I/O.

mod compile;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::{Request, Url};
use serde_json::Value as Json;

use crate::config::unit::Rate;
use crate::event::Outcome;
use crate::map::expression::Expression;
use crate::map::template::Template;
use crate::map::{Scope, text};
use crate::mask::Secrets;
use crate::outbound::{Answered, Unanswered, reason};
use crate::secret::Secret;

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
    secrets: Secrets,
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
        self.when.as_ref().is_none_or(|when| when.eval(scope).is_ok_and(|value| value.is_true()))
    }

    /// The URL for an event, without the token: equal for events about the same record.
    ///
    /// # Errors
    ///
    /// What the event lacks.
    pub fn url(&self, scope: &Scope) -> Result<Url, String> {
        let mut url = self.base.clone();
        for template in &self.path {
            let step = template.text(scope).map_err(|error| format!("`enrich.path`: {error}"))?;
            // the URL would lose these
            if matches!(step.as_str(), "." | "..") || step.chars().any(char::is_control) {
                return Err(format!("`enrich.path`: `{}` is not a step of a path", step.escape_debug()));
            }
            // `check` has seen to it that the base can have a path
            if let Ok(mut steps) = url.path_segments_mut() {
                steps.pop_if_empty().push(&step);
            }
        }
        for (name, template) in &self.query {
            match template.text(scope) {
                Ok(value) if text::is_blank(&value) => {}
                Ok(value) => drop(url.query_pairs_mut().append_pair(name, &value)),
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

    /// What proves the caller.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// A text of the server's without what proved the caller.
    pub fn without_secrets(&self, text: String) -> String {
        match self.secrets.hide(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(hidden) => hidden,
        }
    }

    /// What an answer means: what was taken from it, or why there is nothing.
    ///
    /// # Errors
    ///
    /// The outcome of a call that did not give it.
    pub fn judge(&self, answered: &Answered) -> Result<Json, Outcome> {
        let Answered { status, retry_after, body, broken, cut } = answered;
        let json: Option<Json> = serde_json::from_str(body.trim_start_matches('\u{FEFF}')).ok();
        let later = |reason: String| Outcome::Transient { reason, retry_after: *retry_after };
        if let Some(cause) = broken {
            return Err(later(format!("{status}, and the answer broke off: {cause}")));
        }
        if *cut && (200..300).contains(status) {
            return Err(Outcome::refused(format!("{status}, and the answer is longer than a record may be")));
        }
        // some servers repeat what they were shown; a part of a token is one, too, so nothing is cut off before
        let said = || {
            let safe = self.without_secrets(body.clone());
            reason(*status, &safe, serde_json::from_str(&safe).ok().as_ref())
        };
        let scope = Scope::of_answer(*status, json.as_ref());
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
            200..=299 if is_fault(json.as_ref()) => Err(Outcome::refused(said())),
            200..=299 => {
                let json = json.ok_or_else(|| later(format!("{status} with an answer that is no JSON")))?;
                self.taken(json).map_err(|reason| Outcome::refused(format!("{status}, and {reason}")))
            }
            401..=403 => Err(Outcome::Account { reason: said() }),
            300..=399 | 408 | 425 | 429 | 500.. => Err(later(said())),
            _ => Err(Outcome::refused(said())),
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
        let found = found.filter(|found| {
            found.as_object().is_some_and(|map| !map.is_empty())
                || found.as_array().is_some_and(|list| !list.is_empty())
        });
        // some servers repeat the token in the addresses of their answers (`paging.next` of Meta's)
        let found = found.map(|mut found| {
            // steps of a base may be words that stand in the record, too
            if !matches!(self.shown, Shown::Nowhere) {
                self.secrets.hide_in(&mut found);
            }
            found
        });
        let what = if self.take.is_empty() { "record".to_owned() } else { format!("`{}`", self.take.join(".")) };
        found.ok_or_else(|| format!("there is no {what} in the answer"))
    }

    /// What is taken from an answer of which the body alone is known.
    ///
    /// # Errors
    ///
    /// What would happen instead.
    pub fn read(&self, answer: Json) -> Result<Json, String> {
        let answered = Answered { status: 200, retry_after: None, body: answer.to_string(), broken: None, cut: false };
        self.judge(&answered).map_err(|outcome| {
            let then = match &outcome {
                Outcome::Account { .. } => "the event waits until that is fixed",
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

/// A success that says of itself that it is none.
fn is_fault(json: Option<&Json>) -> bool {
    json.and_then(|json| json.get("error")).is_some_and(|error| match error {
        Json::Null | Json::Bool(false) => false,
        Json::Bool(true) => true,
        Json::Number(number) => number.as_i64() != Some(0),
        Json::String(text) => !matches!(text.as_str(), "" | "0"),
        Json::Array(list) => !list.is_empty(),
        Json::Object(map) => !map.is_empty(),
    })
}

/// What a missing answer means for a call that only reads: it may be made again.
pub fn missing(error: &Unanswered) -> Outcome {
    let reason = error.to_string();
    match error {
        Unanswered::Unmade(_) => Outcome::refused(reason),
        Unanswered::Unreached(_) | Unanswered::Lost(_) => Outcome::Transient { reason, retry_after: None },
    }
}
