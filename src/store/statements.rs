//! The SQL of the SQLite store: one function a job, all inside the writer's transaction.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Result, params};

use super::{ClaimRequest, Claims, lookups};
use crate::clock::Timestamp;
use crate::event::{Claimed, Content, Fate, Kept, NewEvent, NewSend, OnUncertain, SendId, Settlement};

pub const READY: i64 = 0;
pub const WAITING: i64 = 1;
pub const SENDING: i64 = 2;
const BEHIND: i64 = 3;
const SENT: i64 = 10;
pub const FAILED: i64 = 11;
const UNCERTAIN: i64 = 12;

/// How many waiting sends become ready in one transaction: the rest follow in the next.
const PROMOTE_LIMIT: i64 = 5_000;

/// Keeps events that were not seen yet. Their sends go straight to a deliverer that asks, as far as it has room.
pub fn append(db: &Connection, events: &[NewEvent], direct: &mut Direct) -> Result<Vec<Kept>> {
    let mut seen = db.prepare_cached(
        "INSERT INTO seen (fingerprint, expires_at, event) VALUES (?1, ?2, ?3)
         ON CONFLICT (fingerprint) DO UPDATE SET expires_at = ?2, event = ?3 WHERE expires_at <= ?4",
    )?;
    let mut event_row = db.prepare_cached("INSERT INTO events (seq, route, source, id, type, received_at, envelope, body, fault) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let mut next = match direct.next_event {
        Some(next) => next,
        None => db.prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM events")?.query_row([], |row| row.get(0))?,
    };
    let mut kept = Vec::with_capacity(events.len());
    for event in events {
        let at = event.received_at;
        if seen.execute(params![event.fingerprint, at.after(event.window).0, next, at.0])? == 0 {
            kept.push(Kept::Duplicate);
            continue;
        }
        event_row.execute(params![
            next,
            event.route,
            event.source,
            event.id,
            event.kind,
            at.0,
            event.envelope,
            &event.body[..],
            event.fault
        ])?;
        for send in &event.sends {
            direct.insert(db, (next, &event.id), send, at)?;
        }
        if event.lookup {
            lookups::insert(db, next, &event.route, at)?;
        }
        next += 1;
        kept.push(Kept::New);
    }
    direct.next_event = Some(next);
    Ok(kept)
}

/// Keeps a send, ready (with its moment) or being sent (with the end of the lease); one that no rule could make, with
/// the reason.
pub fn insert_send(db: &Connection, event: i64, send: &NewSend, at: Timestamp, lease: Option<Timestamp>) -> Result<()> {
    let mut row = db.prepare_cached(
        "INSERT INTO sends (event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9, ?10)",
    )?;
    let NewSend { rule, account, content } = send;
    let (state, due) = lease.map_or((READY, at.0), |until| (SENDING, until.0));
    match content {
        Ok(Content { campaign, destination, payload }) => {
            row.execute(params![event, rule, account, campaign, destination, payload, state, due, at.0, None::<&str>])?
        }
        Err(reason) => row.execute(params![event, rule, account, "", "", "", FAILED, at.0, at.0, reason])?,
    };
    Ok(())
}

/// What the appends of a transaction share: the next event's number, and the room that a deliverer has, by account, for
/// sends that come in it. They need not be made ready first, then looked for and claimed, if nothing older waits.
#[derive(Default)]
pub struct Direct {
    next_event: Option<i64>,
    room: Vec<(String, usize)>,
    lease_until: Option<Timestamp>,
    sends: Vec<Claimed>,
}

impl Direct {
    /// The room of a request; what is due is made ready first.
    pub fn of(db: &Connection, request: &ClaimRequest) -> Result<Self> {
        expire_leases(db, request)?;
        promote(db, request.now)?;
        let mut older = db.prepare_cached("SELECT 1 FROM sends WHERE state = 0 AND account = ?1")?;
        let mut room = Vec::new();
        for (account, count) in &request.wants {
            if !older.exists([account])? {
                room.push((account.clone(), *count));
            }
        }
        Ok(Self { next_event: None, room, lease_until: Some(request.lease_until), sends: Vec::new() })
    }

