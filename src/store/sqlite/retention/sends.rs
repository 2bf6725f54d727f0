//! Sends past their time: they go with their attempts, unless a person could be messaged twice without them.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::cursor::{self, Kind};
use super::{Walk, count, events, is_full, limit};
use crate::clock::Timestamp;
use crate::store::sqlite::states::SendState;
use crate::store::sweep::{Removed, SweepRequest};

const SEND: &str = "SELECT id, event, state, created_at, changed_at, reached_at, once_window_ms, about_at FROM sends";

/// A send, as far as its age is judged by it. All times: wall clock, milliseconds.
struct Old {
    id: i64,
    event: i64,
    state: SendState,
    created_at: i64,
    changed_at: i64,
    reached_at: Option<i64>,
    once_window_ms: Option<i64>,
    about_at: Option<i64>,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is looked at again later.
    Stays,
    /// What it held is erased; what is left is looked at again later.
    Erased,
    Removed,
}

impl Old {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            event: row.get("event")?,
            state: row.get("state")?,
            created_at: row.get("created_at")?,
            changed_at: row.get("changed_at")?,
            reached_at: row.get("reached_at")?,
            once_window_ms: row.get("once_window_ms")?,
            about_at: row.get("about_at")?,
        })
    }

    /// Its time is counted from its end, not from when it was made: what a cap counts is kept for that long, and what was
    /// replayed does not vanish at once.
    fn last_changed(&self) -> i64 {
        self.changed_at.max(self.reached_at.unwrap_or(i64::MIN))
    }

    /// Whether another send is measured by it: the same within its window, or one about the same moment.
    fn counts(&self, now: Timestamp) -> bool {
        let Some(reached_at) = self.reached_at else { return false };
        self.once_window_ms.is_some_and(|window| reached_at.saturating_add(window) > now.0)
            || self.about_at.is_some_and(|at| at > now.0)
    }

    fn judge(&self, db: &Connection, times: Times) -> Result<Verdict> {
        let is_open = !self.state.is_over() || self.state == SendState::Uncertain;
        if is_open || self.last_changed() > times.before.0 {
            return Ok(Verdict::Stays);
        }
        // as long as the event can be replayed, it must be known what came of it
        if events::has_content(db, self.event)? {
            return Ok(Verdict::Stays);
        }
        Ok(if self.counts(times.now) || self.id == times.newest { Verdict::Erased } else { Verdict::Removed })
    }
}

/// What sends are judged by.
#[derive(Debug, Clone, Copy)]
struct Times {
    now: Timestamp,
    before: Timestamp,
    /// The number of the newest send. Its row stays: the next one's number is counted on from it.
    newest: i64,
}

impl Times {
    fn of(db: &Connection, request: &SweepRequest) -> Result<Option<Self>> {
        let newest: Option<i64> = db.prepare_cached("SELECT max(id) FROM sends")?.query_row([], |row| row.get(0))?;
        let given = request.sends_before.zip(newest);
        Ok(given.map(|(before, newest)| Self { now: request.now, before, newest }))
    }
}

/// Goes on where the last pass ended, up to the first send that was made too late to be past its time.
pub fn walk(db: &Connection, request: &SweepRequest, removed: &mut Removed) -> Result<Walk> {
    let Some(times) = Times::of(db, request)? else { return Ok(Walk::Ended) };
    let from = cursor::read(db, Kind::Sends)?.unwrap_or(0);
    if from > times.newest {
        cursor::write(db, Kind::Sends, 0)?;
        return Ok(Walk::Ended);
    }
    let rows: Vec<Old> = db
        .prepare_cached(&format!("{SEND} WHERE id > ?1 ORDER BY id LIMIT ?2"))?
        .query_map([from, limit(request)], Old::read)?
        .collect::<Result<_>>()?;
    let (mut upto, mut walk) = (from, if is_full(request, rows.len()) { Walk::GoesOn } else { Walk::Ended });
    for old in rows {
        // one dated in the future, by a clock that was wrong then, must not keep all later ones from being looked at
        if old.created_at > times.before.0 && old.created_at <= times.now.0 {
            walk = Walk::Ended;
            break;
        }
        if carry_out(db, &old, times, removed)? != Verdict::Removed {
            cursor::postpone(db, Kind::Sends, old.id)?;
        }
        upto = old.id;
    }
    if upto > from {
        cursor::write(db, Kind::Sends, upto)?;
    }
    Ok(walk)
}

/// Looks again at what was postponed. Returns the last that was looked at, unless that was all.
pub fn again(db: &Connection, request: &SweepRequest, after: i64, removed: &mut Removed) -> Result<Option<i64>> {
    let Some(times) = Times::of(db, request)? else { return Ok(None) };
    let ids = cursor::postponed(db, Kind::Sends, after, limit(request))?;
    let mut select = db.prepare_cached(&format!("{SEND} WHERE id = ?1"))?;
    for &id in &ids {
        let verdict = match select.query_row([id], Old::read).optional()? {
            Some(old) => carry_out(db, &old, times, removed)?,
            None => Verdict::Removed,
        };
        if verdict == Verdict::Removed {
            cursor::settle(db, Kind::Sends, id)?;
        }
    }
    Ok(ids.last().copied().filter(|_| is_full(request, ids.len())))
}

fn carry_out(db: &Connection, old: &Old, times: Times, removed: &mut Removed) -> Result<Verdict> {
    let verdict = old.judge(db, times)?;
    match verdict {
        Verdict::Stays => {}
        Verdict::Erased => removed.sends_erased += erase(db, old, times.now)?,
        Verdict::Removed => {
            forget_history(db, old.id)?;
            db.prepare_cached("DELETE FROM sends WHERE id = ?1")?.execute([old.id])?;
            removed.sends += 1;
            removed.events += events::remove_if_unused(db, old.event)?;
        }
    }
    Ok(verdict)
}

/// Erases what a send held. What `once` and moments are looked up by stays. Returns how many that were.
fn erase(db: &Connection, old: &Old, now: Timestamp) -> Result<u64> {
    let is_about_a_moment = old.about_at.is_some_and(|at| at > now.0);
    let erased = db
        .prepare_cached(
            "UPDATE sends SET payload = '', destination = '', reason = NULL, message_id = NULL, guards = NULL, marketing = NULL,
                              key = CASE WHEN ?3 THEN key END, about_at = CASE WHEN ?3 THEN about_at END, erased_at = ?2
             WHERE id = ?1 AND (erased_at IS NULL OR destination <> '')",
        )?
        .execute(params![old.id, now.0, is_about_a_moment])?;
    if erased > 0 {
        forget_history(db, old.id)?;
    }
    Ok(count(erased))
}

fn forget_history(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM attempts WHERE send = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM changes WHERE send = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM refusals WHERE send = ?1")?.execute([id]).map(drop)
}
