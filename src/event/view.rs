//! What is kept, as people see it: in lists, and one whole.

use serde::Serialize;
use serde_json::Value;

use super::lookup::KeptEvent;

pub use super::filter::{Condition, Filter, Page, Tally};
use super::{Priority, SendId, State};
use crate::clock::Timestamp;

/// A send in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SendView {
    /// Its number.
    pub id: SendId,
    /// The sender's id of the event it came of.
    pub event: String,
    /// That event's number.
    pub event_number: i64,
    /// The route it came by.
    pub route: String,
    /// The rule that made it.
    pub rule: String,
    /// Which of the sends that the rule made of the event, from 0.
    pub item: u32,
    /// The account it goes through.
    pub account: String,
    /// The campaign.
    pub campaign: String,
    /// The person's number in E.164.
    pub destination: String,
    /// Where it stands.
    pub state: State,
    /// Why it waits: `due`, `recipient` (another send to the same person goes first), `retry`, `hold:account`,
    /// `hold:campaign`, `hours`, `delay`, `cap` or `once`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Until when it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What was last said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many calls were made.
    pub attempts: u32,
    /// When it was made.
    pub created_at: String,
    /// When it last changed.
    pub changed_at: String,
    /// When it last went, or may have gone.
    #[serde(rename = "gone_at", skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<String>,
    /// What goes first.
    pub priority: Priority,
    /// When it is no longer wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How it is kept from the customer: `dry_run`, or the number that gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detour: Option<String>,
    /// Serri's id for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When what it held was erased: number, payload, reason and history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<String>,
}

/// A send, whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SendStory {
    /// As in a list.
    #[serde(flatten)]
    pub send: SendView,
    /// The body of the call, without the key.
    pub payload: Value,
    /// What happened to it, oldest first.
    pub history: Vec<Step>,
}

/// Something that happened to a send, or a call that was made to read the rest of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// When.
    pub at: String,
    /// What: `made`, an attempt's outcome, or where it came.
    pub what: String,
    /// Why it waits since, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The HTTP status of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long an attempt took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first 2 KiB of an attempt's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// An event in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventView {
    /// Its number.
    pub number: i64,
    /// The sender's id.
    pub id: String,
    /// The route it came by.
    pub route: String,
    /// That route's source.
    pub source: String,
    /// What kind of thing happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it came.
    pub received_at: String,
    /// Why it could not be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether a rule failed on it, and made no send.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unmapped: bool,
    /// Whether it is a test of the sender's own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// How many sends came of it.
    pub sends: u64,
    /// When what it held was erased: body, headers and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<String>,
}

/// An event, whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventStory {
    /// As in a list.
    #[serde(flatten)]
    pub event: EventView,
    /// The event itself; a text where it could not be decoded.
    pub body: Value,
    /// Headers and query, without secrets.
    pub envelope: Value,
    /// What came of it.
    pub made: Vec<SendView>,
    /// Whom it put on the list of numbers that must not be messaged, or took off it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressions: Vec<SuppressionChange>,
    /// How reading the rest of it stands, where there is a rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<String>,
    /// Why the rest was not found, or not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup_reason: Option<String>,
    /// The calls that were made to read it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lookup_attempts: Vec<Step>,
}

/// A hold in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HoldView {
    /// Whose sends are on hold; empty: lookups are.
    pub account: String,
    /// The route whose lookups are on hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Those of which campaign; `None`: all.
    pub campaign: Option<String>,
    /// Why.
    pub reason: String,
    /// `answer`, or `hand`.
    pub by: String,
    /// Since when.
    pub since: String,
    /// How often it was tried whether it has ended.
    pub probes: u32,
    /// When it is tried next.
    pub probe_at: Option<String>,
    /// How many sends wait.
    pub waiting: u64,
}

/// A suppressed number in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuppressionView {
    /// The number in E.164.
    pub number: String,
    /// By which account it must not be messaged; `*`: by none.
    pub account: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
}

/// A number, whether it may be messaged, and how that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuppressionStory {
    /// The number in E.164.
    pub number: String,
    /// By whom it must not be messaged; empty: it may be.
    pub suppressions: Vec<SuppressionView>,
    /// What was decided, oldest first.
    pub history: Vec<SuppressionChange>,
}

/// A number was put on the list of those that must not be messaged, or taken off it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuppressionChange {
    /// When.
    pub at: String,
    /// `added` or `removed`.
    pub what: &'static str,
    /// The number in E.164.
    pub number: String,
    /// For which account; `*`: for all.
    pub account: String,
    /// Why.
    pub reason: String,
}

/// An event as it was kept, to be mapped again.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptWhole {
    /// Its number.
    pub number: i64,
    /// The event.
    pub event: KeptEvent,
    /// The route it came by.
    pub route: String,
    /// Why it could not be decoded; then its body is as it was sent.
    pub fault: Option<String>,
    /// What has become of reading the rest of it, where a rest has to be read.
    pub rest: Option<Rest>,
    /// When what it held was erased; then it cannot be mapped any more.
    pub erased_at: Option<Timestamp>,
    /// What came of it.
    pub made: Vec<SendView>,
}

/// What has become of the part of an event that has to be read from its sender's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It is still to be read.
    Waiting,
    /// It was read.
    Found,
    /// It could not be read.
    Failed,
}

/// What was accepted of a campaign so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LearnedCampaign {
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// The payload of its last accepted send.
    #[serde(skip)]
    pub payload: String,
}

/// The day of a moment as people read it, in UTC.
pub fn date(at: Timestamp) -> String {
    shown(at).chars().take_while(|c| *c != 'T').collect()
}

/// A moment as people read it.
pub fn shown(at: Timestamp) -> String {
    at.to_string()
}
