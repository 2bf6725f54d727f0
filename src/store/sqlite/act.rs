//! The SQL of what people do.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::barrier::barrier;
use super::insert::insert_send;
use super::origin::Origin;
use super::queries;
use super::states::{SendState, sql};
use super::suppression;
use super::transitions::{self, Transition};
use super::uncounted::Uncounted;
use super::{append, holds, refusals, remap};
use crate::clock::Timestamp;
use crate::event::act::{Acted, Action, Candidate, Revival};
use crate::event::lookup::EventSeq;
use crate::event::view::Filter;
use crate::event::{Kept, NewEvent, NewSend, SendId};

/// Carries out what a person decided.
pub fn act(db: &Connection, action: &Action, now: Timestamp) -> Result<Acted> {
    let mut acted = Acted::default();
    match action {
        Action::SetHold { account, campaign, reason } => {
            let hold = holds::Beginning {
                account,
                campaign,
                reason,
                by: "hand",
                refusal: None,
                seen: now,
                now,
                probe_at: None,
            };
            holds::begin(db, hold, &mut acted.holds)?;
            acted.changed = 1;
        }
        Action::LiftHold { account, campaign } => {
            let lasting = holds::active(db)?;
            for hold in lasting.iter().filter(|hold| hold.account == *account && hold.campaign == *campaign) {
                refusals::hold_lifted(db, account, campaign)?;
                holds::end(db, hold.id, now, &mut acted.holds)?;
                refusals::hold_ended(db)?;
                acted.changed += 1;
            }
        }
        Action::Cancel { ids, filter, reason } => acted.changed = cancel(db, ids, filter, reason, now)?,
        Action::Revive(revivals) => {
            for revival in revivals {
                acted.changed += usize::from(revive(db, revival, now)?);
            }
        }
        Action::LookUpAgain(event) => {
            acted.changed = db
                .prepare_cached(
                    sql!("UPDATE lookups SET state = " ready ", due_at = ?2, retrying_since = ?2 WHERE event = ?1 AND state = " failed),
                )?
                .execute(params![event.0, now.0])?;
        }
        Action::ReadAgain { undecoded, events } => acted.changed = read_again(db, *undecoded, events, now)?,
        Action::Suppress(changes) => {
            for change in changes {
                acted.changed += suppression::suppress(db, change, None, now)?;
            }
        }
        Action::Import(changes) => {
            for change in changes {
                if !suppression::is_listed(db, change)? {
                    acted.changed += suppression::suppress(db, change, None, now)?;
                }
            }
        }
    }
    Ok(acted)
}

/// Cancels those that still wait, and of which the filter still holds.
fn cancel(db: &Connection, ids: &[SendId], filter: &Filter, reason: &str, now: Timestamp) -> Result<usize> {
    let mut waits = db.prepare_cached(sql!("SELECT 1 FROM sends WHERE id = ?1 AND state IN (" unsent ")"))?;
    let mut cancelled = 0;
    for id in ids {
        if waits.exists([id.0])? && queries::is_found(db, filter, *id)? {
            transitions::record(db, id.0, now, Transition::end(SendState::Cancelled, reason))?;
            cancelled += 1;
        }
    }
    Ok(cancelled)
}

/// Keeps what an undecoded call turned out to hold. Returns how many sends that makes that go when their turn comes: what
/// was kept before, however long ago, is not made again.
fn read_again(db: &Connection, undecoded: EventSeq, events: &[NewEvent], now: Timestamp) -> Result<usize> {
    // it may have been erased since somebody looked at it
    let mut is_kept = db.prepare_cached("SELECT 1 FROM events WHERE seq = ?1 AND erased_at IS NULL")?;
    if !is_kept.exists([undecoded.0])? {
        return Ok(0);
    }
    // the call itself, where its sender gives no ids, counted as seen by the hash of its body: so would its event
    db.prepare_cached("DELETE FROM dedup_keys WHERE fingerprint = ?1 AND event = ?2").and_then(|mut forget| {
        events.iter().try_for_each(|event| forget.execute(params![event.fingerprint, undecoded.0]).map(drop))
    })?;
    let mut going = 0;
    for event in events {
        if queries::seen(db, event.fingerprint)?.is_some()
            || append::append_alone(db, std::slice::from_ref(event))?.0 != [Kept::New]
        {
            continue;
        }
        let seq: i64 = db
            .prepare_cached("SELECT event FROM dedup_keys WHERE fingerprint = ?1")?
            .query_row([event.fingerprint], |row| row.get(0))?;
        let mut made =
            db.prepare_cached("SELECT id, state FROM sends INDEXED BY sends_of_event WHERE event = ?1 ORDER BY id")?;
        let made =
            made.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<(i64, SendState)>>>()?;
        for ((id, state), send) in made.into_iter().zip(&event.made.sends) {
            let candidate = Candidate { send, route: &event.route, event: Some(EventSeq(seq)), old: Some(SendId(id)) };
            going += usize::from(!state.is_over() && barrier(db, candidate, now)?.is_none());
        }
    }
    Ok(going)
}

