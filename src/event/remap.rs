//! Waiting sends whose rule was changed: what they came of, and what the rule makes of that now.

use super::lookup::KeptEvent;
use super::{Content, SendId};

/// A rule as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVersion {
    /// Its route.
    pub route: String,
    /// Its name.
    pub rule: String,
    /// Equal as long as it is written the same.
    pub version: i64,
}

/// A waiting send with the event it came of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which send.
    pub id: SendId,
    /// The route it came by.
    pub route: String,
    /// The rule that made it.
    pub rule: String,
    /// Which of the sends that the rule made of the event, from 0.
    pub item: u32,
    /// The number in E.164.
    pub destination: String,
    /// The event.
    pub event: KeptEvent,
}

/// What a rule makes of a waiting send's event as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remapped {
    /// Which send.
    pub id: SendId,
    /// The rule's version.
    pub version: i64,
    /// The account that it goes through now; `None`: as it was.
    pub account: Option<String>,
    /// What is to be sent now, or why nothing can be; `None` if the rule wants nothing of the event any more.
    pub content: Option<Result<Content, String>>,
}
