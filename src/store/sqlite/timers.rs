//! The SQL of time that passed: what is due, what is over, and a clock that was set back.

use rusqlite::{Connection, Result, params};

use super::leases;
use super::states::{SendState, sql};
use super::transitions::{self, Transition};
use super::{holds, notifications};
use crate::clock::Timestamp;
use crate::store::gate::Ending;
use crate::store::{ClaimRequest, Correction, Latest};

/// How many waiting sends become ready in one transaction: the rest follow in the next.
const PROMOTE_LIMIT: usize = 5_000;

/// How many of the newest are looked at to find out whether the clock was ahead of what it shows now.
const NEWEST: i64 = 10_000;

/// What time has done since the last claim: leases that ran out, sends that are due, sends whose time is over. Returns
/// whether there is more of that to do: one transaction takes so many steps at most.
pub fn promote_due(db: &Connection, request: &ClaimRequest) -> Result<bool> {
    leases::expire_leases(db, request)?;
    if let Some(latest) = request.latest {
        clamp_after_clock_step(db, latest, request.now)?;
    }
    if let Some(correction) = request.correction {
        shift_after_clock_step(db, correction)?;
    }
    let limit = i64::try_from(PROMOTE_LIMIT).unwrap_or(i64::MAX);
    let promoted = db
        .prepare_cached(sql!("UPDATE sends SET state = " ready ", why = NULL WHERE id IN
           (SELECT id FROM sends WHERE state = " delayed " AND due_at <= ?1 ORDER BY due_at LIMIT ?2)"))?
        .execute(params![request.now.0, limit])?;
    let mut over = db.prepare_cached(
        sql!("SELECT id, expires_at FROM sends INDEXED BY sends_expiring WHERE expires_at IS NOT NULL AND state IN (" unsent ") AND expires_at <= ?1 LIMIT ?2"),
    )?;
    let expired: Vec<(i64, i64)> = over
        .query_map(params![request.now.0, limit], |row| Ok((row.get("id")?, row.get("expires_at")?)))?
        .collect::<Result<_>>()?;
    for (id, at) in &expired {
        let reason = Ending::Expired(Timestamp(*at)).to_string();
        transitions::record(db, *id, request.now, Transition::end(SendState::Expired, &reason))?;
    }
    Ok(promoted >= PROMOTE_LIMIT || expired.len() >= PROMOTE_LIMIT)
}

/// After the clock was set back nothing is tried later than it could have been without that.
fn clamp_after_clock_step(db: &Connection, latest: Latest, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        sql!("UPDATE sends SET due_at = ?1 WHERE state = " delayed " AND due_at > ?1 AND why IN ('retry', 'once')"),
    )?
    .execute([latest.retry.0])?;
    db.prepare_cached(sql!("UPDATE lookups SET due_at = ?1 WHERE state = " delayed " AND due_at > ?1"))?
        .execute([latest.retry.0])?;
    // a delay counts from its event, whatever the clock showed then; the moment of a reminder stays where it is. What came at
    // a time that has not come yet came just now, so that a restart finds nothing to count anew
    db.prepare_cached(sql!("UPDATE sends SET due_at = ?1 + (due_at - created_at), created_at = ?1
         WHERE state = " delayed " AND why = 'delay' AND about_at IS NULL AND created_at > ?1"))?
        .execute([now.0])?;
    holds::pull_in(db, latest.probe, now)?;
    notifications::pull_in(db, now)?;
    if has_a_future(db, now)? { forget_the_future(db, now) } else { Ok(()) }
}

/// A clock that was set back and then ahead again: what was dated in between happened that much later. Else a delay would be
/// over at once, a code that was just asked for would be too old, and what repeats would be new.
fn shift_after_clock_step(db: &Connection, Correction { from, until, by_ms }: Correction) -> Result<()> {
    let dated = params![from.0, until.0, by_ms];
    db.execute(
        sql!("UPDATE sends SET created_at = created_at + ?3,
                          due_at = CASE WHEN state = " delayed " AND why = 'delay' AND about_at IS NULL THEN due_at + ?3 ELSE due_at END,
                          expires_at = CASE WHEN about_at IS NULL THEN expires_at + ?3 ELSE expires_at END
         WHERE state IN (" unsent ") AND created_at BETWEEN ?1 AND ?2"),
        dated,
    )?;
    db.execute("UPDATE sends SET reached_at = reached_at + ?3 WHERE reached_at BETWEEN ?1 AND ?2", dated)?;
    let of_event = "(SELECT received_at FROM events WHERE seq = dedup_keys.event)";
    db.execute(
        &format!("UPDATE dedup_keys SET expires_at = expires_at + ?3 WHERE {of_event} BETWEEN ?1 AND ?2"),
        dated,
    )?;
    db.execute("UPDATE events SET received_at = received_at + ?3 WHERE received_at BETWEEN ?1 AND ?2", dated).map(drop)
}

/// Whether something happened at a time that has not come yet. Only the newest is looked at: this is asked at every start.
fn has_a_future(db: &Connection, now: Timestamp) -> Result<bool> {
    let of_events = "SELECT 1 FROM events WHERE seq > (SELECT max(seq) FROM events) - ?2 AND received_at > ?1";
    let of_sends =
        "SELECT 1 FROM sends WHERE id > (SELECT max(id) FROM sends) - ?2 AND max(changed_at, created_at) > ?1";
    let newest = params![now.0, NEWEST];
    Ok(db.prepare_cached(of_events)?.exists(newest)? || db.prepare_cached(of_sends)?.exists(newest)?)
}

/// What went, or came, at a time that has not come yet did so just now: else nobody would get one more until that time, and
/// what repeats would count as the same until then.
fn forget_the_future(db: &Connection, now: Timestamp) -> Result<()> {
    db.execute("UPDATE sends SET reached_at = ?1 WHERE reached_at > ?1", [now.0])?;
    db.execute(
        sql!("UPDATE sends SET due_at = ?1 WHERE state = " delayed " AND why = 'cap' AND due_at > ?1"),
        [now.0],
    )?;
    let of_event = "(SELECT received_at FROM events WHERE seq = dedup_keys.event)";
    let sql = format!("UPDATE dedup_keys SET expires_at = ?1 + expires_at - {of_event} WHERE {of_event} > ?1");
    db.execute(&sql, [now.0])?;
    db.execute("UPDATE events SET received_at = ?1 WHERE received_at > ?1", [now.0]).map(drop)
}
