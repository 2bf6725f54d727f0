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
    /// Something happened to a route.
    Route(RouteChange),
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

/// Something happened to a route, and somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteChange {
    /// Names it inside the store.
    pub notification: NotificationId,
    /// The route.
    pub route: String,
    /// What happened.
    pub turn: RouteTurn,
    /// Why calls or lookups are refused, or were.
    pub reason: String,
    /// Since when they are, or were.
    pub since: Timestamp,
    /// When that was noted.
    pub at: Timestamp,
}

/// What happened to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteTurn {
    /// It refuses calls and accepts none.
    RefusalsBegan {
        /// How many so far.
        calls: u64,
    },
    /// It accepts calls again.
    RefusalsEnded,
    /// Its lookups are refused; they wait.
    LookupsHeld {
        /// How many wait.
        waiting: u64,
    },
    /// They still are.
    LookupsLast {
        /// How many wait.
        waiting: u64,
    },
    /// They are made again.
    LookupsReleased {
        /// How many waited.
        waited: u64,
    },
}

/// How a route fares, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteState {
    /// It refuses calls and accepts none.
    Refuses {
        /// Since when.
        since: Timestamp,
        /// How many.
        calls: u64,
        /// Why the last was refused.
        reason: String,
    },
    /// It accepts calls.
    Accepts,
    /// The sender's API refuses its lookups.
    LookupsHeld {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: String,
    },
    /// Its lookups are answered.
    LookupsWork,
}

impl Notification {
    /// Names it inside the store.
    pub fn id(&self) -> NotificationId {
        match self {
            Self::Hold(change) => change.notification,
            Self::Account(change) => change.notification,
            Self::Route(change) => change.notification,
        }
    }

    /// Whose sends it is about, if it is about an account's.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Hold(change) => Some(&change.account),
            Self::Account(change) => Some(&change.account),
            Self::Route(_) => None,
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
            (Self::Route(new), Self::Route(old)) => {
                let is_reminder = matches!(old.turn, RouteTurn::LookupsLast { .. });
                let is_news = matches!(new.turn, RouteTurn::LookupsLast { .. } | RouteTurn::LookupsReleased { .. });
                new.route == old.route && is_reminder && is_news
            }
            _ => false,
        }
    }
}
