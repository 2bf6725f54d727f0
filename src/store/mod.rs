//! Keeps events and sends safely on disk, and hands out what is due.
//!
//! It keeps, it does not judge: what an outcome means for a send is decided by [`crate::deliver`] and told in a
//! [`Settlement`]. SQL stands in this module and nowhere else.

mod inbox;
mod lookups;
mod schema;
mod sqlite;
mod statements;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::event::lookup::{Lookup, LookupSettlement};
use crate::event::{Claimed, Kept, NewEvent, OnUncertain, SendId, Settlement};

pub use sqlite::{OpenError, SqliteStore};

/// Why something could not be kept or read. It is never the caller's fault: the caller may try again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The disk is full, the file is locked, damaged or gone.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// What the deliverer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The time now.
    pub now: Timestamp,
    /// The time now by a clock that never jumps, for leases: milliseconds since the process began.
    pub lease_now: Timestamp,
    /// Until when by that clock the claimed sends are the caller's.
    pub lease_until: Timestamp,
    /// How many of which account.
    pub wants: Vec<(String, usize)>,
    /// Whether it asks for as many as it has room for: no account's rate holds it back. Then, if it gets them all, there
    /// is more than it can keep up with, and the store takes new events no faster than it hands out sends.
    pub eager: bool,
    /// What happens to sends whose lease ran out.
    pub on_uncertain: OnUncertain,
}

/// What the deliverer gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The sends, in order of arrival, never two to one person.
    pub sends: Vec<Claimed>,
    /// When the next waiting send is due, if any waits.
    pub next_due: Option<Timestamp>,
}

/// What the deliverer asks for of the events that wait for a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupRequest {
    /// The time now.
    pub now: Timestamp,
    /// The time now by a clock that never jumps, for leases.
    pub lease_now: Timestamp,
    /// Until when by that clock the claimed lookups are the caller's.
    pub lease_until: Timestamp,
    /// Of which route.
    pub route: String,
    /// How many.
    pub count: usize,
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

/// A store. All methods are durable when they return: what they report is on disk.
pub trait Store: Send + Sync + 'static {
    /// Keeps events with their sends, all or none; those seen before are left alone.
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Kept>, StoreError>>;

    /// Hands out sends that are due, never two to one person at once.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claims, StoreError>>;

    /// Writes down attempts and their consequences.
    fn settle(&self, settlements: Arc<Vec<Settlement>>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// How many lookups of which route are not done.
    fn waiting_lookups(&self) -> BoxFuture<'_, Result<BTreeMap<String, usize>, StoreError>>;

    /// Hands out lookups that are due.
    fn claim_lookups(&self, request: LookupRequest) -> BoxFuture<'_, Result<LookupClaims, StoreError>>;

    /// Writes down attempts at lookups; with what was found, the whole event and its sends.
    fn settle_lookups(&self, settlements: Arc<Vec<LookupSettlement>>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes back claimed sends for which no call was made.
    fn release(&self, ids: Vec<SendId>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Treats what was in flight when an earlier process died. Returns how many sends that were.
    fn recover(&self, now: Timestamp, on_uncertain: OnUncertain) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Writes something, to know that writing works.
    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
