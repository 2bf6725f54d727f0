//! The options of a send: when, in which order, how often, and whether at all.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::hours::Hours;

/// What goes first when there is a backlog.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before everything else: one-time codes.
    Urgent,
    /// As a rule.
    #[default]
    Normal,
    /// When nothing else waits: newsletters.
    Bulk,
}

/// The options for one send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// What goes first.
    pub priority: Priority,
    /// When it is to begin, if not at once.
    pub start: Option<Start>,
    /// When it is no longer wanted.
    pub expires_at: Option<Timestamp>,
    /// What it is about: an order, an appointment. Later events about the same can cancel or move it.
    pub key: Option<String>,
    /// Whether it takes the place of a waiting send of the same rule and key.
    pub moves: bool,
    /// The moment it is about, where it is about one: a second send for the same moment is a duplicate.
    pub about_at: Option<Timestamp>,
    /// Not again within a while.
    pub once: Option<Once>,
    /// Whether its campaign is marked as marketing.
    pub marketing: bool,
    /// What is looked at when it is about to be sent.
    pub guards: SendGuards,
}

/// When a send begins, and why not at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Not before this moment.
    pub at: Timestamp,
    /// Why.
    pub why: Why,
}

/// Why a send waits for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// An attempt failed.
    Retry,
    /// People are not messaged at this hour.
    Hours,
    /// Its rule says so: `delay`, or `at`.
    Delay,
    /// The person had enough.
    Cap,
    /// The same is being sent to the person.
    Once,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Retry, Self::Hours, Self::Delay, Self::Cap, Self::Once];

    /// One word for the store and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hours => "hours",
            Self::Delay => "delay",
            Self::Cap => "cap",
            Self::Once => "once",
        }
    }
}

/// The same campaign to the same person not again within a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// A hash over account, campaign and person: equal for what counts as the same.
    pub key: [u8; 16],
    /// The while.
    pub within: Duration,
}

/// What is looked at each time a send is about to go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendGuards {
    /// When people may be messaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// How many marketing messages a person gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// It goes to suppressed numbers too.
    #[serde(skip_serializing_if = "is_false")]
    pub even_if_suppressed: bool,
    /// The number that gets it instead of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// No call is made for it.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// What happens if nobody knows whether it went, where that is not as the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_uncertain: Option<OnUncertain>,
    /// How many tries in all may end so that nobody knows, where that is not as the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertain_tries: Option<NonZeroU32>,
}

impl SendGuards {
    /// As they are kept; `None` if there are none.
    pub fn written(&self) -> Option<String> {
        if *self == Self::default() { None } else { serde_json::to_string(self).ok() }
    }

    /// What [`SendGuards::written`] wrote.
    pub fn read(written: Option<&str>) -> Self {
        written.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// How many marketing messages of an account a person gets in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// How many.
    pub most: u32,
    /// In how many seconds, counted back from the moment of sending.
    pub per_s: u64,
    /// What becomes of one more.
    pub over: OverCap,
}

/// What becomes of a send that would be one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OverCap {
    /// It waits until it is not.
    #[default]
    Wait,
    /// It is not sent.
    Drop,
}

/// What to do with a send of which nobody knows whether it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUncertain {
    /// Repeat it: nobody is missed, somebody may get a message twice.
    #[default]
    Retry,
    /// Leave it for a person to decide.
    Hold,
}

/// Why something was done, if a person did it and did not say.
pub const BY_HAND: &str = "by hand";

/// A number that must not be messaged any more, or may be again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// By which account; `*`: by none.
    pub account: String,
    /// The number in E.164.
    pub number: String,
    /// Whether it is added or removed.
    pub add: bool,
    /// The rule that says so; `None`: a person did.
    #[serde(default)]
    pub rule: Option<String>,
    /// Why: that rule, or what a person said; [`BY_HAND`] if they said nothing.
    pub reason: String,
    /// Since when, if not since now.
    pub since: Option<Timestamp>,
}

/// Waiting sends that an event makes unwanted: those of a rule, about the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The account of both.
    pub account: String,
    /// What they are about.
    pub key: String,
    /// The route of the rule.
    pub route: String,
    /// The rule.
    pub rule: String,
}
