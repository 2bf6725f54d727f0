//! The SQL of refusals in words that nobody knows: when different people are refused the same way one after another, it is
//! not they who are at fault. Their campaign, or the whole account, goes on hold, and they wait with it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::holds;
use super::states::{RefusalState, SendState, sql};
use super::transitions::{self, Transition};
use crate::clock::Timestamp;
use crate::event::{HoldChange, UnknownRefusal};

/// How many refused sends of a campaign are remembered.
const MOST: i64 = 1_000;

/// After so many holds in a row, each ended by somebody who had never been refused, those who are refused once more
/// do not begin another by themselves: else a few bad numbers would hold up everybody again and again.
const CHANCES: i64 = 3;

/// A send that was just refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    pub send: i64,
    pub account: &'a str,
    pub campaign: &'a str,
    pub refusal: &'a UnknownRefusal,
    /// When the call began.
    pub seen: Timestamp,
    pub now: Timestamp,
}

/// Whether any are remembered: as a rule there are none, and nothing has to be looked up.
pub fn are_there(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM refusals")?.exists([])
}

/// Decides whether a refused send, which is written down as failed, waits after all. Returns whether it does.
pub fn weigh(db: &Connection, refused: Refused<'_>, changes: &mut Vec<HoldChange>) -> Result<bool> {
    let Refused { send, account, campaign, .. } = refused;
    if began_with(db, refused, "ended_at IS NULL")? {
        wait(db, refused, send, RefusalState::Waits)?;
        return Ok(true);
    }
    // its call is older than the end of the hold, and says nothing about the time after it
    if began_with(db, refused, "ended_at > ?4")? {
        wait(db, refused, send, RefusalState::WentOn)?;
        return Ok(true);
    }
    remember(db, refused, send, RefusalState::Counted)?;
    db.prepare_cached(
        sql!("DELETE FROM refusals INDEXED BY refusals_counted WHERE state = " counted " AND account = ?1 AND campaign = ?2
         AND NOT EXISTS (SELECT 1 FROM sends s WHERE s.id = send AND s.state = " failed " AND s.changed_at >= ?3)"),
    )?
    .execute(params![account, campaign, refused.refusal.not_before.0])?;
    db.prepare_cached(
        sql!("DELETE FROM refusals WHERE state = " counted " AND account = ?1 AND campaign = ?2 AND send <
           (SELECT send FROM refusals WHERE state = " counted " AND account = ?1 AND campaign = ?2 ORDER BY send DESC LIMIT 1 OFFSET ?3)"),
    )?
    .execute(params![account, campaign, MOST - 1])?;
    hold_if_others_were_too(db, refused, changes)
}

/// Whether a hold of these refusals reaches a send: one that lasts, or (`ended_at > ?4`) ended since its call began.
fn began_with(db: &Connection, refused: Refused<'_>, when: &str) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM holds WHERE account = ?1 AND campaign IN ('', ?2) AND refusal = ?3 AND {when} AND ?4 IS NOT NULL"
    );
    db.prepare_cached(&sql)?.exists(params![refused.account, refused.campaign, refused.refusal.text, refused.seen.0])
}

/// Puts the campaign on hold with which this is the third person who is refused the same way, and the account if that is
/// its second campaign.
fn hold_if_others_were_too(db: &Connection, refused: Refused<'_>, changes: &mut Vec<HoldChange>) -> Result<bool> {
    let Refused { account, campaign, refusal: UnknownRefusal { text, .. }, .. } = refused;
    let mut streak = db.prepare_cached(
        sql!("SELECT r.send, s.destination, r.chances FROM refusals r JOIN sends s ON s.id = r.send
         WHERE r.state = " counted " AND r.account = ?1 AND r.campaign = ?2 AND r.text = ?3 AND s.state = " failed " ORDER BY r.send"),
    )?;
    let rows = streak.query_map(params![account, campaign, text], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let streak: Vec<(i64, String, i64)> = rows.collect::<Result<_>>()?;
    let people: BTreeSet<&str> = streak.iter().map(|(_, person, _)| person.as_str()).collect();
    // one hold after another ended with somebody who had never been refused: these may be at fault themselves
    let is_suspicious = streak.iter().all(|(_, _, chances)| *chances >= CHANCES);
    if people.len() < UnknownRefusal::PEOPLE || is_suspicious {
        return Ok(false);
    }
    let who = format!("{} people in a row were refused in the same words, whose meaning is not known", people.len());
    if !begin(db, refused, campaign, &who, changes)? {
        return Ok(false);
    }
    let is_second = db
        .prepare_cached(
            "SELECT 1 FROM holds WHERE ended_at IS NULL AND account = ?1 AND campaign NOT IN ('', ?2) AND refusal = ?3",
        )?
        .exists(params![account, campaign, text])?;
    if is_second {
        let who = "people of two campaigns were refused in the same words, whose meaning is not known";
        begin(db, refused, "", who, changes)?;
    }
    for (send, ..) in &streak {
        wait(db, refused, *send, RefusalState::Waits)?;
    }
    Ok(true)
}

fn begin(
    db: &Connection,
    refused: Refused<'_>,
    campaign: &str,
    who: &str,
    changes: &mut Vec<HoldChange>,
) -> Result<bool> {
    let UnknownRefusal { text, probe_at, .. } = refused.refusal;
    let hold = holds::Beginning {
        account: refused.account,
        campaign,
        // the status is masked like other numbers
        reason: &format!("{who}: {}", text.trim_start_matches("#: ")),
        by: "answer",
        refusal: Some(text),
        seen: refused.seen,
        now: refused.now,
        probe_at: Some(*probe_at),
    };
    holds::begin(db, hold, changes)
}

/// A refused send waits after all, and has used nothing up.
fn wait(db: &Connection, refused: Refused<'_>, send: i64, state: RefusalState) -> Result<()> {
    remember(db, refused, send, state)?;
    db.prepare_cached("UPDATE sends SET retries_used = 0, retrying_since = ?2 WHERE id = ?1")?
        .execute(params![send, refused.now.0])?;
    let reason = format!("{}; others were refused the same way, so it waits with them", refused.refusal.reason);
    transitions::record(
        db,
        send,
        refused.now,
        Transition { state: SendState::Ready, why: None, until: None, reason: Some(&reason) },
    )
}

fn remember(db: &Connection, refused: Refused<'_>, send: i64, state: RefusalState) -> Result<()> {
    let Refused { account, campaign, refusal, .. } = refused;
    db.prepare_cached(
        "INSERT INTO refusals (send, account, campaign, text, state) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (send) DO UPDATE SET account = excluded.account, campaign = excluded.campaign, text = excluded.text,
           state = excluded.state, chances = CASE text WHEN excluded.text THEN chances ELSE 0 END",
    )?
    .execute(params![send, account, campaign, refusal.text, state])
    .map(drop)
}

/// A send begins anew.
pub fn forget(db: &Connection, send: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM refusals WHERE send = ?1")?.execute([send]).map(drop)
}

/// A campaign took a send: who was refused before was at fault. If it is one that had been refused itself, those who were
/// refused in the same words and wait, or went on, need not be.
pub fn taken(db: &Connection, send: i64, account: &str, campaign: &str) -> Result<()> {
    let mut own = db.prepare_cached("DELETE FROM refusals WHERE send = ?1 RETURNING text")?;
    let text: Option<String> = own.query_row([send], |row| row.get(0)).optional()?;
    if let Some(text) = text {
        db.prepare_cached(
            sql!("UPDATE refusals SET chances = 0 WHERE state <> " counted " AND account = ?1 AND text = ?2"),
        )?
        .execute([account, &text])?;
    }
    db.prepare_cached(
        sql!("DELETE FROM refusals INDEXED BY refusals_counted WHERE state = " counted " AND account = ?1 AND campaign = ?2"),
    )?
    .execute([account, campaign])
    .map(drop)
}

/// A hold has ended: what waits with no other goes on.
pub fn hold_ended(db: &Connection) -> Result<()> {
    if !are_there(db)? {
        return Ok(());
    }
    db.prepare_cached(
        sql!("UPDATE refusals SET state = " went_on ", chances = chances + 1 WHERE state = " waits " AND NOT EXISTS
           (SELECT 1 FROM holds h WHERE h.ended_at IS NULL AND h.account = refusals.account
            AND h.campaign IN ('', refusals.campaign) AND h.refusal = refusals.text)"),
    )?
    .execute([])?;
    db.prepare_cached(
        sql!("DELETE FROM refusals WHERE state <> " counted " AND NOT EXISTS (SELECT 1 FROM sends WHERE id = send AND state < " sent ")"),
    )?
    .execute([])
    .map(drop)
}

/// A person lifts a hold: whoever waits has the same chance as one who was never refused.
pub fn hold_lifted(db: &Connection, account: &str, campaign: &str) -> Result<()> {
    db.prepare_cached(
        sql!("DELETE FROM refusals WHERE state <> " counted " AND account = ?1 AND ?2 IN ('', campaign)"),
    )?
    .execute([account, campaign])
    .map(drop)
}
