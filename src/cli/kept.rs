//! An event that a running relay has kept, taken as the routes of this directory would take it now.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::operate::Admin;
use super::{Setting, complain};
use crate::clock::Timestamp;
use crate::event::NewEvent;
use crate::event::lookup::KeptEvent;
use crate::route::Route;
use crate::route::complete::call_of;

/// The event by its sender's id, or by `#` and its number; as several if its body turns out to hold several.
pub fn events(named: &str, admin: Option<&str>, route: &Route, setting: &Setting) -> anyhow::Result<Vec<NewEvent>> {
    let story = Admin::of(admin, setting)?.event(named)?;
    let text = |key: &str| story.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("erased_at").is_empty() {
        bail!("what event `{named}` held was erased on {}; try another one", text("erased_at"));
    }
    if text("route") != route.name {
        complain(&format!("the event came by route `{}`; this is what `{}` makes of it", text("route"), route.name));
    }
    let body = story.get("body").unwrap_or(&Value::Null);
    let is_undecoded = !text("fault").is_empty();
    let kept = KeptEvent {
        id: text("id").to_owned(),
        kind: text("type").to_owned(),
        received_at: moment(text("received_at"))?,
        body: body.as_str().filter(|_| is_undecoded).map_or_else(|| body.to_string(), ToOwned::to_owned).into(),
        envelope: story.get("envelope").map(Value::to_string).unwrap_or_default(),
    };
    if !is_undecoded {
        return Ok(vec![route.take_again(&kept, ["waiting", "failed"].contains(&text("lookup")))]);
    }
    if kept.body.is_empty() {
        bail!("event `{named}` could not be decoded, and its body was not kept: {}", text("fault"));
    }
    let authentic = route.authentication.assume(call_of(&kept, &route.name));
    let events = route.read(&authentic, kept.received_at);
    events.with_context(|| format!("event `{named}` could not be decoded when it came, and cannot be decoded now"))
}

fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let moment: jiff::Timestamp = text.parse().context("when the relay says that the event came")?;
    Ok(Timestamp(moment.as_millisecond()))
}
