//! Retention, as a store is asked for it: one small step at a time, so that nothing that comes in waits for it.

use std::time::Duration;

use crate::clock::Timestamp;

/// One step of a pass over what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepRequest {
    /// The time now, by the wall clock; the same for all steps of a pass.
    pub now: Timestamp,
    /// Events that were received at this moment or earlier are past their time; `None`: none is.
    pub events_before: Option<Timestamp>,
    /// Sends that last changed at this moment or earlier are past their time; `None`: none is.
    pub sends_before: Option<Timestamp>,
    /// Where the pass stands.
    pub stage: Stage,
    /// How many rows (or pages of the file) this step looks at, at most.
    pub most: usize,
}

/// Where a pass stands. It begins with the first and takes them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Nothing is removed yet: the step says when the last pass was.
    #[default]
    Begin,
    /// The wall clock is not believed: it is written down since when. No pass is made.
    Doubt,
    /// Events that an earlier pass left because something still needed them, from the next number on.
    PostponedEvents {
        /// The last one that was looked at.
        after: i64,
    },
    /// Events, from where the last pass ended.
    Events,
    /// The same for sends.
    PostponedSends {
        /// The last one that was looked at.
        after: i64,
    },
    /// Sends, from where the last pass ended.
    Sends,
    /// A part of the keys by which repetitions of events are known.
    DedupKeys,
    /// What was decided about numbers that are not suppressed any more.
    SuppressionChanges {
        /// The last one that was looked at.
        after: i64,
    },
    /// Cancellations, holds that ended, and notifications.
    Rest,
    /// Pages of the file that nothing uses any more.
    FreePages,
    /// The pass is complete: it is written down when it was.
    End,
}

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was removed.
    pub removed: Removed,
    /// Where the pass goes on; `None`: it is complete.
    pub next: Option<Stage>,
    /// When the last pass was complete, by the wall clock; only said by [`Stage::Begin`].
    pub last_pass: Option<Timestamp>,
    /// Since when the wall clock has not been believed, as an earlier process wrote it down; said by the first step.
    pub doubted_since: Option<Timestamp>,
    /// How long the step took, without its commit.
    pub took: Duration,
}

/// How much was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Events of which nothing is left.
    pub events: u64,
    /// Events whose content was erased; their rows stay until their last send goes.
    pub events_erased: u64,
    /// Sends of which nothing is left.
    pub sends: u64,
    /// Sends whose content was erased; what keeps people from being messaged twice stays.
    pub sends_erased: u64,
    /// Keys by which repetitions of events are known.
    pub dedup_keys: u64,
    /// Cancellations, ended holds, notifications, and changes of numbers that are not suppressed any more.
    pub others: u64,
    /// Pages given back to the file system.
    pub pages: u64,
}

impl Removed {
    /// Counts what another step removed as well.
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.events_erased += other.events_erased;
        self.sends += other.sends;
        self.sends_erased += other.sends_erased;
        self.dedup_keys += other.dedup_keys;
        self.others += other.others;
        self.pages += other.pages;
    }
}
