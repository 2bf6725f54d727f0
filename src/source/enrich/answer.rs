//! What the answer of a read call means: what is taken from it, or what follows from there being nothing.

use serde_json::Value as Json;

use super::{Enrichment, Shown};
use crate::event::Outcome;
use crate::map::Scope;
use crate::map::expression::Expression;
use crate::outbound::{Answered, Unanswered, shortened, words};

/// An answer that gives nothing, by what follows from it.
enum Miss {
    /// The call is made again later.
    Later(Why),
    /// It is made again when the token or its permissions are in order.
    UntilFixed(Why),
    /// It is not made again.
    Never(Why),
}

/// Why an answer gives nothing.
enum Why {
    /// In the server's own words; empty where it had none.
    Said(String),
    /// What was seen of it, in words that follow the status.
    Seen(String),
}

impl Miss {
    fn why(&self) -> &Why {
        match self {
            Self::Later(why) | Self::UntilFixed(why) | Self::Never(why) => why,
        }
    }

    fn outcome(&self, answered: &Answered) -> Outcome {
        let reason = self.why().after(answered.status);
        match self {
            Self::Later(_) => Outcome::Transient { reason, retry_after: answered.retry_after },
            Self::UntilFixed(_) => Outcome::Account { reason },
            Self::Never(_) => Outcome::refused(reason),
        }
    }
}

impl Why {
    fn after(&self, status: u16) -> String {
        match self {
            Self::Said(words) if words.is_empty() => status.to_string(),
            Self::Said(words) => shortened(&format!("{status}: {words}")),
            Self::Seen(seen) => format!("{status}{seen}"),
        }
    }
}

impl Enrichment {
    /// What an answer means: what was taken from it, or why there is nothing.
    ///
    /// # Errors
    ///
    /// The outcome of a call that did not give it.
    pub fn judge(&self, answered: &Answered) -> Result<Json, Outcome> {
        self.found(answered).map_err(|miss| miss.outcome(answered))
    }

    fn found(&self, answered: &Answered) -> Result<Json, Miss> {
        let Answered { status, body, broken, cut, .. } = answered;
        let json: Option<Json> = serde_json::from_str(body.trim_start_matches('\u{FEFF}')).ok();
        if let Some(cause) = broken {
            return Err(Miss::Later(Why::Seen(format!(", and the answer broke off: {cause}"))));
        }
        if *cut && (200..300).contains(status) {
            return Err(Miss::Never(Why::Seen(", and the answer is longer than a record may be".into())));
        }
        // some servers repeat what they were shown; a part of a token is one, too, so nothing is cut off before
        let said = || {
            let safe = self.without_secrets(body.clone());
            Why::Said(words(&safe, serde_json::from_str(&safe).ok().as_ref()))
        };
        let scope = Scope::of_answer(*status, json.as_ref());
        let holds = |expression: &Option<Expression>| {
            expression.as_ref().is_some_and(|test| test.eval(&scope).is_ok_and(|value| value.is_true()))
        };
        if holds(&self.hold_when) {
            return Err(Miss::UntilFixed(said()));
        }
        if holds(&self.retry_when) {
            return Err(Miss::Later(said()));
        }
        match status {
            200..=299 if is_fault(json.as_ref()) => Err(Miss::Never(said())),
            200..=299 => {
                let json = json.ok_or_else(|| Miss::Later(Why::Seen(" with an answer that is no JSON".into())))?;
                self.taken(json).map_err(|lack| Miss::Never(Why::Seen(format!(", and {lack}"))))
            }
            401..=403 => Err(Miss::UntilFixed(said())),
            300..=399 | 408 | 425 | 429 | 500.. => Err(Miss::Later(said())),
            _ => Err(Miss::Never(said())),
        }
    }

    /// What is taken from an answer that gives it.
    ///
    /// # Errors
    ///
    /// What the answer lacks.
    pub fn taken(&self, answer: Json) -> Result<Json, String> {
        let mut steps = self.take.iter();
        let found = steps.try_fold(answer, |mut value, step| {
            let place = step.parse::<usize>().ok();
            match &mut value {
                Json::Array(list) => list.get_mut(place?).map(Json::take),
                // a list that was handed over is an answer for each event, and this is one of them
                Json::Object(fields) if place == Some(0) && !fields.contains_key(step) => Some(value),
                _ => value.get_mut(step).map(Json::take),
            }
        });
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
        self.found(&answered).map_err(|miss| {
            let then = match miss {
                Miss::UntilFixed(_) => "the event waits until that is fixed",
                Miss::Later(_) => "it is read again later",
                Miss::Never(_) => "that is the end of it; the event is kept",
            };
            // nobody called: the server's words matter, and not the status
            let why = match miss.why() {
                Why::Said(words) if !words.is_empty() => shortened(words),
                why => why.after(answered.status),
            };
            format!("the read call gives nothing ({why}): {then}")
        })
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
