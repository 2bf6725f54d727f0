//! Erasing a person: who it is, what is found, and what went.

use std::ops::AddAssign;

use serde::Serialize;

use super::SendId;
use super::lookup::EventSeq;
use crate::phone;

/// How many traces are erased in one transaction at most: accepting waits for it, which takes some milliseconds.
pub const ERASE_STEP: usize = 100;

/// The person who is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number in E.164.
    pub number: String,
    /// The same without the code of its country.
    pub national: String,
    /// That code.
    pub country_code: String,
}

impl Person {
    /// Whoever has this number, in E.164; `None` if it is not one.
    pub fn of(number: &str) -> Option<Self> {
        let phone::Parts { country_code, national } = phone::parts(number)?;
        Some(Self { number: number.to_owned(), national, country_code })
    }
}

/// Where a search stands: one reading looks at a bounded part of what is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchCursor {
    /// Which part of the store.
    pub part: usize,
    /// After which row of it; `None`: from its first.
    pub after: Option<String>,
}

/// What one reading found of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Where.
    pub found: Vec<Trace>,
    /// What erasing that would take away.
    pub counts: Erased,
    /// Where to go on; `None`: that was all.
    pub next: Option<SearchCursor>,
}

/// Where something of a person is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// A send to them.
    Send(SendId),
    /// A send to somebody else that names their number.
    Mention(SendId),
    /// An attempt at a send to somebody else.
    Attempt(SendId),
    /// Something that happened to a send to somebody else, by its number.
    Change(i64),
    /// An event about them, or that names their number.
    Event(EventSeq),
    /// What was once decided about their number, or about another with a reason that names theirs; by its number.
    SuppressionChange(i64),
    /// A suppression of another number, with a reason that names theirs.
    Suppression(String),
    /// What was cancelled by a key that names their number.
    Cancel(String),
    /// A hold whose reason names their number.
    Hold(i64),
    /// A refusal that names their number.
    Refusal(SendId),
}

/// One step of an erasure, carried out whole or not at all.
#[derive(Debug, Clone)]
pub enum ErasureStep {
    /// What was found goes: at most [`ERASE_STEP`].
    Traces(Vec<Trace>),
    /// Their suppressions are kept as a hash from now on, and what was decided about them goes.
    Suppressions,
    /// That they were erased is written down, and what went: not who.
    Record(Erased),
}

/// What went, or would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Events.
    pub events: u64,
    /// Those of them of which the row stays, without content, since messages to other people came of it.
    pub blanked: u64,
    /// Sends.
    pub sends: u64,
    /// Those of them of which the call is under way: it cannot be stopped.
    pub under_way: u64,
    /// Attempts at sends and at lookups.
    pub attempts: u64,
    /// Lookups.
    pub lookups: u64,
    /// Suppressions, kept as a hash.
    pub suppressions: u64,
    /// Waiting sends to other people that name the number, and stay until they have gone.
    pub others_waiting: u64,
}

impl Erased {
    /// Whether nothing was found.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Erased {
    fn add_assign(&mut self, more: Self) {
        self.events += more.events;
        self.blanked += more.blanked;
        self.sends += more.sends;
        self.under_way += more.under_way;
        self.attempts += more.attempts;
        self.lookups += more.lookups;
        self.suppressions += more.suppressions;
        self.others_waiting += more.others_waiting;
    }
}

/// That somebody was erased; not who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErasureView {
    /// When.
    pub at: String,
    /// What went.
    #[serde(flatten)]
    pub erased: Erased,
}
