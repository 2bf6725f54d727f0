//! Keeps events and sends safely on disk, and hands out what is due.
//!
//! It keeps, it does not judge: what an outcome means for a send is decided by [`crate::deliver`] and told in a
//! [`Settlement`]. What it offers are the traits here; [`open`] picks the engine that keeps them.

mod engine;
mod gate;
mod lookups;
mod sqlite;
pub mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::event::act::{Acted, Action, Barrier, Candidate};
use crate::event::erasure::{Erased, ErasureStep, ErasureView, Person, SearchCursor, Traces};
use crate::event::lookup::LookupSettlement;
use crate::event::remap::{Origin, Remapped, RuleVersion};
use crate::event::stats::{Levels, Stat, StatsFilter};
use crate::event::view::{
    EventStory, EventView, Filter, HoldView, KeptWhole, Page, SendStory, SendView, SuppressionStory, SuppressionView,
    Tally,
};
use crate::event::{
    AccountChange, Claimed, HoldChange, Kept, KeyFingerprint, NewEvent, Notification, NotificationId,
    NotificationStatus, Reach, Returned, RouteChange, RouteState, SendId, Settlement, UncertainPolicy,
};

use sweep::{SweepRequest, Swept};

pub use engine::{Audit, Engine, OpenError};
pub use lookups::{LookupClaims, LookupRequest};
#[doc(hidden)]
pub use sqlite::Outside;
pub use sqlite::{CommitOrder, MemoryStore, learned};

/// Opens the store of a URL: `sqlite:PATH`.
///
/// A store that cannot be used *at present* is not an error: it is logged, every call hears so, and it is tried again.
///
/// # Errors
///
/// [`OpenError`] for what only a person can fix.
pub fn open(url: &str) -> Result<Arc<dyn Engine>, OpenError> {
    Ok(Arc::new(sqlite::SqliteStore::open(url)?))
}

/// Why something could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The disk is full, the file is locked, damaged or gone.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// This one thing cannot be written; the store works. Trying it again unchanged does not help.
    #[error("the store refused this, and nothing else: {0}")]
    Refused(String),
    /// Reading it took too long, and was ended.
    #[error("this takes more than {} s to read; narrow it: by number, event, route, campaign or state, or by a shorter time (since, until)", .0.as_secs())]
    TooLong(Duration),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// For how long what is claimed is the caller's. Whatever it does not settle by then is treated as uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// How long it lasts.
    pub lasts: Duration,
    /// How long the caller has run, without the times in which it was stopped. An engine that only one process uses counts
    /// leases by it, so that neither a pause nor a clock that is set ends one while a call is under way.
    pub ran: Duration,
}

/// What the deliverer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The time now.
    pub now: Timestamp,
    /// For how long the claimed sends are the caller's.
    pub lease: Lease,
    /// How many of which account.
    pub quotas: Vec<Quota>,
    /// What happens to sends whose lease ran out.
    pub uncertain: UncertainPolicy,
    /// Up to when anything may have to wait, where the clock was set back since the last claim.
    pub latest: Option<Latest>,
    /// Where a clock that had been set back was set ahead again since the last claim.
    pub correction: Option<Correction>,
}

/// How many sends of an account are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// The account.
    pub account: String,
    /// How many in all.
    pub count: usize,
    /// How many of campaigns that have a rate of their own.
    pub limits: Vec<(String, usize)>,
}

impl Quota {
    /// How many of a campaign.
    fn capacity_of(&self, campaign: &str) -> usize {
        let limit = self.limits.iter().find(|(name, _)| name == campaign);
        limit.map_or(self.count, |(_, limit)| self.count.min(*limit))
    }

    /// Uses up one; false if there is no room for it.
    fn take(&mut self, campaign: &str) -> bool {
        if self.capacity_of(campaign) == 0 {
            return false;
        }
        self.count -= 1;
        if let Some((_, limit)) = self.limits.iter_mut().find(|(name, _)| name == campaign) {
            *limit -= 1;
        }
        true
    }

    /// What is left to be asked for.
    fn less<'a>(&self, got: impl Iterator<Item = &'a str>) -> Self {
        let mut left = self.clone();
        for campaign in got {
            left.take(campaign);
        }
        left
    }
}

/// Up to when something may have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// A send that is to be tried again.
    pub retry: Timestamp,
    /// A hold's next probe.
    pub probe: Timestamp,
}

/// What was in flight when an earlier process died.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Sends that are repeated.
    pub repeated: usize,
    /// Sends that wait for a person to decide.
    pub held: usize,
}

/// What the deliverer gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The sends, urgent ones first, then in order of arrival, never two to one person.
    pub sends: Vec<Claimed>,
    /// When there is something to do again: a waiting send is due or over, or a hold is to be tried.
    pub next_due: Option<Timestamp>,
    /// Whether there is more to look at now.
    pub more: bool,
    /// The holds that ended, since nothing waits for them any more.
    pub holds: Vec<HoldChange>,
    /// What was put right of a clock that had been wrong.
    pub correction: Option<Correction>,
}

