//! Replays: an event is mapped anew by the rules of now, and nobody gets a second message unless somebody says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::desk::{Answer, Desk, problem, unusable};
use super::input::Body;
use super::selection::Selection;
use crate::call::Call;
use crate::event::act::{Action, Revival};
use crate::event::lookup::EventSeq;
use crate::event::view::{EventStory, Filter, KeptWhole, SendView};
use crate::event::{Envelope, Made, NewEvent, NewSend, State as SendState, Suppression, plain_account};
use crate::route::Route;

/// Which events are replayed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// By the senders' ids, or `#` and their numbers.
    ids: Vec<String>,
    /// Whether it is done; else it is only said what would be.
    #[serde(default)]
    yes: bool,
    /// Whether what went goes once more.
    #[serde(default)]
    again: bool,
}

/// What a replay does for one send.
#[derive(Debug, Serialize)]
struct Step {
    event: String,
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// `send`, `change`, `skip` or `fail`.
    does: &'static str,
    why: String,
}

/// All that a replay of one event does.
#[derive(Default)]
struct Plan {
    steps: Vec<Step>,
    revivals: Vec<Revival>,
    actions: Vec<Action>,
    /// What a body that could not be decoded before turns out to be.
    events: Vec<NewEvent>,
    route: Option<String>,
    /// Whether what went goes once more.
    again: bool,
}

/// `POST /api/v1/events/replay`
pub async fn events(State(desk): State<Arc<Desk>>, Body(chosen): Body<Chosen>) -> Answer<Json<Value>> {
    let (mut steps, mut replayed) = (Vec::new(), 0);
    for id in chosen.ids.iter().collect::<BTreeSet<_>>() {
        let story = desk.archive.event(id.clone()).await.map_err(unusable)?;
        let story = story.ok_or_else(|| problem(StatusCode::NOT_FOUND, format!("there is no event `{id}`")))?;
        if story.event.id == *id {
            is_one(&desk, id).await?;
        }
        let plan = plan(&desk, &story, &|_| true, chosen.again).await?;
        replayed += if chosen.yes { carry_out(&desk, &plan).await? } else { 0 };
        steps.extend(plan.steps);
    }
    Ok(Json(json!({ "steps": steps, "replayed": replayed })))
}

/// An id that several events have, as those of two senders, is no good name.
async fn is_one(desk: &Desk, id: &str) -> Answer<()> {
    let same = Filter { event: Some(id.to_owned()), limit: Some(10), ..Filter::default() };
    let found = desk.archive.events(same).await.map_err(unusable)?.items;
    if found.len() < 2 {
        return Ok(());
    }
    let numbers: Vec<String> =
        found.iter().map(|event| format!("#{} (route `{}`)", event.number, event.route)).collect();
    let detail = format!("several events have the id `{id}`: {}; name one by # and its number", numbers.join(", "));
    Err(problem(StatusCode::CONFLICT, detail))
}

/// `POST /api/v1/sends/replay`
pub async fn sends(State(desk): State<Arc<Desk>>, Body(selection): Body<Selection>) -> Answer<Json<Value>> {
    let found = selection.find(&desk, None).await?;
    let (mut steps, mut replayed) = (Vec::new(), 0);
    for send in found {
        let name = format!("#{}", send.event_number);
        let Some(story) = desk.archive.event(name).await.map_err(unusable)? else { continue };
        let alone = EventStory { made: vec![send.clone()], ..story };
        let plan = plan(&desk, &alone, &|new| is_of(&send, new), selection.again).await?;
        replayed += if selection.yes { carry_out(&desk, &plan).await? } else { 0 };
        steps.extend(plan.steps);
    }
    Ok(Json(json!({ "steps": steps, "replayed": replayed })))
}

/// Whether a new send is what a kept one would be now.
fn is_of(send: &SendView, new: &NewSend) -> bool {
    let same_person = new
        .content
        .as_ref()
        .map_or(true, |content| send.destination.is_empty() || content.destination == send.destination);
    send.rule == new.rule && same_person
}

