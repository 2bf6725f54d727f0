//! What people do with what is kept.

use super::lookup::EventSeq;
use super::{HoldChange, NewSend, SendId, State, Suppression};

/// Something that a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An account or a campaign stands still until the hold is lifted.
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
        /// Which.
        ids: Vec<SendId>,
        /// Why.
        reason: String,
    },
    /// Sends go again, or for the first time.
    Revive(Vec<Revival>),
    /// What was never read of an event is read.
    LookUpAgain(EventSeq),
    /// Numbers must not be messaged, or may be again.
    Suppress(Vec<Suppression>),
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

/// What came of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acted {
    /// How many sends, holds or numbers were changed.
    pub changed: usize,
    /// The holds that began or ended.
    pub holds: Vec<HoldChange>,
}
