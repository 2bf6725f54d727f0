//! The SQL of holds: accounts and campaigns on hold. What they keep back stays ready, and is stepped over.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::states::{SendState, sql};
use super::{backlog, notifications};
use crate::clock::Timestamp;
use crate::event::{BY_HAND, HoldChange, HoldId, HoldScope, HoldTurn, NextStep, Probe, Probed, Verdict};

/// A hold that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub id: i64,
    pub account: String,
    /// Empty: the whole account.
    pub campaign: String,
    pub probes: u32,
    pub probe_at: Option<Timestamp>,
    since: Timestamp,
    probe: Option<i64>,
}

impl Active {
    /// Whether it is time to try whether it has ended; one tries at a time.
    pub fn may_be_tried(&self, db: &Connection, now: Timestamp) -> Result<bool> {
        if self.probe_at.is_none_or(|at| at > now) {
            return Ok(false);
        }
        let Some(probe) = self.probe else { return Ok(true) };
        let mut under_way = db.prepare_cached(sql!("SELECT 1 FROM sends WHERE id = ?1 AND state = " sending))?;
        under_way.exists([probe]).map(|under_way| !under_way)
    }

    /// What a send is told that tries it.
    pub fn probe(&self) -> Probe {
        let scope = if self.campaign.is_empty() { HoldScope::Account } else { HoldScope::Campaign };
        Probe { hold: HoldId(self.id), scope, made: self.probes, is_last_resort: false }
    }
}

/// The holds that last.
pub fn active(db: &Connection) -> Result<Vec<Active>> {
    let mut select = db.prepare_cached(
        "SELECT id, account, campaign, probes, probe_at, probe, since FROM holds INDEXED BY holds_active WHERE ended_at IS NULL",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Active {
            id: row.get("id")?,
            account: row.get("account")?,
            campaign: row.get("campaign")?,
            probes: row.get("probes")?,
            probe_at: row.get::<_, Option<i64>>("probe_at")?.map(Timestamp),
            probe: row.get("probe")?,
            since: Timestamp(row.get("since")?),
        })
    })?;
    rows.collect()
}

/// A send goes to find out.
pub fn try_with(db: &Connection, hold: i64, send: i64) -> Result<()> {
    db.prepare_cached("UPDATE holds SET probe = ?2 WHERE id = ?1")?.execute([hold, send]).map(drop)
}

/// How a hold begins.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    pub account: &'a str,
    /// Empty: the whole account.
    pub campaign: &'a str,
    pub reason: &'a str,
    /// `answer` or `hand`.
    pub by: &'a str,
    /// The text of the refusals it begins with, where nobody knows what it means.
    pub refusal: Option<&'a str>,
    /// When the call began whose answer says so.
    pub seen: Timestamp,
    pub now: Timestamp,
    pub probe_at: Option<Timestamp>,
}

/// Begins a hold. One that lasts goes on as it is; what was begun before the last one ended says nothing new. Returns
/// whether there is one now.
pub fn begin(db: &Connection, hold: Beginning<'_>, changes: &mut Vec<HoldChange>) -> Result<bool> {
    let Beginning { account, campaign, reason, by, refusal, seen, now, probe_at } = hold;
    let stale = db
        .prepare_cached("SELECT 1 FROM holds INDEXED BY holds_ended WHERE account = ?1 AND campaign = ?2 AND ended_at IS NOT NULL AND ended_at > ?3")?
        .exists(params![account, campaign, seen.0])?;
    if stale && by == "answer" {
        return Ok(false);
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO holds (account, campaign, reason, by, since, probes, probe_at, notified_at, refusal) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?5, ?7)
         ON CONFLICT (account, campaign) WHERE ended_at IS NULL DO NOTHING RETURNING id",
    )?;
    let at = probe_at.map(|at| at.0);
    let id: Option<i64> =
        insert.query_row(params![account, campaign, reason, by, now.0, at, refusal], |row| row.get(0)).optional()?;
    // nobody of another lane stands behind what is in this one
    db.prepare_cached(
        sql!("UPDATE sends INDEXED BY sends_behind SET state = " ready " WHERE state = " blocked " AND account = ?1"),
    )?
    .execute([account])?;
    match id {
        Some(id) => changes.push(notifications::note(db, id, HoldTurn::Began, now)?),
        None if by == "hand" => {
            db.prepare_cached("UPDATE holds SET reason = CASE WHEN ?3 = ?4 AND by = 'hand' THEN reason ELSE ?3 END, by = 'hand', probe_at = NULL
                 WHERE account = ?1 AND campaign = ?2 AND ended_at IS NULL")?
                .execute([account, campaign, reason, BY_HAND])?;
        }
        // what is refused in these words now is refused for the same reason
        None if refusal.is_some() => {
            db.prepare_cached(
                "UPDATE holds SET refusal = ?3 WHERE account = ?1 AND campaign = ?2 AND ended_at IS NULL",
            )?
            .execute(params![account, campaign, refusal])?;
        }
        None => {}
    }
    Ok(true)
}

