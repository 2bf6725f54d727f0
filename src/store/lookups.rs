//! What is asked for of events that wait for a lookup.

use super::Lease;
use crate::clock::Timestamp;
use crate::event::lookup::Lookup;

/// What the deliverer asks for of the events that wait for a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupRequest {
    /// The time now.
    pub now: Timestamp,
    /// For how long the claimed lookups are the caller's.
    pub lease: Lease,
    /// Of which route.
    pub route: String,
    /// How many.
    pub count: usize,
    /// How many of those that were tried before, at most.
    pub again: usize,
    /// Whether those that were tried before come first: in turns, so that neither keeps the other from its turn.
    pub retries_first: bool,
}

/// What it gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupClaims {
    /// The lookups.
    pub lookups: Vec<Lookup>,
    /// When the next waiting lookup of the route is due, if any waits.
    pub next_due: Option<Timestamp>,
}
