//! The read call that gives what an event leaves out: which call, and what its answer means.
//!
//! Described as data (`enrich:`), compiled here, made by [`crate::deliver`]. Nothing here does I/O.

mod answer;
mod compile;

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::{Request, Url};
use serde_json::Value as Json;

use crate::config::unit::Rate;
use crate::map::expression::Expression;
use crate::map::template::Template;
use crate::map::{Scope, text};
use crate::mask::Secrets;
use crate::secret::Secret;

pub use answer::missing;

/// A read call, ready to be made for events.
#[derive(Debug)]
pub struct Enrichment {
    when: Option<Expression>,
    method: http::Method,
    base: Url,
    path: Vec<Template>,
    query: Vec<(String, Template)>,
    shown: Shown,
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
    Header(HeaderName, HeaderValue),
    Queries(Vec<(String, Secret)>),
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
            let steps = url.path_segments_mut();
            steps.map_err(|()| "`enrich.base` cannot have a path".to_owned())?.pop_if_empty().push(&step);
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

    /// Tells whom it calls, and by which token, from another.
    pub fn key_fingerprint(&self) -> i64 {
        let token = match &self.shown {
            Shown::Nowhere => String::new(),
            Shown::Header(name, value) => format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
            Shown::Queries(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| [name, "=", value.expose()].concat());
                pairs.collect::<Vec<_>>().join("&")
            }
        };
        Secret::new(format!("{}\n{token}", self.base)).fingerprint()
    }

    /// The call itself.
    pub fn request(&self, url: &Url) -> Request {
        let mut request = Request::new(self.method.clone(), url.clone());
        request.headers_mut().insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Header(name, value) => drop(request.headers_mut().insert(name.clone(), value.clone())),
            Shown::Queries(pairs) => pairs.iter().for_each(|(name, value)| {
                request.url_mut().query_pairs_mut().append_pair(name, value.expose());
            }),
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

    /// Lets a sample's answer stand for those that cannot be asked for yet: the first that is for one event. Only for the
    /// sandbox.
    pub fn stand_in<'a>(&mut self, mut answers: impl Iterator<Item = &'a Json>) {
        if self.is_unset {
            let one = |answer: &'a Json| match answer {
                Json::Array(list) => list.first().filter(|only| list.len() == 1 && only.is_object()),
                answer => Some(answer).filter(|answer| answer.is_object()),
            };
            self.stand_in = answers.find_map(one).cloned();
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
