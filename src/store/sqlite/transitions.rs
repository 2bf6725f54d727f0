//! The SQL of transitions: a send comes somewhere other than by an attempt, and its history says so.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::recipient_order::unblock_next;
use super::states::{SendState, sql};
use crate::clock::Timestamp;
use crate::event::{Start, Why};

/// Where a send came to, other than by an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    pub state: SendState,
    pub why: Option<Why>,
    pub until: Option<Timestamp>,
    pub reason: Option<&'a str>,
}

impl<'a> Transition<'a> {
    /// It ends.
    pub fn end(state: SendState, reason: &'a str) -> Self {
        Self { state, why: None, until: None, reason: Some(reason) }
    }

    /// It waits.
    pub fn wait(start: Start) -> Self {
        Self { state: SendState::Delayed, why: Some(start.why), until: Some(start.at), reason: None }
    }
}

/// Writes down that a send came somewhere, and lets the next of its person go.
pub fn record(db: &Connection, id: i64, at: Timestamp, transition: Transition<'_>) -> Result<()> {
    let Transition { state, why, until, reason } = transition;
    let (why, until) = (why.map(Why::name), until.map(|until| until.0));
    let mut update = db.prepare_cached(
        "UPDATE sends SET state = ?2, why = ?3, due_at = coalesce(?4, 0), changed_at = ?5, reason = coalesce(?6, reason)
         WHERE id = ?1 RETURNING destination",
    )?;
    let destination: Option<String> =
        update.query_row(params![id, state, why, until, at.0, reason], |row| row.get(0)).optional()?;
    // one that was erased meanwhile has no history
    let Some(destination) = destination else { return Ok(()) };
    db.prepare_cached("INSERT INTO changes (send, at, state, why, until, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![id, at.0, state, why, until, reason])?;
    unblock_next(db, &destination)
}

/// Writes down that something happened to a send that stays where it is.
pub fn note(db: &Connection, id: i64, at: Timestamp, reason: &str) -> Result<()> {
    db.prepare_cached(sql!("INSERT INTO changes (send, at, state, why, until, reason)
         SELECT id, ?2, state, why, CASE state WHEN " delayed " THEN due_at END, ?3 FROM sends WHERE id = ?1"))?
        .execute(params![id, at.0, reason])
        .map(drop)
}