/// What became of claimed sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Calls that were made, and what follows from them.
    pub settlements: Vec<Settlement>,
    /// Sends for which no call was made.
    pub returned: Vec<Returned>,
}

impl Report {
    /// Whether there is nothing to write down.
    pub fn is_empty(&self) -> bool {
        self.settlements.is_empty() && self.returned.is_empty()
    }
}

/// What followed from a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// The holds that began or ended.
    pub holds: Vec<HoldChange>,
    /// How many sends were left for a person to decide about.
    pub left_uncertain: usize,
}

/// What goes to nobody, or to a tester, as it is configured now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestScope {
    /// Everything of an account.
    Account,
    /// Everything of a route.
    Route,
}

/// A wall clock that was set back and then ahead again: what was dated in between was dated wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// What it showed first after it was set back.
    pub from: Timestamp,
    /// What it showed last before it was set ahead again.
    pub until: Timestamp,
    /// By how much it was wrong meanwhile, in milliseconds.
    pub by_ms: i64,
}

/// What takes what was erased out of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// The database file is written anew, if it is small enough for that to take some tenths of a second: in a page that was
    /// reorganized there may be a copy of what stood there before.
    Rewrite,
    /// What the log holds is brought into the database file, and the log emptied. While somebody reads an older state that
    /// has to wait; then it is done as soon as possible.
    EmptyLog,
}

/// What takes events in. What it reports is on disk.
pub trait Intake: Send + Sync + 'static {
    /// Keeps events with their sends, all or none; those seen before are left alone.
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Kept>, StoreError>>;

    /// Whether the last commit and the last probe worked. A probe is a write, and at most one a second is made, however
    /// many ask.
    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// A store. All methods are durable when they return: what they report is on disk.
pub trait Store: Intake {
    /// Hands out sends that are due, never two to one person at once.
    ///
    /// It sees every event and settlement whose call returned before it was asked. Of those that are asked for at the same
    /// time it may see any, in whatever order they were asked: until its settlement is written, a send counts as being
    /// sent, so that nobody behind it goes, and nothing that repeats it (`once`, a cap). What follows from an outcome for other
    /// people, a hold, binds claims that are asked for after the settlement returned: until then whoever asks keeps back
    /// by itself what it knows to be on hold.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claims, StoreError>>;

    /// Writes down what became of claimed sends, all of it or nothing: attempts with their consequences, and sends for
    /// which no call was made.
    fn settle(&self, report: Arc<Report>, now: Timestamp) -> BoxFuture<'_, Result<Reported, StoreError>>;

    /// How many lookups of which route are not done.
    fn waiting_lookups(&self) -> BoxFuture<'_, Result<BTreeMap<String, usize>, StoreError>>;

    /// Hands out lookups that are due.
    fn claim_lookups(&self, request: LookupRequest) -> BoxFuture<'_, Result<LookupClaims, StoreError>>;

