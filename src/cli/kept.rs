//! An event that a running relay has kept: as the routes of this directory would take it now, and as a call that brings it once more.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::operate::Admin;
use super::{Setting, complain};
use crate::call::Call;
use crate::clock::Timestamp;
use crate::config::source::{SampleSpec, SourceProfileSpec};
use crate::event::lookup::KeptEvent;
use crate::event::{Envelope, NewEvent};
use crate::route::complete::call_of;
use crate::route::{Route, example};

/// An event as the relay has it.
struct Kept {
    event: KeptEvent,
    /// The route that it came by.
    route: String,
    /// Why it could not be decoded, if it could not.
    fault: Option<String>,
    /// Whether a part of it is still to be read.
    rest_is_missing: bool,
}

/// The event by its sender's id, or by `#` and its number.
fn fetched(named: &str, admin: Option<&str>, setting: &Setting) -> anyhow::Result<Kept> {
    let story = Admin::of(admin, setting)?.event(named)?;
    let text = |key: &str| story.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("erased_at").is_empty() {
        bail!("what event `{named}` held was erased on {}; try another one", text("erased_at"));
    }
    let body = story.get("body").unwrap_or(&Value::Null);
    let fault = Some(text("fault").to_owned()).filter(|fault| !fault.is_empty());
    let as_it_came = body.as_str().filter(|_| fault.is_some());
    let event = KeptEvent {
        id: text("id").to_owned(),
        kind: text("type").to_owned(),
        received_at: moment(text("received_at"))?,
        body: as_it_came.map_or_else(|| body.to_string(), ToOwned::to_owned).into(),
        envelope: story.get("envelope").map(Value::to_string).unwrap_or_default(),
    };
    if let Some(fault) = fault.as_ref().filter(|_| event.body.is_empty()) {
        bail!("event `{named}` could not be decoded, and its body was not kept: {fault}");
    }
    let rest_is_missing = ["waiting", "failed"].contains(&text("lookup"));
    Ok(Kept { event, route: text("route").to_owned(), fault, rest_is_missing })
}

/// The event as a route takes it; as several if its body turns out to hold several.
pub fn events(named: &str, admin: Option<&str>, route: &Route, setting: &Setting) -> anyhow::Result<Vec<NewEvent>> {
    let kept = fetched(named, admin, setting)?;
    if kept.route != route.name {
        complain(&format!("the event came by route `{}`; this is what `{}` makes of it", kept.route, route.name));
    }
    if kept.fault.is_none() {
        return Ok(vec![route.take_again(&kept.event, kept.rest_is_missing)]);
    }
    let authentic = route.authentication.assume(call_of(&kept.event, &route.name));
    let events = route.read(&authentic, kept.event.received_at);
    events.with_context(|| format!("event `{named}` could not be decoded when it came, and cannot be decoded now"))
}

/// Headers of the call that an event came with, and that belong to its bytes then.
const OF_BYTES: [&str; 7] =
    ["content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "expect", "host"];

/// A call, unsigned, by which the event would come to a route.
pub fn call(
    named: &str,
    admin: Option<&str>,
    (route, profile_spec): (&Route, &SourceProfileSpec),
    setting: &Setting,
) -> anyhow::Result<Call> {
    let Kept { event, fault, .. } = fetched(named, admin, setting)?;
    if fault.is_some() {
        return Ok(call_of(&event, &route.name));
    }
    let body = serde_json::from_slice(&event.body).context("what the relay has of the event")?;
    let Envelope { headers, query, .. } = serde_json::from_str(&event.envelope).unwrap_or_default();
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let headers = headers.iter().filter(|(key, _)| !OF_BYTES.contains(&key.to_lowercase().as_str()));
    let sample = SampleSpec {
        body,
        headers: headers.filter_map(text).collect(),
        query: query.iter().filter_map(text).collect(),
        ..SampleSpec::default()
    };
    let call = example::call_of(&sample, profile_spec);
    let events = route.read(&route.authentication.assume(call.clone()), event.received_at);
    if !events.is_ok_and(|events| events.len() == 1) {
        bail!(
            "route `{}` does not take event `{named}` as a call by itself: it came in another form, or with others; \
             `serri-relay try {} --event '{named}'` shows what comes of it",
            route.name,
            route.name
        );
    }
    Ok(call)
}

fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let moment: jiff::Timestamp = text.parse().context("when the relay says that the event came")?;
    Ok(Timestamp(moment.as_millisecond()))
}
