//! What a replay of one event does, by the rules of now: nobody gets a second message unless somebody says so.

use std::collections::BTreeSet;

use super::state::{AdminState, Answer, unusable};
use super::step::{Does, Step, step};
use crate::event::act::{Action, Barrier, Candidate, Revival};
use crate::event::lookup::EventSeq;
use crate::event::remap::{Place, pair};
use crate::event::view::{KeptWhole, Rest, SendView};
use crate::event::{Made, NewEvent, NewSend, SendId, State as SendState, Suppression, is_sandboxed};
use crate::route::Route;
use crate::route::complete::call_of;

/// All that a replay of one event does.
#[derive(Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Sends that go, each with the position of its step.
    pub revivals: Vec<(usize, Revival)>,
    /// Lookups that are made again, and calls that are read again.
    pub readings: Vec<Action>,
    /// Numbers that are suppressed, or not any more.
    pub changes: Vec<Suppression>,
    /// The route whose lookups are due.
    pub route: Option<String>,
    /// Whether what went goes once more.
    again: bool,
}

/// Which of the sends that the rules make now are wanted, and the kept ones they stand for.
pub struct Wanted<'a> {
    pub made: &'a [SendView],
    /// Only those, or all of the event.
    pub scope: Scope,
    /// Whether what went goes once more.
    pub again: bool,
}

/// How much of an event is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that the rules make of it.
    Event,
    /// The kept sends.
    Sends,
}

/// What a replay of a kept event does.
pub async fn plan(admin: &AdminState, number: i64, wanted: Wanted<'_>) -> Answer<Plan> {
    match admin.archive.kept(vec![number]).await.map_err(unusable)?.pop() {
        Some(kept) => plan_kept(admin, &kept, wanted).await,
        None => Ok(Plan::without_event(number, wanted)),
    }
}

/// The same of one that was read already.
pub async fn plan_kept(admin: &AdminState, kept: &KeptWhole, wanted: Wanted<'_>) -> Answer<Plan> {
    let number = kept.number;
    let mut plan = Plan { route: Some(kept.route.clone()), again: wanted.again, ..Plan::default() };
    if let Some(at) = kept.erased_at {
        let why = format!("what the event held was erased on {at}; it cannot be replayed");
        plan.steps.push(step(kept, "", None, Does::Fail, &why));
        return Ok(plan);
    }
    let Some(route) = admin.routes.get(&kept.route) else {
        let why = format!("it came by route `{}`, which does not exist any more", kept.route);
        plan.steps.push(step(kept, "", None, Does::Fail, &why));
        return Ok(plan);
    };
    if kept.fault.is_some() {
        return read_again(route, kept, plan, admin).await;
    }
    match kept.rest {
        Some(Rest::Failed) => {
            let why = "what was not read of the event is read; its sends come of that";
            plan.steps.push(step(kept, "", None, Does::Send, why));
            plan.readings.push(Action::LookUpAgain(EventSeq(number)));
            return Ok(plan);
        }
        Some(Rest::Waiting) => {
            let why = "the rest of the event is still being read; its sends come of that";
            plan.steps.push(step(kept, "", None, Does::Skip, why));
            return Ok(plan);
        }
        Some(Rest::Found) | None => {}
    }
    let Made { sends, suppressions, .. } = route.map_again(&kept.event);
    plan.suppress(kept, wanted.made, suppressions);
    let same = kept_for(admin, number, &wanted, &sends).await?;
    let paired: BTreeSet<SendId> = same.iter().flatten().map(|old| old.id).collect();
    for (send, same) in sends.into_iter().zip(same) {
        if same.is_none() && wanted.scope == Scope::Sends {
            continue;
        }
        // what went and goes once more is a new send beside the old one
        let old = same.filter(|old| !(wanted.again && old.state == SendState::Sent && old.reached_at.is_some()));
        let (event, old) = (Some(EventSeq(number)), old.map(|old| old.id));
        let candidate = Candidate { send: &send, route: &kept.route, event, old };
        let barrier = admin.archive.barrier(candidate, admin.clock.now()).await.map_err(unusable)?;
        plan.add(kept, send, same, barrier);
    }
    for gone in wanted.made.iter().filter(|old| !paired.contains(&old.id)) {
        let why = "its rule does not apply to the event now";
        plan.steps.push(step(kept, &gone.rule, Some(&gone.destination), Does::Skip, why));
    }
    Ok(plan)
}

