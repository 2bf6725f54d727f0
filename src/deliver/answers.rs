//! Answers of lookups that serve several events: one call for all that ask about the same record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use serde_json::Value as Json;

use crate::clock::{Clock, Timestamp};

/// How many are remembered.
const LIMIT: usize = 256;

/// The longest that are, as JSON.
const SIZE_LIMIT: usize = 32 * 1_024;

/// An answer, and when it was asked for. Locked while it is being asked for: whoever wants the same waits.
type Slot = Arc<tokio::sync::Mutex<Option<(Timestamp, Json)>>>;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The URL, without token.
    pub url: &'a Url,
    /// When the event came: nothing that was read before then answers it.
    pub since: Timestamp,
    /// How long an answer serves others.
    pub keep: Duration,
}

/// What was found lately.
#[derive(Debug, Default)]
pub struct Answers(Mutex<HashMap<Url, Slot>>);

impl Answers {
    /// What a call found that was made since the event came and not too long ago; else what `ask` finds.
    pub async fn or_ask<E>(
        &self,
        Question { url, since, keep }: Question<'_>,
        clock: &Clock,
        ask: impl AsyncFnOnce() -> Result<Json, E>,
    ) -> Result<Json, E> {
        if keep.is_zero() {
            return ask().await;
        }
        let slot = self.slot(url);
        let mut known = slot.lock().await;
        let now = clock.now();
        if let Some((at, found)) = known.as_ref().filter(|(at, _)| *at >= since && *at <= now && now.since(*at) <= keep)
        {
            tracing::debug!(age_ms = now.since(*at).as_millis(), "an answer serves another event");
            return Ok(found.clone());
        }
        let found = ask().await?;
        *known = (found.to_string().len() <= SIZE_LIMIT).then(|| (now, found.clone()));
        Ok(found)
    }

    fn slot(&self, url: &Url) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= LIMIT {
            // those that nobody is waiting for
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(url.clone()).or_default())
    }
}
