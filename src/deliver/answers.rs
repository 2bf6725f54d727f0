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

/// What was found, or why nothing was, and when it was asked for. Locked while it is being asked for: whoever wants the
/// same waits.
type Slot<E> = Arc<tokio::sync::Mutex<Option<(Timestamp, Result<Json, E>)>>>;

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
#[derive(Debug)]
pub struct Answers<E>(Mutex<HashMap<Url, Slot<E>>>);

impl<E> Default for Answers<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<E: Clone> Answers<E> {
    /// What a call found that was made since the event came and not too long ago; else what `ask` finds. A call that fails
    /// while others wait for it fails for all of them: they do not ask a server that hangs one after the other.
    pub async fn or_ask(
        &self,
        Question { url, since, keep }: Question<'_>,
        clock: &Clock,
        ask: impl AsyncFnOnce() -> Result<Json, E>,
    ) -> Result<Json, E> {
        if keep.is_zero() {
            return ask().await;
        }
        let slot = self.slot(url);
        let waiting_since = clock.now();
        let mut known = slot.lock().await;
        let now = clock.now();
        match &*known {
            Some((at, Ok(found))) if *at >= since && *at <= now && now.since(*at) <= keep => return Ok(found.clone()),
            Some((ended, Err(fault))) if *ended >= waiting_since && *ended <= now => return Err(fault.clone()),
            _ => {}
        }
        let found = ask().await;
        *known = match &found {
            Ok(json) if json.to_string().len() > SIZE_LIMIT => None,
            Ok(_) => Some((now, found.clone())),
            Err(_) => Some((clock.now(), found.clone())),
        };
        found
    }

    fn slot(&self, url: &Url) -> Slot<E> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= LIMIT {
            // those that nobody is waiting for
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(url.clone()).or_default())
    }
}
