//! What people are notified of: turns of holds, accounts that cannot be reached, and sends that nobody but a person can
//! decide about.

use super::{HoldChange, HoldTurn, NoticeId};
use crate::clock::Timestamp;

/// Something that whoever runs the relay should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A hold began, lasts or ended.
    Hold(HoldChange),
    /// Something happened to an account.
    Account(AccountChange),
}

/// Something happened to an account besides its holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// Names it inside the store.
    pub notice: NoticeId,
    /// The account.
    pub account: String,
    /// What happened.
    pub turn: AccountTurn,
    /// Since when the account cannot be reached, or could not be; of uncertain sends, when the first of them became so.
    pub since: Timestamp,
    /// When that was noted.
    pub at: Timestamp,
}

/// What happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTurn {
    /// It has not been reachable for a while.
    OutageBegan {
        /// How many sends wait.
        waiting: u64,
    },
    /// It still is not.
    OutageLasts {
        /// How many sends wait.
        waiting: u64,
    },
    /// It can be reached again.
    OutageEnded {
        /// How many sends waited.
        waited: u64,
    },
    /// Nobody knows whether some of its sends went, and they will not be repeated by themselves.
    Uncertain {
        /// How many became so since people were last notified.
        recent: u64,
        /// How many wait for a decision in all.
        waiting: u64,
    },
}

/// Whether an account can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its server has been down, or silent, since then.
    Unreachable {
        /// Wall clock.
        since: Timestamp,
    },
    /// It answered.
    Reachable,
}

impl Notification {
    /// Names it inside the store.
    pub fn id(&self) -> NoticeId {
        match self {
            Self::Hold(change) => change.notice,
            Self::Account(change) => change.notice,
        }
    }

    /// Whose sends it is about.
    pub fn account(&self) -> &str {
        match self {
            Self::Hold(change) => &change.account,
            Self::Account(change) => &change.account,
        }
    }

    /// Whether an older reminder need not be delivered any more, since this says what is new about the same.
    pub fn supersedes(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Hold(new), Self::Hold(old)) => {
                new.turn != HoldTurn::Began && new.hold == old.hold && matches!(old.turn, HoldTurn::Lasts { .. })
            }
            (Self::Account(new), Self::Account(old)) => {
                let is_reminder = matches!(old.turn, AccountTurn::OutageLasts { .. });
                let is_news = matches!(new.turn, AccountTurn::OutageLasts { .. } | AccountTurn::OutageEnded { .. });
                new.account == old.account && is_reminder && is_news
            }
            _ => false,
        }
    }
}
