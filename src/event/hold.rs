//! Holds: what is on hold, and how it is found out whether it goes on.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A send that finds out whether a hold can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Which hold.
    pub hold: HoldId,
    /// How far it reaches.
    pub scope: HoldScope,
    /// How many were made before.
    pub made: u32,
    /// Whether it is of a campaign that is on hold itself, since nothing else waits.
    pub is_last_resort: bool,
}

/// Names a hold inside the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub i64);

/// How far a hold reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldScope {
    /// Every send of the account.
    Account,
    /// Those of one campaign of it.
    Campaign,
}

/// What a probe tells of its hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// Which hold.
    pub hold: HoldId,
    /// What follows.
    pub verdict: Verdict,
}

/// Whether a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Passed,
    /// It lasts; it is tried again then.
    Lasts(Timestamp),
    /// The answer says nothing about it; it is tried again then.
    Unclear(Timestamp),
    /// It was refused in words that are not known: the hold lasts if it began with the same words.
    Unknown {
        /// When it is tried again if it lasts.
        lasts: Timestamp,
        /// When it is tried again otherwise.
        unclear: Timestamp,
    },
}

/// Tells a key from the one before it, and nothing else of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFingerprint {
    /// What is called with it.
    pub kind: KeyKind,
    /// The account, as sends name it, or the route.
    pub name: String,
    /// Of the key.
    pub fingerprint: i64,
}

/// What is called with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Serri, for an account.
    Account,
    /// The API that a route's lookups read.
    Lookups,
}
