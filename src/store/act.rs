//! The SQL of what people do.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::insert::insert_send;
use super::origin::Origin;
use super::states::{CANCELLED, FAILED, READY, WAITING};
use super::turns::{self, Turn};
use super::{holds, people, remap, states};
use crate::clock::Timestamp;
use crate::event::act::{Acted, Action, Revival};
use crate::event::{NewSend, SendId};

/// Carries out what a person decided.
pub fn act(db: &Connection, action: &Action, now: Timestamp) -> Result<Acted> {
    let mut acted = Acted::default();
    match action {
        Action::SetHold { account, campaign, reason } => {
            let hold = holds::Beginning { account, campaign, reason, by: "hand", seen: now, now, probe_at: None };
            holds::begin(db, hold, &mut acted.holds)?;
            acted.changed = 1;
        }
        Action::LiftHold { account, campaign } => {
            let lasting = holds::active(db)?;
            for hold in lasting.iter().filter(|hold| hold.account == *account && hold.campaign == *campaign) {
                holds::end(db, hold.id, now, &mut acted.holds)?;
                acted.changed += 1;
            }
        }
        Action::Cancel { ids, reason } => {
            let mut waits = db.prepare_cached("SELECT 1 FROM sends WHERE id = ?1 AND state IN (0, 1, 3)")?;
            for id in ids {
                if waits.exists([id.0])? {
                    turns::turn(db, id.0, now, Turn::end(CANCELLED, reason))?;
                    acted.changed += 1;
                }
            }
        }
        Action::Revive(revivals) => {
            for revival in revivals {
                acted.changed += usize::from(revive(db, revival, now)?);
            }
        }
        Action::LookUpAgain(event) => {
            acted.changed = db
                .prepare_cached(
                    "UPDATE lookups SET state = 0, due_at = ?2, since = ?2 WHERE event = ?1 AND state = 11",
                )?
                .execute(params![event.0, now.0])?;
        }
        Action::Suppress(changes) => {
            for change in changes {
                acted.changed += people::suppress(db, change, None, now)?;
            }
        }
    }
    Ok(acted)
}

fn revive(db: &Connection, revival: &Revival, now: Timestamp) -> Result<bool> {
    match revival {
        Revival::Again { id, attempts, state, send } => {
            // decided in this transaction: another replay, or the send itself, may have been quicker
            let mut same =
                db.prepare_cached("SELECT state FROM sends WHERE id = ?1 AND attempts = ?2 AND state >= 10")?;
            let found: Option<i64> = same.query_row(params![id.0, attempts], |row| row.get(0)).optional()?;
            if found.is_none_or(|found| states::shown(found) != *state) {
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
            let mut select = db.prepare_cached("SELECT id, route FROM events WHERE seq = ?1")?;
            let found: Option<(String, String)> =
                select.query_row([event.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((id, route)) = found else { return Ok(false) };
            insert_send(db, Origin { seq: event.0, id: &id, route: &route, at: now }, send, None)?;
            Ok(true)
        }
    }
}

/// A send that came to an end begins anew, with what its rule makes of its event now.
fn again(db: &Connection, id: SendId, send: &NewSend, now: Timestamp) -> Result<bool> {
    let content = match &send.content {
        Ok(content) => content,
        Err(reason) => {
            turns::turn(db, id.0, now, Turn::end(FAILED, reason))?;
            return Ok(false);
        }
    };
    if let Some(key) = &content.wishes.key {
        let mut origin = db.prepare_cached("SELECT event, route FROM sends WHERE id = ?1")?;
        let (event, route): (i64, String) = origin.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if people::is_cancelled(db, (&route, &send.rule, key), event)? {
            turns::turn(db, id.0, now, Turn::end(CANCELLED, "a later event about the same had cancelled it"))?;
            return Ok(false);
        }
    }
    remap::rewrite(db, id, send.version, content)?;
    db.prepare_cached("UPDATE sends SET used = 0, since = ?2, reason = NULL WHERE id = ?1")?
        .execute(params![id.0, now.0])?;
    let start = content.wishes.start.filter(|start| start.at > now);
    let turn = Turn {
        state: if start.is_some() { WAITING } else { READY },
        why: start.map(|start| start.why),
        until: start.map(|start| start.at),
        reason: Some("replayed"),
    };
    turns::turn(db, id.0, now, turn)?;
    Ok(true)
}
