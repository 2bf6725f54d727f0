//! Replays: events are mapped anew by the rules of now, one after the other, and written in bounded steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::chosen::Chosen;
use super::input::Body;
use super::plan::{Plan, Scope, Wanted, plan, plan_kept};
use super::selection::{FIRST_PAGE, Selection};
use super::state::{AdminState, Answer, half_done, unusable};
use super::step::{Does, Same, Step};
use crate::clock::Stopwatch;
use crate::event::State as SendState;
use crate::event::act::{Action, Revival, STEP};
use crate::receive::Problem;

/// How many bytes of payloads are gathered at most before they are written.
const MOST_BYTES: usize = 1_024 * 1_024;

/// How many payloads a replay shows that is only told.
const PAYLOADS: usize = 3;

/// How many events are in memory with their bodies.
const READ: usize = 20;

/// For how long it is worked out what a replay would do: somebody waits for the answer.
const TELLING: Duration = Duration::from_secs(30);

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
    /// How many sends would come to their end at once, in which state.
    stopped: BTreeMap<SendState, usize>,
    /// What goes already: of sends that are the same, one goes.
    going: BTreeSet<Same>,
    /// The first of what is sent.
    payloads: Vec<Value>,
    replayed: usize,
    changed: usize,
    revivals: Vec<Revival>,
    bytes: usize,
}

/// `POST /api/v1/events/replay`
pub async fn events(State(admin): State<Arc<AdminState>>, Body(chosen): Body<Chosen>) -> Answer<Json<Value>> {
    let (yes, again) = (chosen.yes, chosen.again);
    let numbers = chosen.select(&admin).await?;
    let count = numbers.len();
    let mut replay = Replay::new(&admin, yes);
    let (mut planned, watch) = (0, Stopwatch::start());
    for part in numbers.into_iter().collect::<Vec<_>>().chunks(READ) {
        if replay.mode == Mode::Tell && watch.elapsed() > TELLING {
            break;
        }
        planned += part.len();
        let kept = match admin.archive.kept(part.to_vec()).await {
            Ok(kept) => kept,
            Err(error) => return Err(replay.broken_off(unusable(error)).await),
        };
        for kept in kept {
            let wanted = Wanted { made: &kept.made, scope: Scope::Event, again };
            replay.take(plan_kept(&admin, &kept, wanted).await).await?;
        }
    }
    let mut told = replay.end().await?;
    if let Some(told) = told.as_object_mut() {
        told.insert("count".into(), count.into());
        told.insert("planned".into(), planned.into());
    }
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

impl<'a> Replay<'a> {
    fn new(admin: &'a AdminState, yes: bool) -> Self {
        Self {
            admin,
            mode: if yes { Mode::Do } else { Mode::Tell },
            shown: Vec::new(),
            does: BTreeMap::new(),
            stopped: BTreeMap::new(),
            going: BTreeSet::new(),
            payloads: Vec::new(),
            replayed: 0,
            changed: 0,
            revivals: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes in what becomes of one event, and writes when there is enough to write.
    async fn take(&mut self, planned: Answer<Plan>) -> Answer<()> {
        let Plan { mut steps, revivals, readings, changes, route, .. } = match planned {
            Ok(plan) => plan,
            Err(wrong) => return Err(self.broken_off(wrong).await),
        };
        for step in &mut steps {
            self.count(step);
        }
        // of those that are the same, one goes
        let goes = |step: usize| steps.get(step).is_some_and(|step| step.does == Does::Send);
        let revivals: Vec<Revival> =
            revivals.into_iter().filter(|(step, _)| goes(*step)).map(|(_, revival)| revival).collect();
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

    fn count(&mut self, step: &mut Step) {
        if step.same.iter().any(|same| self.going.contains(same)) {
            step.stop(SendState::Duplicate, "the person gets the same by another send of this replay");
        } else {
            self.going.extend(std::mem::take(&mut step.same));
        }
        *self.does.entry(step.does.name()).or_default() += 1;
        if let Some(state) = step.stopped {
            *self.stopped.entry(state).or_default() += 1;
        }
        let payload = step.payload.take().filter(|_| self.mode == Mode::Tell && self.payloads.len() < PAYLOADS);
        self.payloads.extend(payload.and_then(|payload| serde_json::from_str::<Value>(&payload).ok()));
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
        Ok(json!({
            "steps": self.shown,
            "does": self.does,
            "stopped": self.stopped,
            "payloads": self.payloads,
            "replayed": self.replayed,
            "changed": self.changed,
        }))
    }
}
