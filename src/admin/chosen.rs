//! Which events somebody means: named one by one, or found by a filter.

use std::collections::BTreeSet;

use http::StatusCode;
use serde::Deserialize;

use super::state::{AdminState, Answer, page, problem, unusable};
use crate::event::view::{EventStory, Filter};

/// How many events can be named.
const MOST_EVENTS: usize = 1_000;

/// How many events are found at once.
const PAGE: usize = 1_000;

/// Which events are replayed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// By the senders' ids, or `#` and their numbers.
    #[serde(default)]
    ids: Vec<String>,
    /// Those that a filter finds.
    #[serde(default)]
    filter: Option<Filter>,
    /// Whether it is done; else it is only said what would be.
    #[serde(default)]
    pub yes: bool,
    /// Whether what went goes once more.
    #[serde(default)]
    pub again: bool,
}

impl Chosen {
    /// The numbers of the events it means.
    pub async fn select(self, admin: &AdminState) -> Answer<BTreeSet<i64>> {
        // all of them before the first is replayed: a wrong name changes nothing
        match (self.filter, self.ids.is_empty()) {
            (None, true) => Err(problem(StatusCode::BAD_REQUEST, "say which: `ids`, or a `filter`")),
            (Some(_), false) => {
                let detail = "say which either by `ids` or by a `filter`, not by both";
                Err(problem(StatusCode::BAD_REQUEST, detail))
            }
            (None, false) => all_named(admin, self.ids).await,
            (Some(filter), true) => found(admin, admin.filter_of_events(filter)?).await,
        }
    }
}

async fn all_named(admin: &AdminState, ids: Vec<String>) -> Answer<BTreeSet<i64>> {
    let ids: BTreeSet<String> = ids.into_iter().collect();
    if ids.len() > MOST_EVENTS {
        let detail = format!("at most {MOST_EVENTS} events can be named by `ids`; use a `filter` for more");
        return Err(problem(StatusCode::BAD_REQUEST, detail));
    }
    let mut numbers = BTreeSet::new();
    for id in ids {
        numbers.insert(named(admin, &id).await?);
    }
    Ok(numbers)
}

/// The numbers of the events that a filter finds, of which the newest are meant if there is a limit. They are replayed as they
/// came, the oldest first; what comes afterwards is not among them.
async fn found(admin: &AdminState, filter: Filter) -> Answer<BTreeSet<i64>> {
    let (mut numbers, most) = (BTreeSet::new(), filter.limit.unwrap_or(usize::MAX));
    let mut part = Filter { limit: Some(PAGE), ..filter };
    loop {
        let page = admin.archive.events(part.clone()).await.map_err(unusable)?;
        numbers.extend(page.items.iter().map(|event| event.number));
        part.cursor = page.next;
        if part.cursor.is_none() || numbers.len() >= most {
            break;
        }
    }
    while numbers.len() > most {
        numbers.pop_first();
    }
    Ok(numbers)
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
