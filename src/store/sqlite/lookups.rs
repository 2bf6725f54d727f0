//! The SQL of lookups: events that wait for what has to be read from their sender's API. All inside the writer's
//! transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::fast_path::FastPath;
use super::leases;
use super::origin::{Origin, kept_event};
use super::states::{SendState, sql};
use crate::clock::Timestamp;
use crate::event::lookup::{EventSeq, Lookup, LookupNextStep, LookupSettlement};
use crate::store::{LookupClaims, LookupRequest};

/// Writes down that an event needs one.
pub fn insert(db: &Connection, seq: i64, route: &str, at: Timestamp) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO lookups (event, route, state, due_at, attempts, retrying_since, changed_at) VALUES (?1, ?2, ?3, ?4, 0, ?4, ?4)",
    )?
    .execute(params![seq, route, SendState::Ready, at.0])?;
    Ok(())
}

/// How many lookups of which route are not done.
pub fn waiting(db: &Connection) -> Result<BTreeMap<String, usize>> {
    // each by its own partial index: what is done is history, and is not walked through
    let mut select = db.prepare_cached(sql!("SELECT route, sum(n) FROM (
           SELECT route, count(*) AS n FROM lookups WHERE state = " ready " GROUP BY route
           UNION ALL SELECT route, count(*) FROM lookups WHERE state = " delayed " GROUP BY route
           UNION ALL SELECT route, count(*) FROM lookups WHERE state = " sending " GROUP BY route
         ) GROUP BY route"))?;
    select.query_map([], |row| Ok((row.get(0)?, usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?.collect()
}

/// Hands out due lookups: those never tried in order of arrival, the others in the order in which they are due.
pub fn claim(db: &Connection, request: &LookupRequest) -> Result<LookupClaims> {
    // a call that only reads may be made again: nothing about it is uncertain
    db.prepare_cached(sql!("UPDATE lookups SET state = " ready " WHERE state = " sending " AND due_at <= ?1"))?
        .execute([leases::now(request.lease).0])?;
    let mut lookups = Vec::new();
    let order = if request.retries_first { [Due::Again, Due::First] } else { [Due::First, Due::Again] };
    for due in order {
        let left = request.count - lookups.len();
        let left = if due == Due::Again { left.min(request.again) } else { left };
        lookups.extend(candidates(db, request, due, left)?);
    }
    let mut take = db.prepare_cached("UPDATE lookups SET state = ?2, due_at = ?3 WHERE event = ?1")?;
    for lookup in &lookups {
        take.execute(params![lookup.seq.0, SendState::Sending, leases::end(request.lease).0])?;
    }
    let mut next =
        db.prepare_cached(sql!("SELECT min(due_at) FROM lookups WHERE state = " delayed " AND route = ?1"))?;
    let next_due: Option<i64> = next.query_row([&request.route], |row| row.get(0))?;
    Ok(LookupClaims { lookups, next_due: next_due.map(Timestamp) })
}

/// Which try of a lookup is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    First,
    Again,
}

fn candidates(db: &Connection, request: &LookupRequest, due: Due, count: usize) -> Result<Vec<Lookup>> {
    let mut select = db.prepare_cached(if due == Due::Again {
        sql!("SELECT event, attempts, retrying_since, id, type, received_at, body, envelope FROM lookups JOIN events ON seq = event
         WHERE state = " delayed " AND lookups.route = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?3")
    } else {
        sql!("SELECT event, attempts, retrying_since, id, type, received_at, body, envelope FROM lookups JOIN events ON seq = event
         WHERE state = " ready " AND lookups.route = ?1 ORDER BY event LIMIT ?3")
    })?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = select.query_map(params![request.route, request.now.0, count], |row| {
        Ok(Lookup {
            seq: EventSeq(row.get("event")?),
            route: request.route.clone(),
            attempts: row.get("attempts")?,
            since: Timestamp(row.get("retrying_since")?),
            event: kept_event(row)?,
        })
    })?;
    rows.collect()
}

/// Writes down attempts; of what was found also the whole event and its sends.
pub fn settle(db: &Connection, settlements: &[LookupSettlement]) -> Result<()> {
    let mut update = db.prepare_cached(
        sql!("UPDATE lookups SET state = ?3, due_at = ?4, attempts = ?2, changed_at = ?5, reason = ?6, retrying_since = coalesce(?7, retrying_since)
         WHERE event = ?1 AND state = " sending " AND attempts = ?2 - 1"),
    )?;
    let mut attempt_row = db.prepare_cached("INSERT OR IGNORE INTO lookup_attempts (event, number, at, took_ms, status, outcome, reason, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for LookupSettlement { seq, number, at, took, status, outcome, answer, next_step } in settlements {
        let ended = at.after(*took);
        let mut pardoned = None;
        let (state, due, reason) = match next_step {
            LookupNextStep::Found { .. } => (SendState::Sent, 0, None),
            LookupNextStep::Retry { due, reason, since } => {
                pardoned = since.map(|since| since.0);
                (SendState::Delayed, due.0, Some(reason))
            }
            LookupNextStep::Failed { reason } => (SendState::Failed, 0, Some(reason)),
        };
        // one whose lease ran out meanwhile is no longer ours: its sends must not be made twice
        if update.execute(params![seq.0, number, state, due, ended.0, reason, pardoned])? == 0 {
            continue;
        }
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let reason = reason.map_or("", String::as_str);
        attempt_row.execute(params![seq.0, number, at.0, took_ms, status, outcome, reason, answer])?;
        if let LookupNextStep::Found { body, test, made, forget } = next_step {
            let (id, route): (String, String) = db
                .prepare_cached("UPDATE events SET body = ?2, test = ?3 WHERE seq = ?1 RETURNING id, route")?
                .query_row(params![seq.0, body, test], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?
                .unwrap_or_default();
            let origin = Origin { seq: seq.0, id: &id, route: &route, at: ended };
            let mut path = FastPath::default();
            path.make(db, origin, made)?;
            path.uncounted.write(db)?;
            if let Some(fingerprint) = forget {
                db.prepare_cached("DELETE FROM dedup_keys WHERE fingerprint = ?1")?.execute([fingerprint])?;
            }
        }
    }
    Ok(())
}

/// Ends a lookup whose result cannot be written down. The attempt is counted, but not kept.
pub fn give_up(db: &Connection, settlement: &LookupSettlement, reason: &str) -> Result<()> {
    let LookupSettlement { seq, number, at, took, .. } = settlement;
    db.prepare_cached(sql!("UPDATE lookups SET state = ?3, due_at = 0, attempts = ?2, changed_at = ?4, reason = ?5
         WHERE event = ?1 AND state = " sending " AND attempts = ?2 - 1"))?
        .execute(params![seq.0, number, SendState::Failed, at.after(*took).0, reason])
        .map(drop)
}

/// What an earlier process had begun is begun anew.
pub fn recover(db: &Connection) -> Result<()> {
    db.execute(sql!("UPDATE lookups SET state = " ready " WHERE state = " sending), []).map(drop)
}
