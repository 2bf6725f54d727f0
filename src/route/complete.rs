//! Events of which a part has to be read from their sender's API: which call that is, and what comes of its answer.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;
use serde_json::{Map, Value as Json};

use super::Route;
use crate::call::Call;
use crate::event::lookup::{KeptEvent, LookupNextStep};
use crate::event::{Envelope, Event, Made, NewEvent};
use crate::map::Scope;
use crate::source::Ambiguity;

/// An event with all that was read of it.
struct Whole {
    body: Vec<u8>,
    made: Made,
    test: bool,
}

impl Route {
    /// Whether an event has to be looked up before the rules can be applied. Where there are no rules, nothing has to.
    pub(super) fn needs_lookup(&self, scope: &Scope) -> bool {
        !self.rules.is_empty() && self.profile.enrichment.as_ref().is_some_and(|call| call.applies(scope))
    }

    /// The URL of an event's lookup, without the token; `None` if the route makes none (any more).
    ///
    /// # Errors
    ///
    /// What the event lacks for it.
    pub fn lookup_url(&self, event: &KeptEvent) -> Result<Option<Url>, String> {
        let Some(enrichment) = &self.profile.enrichment else { return Ok(None) };
        enrichment.url(&self.scope(event)).map(Some)
    }

    /// The whole event and its sends, from a kept one and what was found for it.
    pub fn complete(&self, event: &KeptEvent, found: Option<Json>) -> LookupNextStep {
        let Whole { body, made, test } = self.whole(event, found);
        let forget = (!made.is_something()).then(|| self.fingerprint(&event.id, &event.kind));
        LookupNextStep::Found { body, made, test, forget }
    }

    /// What the rules make of a kept event as they are now.
    pub fn map_again(&self, event: &KeptEvent) -> Made {
        self.whole(event, None).made
    }

    /// A kept event as if it came now, with what the rules make of it; nothing yet while a part of it is missing.
    pub fn take_again(&self, event: &KeptEvent, rest_is_missing: bool) -> NewEvent {
        let Whole { body, made, test } = self.whole(event, None);
        NewEvent {
            route: self.name.clone(),
            source: self.source.clone(),
            id: event.id.clone(),
            kind: event.kind.clone(),
            fingerprint: self.fingerprint(&event.id, &event.kind),
            window: self.windows.with_id,
            received_at: event.received_at,
            body: body.into(),
            envelope: event.envelope.clone(),
            fault: None,
            test,
            lookup: rest_is_missing,
            made: if rest_is_missing { Made::default() } else { made },
        }
    }

    /// What of the person may be meant otherwise than it is taken.
    pub fn ambiguities(&self, event: &KeptEvent) -> Vec<Ambiguity> {
        self.profile.ambiguities(&self.scope(event))
    }

    fn scope(&self, event: &KeptEvent) -> Scope {
        Scope::of_value(&read(event), &self.profile.scope(&envelope(event)))
    }

    fn whole(&self, event: &KeptEvent, found: Option<Json>) -> Whole {
        let mut value = read(event);
        if let (Some(enrichment), Some(found)) = (&self.profile.enrichment, found) {
            enrichment.enrich(&mut value, found);
        }
        let scope = Scope::of_value(&value, &self.profile.scope(&envelope(event)));
        let contact = self.profile.contact(&scope);
        let window = self.windows.with_id;
        let whole = Event { id: event.id.clone(), kind: event.kind.clone(), value, contact, window };
        let body = whole.value.to_string().into_bytes();
        let allowance = self.allowance(body.len() + event.envelope.len());
        let test = self.profile.is_test(&scope);
        let made = if self.holds_back(test) {
            Made::default()
        } else {
            self.made(&whole, &scope, (event.received_at, allowance))
        };
        Whole { body, made, test }
    }

    /// Completes new events as if their lookups had been answered so: all with one answer, or each with its own of a list.
    ///
    /// # Errors
    ///
    /// What an answer lacks, or that there are too few.
    pub fn complete_all(&self, events: &mut [NewEvent], answers: &Json) -> Result<(), String> {
        for (index, event) in events.iter_mut().enumerate().filter(|(_, event)| event.lookup) {
            let answer = match answers {
                Json::Array(answers) => answers.get(index),
                one => Some(one),
            };
            let answer = answer.ok_or_else(|| format!("there is no answer for event {}", index + 1))?.clone();
            let found = self.profile.enrichment.as_ref().map(|call| call.read(answer)).transpose()?;
            let kept = kept(event);
            let Whole { body, made, test } = self.whole(&kept, found);
            (event.body, event.made, event.test) = (body.into(), made, test);
            event.lookup = false;
        }
        Ok(())
    }
}

/// A new event as it will be kept.
pub fn kept(event: &NewEvent) -> KeptEvent {
    KeptEvent {
        id: event.id.clone(),
        kind: event.kind.clone(),
        received_at: event.received_at,
        body: event.body.to_vec(),
        envelope: event.envelope.clone(),
    }
}

/// The call of a kept event that could not be decoded as it came, without what only its sender should know.
pub fn call_of(event: &KeptEvent, route: &str) -> Call {
    let envelope = envelope(event);
    let mut headers = HeaderMap::new();
    for (name, value) in &envelope.headers {
        let name = name.parse::<HeaderName>().ok();
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        headers.extend(name.zip(value));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &envelope.query {
        query.append_pair(name, value.as_str().unwrap_or(""));
    }
    let uri = format!("/webhooks/{route}?{}", query.finish()).parse().unwrap_or_default();
    Call { method: Method::POST, uri, headers, body: event.body.clone().into(), packed: None }
}

fn envelope(event: &KeptEvent) -> Envelope {
    serde_json::from_str(&event.envelope).unwrap_or_default()
}

/// What the relay wrote itself can be read.
fn read(event: &KeptEvent) -> Json {
    serde_json::from_slice(&event.body).unwrap_or_else(|_| Json::Object(Map::new()))
}
