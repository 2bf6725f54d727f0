//! Replays: events are mapped anew by the rules of now, one after the other, and written in bounded steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::Body;
use super::plan::{Does, Plan, Scope, Step, Wanted, plan};
use super::selection::{FIRST_PAGE, Selection};
use super::state::{AdminState, Answer, half_done, page, problem, unusable};
use crate::event::act::{Action, Revival, STEP};
use crate::event::view::{EventStory, Filter};
use crate::receive::Problem;

/// How many bytes of payloads are gathered at most before they are written.
const MOST_BYTES: usize = 1_024 * 1_024;

/// How many events can be named.
const MOST_EVENTS: usize = 1_000;

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

/// Whether a replay is carried out, or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Tell,
    Do,
}

/// A replay under way: what it came to so far, and what is not written yet.
struct Replay<'a> {
    admin: &'a AdminState,
    mode: Mode,
    /// The first of all steps.
    shown: Vec<Step>,
    /// How many steps do what.
    does: BTreeMap<&'static str, usize>,
    replayed: usize,
    changed: usize,
    revivals: Vec<Revival>,
    bytes: usize,
}

/// `POST /api/v1/events/replay`
pub async fn events(State(admin): State<Arc<AdminState>>, Body(chosen): Body<Chosen>) -> Answer<Json<Value>> {
    let ids: BTreeSet<&String> = chosen.ids.iter().collect();
    if ids.len() > MOST_EVENTS {
        let detail =
            format!("at most {MOST_EVENTS} events can be named; replay what came of more by a filter of sends");
        return Err(problem(StatusCode::BAD_REQUEST, detail));
    }
    // all of them before the first is replayed: a wrong name changes nothing
    let mut numbers = BTreeSet::new();
    for id in ids {
        numbers.insert(named(&admin, id).await?);
    }
    let mut replay = Replay::new(&admin, chosen.yes);
    for number in numbers {
        let planned = async {
            let Some(story) = story(&admin, &format!("#{number}")).await? else { return Ok(Plan::default()) };
            plan(&admin, number, Wanted { made: &story.made, scope: Scope::Event, again: chosen.again }).await
        };
        replay.take(planned.await).await?;
    }
    let told = replay.end().await?;
    Ok(Json(told))
}

/// `POST /api/v1/sends/replay`
pub async fn sends(State(admin): State<Arc<AdminState>>, Body(selection): Body<Selection>) -> Answer<Json<Value>> {
    let mut selected = selection.select(&admin, None).await?;
    let mut replay = Replay::new(&admin, selection.yes);
    loop {
        let sends = match selected.next(&admin).await {
            Ok(Some(sends)) => sends,
            Ok(None) => break,
            Err(wrong) => return Err(replay.broken_off(wrong).await),
        };
        for send in sends {
            let wanted = Wanted { made: std::slice::from_ref(&send), scope: Scope::Sends, again: selection.again };
            replay.take(plan(&admin, send.event_number, wanted).await).await?;
        }
    }
    let mut told = replay.end().await?;
    if let Some(told) = told.as_object_mut() {
        told.insert("count".into(), selected.found.into());
    }
    Ok(Json(told))
}

async fn story(admin: &AdminState, name: &str) -> Answer<Option<EventStory>> {
    admin.archive.event(name.to_owned()).await.map_err(unusable)
}

/// The number of an event. An id that several events have, as those of two senders, is not enough.
async fn named(admin: &AdminState, id: &str) -> Answer<i64> {
    let found = story(admin, id).await?;
    let found = found.ok_or_else(|| problem(StatusCode::NOT_FOUND, format!("there is no event `{id}`")))?;
    if found.event.id != *id {
        return Ok(found.event.number);
    }
    let same = Filter { event: Some(id.to_owned()), limit: Some(10), ..Filter::default() };
    let same = page(same, |part| admin.archive.events(part)).await?.items;
    if same.len() < 2 {
        return Ok(found.event.number);
    }
    let numbers: Vec<String> =
        same.iter().map(|event| format!("#{} (route `{}`)", event.number, event.route)).collect();
    let detail = format!("several events have the id `{id}`: {}; name one by # and its number", numbers.join(", "));
    Err(problem(StatusCode::CONFLICT, detail))
}

impl<'a> Replay<'a> {
    fn new(admin: &'a AdminState, yes: bool) -> Self {
        Self {
            admin,
            mode: if yes { Mode::Do } else { Mode::Tell },
            shown: Vec::new(),
            does: BTreeMap::new(),
            replayed: 0,
            changed: 0,
            revivals: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes in what becomes of one event, and writes when there is enough to write.
    async fn take(&mut self, planned: Answer<Plan>) -> Answer<()> {
        let Plan { steps, revivals, readings, changes, route, .. } = match planned {
            Ok(plan) => plan,
            Err(wrong) => return Err(self.broken_off(wrong).await),
        };
        for step in &steps {
            *self.does.entry(step.does.name()).or_default() += 1;
        }
        let room = FIRST_PAGE.saturating_sub(self.shown.len());
        self.shown.extend(steps.into_iter().take(room));
        if self.mode == Mode::Tell {
            return Ok(());
        }
        if !changes.is_empty() {
            self.changed += self.act(Action::Suppress(changes)).await?;
        }
        let reads = !readings.is_empty();
        for reading in readings {
            self.replayed += self.act(reading).await?;
        }
        if let Some(due) = route.filter(|_| reads).and_then(|route| self.admin.due.of(&route)) {
            due.notify_one();
        }
        for revival in revivals {
            self.bytes += revival.send().content.as_ref().map_or(0, |content| content.payload.len());
            self.revivals.push(revival);
            if self.revivals.len() >= STEP || self.bytes >= MOST_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Answer<()> {
        self.bytes = 0;
        let revivals = std::mem::take(&mut self.revivals);
        if !revivals.is_empty() {
            self.replayed += self.act(Action::Revive(revivals)).await?;
        }
        Ok(())
    }

    async fn act(&self, action: Action) -> Answer<usize> {
        let acted = self.admin.act(action).await;
        acted.map(|acted| acted.changed).map_err(|wrong| self.half_done(wrong))
    }

    /// It cannot be found out what else there is to do: what was planned before is written all the same, and counted.
    async fn broken_off(&mut self, wrong: Problem) -> Problem {
        match self.write().await {
            Ok(()) => self.half_done(wrong),
            Err(unwritten) => unwritten,
        }
    }

    fn half_done(&self, wrong: Problem) -> Problem {
        let what = if self.changed == 0 { "replayed" } else { "replayed or changed" };
        half_done(wrong, self.replayed + self.changed, what)
    }

    /// Writes the rest and tells what it all came to.
    async fn end(mut self) -> Answer<Value> {
        self.write().await?;
        for does in Does::ALL {
            self.does.entry(does.name()).or_default();
        }
        Ok(json!({ "steps": self.shown, "does": self.does, "replayed": self.replayed, "changed": self.changed }))
    }
}
