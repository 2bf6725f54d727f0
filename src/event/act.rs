//! What people do with what is kept.

use super::lookup::EventSeq;
use super::view::Filter;
use super::{HoldChange, NewEvent, NewSend, SendId, State, Suppression};

/// How many sends one action changes at most: accepting waits for its transaction, which takes some milliseconds.
pub const STEP: usize = 500;

/// Something that a person decided.
#[derive(Debug, Clone)]
pub enum Action {
    /// An account or a campaign is on hold until the hold is lifted.
    SetHold {
        /// Which account.
        account: String,
        /// Which campaign of it; empty: all.
        campaign: String,
        /// Why.
        reason: String,
    },
    /// It goes on.
    LiftHold {
        /// Which account.
        account: String,
        /// Which campaign of it; empty: the hold of the whole account.
        campaign: String,
    },
    /// Waiting sends are not wanted any more.
    Cancel {
        /// Which: at most [`STEP`].
        ids: Vec<SendId>,
        /// What must still be true of each; one that was changed meanwhile is left alone.
        filter: Filter,
        /// Why.
        reason: String,
    },
    /// Sends go again, or for the first time: at most [`STEP`].
    Revive(Vec<Revival>),
    /// What was never read of an event is read.
    LookUpAgain(EventSeq),
    /// A call that could not be decoded is kept as the events it turned out to hold; those that are kept already are not
    /// kept twice.
    ReadAgain {
        /// The event that was kept in their place.
        undecoded: EventSeq,
        /// What it holds.
        events: Vec<NewEvent>,
    },
    /// Numbers must not be messaged, or may be again.
    Suppress(Vec<Suppression>),
    /// The same from a list: numbers that are on it for that reason already are left alone.
    Import(Vec<Suppression>),
}

/// A send that goes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revival {
    /// One that came to an end begins anew.
    Again {
        /// Which.
        id: SendId,
        /// How many attempts it had when that was decided: what was tried since is not touched.
        attempts: u32,
        /// Where it stood then.
        state: State,
        /// What its rule makes of its event now.
        send: NewSend,
    },
    /// One more is made.
    New {
        /// Of which event.
        event: EventSeq,
        /// What.
        send: NewSend,
        /// Also if there is one already.
        again: bool,
    },
}

/// A send that may begin, or begin anew.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What.
    pub send: &'a NewSend,
    /// The route of its event.
    pub route: &'a str,
    /// Its event; `None`: one that is still to be kept.
    pub event: Option<EventSeq>,
    /// The send that begins anew, if one does.
    pub old: Option<SendId>,
}

impl Revival {
    /// What goes.
    pub fn send(&self) -> &NewSend {
        match self {
            Self::Again { send, .. } | Self::New { send, .. } => send,
        }
    }
}

/// Why a send would come to its end at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// Where it would stand: `duplicate` for what the person got already, `suppressed`, `expired` or `cancelled`.
    pub state: State,
    /// Why.
    pub reason: String,
}

/// What came of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acted {
    /// How many sends, holds or numbers were changed. Of sends that go again, only those that really wait to go.
    pub changed: usize,
    /// The holds that began or ended.
    pub holds: Vec<HoldChange>,
}