fn revive(db: &Connection, revival: &Revival, now: Timestamp) -> Result<bool> {
    match revival {
        Revival::Again { id, attempts, state, send } => {
            // decided in this transaction: another replay, or the send itself, may have been quicker
            // what waits for the sandbox waits for nothing, once its account has a key
            let mut same = db
                .prepare_cached(sql!("SELECT state FROM sends WHERE id = ?1 AND attempts = ?2 AND erased_at IS NULL
                 AND (state >= " sent " OR state <> " sending " AND account <> ?3 AND account LIKE '% (sandbox)')"))?;
            let found: Option<SendState> =
                same.query_row(params![id.0, attempts, send.account], |row| row.get(0)).optional()?;
            if found.is_none_or(|found| found.shown() != *state) {
                return Ok(false);
            }
            let (event, route): (i64, String) = db
                .prepare_cached("SELECT event, route FROM sends WHERE id = ?1")?
                .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let candidate = Candidate { send, route: &route, event: Some(EventSeq(event)), old: Some(*id) };
            if send.content.is_ok() && barrier(db, candidate, now)?.is_some() {
                return Ok(false);
            }
            again(db, *id, send, now)
        }
        Revival::New { event, send, again } => {
            let mut there = db.prepare_cached(
                "SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = ?1 AND rule = ?2 AND item = ?3",
            )?;
            if !again && there.exists(params![event.0, send.rule, send.item])? {
                return Ok(false);
            }
            let mut select = db.prepare_cached("SELECT id, route FROM events WHERE seq = ?1 AND erased_at IS NULL")?;
            let found: Option<(String, String)> =
                select.query_row([event.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((id, route)) = found else { return Ok(false) };
            if barrier(db, Candidate { send, route: &route, event: Some(*event), old: None }, now)?.is_some() {
                return Ok(false);
            }
            let mut uncounted = Uncounted::default();
            let origin = Origin { seq: event.0, id: &id, route: &route, at: now };
            let state = insert_send(db, origin, send, None, &mut uncounted)?;
            uncounted.write(db)?;
            Ok(!state.is_over())
        }
    }
}

/// A send that came to an end begins anew, with what its rule makes of its event now.
fn again(db: &Connection, id: SendId, send: &NewSend, now: Timestamp) -> Result<bool> {
    let content = match &send.content {
        Ok(content) => content,
        Err(unmapped) => {
            transitions::record(db, id.0, now, Transition::end(SendState::Failed, &unmapped.to_string()))?;
            return Ok(false);
        }
    };
    remap::rewrite(db, id, send, content)?;
    refusals::forget(db, id.0)?;
    // the account is the one of its route now; what went to the sandbox has reached nobody
    db.prepare_cached(
        "UPDATE sends SET retries_used = 0, uncertain = 0, retrying_since = ?2, reason = NULL, account = ?3,
                          reached_at = CASE WHEN account <> ?3 AND account LIKE '% (sandbox)' THEN NULL ELSE reached_at END
         WHERE id = ?1",
    )?
    .execute(params![id.0, now.0, send.account])?;
    let start = content.options.start.filter(|start| start.at > now);
    let turn = Transition {
        state: if start.is_some() { SendState::Delayed } else { SendState::Ready },
        why: start.map(|start| start.why),
        until: start.map(|start| start.at),
        reason: Some("replayed"),
    };
    transitions::record(db, id.0, now, turn)?;
    Ok(true)
}
