//! Which sends somebody means.

use http::StatusCode;
use serde::Deserialize;

use super::desk::{Answer, Desk, problem, unusable};
use crate::event::view::{Filter, SendView};
use crate::event::{SendId, State};

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

impl Selection {
    /// The sends it names.
    pub async fn find(&self, desk: &Desk, state: Option<State>) -> Answer<Vec<SendView>> {
        let mut found = Vec::new();
        for id in &self.ids {
            let story = desk.archive.send(SendId(*id)).await.map_err(unusable)?;
            found.push(story.ok_or_else(|| problem(StatusCode::NOT_FOUND, format!("there is no send {id}")))?.send);
        }
        if let Some(filter) = &self.filter {
            let mut filter = desk.filter(filter.clone())?;
            filter.state = filter.state.or(state);
            found.extend(desk.all(filter).await?);
        }
        // one that is named twice is one
        found.sort_by_key(|send| send.id);
        found.dedup_by_key(|send| send.id);
        if self.ids.is_empty() && self.filter.is_none() {
            return Err(problem(StatusCode::BAD_REQUEST, "say which: `ids`, or a `filter`"));
        }
        Ok(found)
    }
}
