//! The words: what an event, a contact, a send and an attempt are, for every other module.
//!
//! Data only. How they come about, are kept and are carried out stands in the modules named after those stages.

pub mod lookup;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;

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
    /// The country as ISO 3166-1 alpha-2, where the event says it.
    pub country: String,
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
    /// Whether a part of it has to be looked up before the rules can be applied; then it has no sends yet.
    pub lookup: bool,
    /// The sends the rules made of it.
    pub sends: Vec<NewSend>,
}

/// A send as mapping made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSend {
    /// The rule that made it.
    pub rule: String,
    /// The account it goes through.
    pub account: String,
    /// The payload, or why there is none.
    pub content: Result<Content, String>,
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
}

/// What became of an event when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is new, and on disk.
    New,
    /// It was there already; nothing was added.
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
    },
    /// The request went out, and nobody knows whether it was carried out.
    Uncertain {
        /// What happened.
        reason: String,
    },
}

impl Outcome {
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
            | Self::Refused { reason }
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

/// A number as logs may show it: the country's first digits and the last two.
pub fn masked(number: &str) -> String {
    let shown = |from: usize| number.chars().skip(from).collect::<String>();
    let count = number.chars().count();
    if count < 7 {
        return "*".repeat(count);
    }
    let head: String = number.chars().take(3).collect();
    format!("{head}{}{}", "*".repeat(count - 5), shown(count - 2))
}

/// A text as logs may show it: whatever looks like a phone number in it is masked.
pub fn without_numbers(text: &str) -> String {
    let belongs = |c: char| c.is_numeric() || matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}');
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(c) if c.is_numeric() || (!run.is_empty() && belongs(c)) => run.push(c),
            other => {
                let digits = run.chars().filter(|c| c.is_numeric()).count();
                let kept = if digits < 7 {
                    run.clone()
                } else {
                    run.chars().map(|c| if c.is_numeric() { '*' } else { c }).collect()
                };
                out.push_str(&kept);
                run.clear();
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_text_are_masked_and_short_ones_stay() {
        assert_eq!(
            without_numbers("400: Invalid Number +91 98123-45670, try 3 of 12"),
            "400: Invalid Number +** *****-*****, try 3 of 12"
        );
        assert_eq!(without_numbers("no connection to 10.0.0.1:80"), "no connection to 10.0.0.1:80");
        assert_eq!(without_numbers("919812345670"), "************");
    }

    #[test]
    fn a_masked_number_keeps_its_ends_only() {
        assert_eq!(masked("+919812345670"), "+91********70");
        assert_eq!(masked("12345"), "*****");
    }
}