/// The wanted send that each new one stands for. All other sends of the event are asked for only if that is not plain: they
/// keep what is theirs.
async fn kept_for<'a>(
    admin: &AdminState,
    number: i64,
    wanted: &Wanted<'a>,
    new: &[NewSend],
) -> Answer<Vec<Option<&'a SendView>>> {
    let is_plain = |old: &SendView| new.iter().any(|new| place(old).is_exactly(new));
    let all = if wanted.scope == Scope::Event || wanted.made.iter().all(is_plain) {
        None
    } else {
        admin.archive.event(format!("#{number}")).await.map_err(unusable)?.map(|story| story.made)
    };
    let all = all.as_deref().unwrap_or(wanted.made);
    let mut found = vec![None; new.len()];
    for (old, position) in all.iter().zip(pair(&all.iter().map(place).collect::<Vec<_>>(), new)) {
        let wanted = wanted.made.iter().find(|wanted| wanted.id == old.id);
        if let Some(slot) = position.and_then(|position| found.get_mut(position)) {
            *slot = wanted;
        }
    }
    Ok(found)
}

fn place(send: &SendView) -> Place<'_> {
    Place { rule: &send.rule, item: send.item, destination: &send.destination }
}

impl Plan {
    /// Sends that are left of an event that is not kept any more.
    fn without_event(number: i64, wanted: Wanted<'_>) -> Self {
        let fail = |send: &SendView| Step {
            event: send.event.clone(),
            rule: send.rule.clone(),
            destination: Some(send.destination.clone()).filter(|destination| !destination.is_empty()),
            does: Does::Fail,
            why: format!("its event #{number} is not kept any more; it cannot be replayed"),
            stopped: None,
            payload: None,
            same: Vec::new(),
        };
        Self { steps: wanted.made.iter().map(fail).collect(), ..Self::default() }
    }

    /// What becomes of an event that could not be decoded before.
    async fn tell_of(&mut self, kept: &KeptWhole, event: &NewEvent, admin: &AdminState) -> Answer<()> {
        for send in &event.made.sends {
            let candidate = Candidate { send, route: &event.route, event: None, old: None };
            let barrier = admin.archive.barrier(candidate, event.received_at).await.map_err(unusable)?;
            self.steps.push(match (&send.content, &barrier) {
                (Err(unmapped), _) => Step::of(kept, send, Does::Fail, &unmapped.to_string()),
                (Ok(_), Some(barrier)) => Step::stopped(kept, send, barrier),
                (Ok(_), None) => Step::of(kept, send, Does::Send, "the body can be decoded now"),
            });
        }
        if event.lookup {
            let why = "the body can be decoded now; the rest of the event is read, and its sends come of that";
            self.steps.push(step(kept, "", None, Does::Skip, why));
        }
        Ok(())
    }

    /// What a rule did with a number it does not do once more: the person may have thought otherwise since.
    fn suppress(&mut self, kept: &KeptWhole, made: &[SendView], changes: Vec<Suppression>) {
        for change in changes {
            let rule = change.rule.as_deref().unwrap_or_default();
            let failed = made.iter().any(|send| send.rule == rule && send.state == SendState::Failed);
            let what = if change.add {
                "the number must not be messaged from then on"
            } else {
                "the number may be messaged again"
            };
            if failed || self.again {
                self.steps.push(step(kept, rule, Some(&change.number), Does::Change, what));
                self.changes.push(change);
            } else {
                let why = format!("{what}: it was done, and may have been changed since; --again does it once more");
                self.steps.push(step(kept, rule, Some(&change.number), Does::Skip, &why));
            }
        }
    }

    /// What the last step says is done.
    fn revive(&mut self, revival: Revival) {
        self.revivals.push((self.steps.len().saturating_sub(1), revival));
    }