/// What a probe tells, and what follows for its send. A hold that lasts for another cause than before names that one.
pub fn probed(
    db: &Connection,
    probed: Probed,
    next_step: &NextStep,
    now: Timestamp,
    changes: &mut Vec<HoldChange>,
) -> Result<()> {
    let hold = probed.hold.0;
    let refusal = if let NextStep::Doubtful(refusal) = next_step { Some(refusal.text.as_str()) } else { None };
    let verdict = match probed.verdict {
        Verdict::Unknown { lasts, unclear } => {
            let mut same = db.prepare_cached("SELECT 1 FROM holds WHERE id = ?1 AND refusal = ?2")?;
            if same.exists(params![hold, refusal])? { Verdict::Lasts(lasts) } else { Verdict::Unclear(unclear) }
        }
        verdict => verdict,
    };
    match verdict {
        Verdict::Passed => {
            // one that was set by hand meanwhile lasts until it is lifted by hand
            let mut tried = db.prepare_cached("SELECT 1 FROM holds WHERE id = ?1 AND probe_at IS NOT NULL")?;
            if tried.exists([hold])? { end(db, hold, now, changes) } else { Ok(()) }
        }
        Verdict::Lasts(next) => {
            // only if it asks for this very hold, and not for one of a campaign of the account
            let asked = next_step.hold().map(|(scope, reason, _)| (scope == HoldScope::Account, reason));
            let (is_account, reason) = asked.unzip();
            db.prepare_cached(
                "UPDATE holds SET probes = probes + 1, probe_at = ?2, probe = NULL,
                   reason = CASE WHEN (campaign = '') = ?3 THEN ?4 ELSE reason END
                 WHERE id = ?1 AND probe_at IS NOT NULL",
            )?
            .execute(params![hold, next.0, is_account, reason])
            .map(drop)
        }
        Verdict::Unclear(next) | Verdict::Unknown { unclear: next, .. } => db
            .prepare_cached("UPDATE holds SET probe_at = ?2, probe = NULL WHERE id = ?1 AND probe_at IS NOT NULL")?
            .execute([hold, next.0])
            .map(drop),
    }
}

/// Ends a hold: what it kept back may go.
pub fn end(db: &Connection, hold: i64, now: Timestamp, changes: &mut Vec<HoldChange>) -> Result<()> {
    let last: Option<(String, String)> = db
        .prepare_cached("SELECT account, campaign FROM holds WHERE id = ?1 AND ended_at IS NULL")?
        .query_row([hold], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((account, campaign)) = last else { return Ok(()) };
    let waited = backlog::ready(db, &account, &campaign)?;
    db.prepare_cached("UPDATE holds SET ended_at = ?2, waited = ?3, probe = NULL WHERE id = ?1")?
        .execute(params![hold, now.0, waited])?;
    changes.push(notifications::note(db, hold, HoldTurn::Ended { waited: u64::try_from(waited).unwrap_or(0) }, now)?);
    Ok(())
}

/// Ends a hold that nothing waits for any more: what waited was cancelled, is over, or goes another way. Returns whether it
/// did. One that was set by hand lasts until it is lifted by hand.
pub fn end_if_empty(db: &Connection, hold: &Active, now: Timestamp, changes: &mut Vec<HoldChange>) -> Result<bool> {
    if hold.probe_at.is_none() || does_anything_wait(db, hold)? {
        return Ok(false);
    }
    db.prepare_cached("UPDATE holds SET ended_at = ?2, waited = 0, probe = NULL WHERE id = ?1 AND ended_at IS NULL")?
        .execute([hold.id, now.0])?;
    changes.push(notifications::note(db, hold.id, HoldTurn::Emptied, now)?);
    Ok(true)
}

/// Whether anything of its account or campaign is ready, waits for its moment or its turn, is under way, or waits for a
/// person to decide since the hold lasts: what comes next would only be left uncertain, too.
fn does_anything_wait(db: &Connection, hold: &Active) -> Result<bool> {
    let Active { account, campaign, since, .. } = hold;
    if backlog::waiting(db, account, campaign)? > 0 || backlog::count(db, account, campaign, SendState::Sending)? > 0 {
        return Ok(true);
    }
    db.prepare_cached(
        sql!("SELECT 1 FROM sends INDEXED BY sends_uncertain WHERE state = " uncertain " AND account = ?1
         AND changed_at >= ?3 AND (?2 = '' OR campaign = ?2)"),
    )?
    .exists(params![account, campaign, since.0])
}

/// The holds of which somebody should be reminded; they count as told. Those that nothing waits for end.
pub fn remind(db: &Connection, now: Timestamp, before: Timestamp, changes: &mut Vec<HoldChange>) -> Result<()> {
    for hold in active(db)? {
        end_if_empty(db, &hold, now, changes)?;
    }
    let mut select =
        db.prepare_cached("SELECT id, account, campaign FROM holds WHERE ended_at IS NULL AND notified_at <= ?1")?;
    let due: Vec<(i64, String, String)> =
        select.query_map([before.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_>>()?;
    for (id, account, campaign) in due {
        let waiting = backlog::ready(db, &account, &campaign)?;
        db.prepare_cached("UPDATE holds SET notified_at = ?2 WHERE id = ?1")?.execute([id, now.0])?;
        changes.push(notifications::note(
            db,
            id,
            HoldTurn::Lasts { waiting: u64::try_from(waiting).unwrap_or(0) },
            now,
        )?);
    }
    Ok(())
}

/// After the clock was set back nothing waits longer than it would have waited without that.
pub fn pull_in(db: &Connection, latest: Timestamp, now: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE holds SET probe_at = ?1 WHERE ended_at IS NULL AND probe_at > ?1")?
        .execute([latest.0])?;
    // one that ended at a time that has not come yet would keep a new one from beginning
    db.prepare_cached("UPDATE holds SET ended_at = ?1 WHERE ended_at > ?1")?.execute([now.0])?;
    db.prepare_cached("UPDATE holds SET notified_at = ?1 WHERE ended_at IS NULL AND notified_at > ?1")?
        .execute([now.0])
        .map(drop)
}
