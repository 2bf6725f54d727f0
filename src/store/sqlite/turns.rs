//! The SQL of turns: a person's sends go one at a time and in the order of their events, and what ends lets the next go.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::states::{BEHIND, WAITING};
use crate::clock::Timestamp;
use crate::event::{Start, Why};

/// Where a send stands in its person's line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub destination: &'a str,
    pub account: &'a str,
    pub priority: i64,
    /// Its number: what has a smaller one came earlier.
    pub before: i64,
}

/// Whether somebody is being sent to, or an earlier send of the same kind is still to be tried again. What waits for a
/// wish of its own (hours, delay, cap) or in a lane that stands still holds nobody up.
pub fn is_taken(db: &Connection, line: Line<'_>, now: Timestamp) -> Result<bool> {
    if db
        .prepare_cached("SELECT 1 FROM sends INDEXED BY sends_sending WHERE state = 2 AND destination = ?1")?
        .exists([line.destination])?
    {
        return Ok(true);
    }
    db.prepare_cached(
        "SELECT 1 FROM sends INDEXED BY sends_delayed WHERE state = 1 AND destination = ?1 AND id < ?2 AND account = ?3
         AND priority = ?4 AND (why = 'retry' OR due_at <= ?5)
         AND NOT EXISTS (SELECT 1 FROM holds WHERE ended_at IS NULL AND holds.account = sends.account AND holds.campaign IN ('', sends.campaign))",
    )?
    .exists(params![line.destination, line.before, line.account, line.priority, now.0])
}

/// Of sends in their order, the first to each person.
pub fn first_of_each(db: &Connection, ids: &[i64]) -> Result<Vec<i64>> {
    let mut person = db.prepare_cached("SELECT destination FROM sends WHERE id = ?1")?;
    let (mut seen, mut first) = (BTreeSet::new(), Vec::new());
    for id in ids {
        if seen.insert(person.query_row([id], |row| row.get::<_, String>(0))?) {
            first.push(*id);
        }
    }
    Ok(first)
}

/// How many of a person's line are looked at when somebody may go.
const LINE: i64 = 256;

/// The next sends to a person whose send came to an end are ready again: the first of each lane and priority, since one of
/// them may stand still, and the urgent one goes first. Those that must wait once more step behind again.
pub fn next_in_line(db: &Connection, destination: &str) -> Result<()> {
    db.prepare_cached(
        "UPDATE sends SET state = 0 WHERE id IN
           (SELECT min(id) FROM (SELECT id, account, campaign, priority FROM sends INDEXED BY sends_behind
                                 WHERE state = 3 AND destination = ?1 ORDER BY id LIMIT ?2)
            GROUP BY account, campaign, priority)",
    )?
    .execute(params![destination, LINE])
    .map(drop)
}

/// A send is to be tried again: those behind it that are of another kind need not wait for it.
pub fn others_in_line(db: &Connection, line: Line<'_>) -> Result<()> {
    db.prepare_cached("UPDATE sends INDEXED BY sends_behind SET state = 0 WHERE state = 3 AND destination = ?1 AND (account <> ?2 OR priority <> ?3 OR id < ?4)")?
        .execute(params![line.destination, line.account, line.priority, line.before])
        .map(drop)
}

/// A lane stands still: nobody waits behind what is in it.
pub fn whole_line(db: &Connection, destination: &str) -> Result<()> {
    db.prepare_cached("UPDATE sends INDEXED BY sends_behind SET state = 0 WHERE state = 3 AND destination = ?1")?
        .execute([destination])
        .map(drop)
}

/// Steps aside until whoever is being sent to is done.
pub fn step_behind(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("UPDATE sends SET state = ?2, due_at = 0 WHERE id = ?1")?.execute(params![id, BEHIND]).map(drop)
}

/// Where a send came to, other than by an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    pub state: i64,
    pub why: Option<Why>,
    pub until: Option<Timestamp>,
    pub reason: Option<&'a str>,
}

impl<'a> Turn<'a> {
    /// It ends.
    pub fn end(state: i64, reason: &'a str) -> Self {
        Self { state, why: None, until: None, reason: Some(reason) }
    }

    /// It waits.
    pub fn wait(start: Start) -> Self {
        Self { state: WAITING, why: Some(start.why), until: Some(start.at), reason: None }
    }
}

/// Writes down that a send came somewhere, and lets the next of its person go.
pub fn turn(db: &Connection, id: i64, at: Timestamp, turn: Turn<'_>) -> Result<()> {
    let Turn { state, why, until, reason } = turn;
    let (why, until) = (why.map(Why::name), until.map(|until| until.0));
    let mut update = db.prepare_cached(
        "UPDATE sends SET state = ?2, why = ?3, due_at = coalesce(?4, 0), changed_at = ?5, reason = coalesce(?6, reason)
         WHERE id = ?1 RETURNING destination",
    )?;
    let destination: Option<String> =
        update.query_row(params![id, state, why, until, at.0, reason], |row| row.get(0)).optional()?;
    db.prepare_cached("INSERT INTO changes (send, at, state, why, until, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![id, at.0, state, why, until, reason])?;
    destination.map_or(Ok(()), |destination| next_in_line(db, &destination))
}

/// Writes down that something happened to a send that stays where it is.
pub fn note(db: &Connection, id: i64, at: Timestamp, reason: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO changes (send, at, state, why, until, reason)
         SELECT id, ?2, state, why, CASE state WHEN 1 THEN due_at END, ?3 FROM sends WHERE id = ?1",
    )?
    .execute(params![id, at.0, reason])
    .map(drop)
}

/// Whole milliseconds.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
