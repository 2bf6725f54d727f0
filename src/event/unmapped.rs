//! Why a rule made no send of an event. It is typed until it is stored: nobody has to read the text to know what it means.

use thiserror::Error;

use crate::phone::NoNumber;

/// Why a rule made no send of an event: the rule, the key of it, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule `{rule}`, `{key}`: {reason}")]
pub struct Unmapped {
    /// The rule's name.
    pub rule: String,
    /// The key as it is written, with its place in a list: `destination`, `templateParams[0]`.
    pub key: String,
    /// What is wrong there.
    pub reason: UnmappedReason,
}

/// What is wrong at a key of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnmappedReason {
    /// A template names this, which the event does not have, or has empty.
    #[error("`{0}` is not there, or empty")]
    Missing(String),
    /// What Serri refuses a send without.
    #[error("it comes out empty")]
    Empty,
    /// It is to be a phone number.
    #[error(transparent)]
    NoNumber(#[from] NoNumber),
    /// It has no country code, and the event's country is none.
    #[error(
        "the number has no country code, and `{0}` is not the name of a country; send the number with its country code, or name the field that holds the country in the route, as `contact: {{ country: event.address.country }}`"
    )]
    UnknownCountry(String),
    /// One event may not bring so much.
    #[error(
        "it makes more than the {sends} sends, of {bytes} bytes in all, that there is room for in one event (server.call_limit); none of them is made"
    )]
    TooMuch {
        /// How many sends there was room for.
        sends: usize,
        /// Of how many bytes.
        bytes: usize,
    },
    /// The payload may not be so long.
    #[error("it becomes {bytes} bytes long; {most} is the most")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// A date can be read in several ways: the text says which.
    #[error("{0}")]
    AmbiguousDate(String),
    /// It cannot be worked out, or what comes out cannot be used: the text says why.
    #[error("{0}")]
    Failed(String),
}
