//! The SQL of claimed sends whose caller died: nobody knows whether they went.

use rusqlite::{Connection, Result, Row, params};

use super::recipient_order;
use super::states::{SendState, sql};
use super::{notifications, savepoint};
use crate::clock::Timestamp;
use crate::event::{SendGuards, UncertainPolicy};
use crate::store::{ClaimRequest, Lease, Recovered, TestScope};

/// The time by which leases count: milliseconds that the process has run.
pub fn now(lease: Lease) -> Timestamp {
    Timestamp(0).after(lease.ran)
}

/// When a lease that begins now ends, by that time.
pub fn end(lease: Lease) -> Timestamp {
    now(lease).after(lease.lasts)
}

/// Treats everything in flight as uncertain, and lets nobody stand behind anybody.
pub fn recover(db: &Connection, now: Timestamp, policy: UncertainPolicy) -> Result<Recovered> {
    let lost: Vec<i64> = db
        .prepare_cached(sql!("SELECT id FROM sends WHERE state = " sending))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut recovered = Recovered::default();
    for id in &lost {
        if lose_apart(db, *id, now, policy)? {
            recovered.repeated += 1;
        } else {
            recovered.held += 1;
        }
    }
    db.execute(sql!("UPDATE sends SET state = " ready " WHERE state = " blocked), [])?;
    Ok(recovered)
}

/// Sends whose lease ran out.
pub fn expire_leases(db: &Connection, request: &ClaimRequest) -> Result<()> {
    let mut expired = db.prepare_cached(
        sql!("SELECT id, destination FROM sends INDEXED BY sends_sending WHERE state = " sending " AND due_at <= ?1"),
    )?;
    let lost: Vec<(i64, String)> =
        expired.query_map([now(request.lease).0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    for (id, destination) in lost {
        lose_apart(db, id, request.now, request.uncertain)?;
        recipient_order::unblock_next(db, &destination)?;
    }
    Ok(())
}

/// One that cannot be written down must not keep all others from being claimed, at every claim and every start: it is left
/// uncertain without its attempt. Returns whether it is repeated.
fn lose_apart(db: &Connection, id: i64, now: Timestamp, policy: UncertainPolicy) -> Result<bool> {
    let error = match savepoint::apart(db, || lose(db, id, now, policy))? {
        Ok(is_repeated) => return Ok(is_repeated),
        Err(error) => error,
    };
    tracing::error!(send = id, %error, "what became of a send cannot be written; it is left uncertain");
    let reason = format!("what became of it cannot be written: {error}");
    let leave = || {
        db.prepare_cached("UPDATE sends SET state = ?2, changed_at = ?3, reached_at = ?3, reason = ?4 WHERE id = ?1")?
            .execute(params![id, SendState::Uncertain, now.0, reason])
    };
    if let Err(error) = savepoint::apart(db, leave)? {
        tracing::error!(send = id, %error, "a send cannot be left uncertain; it stays as it is");
    }
    Ok(false)
}

/// A send whose caller died: nobody knows whether it went, unless it was not to go to the customer at all. Returns whether it
/// is repeated.
fn lose(db: &Connection, id: i64, now: Timestamp, policy: UncertainPolicy) -> Result<bool> {
    let mut select = db.prepare_cached(
        "SELECT guards, account, uncertain, EXISTS (SELECT 1 FROM test_modes WHERE scope = 'account' AND name = account
                                        OR scope = 'route' AND name = route) FROM sends WHERE id = ?1",
    )?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let (guards, account, before, is_tested): (Option<String>, String, u32, bool) = select.query_row([id], read)?;
    let guards = SendGuards::read(guards.as_deref());
    if is_tested || guards.dry_run || guards.redirect_to.is_some() {
        return repeat_test(db, id, now).map(|()| true);
    }
    let is_repeated = policy.of(&guards).may_repeat(before);
    if !is_repeated {
        notifications::left_uncertain(db, &account, now)?;
    }
    let state = if is_repeated { SendState::Ready } else { SendState::Uncertain };
    let reason = "the relay stopped while the call was under way";
    db.prepare_cached("INSERT OR IGNORE INTO attempts (send, number, at, took_ms, status, outcome, reason, answer) SELECT id, attempts + 1, ?2, 0, NULL, 'uncertain', ?3, '' FROM sends WHERE id = ?1")?
        .execute(params![id, now.0, reason])?;
    db.prepare_cached(
        "UPDATE sends SET state = ?2, attempts = attempts + 1, uncertain = uncertain + 1, changed_at = ?3, reached_at = ?3, reason = ?4
         WHERE id = ?1",
    )?
    .execute(params![id, state, now.0, reason])?;
    Ok(is_repeated)
}

/// A send in a dry run, or to a tester: it reached no customer, so it may be repeated, and counts for nothing.
fn repeat_test(db: &Connection, id: i64, now: Timestamp) -> Result<()> {
    let reason = "the relay stopped during a test; no customer was messaged";
    db.prepare_cached("INSERT OR IGNORE INTO attempts (send, number, at, took_ms, status, outcome, reason, answer) SELECT id, attempts + 1, ?2, 0, NULL, 'transient', ?3, '' FROM sends WHERE id = ?1")?
        .execute(params![id, now.0, reason])?;
    db.prepare_cached(
        "UPDATE sends SET state = ?2, attempts = attempts + 1, changed_at = ?3, reason = ?4 WHERE id = ?1",
    )?
    .execute(params![id, SendState::Ready, now.0, reason])
    .map(drop)
}

/// Remembers what is in test mode from now on, for whoever recovers what this process leaves behind.
pub fn keep_test_modes(db: &Connection, modes: &[(TestScope, String)]) -> Result<()> {
    db.execute("DELETE FROM test_modes", [])?;
    let mut insert = db.prepare_cached("INSERT OR IGNORE INTO test_modes (scope, name) VALUES (?1, ?2)")?;
    for (mode, name) in modes {
        let scope = match mode {
            TestScope::Account => "account",
            TestScope::Route => "route",
        };
        insert.execute([scope, name])?;
    }
    Ok(())
}
