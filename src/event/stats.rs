//! How much there is, and how much happened: counts that outlive what they were counted from.

use serde::{Deserialize, Serialize};

use super::State;
use crate::clock::Timestamp;

/// How many sends of a campaign stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendCount {
    /// The account.
    pub account: String,
    /// The campaign; empty: the rule failed before it named one.
    pub campaign: String,
    /// Where they stand.
    pub state: State,
    /// How many.
    pub count: u64,
}

/// Since when the send of an account that has been due longest has been due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestDue {
    /// The account.
    pub account: String,
    /// Wall clock.
    pub since: Timestamp,
}

/// How much room a store takes, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// All of its files.
    pub total: u64,
    /// The part that holds nothing, and is used next.
    pub free: u64,
}

/// What there is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// Sends, a count for each account, campaign and state of which there are any.
    pub sends: Vec<SendCount>,
    /// One for each account of which a send is due.
    pub oldest_due: Vec<OldestDue>,
    /// The store's files.
    pub size: StoreSize,
}

/// What is counted by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Events that were taken in.
    Received,
    /// Events that had been taken in before, and were left alone.
    Repeated,
    /// Events that were taken in and could not be decoded.
    Undecodable,
    /// Sends that came to where they stay, unless a person or a later answer moves them on.
    #[serde(untagged)]
    Send(State),
}

/// What a count can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// The hour, UTC.
    Hour,
    /// The day, UTC; instead of the hour.
    Day,
    /// The route.
    Route,
    /// The rule.
    Rule,
    /// The account.
    Account,
    /// The campaign.
    Campaign,
}

/// Which counts are asked for. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsFilter {
    /// From the hour of this moment on.
    pub since: Timestamp,
    /// Up to this moment, with the whole of an hour that has begun.
    pub until: Timestamp,
    /// Of a route.
    pub route: Option<String>,
    /// Of a rule: sends alone.
    pub rule: Option<String>,
    /// Of an account: sends alone.
    pub account: Option<String>,
    /// Of a campaign: sends alone.
    pub campaign: Option<String>,
    /// What counts are told apart by, besides what was counted.
    pub by: Vec<Dimension>,
}

/// A count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// When the hour, or the day, began: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The rule; empty: of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The account; empty: of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The campaign; empty: of events, and of sends whose rule failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// What was counted.
    pub outcome: Counted,
    /// How many.
    pub count: u64,
}
