//! The words: what an event, a contact, a send and an attempt are, for every other module.
//!
//! Data only. How they come about, are kept and are carried out stands in the modules named after those stages.

pub mod act;
mod hold;
pub mod lookup;
mod notification;
pub mod remap;
mod send;
pub mod view;
mod wishes;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;

pub use hold::{HoldChange, HoldId, HoldScope, HoldTurn, NoticeId, Probe, Probed, Told, Verdict};
pub use notification::{AccountChange, AccountTurn, Notification, Reach};
pub use send::{
    Attempt, Claimed, Content, Fate, NewSend, OnUncertain, Outcome, Returned, SendId, Settlement, State, Why,
};
pub use wishes::{BY_HAND, Cancel, Cap, Once, OverCap, Priority, Start, Suppression, Terms, Wishes};

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
    /// What the rules made of it.
    pub made: Made,
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

/// The account itself, whichever its sends are kept under.
pub fn plain_account(label: &str) -> &str {
    label.strip_suffix(SANDBOXED).unwrap_or(label)
}

const SANDBOXED: &str = " (sandbox)";

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

/// An id or a name as logs may show it: where it holds the person's number, that is masked.
pub fn without_number<'a>(text: &'a str, number: &str) -> Cow<'a, str> {
    // however the number is written, its last digits are these
    let last = number.char_indices().rev().nth(7).and_then(|(at, _)| number.get(at..)).unwrap_or_default();
    if last.is_empty() || !text.contains(last) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(last, "********"))
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
    fn a_persons_number_in_a_name_is_masked_however_it_is_written() {
        for (text, masked) in [
            ("call-+919812345670-4", "call-+9198********-4"),
            ("lead 09812345670", "lead 098********"),
            ("order-5678901234567", "order-5678901234567"),
        ] {
            assert_eq!(without_number(text, "+919812345670"), masked);
        }
        assert_eq!(without_number("anything", ""), "anything");
    }

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
