//! The SQL of retention: what is past its time is removed, a few rows at a time.
//!
//! Events and sends are walked through in the order of their numbers, from where the last pass ended: no index by time is
//! needed, which each event would pay for. What is old enough but still needed is remembered, and looked at in each pass.

mod cursor;
mod events;
mod keys;
mod pages;
mod rest;
mod sends;

use rusqlite::{Connection, OptionalExtension as _, Result};

use crate::clock::{Stopwatch, Timestamp};
use crate::store::sweep::{Stage, SweepRequest, Swept};
use cursor::Kind;

/// Takes one step, and says where the next begins.
pub fn sweep(db: &Connection, request: &SweepRequest) -> Result<Swept> {
    let watch = Stopwatch::start();
    let mut swept = Swept::default();
    let removed = &mut swept.removed;
    let next = match request.stage {
        Stage::Begin => {
            swept.last_pass = last_pass(db)?;
            swept.doubted_since = cursor::read(db, Kind::Doubt)?.map(Timestamp);
            Stage::PostponedEvents { after: 0 }
        }
        Stage::Doubt => {
            cursor::write(db, Kind::Doubt, request.now.0)?;
            return Ok(Swept { took: watch.elapsed(), ..swept });
        }
        Stage::PostponedEvents { after } => match events::again(db, request, after, removed)? {
            Some(after) => Stage::PostponedEvents { after },
            None => Stage::Events,
        },
        Stage::Events => match events::walk(db, request, removed)? {
            Walk::GoesOn => Stage::Events,
            Walk::Ended => Stage::PostponedSends { after: 0 },
        },
        Stage::PostponedSends { after } => match sends::again(db, request, after, removed)? {
            Some(after) => Stage::PostponedSends { after },
            None => Stage::Sends,
        },
        Stage::Sends => match sends::walk(db, request, removed)? {
            Walk::GoesOn => Stage::Sends,
            Walk::Ended => Stage::DedupKeys,
        },
        Stage::DedupKeys => match keys::walk(db, request, removed)? {
            Walk::GoesOn => Stage::DedupKeys,
            Walk::Ended => Stage::SuppressionChanges { after: 0 },
        },
        Stage::SuppressionChanges { after } => match rest::suppression_changes(db, request, after, removed)? {
            Some(after) => Stage::SuppressionChanges { after },
            None => Stage::Rest,
        },
        Stage::Rest => match rest::rest(db, request, removed)? {
            Walk::GoesOn => Stage::Rest,
            Walk::Ended => Stage::FreePages,
        },
        Stage::FreePages => match pages::give_back(db, request, removed)? {
            Walk::GoesOn => Stage::FreePages,
            Walk::Ended => Stage::End,
        },
        Stage::End => {
            cursor::write(db, Kind::Pass, request.now.0)?;
            cursor::remove(db, Kind::Doubt)?;
            return Ok(Swept { took: watch.elapsed(), ..swept });
        }
    };
    Ok(Swept { next: Some(next), took: watch.elapsed(), ..swept })
}

/// When the last pass was complete; before the first, when the newest event came, which says as much of the clock.
fn last_pass(db: &Connection) -> Result<Option<Timestamp>> {
    let newest = "SELECT received_at FROM events ORDER BY seq DESC LIMIT 1";
    let last = match cursor::read(db, Kind::Pass)? {
        None => db.prepare_cached(newest)?.query_row([], |row| row.get(0)).optional()?,
        last => last,
    };
    Ok(last.map(Timestamp))
}

/// Whether there is more to walk through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    GoesOn,
    Ended,
}

/// A number of rows as SQL takes it.
fn limit(request: &SweepRequest) -> i64 {
    i64::try_from(request.most.max(1)).unwrap_or(i64::MAX)
}

/// Whether a step found as many rows as it was to look at: then there may be more.
fn is_full(request: &SweepRequest, found: usize) -> bool {
    found >= request.most.max(1)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