    /// Writes down attempts at lookups; with what was found, the whole event and its sends.
    fn settle_lookups(&self, settlements: Arc<Vec<LookupSettlement>>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Treats what was in flight when an earlier process died.
    fn recover(&self, now: Timestamp, uncertain: UncertainPolicy) -> BoxFuture<'_, Result<Recovered, StoreError>>;

    /// Remembers which accounts have an API key now; tells all that ever had one.
    fn had_keys(&self, with_key: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;

    /// Tries at once what waits since the key was refused of those whose key is another than [`Store::keep_keys`] last wrote
    /// down: holds of accounts are probed, lookups of routes are due.
    fn try_new_keys(&self, keys: Vec<KeyFingerprint>, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The same, and these are the keys from now on.
    fn keep_keys(&self, keys: Vec<KeyFingerprint>, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The waiting sends of rules that were changed since they were written down.
    fn stale(&self, rules: Vec<RuleVersion>) -> BoxFuture<'_, Result<Vec<SendId>, StoreError>>;

    /// Sends with the events they came of.
    fn origins(&self, ids: Vec<SendId>) -> BoxFuture<'_, Result<Vec<Origin>, StoreError>>;

    /// Writes down what changed rules make of waiting sends.
    fn remap(&self, remapped: Arc<Vec<Remapped>>, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Rules are changing while sends may be on their way that they did not make as they are now: until
    /// [`Store::keep_versions`] all that waits of them is [`Store::stale`] if another version made it.
    fn change_versions(&self, rules: Vec<RuleVersion>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Writes down the rules as they are. Returns the holds that keep nothing back any more, and ended.
    fn keep_versions(
        &self,
        rules: Vec<RuleVersion>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<HoldChange>, StoreError>>;

    /// Remembers which accounts (by name) and routes are in test mode in this process.
    fn keep_test_modes(&self, modes: Vec<(TestScope, String)>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// What people are notified of since then, and who has received it; what is older is forgotten.
    fn notifications(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<NotificationStatus>, StoreError>>;

    /// Somebody was told, or cannot be.
    fn mark_notified(&self, notification: NotificationId, target: String) -> BoxFuture<'_, Result<(), StoreError>>;

    /// What people were last notified of before then and should be reminded of, and what they were not notified of yet.
    /// They count as notified now. Holds that nothing waits for end.
    fn remind(&self, now: Timestamp, before: Timestamp) -> BoxFuture<'_, Result<Vec<Notification>, StoreError>>;

    /// The accounts that cannot be reached, as far as people were notified of it.
    fn unreachable(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;

    /// Writes down whether an account can be reached. Returns what people should be notified of, if they do not know it.
    fn reach_changed(
        &self,
        account: String,
        reach: Reach,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<AccountChange>, StoreError>>;

    /// Writes down how a route fares. Returns what people should be notified of, if they do not know it. Lookups that were
    /// refused are due at once when they are answered again.
    fn route_changed(
        &self,
        route: String,
        state: RouteState,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<RouteChange>, StoreError>>;

    /// Takes one step of a pass that removes what is past its time. A pass that is broken off is taken up by the next.
    fn sweep(&self, request: SweepRequest) -> BoxFuture<'_, Result<Swept, StoreError>>;
}

/// What people do with what is kept.
pub trait Operate: Intake {
    /// Carries out what a person decided. It is on disk when it returns.
    fn act(&self, action: Action, now: Timestamp) -> BoxFuture<'_, Result<Acted, StoreError>>;

    /// Carries out a step of erasing a person. Returns what went.
    fn erase(&self, person: Person, step: ErasureStep, now: Timestamp) -> BoxFuture<'_, Result<Erased, StoreError>>;

    /// Takes what was erased out of the store's files as well. False if that was not possible.
    fn upkeep(&self, what: Upkeep) -> BoxFuture<'_, Result<bool, StoreError>>;
}

/// What people ask for. Each reading is short: a list that is not full may go on, from where its page says.
pub trait Archive: Send + Sync + 'static {
    /// Sends, newest first.
    fn sends(&self, filter: Filter) -> BoxFuture<'_, Result<Page<SendView>, StoreError>>;

    /// How many sends a filter finds, as far as one reading looks.
    fn tally(&self, filter: Filter) -> BoxFuture<'_, Result<Tally, StoreError>>;

    /// Why a send would come to its end at once if it began now; `None`: it goes when its turn comes.
    fn barrier(&self, candidate: Candidate<'_>, now: Timestamp) -> BoxFuture<'_, Result<Option<Barrier>, StoreError>>;

    /// The number of the event that was last kept by this fingerprint.
    fn seen(&self, fingerprint: [u8; 16]) -> BoxFuture<'_, Result<Option<i64>, StoreError>>;

    /// A send, whole.
    fn send(&self, id: SendId) -> BoxFuture<'_, Result<Option<SendStory>, StoreError>>;

    /// Events, newest first.
    fn events(&self, filter: Filter) -> BoxFuture<'_, Result<Page<EventView>, StoreError>>;

    /// An event, whole: by the sender's id, or by its number.
    fn event(&self, name: String) -> BoxFuture<'_, Result<Option<EventStory>, StoreError>>;

    /// Events as they were kept, by their numbers, as far as they are still there.
    fn kept(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<Vec<KeptWhole>, StoreError>>;

    /// What there is now, and since when what is due has been due.
    fn levels(&self, now: Timestamp) -> BoxFuture<'_, Result<Levels, StoreError>>;

    /// What happened, by the hour: at most so many counts, the earliest first.
    fn stats(&self, filter: StatsFilter, most: usize) -> BoxFuture<'_, Result<Vec<Stat>, StoreError>>;

    /// The holds that last.
    fn holds(&self) -> BoxFuture<'_, Result<Vec<HoldView>, StoreError>>;

    /// Suppressed numbers, after a number and an account.
    fn suppressions(
        &self,
        after: (String, String),
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SuppressionView>, StoreError>>;

    /// Of how many people who were erased a suppressed number is kept as a hash.
    fn hashed_suppressions(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// What a part of the store holds of a person; where the search goes on.
    fn traces(&self, person: Person, cursor: SearchCursor) -> BoxFuture<'_, Result<Traces, StoreError>>;

    /// The last erasures, newest first.
    fn erasures(&self) -> BoxFuture<'_, Result<Vec<ErasureView>, StoreError>>;

    /// Whether a number in E.164 may be messaged, and how that came.
    fn suppression(&self, number: String) -> BoxFuture<'_, Result<SuppressionStory, StoreError>>;
}
