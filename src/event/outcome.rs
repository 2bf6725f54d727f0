//! What one attempt came to, and how far an answer has to be explicit.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{OnUncertain, SendGuards};
use crate::clock::Timestamp;

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
    /// Nothing of this account is sent at present: it lacks credits, a plan or a valid key.
    Account {
        /// What the server said.
        reason: String,
    },
    /// Something else than the campaign API answered: nothing of this account is sent until its endpoint is corrected.
    WrongEndpoint {
        /// What was answered, by which address, and what to do.
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
    },
    /// It was refused in words that are not known: nobody knows whether that is this send's fault.
    Unknown {
        /// What the server said.
        reason: String,
        /// The same without what differs from person to person: equal for equal refusals.
        text: String,
    },
    /// The answer is a success that does not say that the message was taken.
    Unconfirmed {
        /// What the server said, and what to do.
        reason: String,
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
        Self::Refused { reason }
    }

    /// The word for a fault of the account, or of the token.
    pub const ACCOUNT: &'static str = "account";

    /// One word for logs, metrics and the store.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Transient { .. } => "transient",
            Self::Account { .. } => Self::ACCOUNT,
            Self::WrongEndpoint { .. } => "wrong_endpoint",
            Self::Campaign { .. } => "campaign",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Uncertain { .. } => "uncertain",
        }
    }

    /// Why it was not sent; empty if it was.
    pub fn reason(&self) -> &str {
        match self {
            Self::Sent { .. } => "",
            Self::Transient { reason, .. }
            | Self::Account { reason }
            | Self::WrongEndpoint { reason }
            | Self::Campaign { reason }
            | Self::Refused { reason }
            | Self::Unknown { reason, .. }
            | Self::Unconfirmed { reason }
            | Self::Uncertain { reason } => reason,
        }
    }

    /// Whether the message went, or may have gone.
    pub fn may_have_gone(&self) -> bool {
        matches!(self, Self::Sent { .. } | Self::Unconfirmed { .. } | Self::Uncertain { .. })
    }

    /// Whether nobody knows if the message went.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Unconfirmed { .. } | Self::Uncertain { .. })
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

/// A refusal of which nobody knows whose fault it is. It says more when others are refused the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRefusal {
    /// What the server said.
    pub reason: String,
    /// Equal for equal refusals.
    pub text: String,
    /// When the hold is tried first that begins with it, if one does.
    pub probe_at: Timestamp,
    /// Those who were refused before then do not count with it any more: what was refused so long ago has been given up.
    pub not_before: Timestamp,
}

impl UnknownRefusal {
    /// So many different people in a row who are refused the same way put their campaign on hold: two may be chance.
    pub const PEOPLE: usize = 3;
}

/// How often a send is tried of which nobody knows whether it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UncertainPolicy {
    /// Whether it is repeated at all.
    pub on_uncertain: OnUncertain,
    /// How many tries in all may end so that nobody knows.
    pub tries: NonZeroU32,
}

impl UncertainPolicy {
    /// What holds for a send with these guards.
    pub fn of(self, guards: &SendGuards) -> Self {
        Self {
            on_uncertain: guards.on_uncertain.unwrap_or(self.on_uncertain),
            tries: guards.uncertain_tries.unwrap_or(self.tries),
        }
    }

    /// Whether a send goes once more after one more try of which nobody knows, with so many such tries `before`.
    pub fn may_repeat(self, before: u32) -> bool {
        self.on_uncertain == OnUncertain::Retry && before.saturating_add(1) < self.tries.get()
    }
}

/// What counts as acceptance by an account's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// Only an answer that says so: JSON with `success` true, or with a `submitted_message_id`.
    #[default]
    Explicit,
    /// Any success (2xx) that does not say otherwise, for an API that says nothing.
    Any,
}
