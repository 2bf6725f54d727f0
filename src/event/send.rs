//! A send: how it is made, claimed, attempted and settled.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::hold::{HoldScope, Probe, Probed};
use super::outcome::{Attempt, UnknownRefusal};
use super::{SendGuards, SendOptions, Start, Unmapped};
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
    pub content: Result<Content, Unmapped>,
}

impl NewSend {
    /// What it takes in the store, about, in bytes.
    pub fn bytes(&self) -> usize {
        let content = match &self.content {
            Ok(content) => content.payload.len() + content.campaign.len() + content.destination.len(),
            Err(unmapped) => unmapped.to_string().len(),
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
    /// Its options.
    pub options: SendOptions,
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
    /// Of how many of them nobody knows whether they reached the person.
    pub uncertain: u32,
    /// When it is no longer wanted.
    pub expires_at: Option<Timestamp>,
    /// What is looked at when it is about to go.
    pub guards: SendGuards,
    /// The hold that this send is to try, if its account or campaign is on hold.
    pub probe: Option<Probe>,
}

/// What is to become of a send after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
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
    /// It was refused, and nobody knows whose fault that is. It fails, unless others are refused the same way: then its
    /// campaign (or account) goes on hold, and it waits for that to end.
    Doubtful(UnknownRefusal),
    /// Its account or campaign is on hold; it waits for that to end.
    Blocked {
        /// How far that reaches.
        scope: HoldScope,
        /// Why.
        reason: String,
        /// When it is found out whether it has ended.
        probe_at: Timestamp,
    },
    /// A person has to decide whether it is repeated.
    NeedsDecision {
        /// What is not known.
        reason: String,
        /// When its account is tried again, where the answer puts the account on hold as well.
        probe_at: Option<Timestamp>,
    },
}

impl NextStep {
    /// The hold that begins with it: how far it reaches, why, and when it is tried first.
    pub fn hold(&self) -> Option<(HoldScope, &str, Timestamp)> {
        match self {
            Self::Blocked { scope, reason, probe_at } => Some((*scope, reason, *probe_at)),
            Self::NeedsDecision { reason, probe_at: Some(probe_at) } => Some((HoldScope::Account, reason, *probe_at)),
            _ => None,
        }
    }

    /// When the deliverer may have something to do because of it.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Retry { due, .. } => Some(*due),
            Self::Doubtful(refusal) => Some(refusal.probe_at),
            other => other.hold().map(|(_, _, probe_at)| probe_at),
        }
    }

    /// Whether nothing happens any more until a person decides.
    pub fn needs_decision(&self) -> bool {
        matches!(self, Self::NeedsDecision { .. })
    }
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
    pub next_step: NextStep,
    /// What follows for the hold that it tried, if it tried one.
    pub probed: Option<Probed>,
    /// Whether the person themselves was, or may have been, messaged: not in a dry run, nor in a redirected test.
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
