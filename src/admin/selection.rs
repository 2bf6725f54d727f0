//! Which sends somebody means, handed out in bounded parts: a million sends are never in memory at once, and the store takes
//! events in between.

use std::collections::{BTreeSet, VecDeque};

use http::StatusCode;
use serde::Deserialize;

use super::state::{AdminState, Answer, problem, unusable};
use crate::event::act::STEP;
use crate::event::view::{Condition, Filter, SendView};
use crate::event::{SendId, State};

/// How many sends can be named one by one.
const MOST_IDS: usize = 10_000;

/// How many sends or steps an answer shows.
pub const FIRST_PAGE: usize = 50;

/// Which sends something is done with.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// These.
    pub ids: Vec<i64>,
    /// Those that a filter finds.
    pub filter: Option<Filter>,
    /// Whether it is done; else it is only said what would be.
    pub yes: bool,
    /// Whether what went goes once more.
    pub again: bool,
    /// Why.
    pub reason: Option<String>,
}

/// The sends that a selection names, counted and frozen: one that is made afterwards is not among them.
pub struct Selected {
    /// How many there are.
    pub found: u64,
    /// How many of them wait.
    pub waiting: u64,
    /// What must be true of each.
    pub filter: Filter,
    named: VecDeque<SendView>,
    walk: Option<Walk>,
}

/// A walk through history, newest first, from `filter.cursor` down to `oldest`.
struct Walk {
    filter: Filter,
    oldest: SendId,
}

impl Selection {
    /// Counts the sends it names.
    pub async fn select(&self, admin: &AdminState, state: Option<State>) -> Answer<Selected> {
        match (&self.filter, self.ids.is_empty()) {
            (None, true) => Err(problem(StatusCode::BAD_REQUEST, "say which: `ids`, or a `filter`")),
            (Some(_), false) => {
                Err(problem(StatusCode::BAD_REQUEST, "say which either by `ids` or by a `filter`, not by both"))
            }
            (None, false) => self.named(admin).await,
            (Some(filter), true) => {
                let mut filter = admin.filter(filter.clone())?;
                filter.state = filter.state.or(state.map(Condition::Send));
                count(admin, filter).await
            }
        }
    }

    async fn named(&self, admin: &AdminState) -> Answer<Selected> {
        let ids: BTreeSet<i64> = self.ids.iter().copied().collect();
        if ids.len() > MOST_IDS {
            let detail = format!("at most {MOST_IDS} sends can be named by `ids`; use a `filter` for more");
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        let mut named = VecDeque::with_capacity(ids.len());
        for id in ids {
            let story = admin.archive.send(SendId(id)).await.map_err(unusable)?;
            named
                .push_back(story.ok_or_else(|| problem(StatusCode::NOT_FOUND, format!("there is no send {id}")))?.send);
        }
        let count = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let waiting = named.iter().filter(|send| send.state == State::Waiting).count();
        Ok(Selected {
            found: count(named.len()),
            waiting: count(waiting),
            filter: Filter::default(),
            named,
            walk: None,
        })
    }
}

/// Counts what a filter finds, part by part.
async fn count(admin: &AdminState, filter: Filter) -> Answer<Selected> {
    let (mut found, mut waiting, mut oldest, mut before) = (0, 0, None, None);
    let mut part = filter.clone();
    loop {
        let tally = admin.archive.tally(part.clone()).await.map_err(unusable)?;
        found += tally.found;
        waiting += tally.waiting;
        oldest = tally.oldest.or(oldest);
        before.get_or_insert(tally.before);
        let left = filter.limit.map(|limit| limit.saturating_sub(usize::try_from(found).unwrap_or(usize::MAX)));
        match tally.next {
            Some(next) if left != Some(0) => part = Filter { cursor: Some(next.to_string()), limit: left, ..part },
            _ => break,
        }
    }
    let start = before.map(|before| before.to_string());
    let walk =
        oldest.map(|oldest| Walk { filter: Filter { cursor: start, limit: Some(STEP), ..filter.clone() }, oldest });
    Ok(Selected { found, waiting, filter, named: VecDeque::new(), walk })
}

impl Selected {
    /// The next of them, at most [`STEP`]; `None`: that was all. A part may be empty.
    pub async fn next(&mut self, admin: &AdminState) -> Answer<Option<Vec<SendView>>> {
        if !self.named.is_empty() {
            let count = self.named.len().min(STEP);
            return Ok(Some(self.named.drain(..count).collect()));
        }
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let page = admin.archive.sends(walk.filter.clone()).await.map_err(unusable)?;
        let mut sends = page.items;
        // what the limit left out when it was counted stays out, whatever has become of the others since
        sends.retain(|send| send.id >= walk.oldest);
        let next = page.next.filter(|next| next.parse::<i64>().is_ok_and(|next| next > walk.oldest.0));
        match next {
            Some(next) => walk.filter.cursor = Some(next),
            None => self.walk = None,
        }
        Ok(Some(sends))
    }
}
