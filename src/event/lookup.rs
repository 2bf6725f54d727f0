//! Lookups: what is known of an event of which a part has to be read from its sender's API first.

use std::time::Duration;

use super::Made;
use crate::clock::Timestamp;

/// Names a kept event inside the store; later events have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSeq(pub i64);

/// A kept event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// The sender's id, or a hash of the body.
    pub id: String,
    /// The kind of event.
    pub kind: String,
    /// When the call came.
    pub received_at: Timestamp,
    /// The event as JSON.
    pub body: Vec<u8>,
    /// The [`super::Envelope`] as JSON.
    pub envelope: String,
}

/// A lookup that the deliverer has taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Of which event.
    pub seq: EventSeq,
    /// The route it came by.
    pub route: String,
    /// The event itself.
    pub event: KeptEvent,
    /// Since when it has been tried: when the event came, or when the API last refused the token.
    pub since: Timestamp,
    /// How many attempts were made before this one.
    pub attempts: u32,
}

/// What is to become of a lookup after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupNextStep {
    /// It is done: the event is whole, and the rules were applied.
    Found {
        /// The whole event as JSON.
        body: Vec<u8>,
        /// Whether it turned out to be a test of the sender's own.
        test: bool,
        /// What the rules made of it.
        made: Made,
        /// The event's fingerprint, where nothing came of it: then it does not count as seen.
        forget: Option<[u8; 16]>,
    },
    /// It is tried again then.
    Retry {
        /// Not before this moment.
        due: Timestamp,
        /// Why nothing was found.
        reason: String,
        /// From when on it counts how long it has been tried; `None`: as before.
        since: Option<Timestamp>,
    },
    /// It will not be tried again by itself; the event is kept.
    Failed {
        /// Why.
        reason: String,
    },
}

/// An attempt at a lookup and its consequence, to be written down together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupSettlement {
    /// Of which event.
    pub seq: EventSeq,
    /// Which attempt, counted from 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// What it came to, in one word.
    pub outcome: &'static str,
    /// The first 2 KiB of an answer in which nothing was found.
    pub answer: String,
    /// What follows.
    pub next_step: LookupNextStep,
}