async fn plan(
    desk: &Desk,
    story: &EventStory,
    wanted: &(dyn Fn(&NewSend) -> bool + Sync),
    again: bool,
) -> Answer<Plan> {
    let number = story.event.number;
    let missing = || problem(StatusCode::NOT_FOUND, format!("there is no event #{number}"));
    let kept = desk.archive.kept(number).await.map_err(unusable)?.ok_or_else(missing)?;
    let Some(route) = desk.routes.get(&kept.route) else {
        let detail = format!("event `{}` came by route `{}`, which there is no more", kept.event.id, kept.route);
        return Err(problem(StatusCode::CONFLICT, detail));
    };
    let mut plan = Plan { route: Some(kept.route.clone()), again, ..Plan::default() };
    if kept.fault.is_some() {
        return read_again(route, &kept, plan, desk);
    }
    if kept.is_unread {
        plan.steps.push(step(
            &kept,
            "",
            None,
            "send",
            "what was not read of the event is read; its sends come of that",
        ));
        plan.actions.push(Action::LookUpAgain(EventSeq(number)));
        return Ok(plan);
    }
    let Made { sends, suppressions, .. } = route.map_again(&kept.event);
    plan.suppress(&kept, &story.made, suppressions);
    let mut old: Vec<&SendView> = story.made.iter().collect();
    for send in sends.into_iter().filter(|send| wanted(send)) {
        let same = old.iter().position(|old| is_of(old, &send)).map(|position| old.remove(position));
        let barrier = barrier(desk, &send, same).await?;
        plan.add(&kept, send, same, barrier);
    }
    for gone in old {
        plan.steps.push(step(
            &kept,
            &gone.rule,
            Some(&gone.destination),
            "skip",
            "its rule makes nothing of the event now",
        ));
    }
    Ok(plan)
}

/// Why a send that begins anew would come to its end at once.
async fn barrier(desk: &Desk, send: &NewSend, old: Option<&SendView>) -> Answer<Option<String>> {
    let Ok(content) = &send.content else { return Ok(None) };
    if let Some(at) = content.wishes.expires_at.filter(|at| *at <= desk.clock.now()) {
        return Ok(Some(format!("its time was over at {at}")));
    }
    let may_be_suppressed = old.is_none_or(|old| old.state == SendState::Suppressed);
    if content.wishes.terms.even_if_suppressed || !may_be_suppressed {
        return Ok(None);
    }
    let story = desk.archive.suppression(content.destination.clone()).await.map_err(unusable)?;
    let account = plain_account(&send.account);
    let found = story.suppressions.into_iter().find(|entry| entry.account == "*" || entry.account == account);
    Ok(found.map(|entry| format!("the number must not be messaged: {}", entry.reason)))
}

fn step(kept: &KeptWhole, rule: &str, destination: Option<&str>, does: &'static str, why: &str) -> Step {
    Step {
        event: kept.event.id.clone(),
        rule: rule.to_owned(),
        destination: destination.map(ToOwned::to_owned),
        does,
        why: why.to_owned(),
    }
}

impl Plan {
    /// What a rule did with a number it does not do once more: the person may have thought otherwise since.
    fn suppress(&mut self, kept: &KeptWhole, made: &[SendView], changes: Vec<Suppression>) {
        for change in changes {
            let rule = change.reason.trim_start_matches("rule `").trim_end_matches('`');
            let failed = made.iter().any(|send| send.rule == rule && send.state == SendState::Failed);
            let what = if change.add {
                "the number must not be messaged from then on"
            } else {
                "the number may be messaged again"
            };
            if failed || self.again {
                self.steps.push(step(kept, rule, Some(&change.number), "change", what));
                self.actions.push(Action::Suppress(vec![change]));
            } else {
                let why = format!("{what}: it was done, and may have been changed since; --again does it once more");
                self.steps.push(step(kept, rule, Some(&change.number), "skip", &why));
            }
        }
    }

