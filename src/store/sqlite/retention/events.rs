//! Events past their time: what they held is erased, and their rows go with their last send.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::cursor::{self, Kind};
use super::{Walk, is_full, limit};
use crate::clock::Timestamp;
use crate::store::sqlite::states::sql;
use crate::store::sweep::{Removed, SweepRequest};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextStep {
    /// Nothing can need it any more.
    Done,
    /// It is needed still, or its row is.
    Postponed,
}

/// Goes on where the last pass ended, up to the first event that is not past its time.
pub fn walk(db: &Connection, request: &SweepRequest, removed: &mut Removed) -> Result<Walk> {
    let Some(before) = request.events_before else { return Ok(Walk::Ended) };
    let from = cursor::read(db, Kind::Events)?.unwrap_or(0);
    let rows: Vec<(i64, i64)> = db
        .prepare_cached("SELECT seq, received_at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
        .query_map([from, limit(request)], |row| Ok((row.get("seq")?, row.get("received_at")?)))?
        .collect::<Result<_>>()?;
    let Some(newest) = newest(db)? else { return Ok(Walk::Ended) };
    if from > newest {
        // numbers were given anew: the newest rows were erased by hand
        cursor::write(db, Kind::Events, 0)?;
        return Ok(Walk::Ended);
    }
    let (mut upto, mut walk) = (from, if is_full(request, rows.len()) { Walk::GoesOn } else { Walk::Ended });
    for (seq, received_at) in rows {
        if received_at > before.0 && received_at <= request.now.0 {
            walk = Walk::Ended;
            break;
        }
        // one dated in the future, by a clock that was wrong then, must not keep all later ones from being looked at
        if received_at > before.0 || sweep(db, seq, newest, request.now, removed)? == NextStep::Postponed {
            cursor::postpone(db, Kind::Events, seq)?;
        }
        upto = seq;
    }
    if upto > from {
        cursor::write(db, Kind::Events, upto)?;
    }
    Ok(walk)
}

/// Looks again at what was postponed. Returns the last that was looked at, unless that was all.
pub fn again(db: &Connection, request: &SweepRequest, after: i64, removed: &mut Removed) -> Result<Option<i64>> {
    let (Some(before), Some(newest)) = (request.events_before, newest(db)?) else { return Ok(None) };
    let numbers = cursor::postponed(db, Kind::Events, after, limit(request))?;
    let mut select = db.prepare_cached("SELECT received_at FROM events WHERE seq = ?1")?;
    for &seq in &numbers {
        let received_at: Option<i64> = select.query_row([seq], |row| row.get(0)).optional()?;
        let next_step = match received_at {
            None => NextStep::Done,
            // they are kept for longer now
            Some(received_at) if received_at > before.0 => NextStep::Postponed,
            Some(_) => sweep(db, seq, newest, request.now, removed)?,
        };
        if next_step == NextStep::Done {
            cursor::settle(db, Kind::Events, seq)?;
        }
    }
    Ok(numbers.last().copied().filter(|_| is_full(request, numbers.len())))
}

/// The number of the newest. Its row stays: the next event's number is counted on from it, and no number is given twice.
fn newest(db: &Connection) -> Result<Option<i64>> {
    db.prepare_cached("SELECT max(seq) FROM events")?.query_row([], |row| row.get(0))
}

fn sweep(db: &Connection, seq: i64, newest: i64, now: Timestamp, removed: &mut Removed) -> Result<NextStep> {
    if is_needed(db, seq)? {
        return Ok(NextStep::Postponed);
    }
    let made = db.prepare_cached("SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = ?1")?.exists([seq])?;
    if made || seq == newest {
        removed.events_erased += erase(db, seq, now)?;
        return Ok(if seq == newest { NextStep::Postponed } else { NextStep::Done });
    }
    forget_lookup(db, seq)?;
    let gone = db.prepare_cached("DELETE FROM events WHERE seq = ?1")?.execute([seq])?;
    removed.events += super::count(gone);
    Ok(NextStep::Done)
}

/// Whether something may still come of it: a send that waits, is under way, or waits for a person to decide; or a lookup.
fn is_needed(db: &Connection, seq: i64) -> Result<bool> {
    let mut open = db.prepare_cached(
        sql!("SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = ?1 AND (state < " sent " OR state = " uncertain ")
         UNION ALL SELECT 1 FROM lookups WHERE event = ?1 AND state < " sent),
    )?;
    open.exists([seq])
}

/// Erases what an event held. Returns how many that were.
fn erase(db: &Connection, seq: i64, now: Timestamp) -> Result<u64> {
    forget_lookup(db, seq)?;
    db.prepare_cached(
        "UPDATE events SET body = x'', envelope = '{}', fault = NULL, erased_at = ?2 WHERE seq = ?1 AND erased_at IS NULL",
    )?
    .execute(params![seq, now.0])
    .map(super::count)
}

fn forget_lookup(db: &Connection, seq: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM lookup_attempts WHERE event = ?1")?.execute([seq])?;
    db.prepare_cached("DELETE FROM lookups WHERE event = ?1")?.execute([seq]).map(drop)
}

/// Whether it still holds what came.
pub fn has_content(db: &Connection, seq: i64) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM events WHERE seq = ?1 AND erased_at IS NULL")?.exists([seq])
}

/// The row of an erased event goes with its last send. Returns how many went.
pub fn remove_if_unused(db: &Connection, seq: i64) -> Result<u64> {
    db.prepare_cached(
        "DELETE FROM events WHERE seq = ?1 AND erased_at IS NOT NULL AND seq < (SELECT max(seq) FROM events)
         AND NOT EXISTS (SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = ?1)",
    )?
    .execute([seq])
    .map(super::count)
}