    fn insert(&mut self, db: &Connection, (event, id): (i64, &str), send: &NewSend, at: Timestamp) -> Result<()> {
        let room = self.room.iter_mut().find(|(account, left)| *account == send.account && *left > 0);
        if let (Some((_, left)), Ok(content), Some(until)) = (room, &send.content, self.lease_until)
            && !is_busy(db, &content.destination)?
        {
            insert_send(db, event, send, at, Some(until))?;
            *left -= 1;
            self.sends.push(Claimed {
                id: SendId(db.last_insert_rowid()),
                event: id.to_owned(),
                rule: send.rule.clone(),
                account: send.account.clone(),
                campaign: content.campaign.clone(),
                destination: content.destination.clone(),
                payload: content.payload.clone(),
                since: at,
                attempts: 0,
            });
            return Ok(());
        }
        insert_send(db, event, send, at, None)
    }
}

/// Whether somebody is being sent to.
fn is_busy(db: &Connection, destination: &str) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM sends WHERE state = 2 AND destination = ?1")?.exists([destination])
}

/// Hands out sends that are ready, besides those that went straight through.
pub fn claim(db: &Connection, request: &ClaimRequest, direct: Direct) -> Result<Claims> {
    let direct = if direct.lease_until.is_some() { direct } else { Direct::of(db, request)? };
    let mut sends = direct.sends;
    for (account, wanted) in &request.wants {
        let got = sends.iter().filter(|send| send.account == *account).count();
        sends.extend(claim_of(db, account, wanted.saturating_sub(got), request.lease_until)?);
    }
    let next_due: Option<i64> =
        db.prepare_cached("SELECT min(due_at) FROM sends WHERE state = 1")?.query_row([], |row| row.get(0))?;
    Ok(Claims { sends, next_due: next_due.map(Timestamp) })
}

fn promote(db: &Connection, now: Timestamp) -> Result<usize> {
    db.prepare_cached(
        "UPDATE sends SET state = 0 WHERE id IN
           (SELECT id FROM sends WHERE state = 1 AND due_at <= ?1 ORDER BY due_at LIMIT ?2)",
    )?
    .execute(params![now.0, PROMOTE_LIMIT])
}

fn claim_of(db: &Connection, account: &str, wanted: usize, lease_until: Timestamp) -> Result<Vec<Claimed>> {
    let mut sends = Vec::new();
    let mut select = db.prepare_cached("SELECT id, campaign, destination, payload, coalesce(since, created_at), attempts, rule, (SELECT events.id FROM events WHERE seq = event) FROM sends WHERE state = 0 AND account = ?1 ORDER BY id LIMIT ?2")?;
    let mut take = db.prepare_cached("UPDATE sends SET state = ?2, due_at = ?3 WHERE id = ?1")?;
    let mut left = wanted;
    while left > 0 {
        let rows = candidates(&mut select, account, left)?;
        let found = rows.len();
        for send in rows {
            // a second send to a person who is being sent to steps aside until that one is settled
            if is_busy(db, &send.destination)? {
                take.execute(params![send.id.0, BEHIND, 0])?;
            } else {
                take.execute(params![send.id.0, SENDING, lease_until.0])?;
                sends.push(send);
                left -= 1;
            }
        }
        if found == 0 {
            break;
        }
    }
    Ok(sends)
}

