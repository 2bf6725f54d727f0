//! The words: what an event, a contact, a send and an attempt are, for every other module.
//!
//! Data only. How they come about, are kept and are carried out stands in the modules named after those stages.

pub mod act;
pub mod erasure;
pub mod filter;
mod hold;
pub mod lookup;
mod notification;
mod outcome;
pub mod remap;
mod send;
pub mod stats;
mod unmapped;
pub mod view;
mod send_options;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;

pub use hold::{HoldId, HoldScope, KeyFingerprint, KeyKind, Probe, Probed, Verdict};
pub use notification::{
    AccountChange, AccountTurn, HoldChange, HoldTurn, Notification, NotificationId, NotificationStatus, Reach,
    RouteChange, RouteState, RouteTurn,
};
pub use outcome::{Attempt, Confirm, Outcome, UncertainPolicy, UnknownRefusal};
pub use send::{Claimed, Content, NewSend, NextStep, Returned, SendId, Settlement, State};
pub use send_options::{
    BY_HAND, Cancel, Cap, OnUncertain, Once, OverCap, Priority, SendGuards, SendOptions, Start, Suppression, Why,
};
pub use unmapped::{Unmapped, UnmappedReason};

/// One thing that happened, as a source told it.
#[derive(Debug, Clone)]
pub struct Event {
    /// The sender's id for it, or a hash of the body (`sha256:...`) where the sender has none.
    pub id: String,
    /// What kind of thing happened, in the sender's words; empty where the sender does not say.
    pub kind: String,
    /// The decoded body, or one entry of it.
    pub value: Value,
    /// The person it is about.
    pub contact: Contact,
    /// How long a repetition of this id is taken for the same event.
    pub window: Duration,
}

/// The person an event is about, as far as the source tells. Fields that the event lacks are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// The number as it was sent, in whatever form.
    pub phone: String,
    /// The whole name.
    pub name: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// The e-mail address.
    pub email: String,
    /// The country, in the event's own words, or the two letters of the country that its state is in.
    pub country: String,
    /// What says in which country the number is dialled: the country of the calling code beside it, else the country.
    pub number_country: String,
}

/// What came with the body: the parts of the call that templates may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Headers by lower-case name, without those that carry secrets.
    pub headers: serde_json::Map<String, Value>,
    /// Query parameters, without those that carry secrets.
    pub query: serde_json::Map<String, Value>,
}

/// An event with everything that is stored of it in one go.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The route it came by.
    pub route: String,
    /// That route's source.
    pub source: String,
    /// The sender's id, or a hash of the body.
    pub id: String,
    /// The kind of event.
    pub kind: String,
    /// The first 16 bytes of SHA-256 over route and id: equal for equal events.
    pub fingerprint: [u8; 16],
    /// How long a repetition is taken for the same event.
    pub window: Duration,
    /// When the call came.
    pub received_at: Timestamp,
    /// The event as JSON, or the raw body where it could not be decoded.
    pub body: Bytes,
    /// The [`Envelope`] as JSON.
    pub envelope: String,
    /// Why it could not be decoded, if it could not.
    pub fault: Option<String>,
    /// Whether it is a test of the sender's own.
    pub test: bool,
    /// Whether a part of it has to be looked up before the rules can be applied; then it has no sends yet.
    pub lookup: bool,
    /// What the rules made of it.
    pub made: Made,
}

impl NewEvent {
    /// What it takes in the store, about, in bytes.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.envelope.len() + self.made.sends.iter().map(NewSend::bytes).sum::<usize>()
    }

    /// What it takes in memory until it is stored, about, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes() + size_of::<Self>() + self.made.sends.len() * size_of::<NewSend>()
    }
}

/// What the rules of a route made of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Sends.
    pub sends: Vec<NewSend>,
    /// Numbers that must not be messaged any more, or may be again.
    pub suppressions: Vec<Suppression>,
    /// Waiting sends that are no longer wanted.
    pub cancels: Vec<Cancel>,
}

impl Made {
    /// Whether anything came of the event.
    pub fn is_something(&self) -> bool {
        self.sends.iter().any(|send| send.content.is_ok()) || !self.suppressions.is_empty() || !self.cancels.is_empty()
    }
}

/// What became of an event when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is new, and on disk.
    New,
    /// It was there already; nothing was added.
    Duplicate,
}

/// What the sends of an account are kept under that were made for the sandbox: they must never go to Serri.
pub fn sandboxed(account: &str) -> String {
    format!("{account}{SANDBOXED}")
}

/// Whether sends that are kept under this name go to the sandbox, and reach nobody.
pub fn is_sandboxed(label: &str) -> bool {
    label.ends_with(SANDBOXED)
}

/// The account itself, whichever its sends are kept under.
pub fn plain_account(label: &str) -> &str {
    label.strip_suffix(SANDBOXED).unwrap_or(label)
}

const SANDBOXED: &str = " (sandbox)";
