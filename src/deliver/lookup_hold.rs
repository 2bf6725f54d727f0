//! The hold of a route's lookups. What a sender's API refused for the token's sake waits; one of those is tried now and then,
//! until one is answered. New lookups are tried once in any case: a token may be good for one page and not for another.

use std::time::Duration;

use super::schedule::Policy;
use crate::clock::Timestamp;

/// So many refusals in a row are the token's fault, not a record's.
const IN_A_ROW: u32 = 2;

/// Whether the lookups of one route are on hold.
#[derive(Debug)]
pub struct LookupHold {
    refused: Option<(u32, Timestamp)>,
    held: Option<Held>,
    /// Nobody knows yet whether a hold of an earlier process lasts.
    is_unsure: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    wait: Duration,
    probe_at: Timestamp,
}

/// What an attempt did to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldTurn {
    /// It begins.
    Begins {
        /// When the first lookup was refused.
        since: Timestamp,
    },
    /// It is over, if there was one.
    Ends,
}

impl LookupHold {
    /// None, as far as this process knows.
    pub fn new() -> Self {
        Self { refused: None, held: None, is_unsure: true }
    }

    /// A lookup was refused for the token's sake.
    pub fn refused(&mut self, is_first_try: bool, now: Timestamp, policy: &Policy) -> Option<HoldTurn> {
        let (count, since) = self.refused.unwrap_or((0, now));
        self.refused = Some((count + 1, since));
        if let Some(held) = self.held.as_mut().filter(|_| !is_first_try) {
            held.wait = held.wait.saturating_mul(2).min(policy.probe_max);
            held.probe_at = now.after(held.wait);
        }
        if self.held.is_some() || count + 1 < IN_A_ROW {
            return None;
        }
        self.held = Some(Held { wait: policy.probe_initial, probe_at: now.after(policy.probe_initial) });
        Some(HoldTurn::Begins { since })
    }

    /// A lookup was answered, at its first try or not.
    pub fn answered(&mut self, is_first_try: bool) -> Option<HoldTurn> {
        self.refused = None;
        // that of another page tells nothing of those that wait
        if is_first_try {
            return None;
        }
        let was_held = self.held.take().is_some();
        (was_held || std::mem::take(&mut self.is_unsure)).then_some(HoldTurn::Ends)
    }

    /// Another token is used from now on: what was refused tells nothing of it.
    pub fn try_at(&mut self, now: Timestamp) {
        self.refused = None;
        if let Some(held) = &mut self.held {
            held.probe_at = now;
        }
    }

    /// How many of those that were tried before may be tried again.
    pub fn room(&self, now: Timestamp) -> usize {
        match self.held {
            None => usize::MAX,
            Some(held) => usize::from(now >= held.probe_at),
        }
    }

    /// A probe is made: the next comes later, whatever becomes of it.
    pub fn probes(&mut self, now: Timestamp) {
        if let Some(held) = &mut self.held {
            held.probe_at = now.after(held.wait);
        }
    }

    /// When the next probe may be made, if there is a hold.
    pub fn probe_at(&self) -> Option<Timestamp> {
        self.held.map(|held| held.probe_at)
    }

    /// A clock that was set back must not put a probe off for as long as it was ahead.
    pub fn clamp_to(&mut self, now: Timestamp) {
        if let Some(held) = &mut self.held {
            held.probe_at = held.probe_at.min(now.after(held.wait));
        }
    }
}