    fn add(&mut self, kept: &KeptWhole, send: NewSend, old: Option<&SendView>, barrier: Option<String>) {
        let again = self.again;
        let destination = send.content.as_ref().ok().map(|content| content.destination.clone());
        let rule = send.rule.clone();
        let mut say = |does, why: String| self.steps.push(step(kept, &rule, destination.as_deref(), does, &why));
        if let Err(reason) = &send.content {
            return say("fail", reason.clone());
        }
        let event = EventSeq(kept.number);
        let goes_on = old.is_some_and(|old| matches!(old.state, SendState::Waiting | SendState::Sending));
        if let Some(barrier) = barrier.filter(|_| !goes_on) {
            return say("skip", barrier);
        }
        let Some(old) = old else {
            say("send", "it was never made".into());
            return self.revivals.push(Revival::New { event, send, again: false });
        };
        let id = old.id;
        match old.state {
            SendState::Waiting | SendState::Sending => say("skip", format!("send {id} is on its way")),
            SendState::Sent if old.gone_at.is_none() => {
                say("send", format!("send {id} reached nobody: a dry run, or a detour"));
                self.revivals.push(Revival::Again { id, attempts: old.attempts, state: old.state, send });
            }
            SendState::Sent if again => {
                say("send", format!("send {id} went at {}, and goes once more", old.changed_at));
                self.revivals.push(Revival::New { event, send, again: true });
            }
            SendState::Sent => say("skip", format!("send {id} went at {}; --again sends it once more", old.changed_at)),
            _ if old.gone_at.is_some() && !again => {
                say("skip", format!("send {id} may have gone; --again sends it once more"));
            }
            state => {
                let was = serde_json::to_value(state).ok().and_then(|name| name.as_str().map(ToOwned::to_owned));
                say("send", format!("send {id} was {}", was.unwrap_or_default()));
                self.revivals.push(Revival::Again { id, attempts: old.attempts, state: old.state, send });
            }
        }
    }
}

/// A body that could not be decoded is decoded by the source as it is now.
fn read_again(route: &Route, kept: &KeptWhole, mut plan: Plan, desk: &Desk) -> Answer<Plan> {
    if kept.event.body.is_empty() {
        return Err(problem(StatusCode::CONFLICT, format!("the body of event `{}` was not kept", kept.event.id)));
    }
    let authentic = route.authentication.assume(call_of(kept, &route.name));
    match route.read(&authentic, desk.clock.now()) {
        Ok(events) => {
            for send in events.iter().flat_map(|event| &event.made.sends) {
                let (does, why) = match &send.content {
                    Ok(_) => ("send", "the body can be decoded now"),
                    Err(reason) => ("fail", reason.as_str()),
                };
                let destination = send.content.as_ref().ok().map(|content| content.destination.as_str());
                plan.steps.push(step(kept, &send.rule, destination, does, why));
            }
            plan.events = events;
        }
        Err(error) => plan.steps.push(step(kept, "", None, "fail", &error.to_string())),
    }
    Ok(plan)
}

/// The call as it came, without what only its sender should know.
fn call_of(kept: &KeptWhole, route: &str) -> Call {
    let envelope: Envelope = serde_json::from_str(&kept.event.envelope).unwrap_or_default();
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
    Call { method: Method::POST, uri, headers, body: kept.event.body.clone().into(), packed: None }
}

async fn carry_out(desk: &Desk, plan: &Plan) -> Answer<usize> {
    let mut changed = 0;
    for action in &plan.actions {
        changed += desk.act(action.clone()).await?.changed;
    }
    if !plan.revivals.is_empty() {
        changed += desk.act(Action::Revive(plan.revivals.clone())).await?.changed;
    }
    if !plan.events.is_empty() {
        changed += plan.events.iter().map(|event| event.made.sends.len()).sum::<usize>();
        desk.operate.append(plan.events.clone()).await.map_err(unusable)?;
        desk.wake.notify_one();
    }
    if let Some(due) = plan.route.as_deref().and_then(|route| desk.due.of(route)) {
        due.notify_one();
    }
    Ok(changed)
}
