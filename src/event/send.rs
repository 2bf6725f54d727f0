//! A send: how it is made, claimed, attempted and settled.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hold::{HoldScope, Probe, Probed};
use super::{Start, Terms, Wishes};
use crate::clock::Timestamp;

/// A send as mapping made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSend {
    /// The rule that made it.
    pub rule: String,
    /// The account it goes through.
    pub account: String,
    /// Which of the sends that the rule made of the event, from 0.
    pub item: u32,
    /// Equal for sends that the rule made as it was written then.
    pub version: i64,
    /// The payload, or why there is none.
    pub content: Result<Content, String>,
}

impl NewSend {
    /// What it takes in the store, about, in bytes.
    pub fn bytes(&self) -> usize {
        let content = match &self.content {
            Ok(content) => content.payload.len() + content.campaign.len() + content.destination.len(),
            Err(reason) => reason.len(),
        };
        content + self.rule.len() + self.account.len()
    }
}

/// What is to be sent to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The campaign's name.
    pub campaign: String,
    /// The person's number in E.164.
    pub destination: String,
    /// The body of the API call as a JSON object, without the key.
    pub payload: String,
    /// What is wished besides.
    pub wishes: Wishes,
}

/// Where a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It goes as soon as it may.
    Waiting,
    /// A call is under way.
    Sending,
    /// Serri took it.
    Sent,
    /// It will not be tried again by itself.
    Failed,
    /// Nobody knows whether it went; a person has to decide.
    Uncertain,
    /// Its time ran out.
    Expired,
    /// The number must not be messaged.
    Suppressed,
    /// It is no longer wanted.
    Cancelled,
    /// The person got the same shortly before.
    Duplicate,
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

/// Names a send inside the store; later sends have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SendId(pub i64);

impl fmt::Display for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A send that the deliverer has taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which send.
    pub id: SendId,
    /// The id of the event it came of.
    pub event: String,
    /// The route it came by.
    pub route: String,
    /// The rule that made it.
    pub rule: String,
    /// The account it goes through.
    pub account: String,
    /// The campaign's name.
    pub campaign: String,
    /// The number in E.164.
    pub destination: String,
    /// The body of the call without the key.
    pub payload: String,
    /// Since when it has been tried: when its event came, or when its account or campaign last stood still.
    pub since: Timestamp,
    /// How many attempts were made before this one.
    pub attempts: u32,
    /// How many of them were this send's own: those that failed for its account or campaign are not.
    pub used: u32,
    /// When it is no longer wanted.
    pub expires_at: Option<Timestamp>,
    /// What is wished.
    pub terms: Terms,
    /// The hold that this send is to try, if its account or campaign stands still.
    pub probe: Option<Probe>,
}

/// What one attempt came to. [`crate::serri`] decides it; nothing else reads the API's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted, with the id Serri gave it.
    Sent {
        /// Serri's `submitted_message_id`, where the answer had one.
        message_id: Option<String>,
    },
    /// It certainly was not sent, and may go later.
    Transient {
        /// What happened.
        reason: String,
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
    },
    /// Nothing of this account is sent at present: no credits, no plan, no valid key.
    Account {
        /// What the server said.
        reason: String,
    },
    /// Nothing of this campaign is sent at present: missing, not live, other parameters.
    Campaign {
        /// What the server said.
        reason: String,
    },
    /// This send will never be accepted as it is.
    Refused {
        /// What the server said.
        reason: String,
        /// Whether it is a known answer; one that is not may mean something else.
        known: bool,
    },
    /// The request went out, and nobody knows whether it was carried out.
    Uncertain {
        /// What happened.
        reason: String,
    },
}

impl Outcome {
    /// A refusal whose meaning is known.
    pub fn refused(reason: String) -> Self {
        Self::Refused { reason, known: true }
    }

    /// One word for logs, metrics and the store.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Transient { .. } => "transient",
            Self::Account { .. } => "account",
            Self::Campaign { .. } => "campaign",
            Self::Refused { .. } => "refused",
            Self::Uncertain { .. } => "uncertain",
        }
    }

    /// Why it was not sent; empty if it was.
    pub fn reason(&self) -> &str {
        match self {
            Self::Sent { .. } => "",
            Self::Transient { reason, .. }
            | Self::Account { reason }
            | Self::Campaign { reason }
            | Self::Refused { reason, .. }
            | Self::Uncertain { reason } => reason,
        }
    }
}

/// One HTTP call made for a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// The first 2 KiB of the answer.
    pub answer: String,
    /// What it came to.
    pub outcome: Outcome,
}

/// What is to become of a send after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Sent {
        /// Serri's id for it.
        message_id: Option<String>,
    },
    /// It is tried again then.
    Retry {
        /// Not before this moment.
        due: Timestamp,
        /// Why it was not sent.
        reason: String,
        /// From when on it counts how long it has been tried; `None`: as before. An account or a campaign that stands
        /// still uses nothing up.
        since: Option<Timestamp>,
    },
    /// It will not be tried again by itself.
    Failed {
        /// Why.
        reason: String,
    },
    /// Its account or campaign stands still; it waits for that to end.
    Stopped {
        /// How far that reaches.
        scope: HoldScope,
        /// Why.
        reason: String,
        /// When it is found out whether it has ended.
        probe_at: Timestamp,
    },
    /// A person has to decide whether it is repeated.
    Held {
        /// What is not known.
        reason: String,
    },
}

/// An attempt and its consequence, to be written down together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which send.
    pub id: SendId,
    /// Which attempt of it, counted from 1.
    pub number: u32,
    /// What happened.
    pub attempt: Attempt,
    /// What follows.
    pub fate: Fate,
    /// What follows for the hold that it tried, if it tried one.
    pub probed: Option<Probed>,
    /// Whether the person themselves was, or may have been, messaged: not in a dry run, nor on a detour.
    pub reached: bool,
}

/// A claimed send for which no call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// Which send.
    pub id: SendId,
    /// When it may go; at once, if `None`.
    pub start: Option<Start>,
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
