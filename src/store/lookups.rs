//! The SQL of lookups: events that wait for what has to be read from their sender's API. All inside the writer's
//! transaction.

use rusqlite::{Connection, Result, params};

use super::statements::{FAILED, READY, SENDING, WAITING, insert_sends};
use super::{LookupClaims, LookupRequest};
use crate::clock::Timestamp;
use crate::event::lookup::{EventSeq, KeptEvent, Lookup, LookupFate, LookupSettlement};

/// The rules were applied to the whole event.
const FOUND: i64 = 10;

/// How many waiting lookups become ready in one transaction.
const PROMOTE_LIMIT: i64 = 1_000;

/// Writes down that an event needs one.
pub fn insert(db: &Connection, seq: i64, route: &str, at: Timestamp) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO lookups (event, route, state, due_at, attempts, changed_at) VALUES (?1, ?2, ?3, ?4, 0, ?4)",
    )?
    .execute(params![seq, route, READY, at.0])?;
    Ok(())
}

/// Hands out due lookups, in order of arrival.
pub fn claim(db: &Connection, request: &LookupRequest) -> Result<LookupClaims> {
    // a call that only reads may be made again: nothing about it is uncertain
    db.prepare_cached("UPDATE lookups SET state = 0 WHERE state = 2 AND due_at <= ?1")?
        .execute([request.lease_now.0])?;
    db.prepare_cached("UPDATE lookups SET state = 0 WHERE event IN (SELECT event FROM lookups WHERE state = 1 AND due_at <= ?1 ORDER BY due_at LIMIT ?2)")?
        .execute(params![request.now.0, PROMOTE_LIMIT])?;
    let mut lookups = Vec::new();
    for (route, count) in &request.wants {
        lookups.extend(claim_of(db, route, *count, request.lease_until)?);
    }
    let next_due: Option<i64> =
        db.prepare_cached("SELECT min(due_at) FROM lookups WHERE state = 1")?.query_row([], |row| row.get(0))?;
    Ok(LookupClaims { lookups, next_due: next_due.map(Timestamp) })
}

fn claim_of(db: &Connection, route: &str, count: usize, lease_until: Timestamp) -> Result<Vec<Lookup>> {
    let mut select = db.prepare_cached(
        "SELECT event, attempts, id, type, received_at, body, envelope FROM lookups JOIN events ON seq = event
         WHERE state = 0 AND lookups.route = ?1 ORDER BY event LIMIT ?2",
    )?;
    let rows = select.query_map(params![route, i64::try_from(count).unwrap_or(i64::MAX)], |row| {
        Ok(Lookup {
            seq: EventSeq(row.get(0)?),
            route: route.to_owned(),
            attempts: row.get(1)?,
            event: KeptEvent {
                id: row.get(2)?,
                kind: row.get(3)?,
                received_at: Timestamp(row.get(4)?),
                body: row.get(5)?,
                envelope: row.get(6)?,
            },
        })
    })?;
    let lookups: Vec<Lookup> = rows.collect::<Result<_>>()?;
    let mut take = db.prepare_cached("UPDATE lookups SET state = ?2, due_at = ?3 WHERE event = ?1")?;
    for lookup in &lookups {
        take.execute(params![lookup.seq.0, SENDING, lease_until.0])?;
    }
    Ok(lookups)
}

/// Writes down attempts; of what was found also the whole event and its sends.
pub fn settle(db: &Connection, settlements: &[LookupSettlement]) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE lookups SET state = ?3, due_at = ?4, attempts = ?2, changed_at = ?5, reason = ?6
         WHERE event = ?1 AND state = 2 AND attempts = ?2 - 1",
    )?;
    let mut attempt_row = db.prepare_cached("INSERT OR IGNORE INTO lookup_attempts (event, number, at, took_ms, status, outcome, reason, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for LookupSettlement { seq, number, at, took, status, outcome, answer, fate } in settlements {
        let ended = at.after(*took);
        let (state, due, reason) = match fate {
            LookupFate::Found { .. } => (FOUND, 0, None),
            LookupFate::Retry { due, reason } => (WAITING, due.0, Some(reason)),
            LookupFate::Failed { reason } => (FAILED, 0, Some(reason)),
        };
        // one whose lease ran out meanwhile is no longer ours: its sends must not be made twice
        if update.execute(params![seq.0, number, state, due, ended.0, reason])? == 0 {
            continue;
        }
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let reason = reason.map_or("", String::as_str);
        attempt_row.execute(params![seq.0, number, at.0, took_ms, status, outcome, reason, answer])?;
        if let LookupFate::Found { body, sends } = fate {
            db.prepare_cached("UPDATE events SET body = ?2 WHERE seq = ?1")?.execute(params![seq.0, body])?;
            insert_sends(db, seq.0, sends, ended)?;
        }
    }
    Ok(())
}

/// What an earlier process had begun is begun anew.
pub fn recover(db: &Connection) -> Result<()> {
    db.execute("UPDATE lookups SET state = 0 WHERE state = 2", []).map(drop)
}
