//! Which sends or events people ask for, and what they are answered: a page of a list, or how many there are.

use serde::de::Error as _;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{SendId, State};

/// Which sends or events are asked for. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The route they came by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The rule that made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Their campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// Their account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where they stand; of events, where one of their sends does, or what is wrong with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Condition>,
    /// The person's number in E.164. An event that holds it is theirs as well, however it is written there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The sender's id of their event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What an event holds, in whatever case; it says nothing of sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Made at this moment or later: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Made before this moment: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Where the last page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A page of a list, newest first, and where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next begins; `None`: this is the last.
    pub next: Option<String>,
}

/// How many sends a filter finds among those that one reading looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub found: u64,
    /// Those that wait.
    pub waiting: u64,
    /// The oldest of them.
    pub oldest: Option<SendId>,
    /// The first send, by number, that is newer than all that were looked at.
    pub before: i64,
    /// Where to go on; `None`: that was all.
    pub next: Option<i64>,
}

/// Where a send stands, or what is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// A send is in this state; of an event: one of its sends is.
    Send(State),
    /// A rule failed on an event, and made no send of it.
    Unmapped,
    /// An event could not be decoded.
    Undecodable,
}

const UNMAPPED: &str = "unmapped";
const UNDECODABLE: &str = "undecodable";

impl Condition {
    /// Whether only an event can be in it.
    pub fn is_of_events(self) -> bool {
        !matches!(self, Self::Send(_))
    }
}

impl From<State> for Condition {
    fn from(state: State) -> Self {
        Self::Send(state)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Send(state) => state.serialize(serializer),
            Self::Unmapped => serializer.serialize_str(UNMAPPED),
            Self::Undecodable => serializer.serialize_str(UNDECODABLE),
        }
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.as_str() {
            UNMAPPED => Ok(Self::Unmapped),
            UNDECODABLE => Ok(Self::Undecodable),
            name => {
                let state = State::deserialize(StrDeserializer::<Error>::new(name));
                state
                    .map(Self::Send)
                    .map_err(|error| D::Error::custom(format!("{error}, or of events `{UNMAPPED}` or `{UNDECODABLE}`")))
            }
        }
    }
}
