//! What people are notified of: turns of holds, accounts that cannot be reached, and sends that nobody but a person can
//! decide about.

use serde::Serialize;

use super::hold::HoldId;
use crate::clock::Timestamp;

/// Something that whoever runs the relay should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A hold began, lasts or ended.
    Hold(HoldChange),
    /// Something happened to an account.
    Account(AccountChange),
}

/// A notification, and who knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationStatus {
    /// What they are notified of.
    pub notification: Notification,
    /// The names of the targets that were notified.
    pub targets: Vec<String>,
}

/// Names a notification inside the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NotificationId(pub i64);

/// A hold began, lasts or ended, and somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldChange {
    /// Names it inside the store.
    pub notification: NotificationId,
    /// Which hold.
    pub hold: HoldId,
    /// Whose sends are on hold.
    pub account: String,
    /// Those of which campaign; `None`: all.
    pub campaign: Option<String>,
    /// Why it began.
    pub reason: String,
    /// When it began.
    pub since: Timestamp,
    /// What happened to it.
    pub turn: HoldTurn,
    /// When that happened.
    pub at: Timestamp,
}

/// What happened to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldTurn {
    /// It began.
    Began,
    /// It lasts, and somebody should know.
    Lasts {
        /// How many sends wait.
        waiting: u64,
    },
    /// It ended.
    Ended {
        /// How many sends waited.
        waited: u64,
    },
    /// It ended because nothing waits for it any more: whether its fault is gone is unknown.
    Emptied,
}

/// Something happened to an account besides its holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// Names it inside the store.
    pub notification: NotificationId,
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
    pub fn id(&self) -> NotificationId {
        match self {
            Self::Hold(change) => change.notification,
            Self::Account(change) => change.notification,
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