fn candidates(select: &mut CachedStatement<'_>, account: &str, limit: usize) -> Result<Vec<Claimed>> {
    let rows = select.query_map(params![account, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(Claimed {
            id: SendId(row.get(0)?),
            account: account.to_owned(),
            campaign: row.get(1)?,
            destination: row.get(2)?,
            payload: row.get(3)?,
            since: Timestamp(row.get(4)?),
            attempts: row.get(5)?,
            rule: row.get(6)?,
            event: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// Writes down attempts and what follows from them.
pub fn settle(db: &Connection, settlements: &[Settlement]) -> Result<()> {
    let mut attempt_row = db.prepare_cached("INSERT OR IGNORE INTO attempts (send, number, at, took_ms, status, outcome, reason, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    // one whose lease ran out meanwhile is no longer ours to change
    let mut update = db.prepare_cached(
        "UPDATE sends SET state = ?3, due_at = ?4, attempts = ?2, changed_at = ?5, reason = ?6, message_id = ?7, since = coalesce(?8, since)
         WHERE id = ?1 AND state = 2 AND attempts = ?2 - 1 RETURNING destination",
    )?;
    // as a rule nobody does, and need not be asked for with every settlement
    let somebody_waits =
        db.prepare_cached("SELECT EXISTS (SELECT 1 FROM sends WHERE state = 3)")?.query_row([], |row| row.get(0))?;
    for Settlement { id, number, attempt, fate } in settlements {
        let took_ms = i64::try_from(attempt.took.as_millis()).unwrap_or(i64::MAX);
        attempt_row.execute(params![
            id.0,
            number,
            attempt.at.0,
            took_ms,
            attempt.status,
            attempt.outcome.name(),
            attempt.outcome.reason(),
            attempt.answer
        ])?;
        let mut pardoned = None;
        let (state, due, reason, message_id) = match fate {
            Fate::Sent { message_id } => (SENT, 0, None, message_id.as_deref()),
            Fate::Retry { due, reason, since } => {
                pardoned = since.map(|since| since.0);
                (WAITING, due.0, Some(reason), None)
            }
            Fate::Failed { reason } => (FAILED, 0, Some(reason), None),
            Fate::Held { reason } => (UNCERTAIN, 0, Some(reason), None),
        };
        let changed_at = attempt.at.after(attempt.took).0;
        let person: Option<String> = update
            .query_row(params![id.0, number, state, due, changed_at, reason, message_id, pardoned], |row| row.get(0))
            .optional()?;
        if let Some(destination) = person.filter(|_| somebody_waits) {
            next_in_line(db, &destination)?;
        }
    }
    Ok(())
}

/// The next send to a person whose send was settled is ready again.
fn next_in_line(db: &Connection, destination: &str) -> Result<()> {
    let mut first =
        db.prepare_cached("SELECT id FROM sends WHERE state = 3 AND destination = ?1 ORDER BY id LIMIT 1")?;
    if let Some(id) = first.query_row([destination], |row| row.get::<_, i64>(0)).optional()? {
        db.prepare_cached("UPDATE sends SET state = 0 WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Takes back claimed sends.
pub fn release(db: &Connection, ids: &[SendId]) -> Result<()> {
    let mut update = db.prepare_cached("UPDATE sends SET state = 0 WHERE id = ?1 AND state = 2")?;
    for id in ids {
        update.execute([id.0])?;
    }
    Ok(())
}

/// Treats everything in flight as uncertain, and lets nobody stand behind anybody.
pub fn recover(db: &Connection, now: Timestamp, policy: OnUncertain) -> Result<usize> {
    let lost: Vec<i64> = db
        .prepare_cached("SELECT id FROM sends WHERE state = 2")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for id in &lost {
        lose(db, *id, now, policy)?;
    }
    db.execute("UPDATE sends SET state = 0 WHERE state = 3", [])?;
    lookups::recover(db)?;
    Ok(lost.len())
}

fn expire_leases(db: &Connection, request: &ClaimRequest) -> Result<()> {
    let mut expired = db.prepare_cached(
        "SELECT id, destination FROM sends INDEXED BY sends_sending WHERE state = 2 AND due_at <= ?1",
    )?;
    let lost: Vec<(i64, String)> =
        expired.query_map([request.lease_now.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    for (id, destination) in lost {
        lose(db, id, request.now, request.on_uncertain)?;
        next_in_line(db, &destination)?;
    }
    Ok(())
}

/// A send whose caller died: nobody knows whether it went.
fn lose(db: &Connection, id: i64, now: Timestamp, policy: OnUncertain) -> Result<()> {
    let state = match policy {
        OnUncertain::Retry => READY,
        OnUncertain::Hold => UNCERTAIN,
    };
    let reason = "the relay stopped while the call was under way";
    db.prepare_cached("INSERT OR IGNORE INTO attempts (send, number, at, took_ms, status, outcome, reason, answer) SELECT id, attempts + 1, ?2, 0, NULL, 'uncertain', ?3, '' FROM sends WHERE id = ?1")?
        .execute(params![id, now.0, reason])?;
    db.prepare_cached(
        "UPDATE sends SET state = ?2, attempts = attempts + 1, changed_at = ?3, reason = ?4 WHERE id = ?1",
    )?
    .execute(params![id, state, now.0, reason])?;
    Ok(())
}

/// Writes without changing anything.
pub fn probe(db: &Connection) -> Result<()> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    db.pragma_update(None, "user_version", version)
}