    fn add(&mut self, kept: &KeptWhole, send: NewSend, old: Option<&SendView>, barrier: Option<Barrier>) {
        let again = self.again;
        let mut say = |does, why: String| self.steps.push(Step::of(kept, &send, does, &why));
        if let Err(unmapped) = &send.content {
            return say(Does::Fail, unmapped.to_string());
        }
        let event = EventSeq(kept.number);
        let of_sandbox = old.is_some_and(|old| is_sandboxed(&old.account) && !is_sandboxed(&send.account));
        let goes_on = old.is_some_and(|old| match old.state {
            SendState::Waiting => !of_sandbox,
            state => state == SendState::Sending,
        });
        if let Some(barrier) = barrier.filter(|_| !goes_on) {
            return self.steps.push(Step::stopped(kept, &send, &barrier));
        }
        let Some(old) = old else {
            say(Does::Send, "it was never made".into());
            return self.revive(Revival::New { event, send, again: false });
        };
        let id = old.id;
        match old.state {
            state if of_sandbox && state != SendState::Sending => {
                say(Does::Send, format!("send {id} was for the sandbox, and reached nobody"));
                self.revive(Revival::Again { id, attempts: old.attempts, state, send });
            }
            SendState::Waiting | SendState::Sending => say(Does::Skip, format!("send {id} is on its way")),
            SendState::Sent if old.reached_at.is_none() => {
                say(Does::Send, format!("send {id} reached nobody: a dry run, or redirected to a tester"));
                self.revive(Revival::Again { id, attempts: old.attempts, state: old.state, send });
            }
            SendState::Sent if again => {
                say(Does::Send, format!("send {id} went at {}, and goes once more", old.changed_at));
                self.revive(Revival::New { event, send, again: true });
            }
            SendState::Sent => {
                say(Does::Skip, format!("send {id} went at {}; --again sends it once more", old.changed_at));
            }
            _ if old.reached_at.is_some() && !again => {
                say(Does::Skip, format!("send {id} may have gone; --again sends it once more"));
            }
            state => {
                let was = serde_json::to_value(state).ok().and_then(|name| name.as_str().map(ToOwned::to_owned));
                say(Does::Send, format!("send {id} was {}", was.unwrap_or_default()));
                self.revive(Revival::Again { id, attempts: old.attempts, state: old.state, send });
            }
        }
    }
}

/// A body that could not be decoded is decoded by the source as it is now. What it holds may be kept already: an earlier
/// replay did that, or the sender repeated it.
async fn read_again(route: &Route, kept: &KeptWhole, mut plan: Plan, admin: &AdminState) -> Answer<Plan> {
    if kept.event.body.is_empty() {
        plan.steps.push(step(kept, "", None, Does::Fail, "the body of the event was not kept"));
        return Ok(plan);
    }
    let authentic = route.authentication.assume(call_of(&kept.event, &route.name));
    let events = match route.read(&authentic, admin.clock.now()) {
        Ok(events) => events,
        Err(error) => {
            plan.steps.push(step(kept, "", None, Does::Fail, &error.to_string()));
            return Ok(plan);
        }
    };
    let (mut fresh, mut fingerprints) = (Vec::with_capacity(events.len()), BTreeSet::new());
    for event in events {
        if !fingerprints.insert(event.fingerprint) {
            let why = format!("event `{}` stands in the body twice", event.id);
            plan.steps.push(step(kept, "", None, Does::Skip, &why));
            continue;
        }
        let seen = admin.archive.seen(event.fingerprint).await.map_err(unusable)?;
        if let Some(seen) = seen.filter(|seen| *seen != kept.number) {
            let why = format!("event `{}` is kept already as #{seen}; replay that one", event.id);
            plan.steps.push(step(kept, "", None, Does::Skip, &why));
            continue;
        }
        plan.tell_of(kept, &event, admin).await?;
        fresh.push(event);
    }
    if !fresh.is_empty() {
        plan.readings.push(Action::ReadAgain { undecoded: EventSeq(kept.number), events: fresh });
    }
    Ok(plan)
}
