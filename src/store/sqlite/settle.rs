//! The SQL of outcomes: what became of claimed sends.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::recipient_order::{self, Line};
use super::refusals::{self, Refused};
use super::states::{SendState, sql};
use super::transitions::{self, Transition};
use super::uncounted::{Labels, Uncounted};
use super::{holds, notifications};
use crate::clock::Timestamp;
use crate::clock::millis;
use crate::event::{HoldChange, HoldScope, NextStep, Returned, Settlement, UnknownRefusal};
use crate::store::{Report, Reported};

/// What is written of a send after an attempt.
struct Written<'a> {
    state: SendState,
    due: i64,
    why: Option<&'static str>,
    reason: Option<&'a str>,
    message_id: Option<&'a str>,
    since: Option<i64>,
    used: i64,
}

impl<'a> Written<'a> {
    fn of(settlement: &'a Settlement, ended: Timestamp) -> Self {
        let row = Written {
            state: SendState::Ready,
            due: 0,
            why: None,
            reason: None,
            message_id: None,
            since: None,
            used: 1,
        };
        match &settlement.next_step {
            NextStep::Sent { message_id } => {
                Written { state: SendState::Sent, message_id: message_id.as_deref(), ..row }
            }
            NextStep::Retry { due, reason, since } => Written {
                state: SendState::Delayed,
                due: due.0,
                why: Some("retry"),
                reason: Some(reason),
                since: since.map(|since| since.0),
                used: i64::from(since.is_none()),
                ..row
            },
            NextStep::Failed { reason } | NextStep::Doubtful(UnknownRefusal { reason, .. }) => {
                Written { state: SendState::Failed, reason: Some(reason), ..row }
            }
            NextStep::NeedsDecision { reason, .. } => {
                Written { state: SendState::Uncertain, reason: Some(reason), ..row }
            }
            NextStep::Blocked { reason, .. } => Written { reason: Some(reason), since: Some(ended.0), used: 0, ..row },
        }
    }
}

/// Where a settled send belongs.
struct Lane {
    destination: String,
    account: String,
    campaign: String,
    priority: i64,
    route: String,
    rule: String,
}

impl Lane {
    fn read(row: &Row<'_>) -> Result<Self> {
        let (destination, account, campaign) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { destination, account, campaign, priority: row.get(3)?, route: row.get(4)?, rule: row.get(5)? })
    }

    fn labels(&self) -> Labels<'_> {
        Labels { route: &self.route, rule: &self.rule, account: &self.account, campaign: &self.campaign }
    }
}

/// Writes down what became of claimed sends.
pub fn report(db: &Connection, report: &Report, now: Timestamp) -> Result<Reported> {
    let mut reported = Reported::default();
    settle(db, &report.settlements, &mut reported)?;
    release(db, &report.returned, now)?;
    Ok(reported)
}

/// Writes down attempts and what follows from them.
fn settle(db: &Connection, settlements: &[Settlement], reported: &mut Reported) -> Result<()> {
    // as a rule nobody does, and need not be asked for with every settlement
    let somebody_waits = db
        .prepare_cached(sql!("SELECT EXISTS (SELECT 1 FROM sends WHERE state = " blocked ")"))?
        .query_row([], |row| row.get(0))?;
    let mut somebody_was_refused = refusals::are_there(db)?;
    let mut uncounted = Uncounted::default();
    for settlement in settlements {
        let Settlement { id, attempt, next_step, probed, .. } = settlement;
        let ended = attempt.at.after(attempt.took);
        if let Some(lane) = write(db, settlement, ended, &mut uncounted)? {
            if next_step.needs_decision() {
                notifications::left_uncertain(db, &lane.account, ended)?;
                reported.left_uncertain += 1;
            }
            if somebody_waits {
                let_by(db, id.0, &lane, next_step)?;
            }
            // a dry run calls nobody, and says nothing about the campaign
            if somebody_was_refused && matches!(next_step, NextStep::Sent { .. }) && attempt.status.is_some() {
                refusals::taken(db, id.0, &lane.account, &lane.campaign)?;
            }
            somebody_was_refused |= matches!(next_step, NextStep::Doubtful(_));
            hold(db, settlement, &lane, &mut reported.holds)?;
        }
        if let Some(probed) = probed {
            // what ends a hold asks what still waits for it
            uncounted.write(db)?;
            holds::probed(db, *probed, next_step, ended, &mut reported.holds)?;
            refusals::hold_ended(db)?;
        }
    }
    uncounted.write(db)
}

/// Writes down an attempt and where its send stands. `None` if the send's lease ran out meanwhile, or it was erased: then it
/// is no longer ours to change.
fn write(
    db: &Connection,
    settlement: &Settlement,
    ended: Timestamp,
    uncounted: &mut Uncounted,
) -> Result<Option<Lane>> {
    let Settlement { id, number, attempt, reached, .. } = settlement;
    // RETURNING would cost half as much again as the rest
    let mut ours = db.prepare_cached(
        sql!("SELECT destination, account, campaign, priority, route, rule FROM sends WHERE id = ?1 AND state = " sending " AND attempts = ?2 - 1"),
    )?;
    let mut update = db.prepare_cached(
        "UPDATE sends SET state = ?3, due_at = ?4, attempts = ?2, changed_at = ?5, reason = ?6, message_id = ?7, retrying_since = coalesce(?8, retrying_since),
                          why = ?9, retries_used = CASE ?10 WHEN 0 THEN 0 ELSE retries_used + ?10 END,
                          reached_at = CASE ?11 WHEN 1 THEN ?5 ELSE reached_at END, uncertain = uncertain + ?12
         WHERE id = ?1",
    )?;
    let lane = ours.query_row(params![id.0, number], Lane::read).optional()?;
    if let Some(lane) = &lane {
        let gone = *reached && attempt.outcome.may_have_gone();
        let in_doubt = attempt.outcome.is_in_doubt();
        let Written { state, due, why, reason, message_id, since, used } = Written::of(settlement, ended);
        let values = params![id.0, number, state, due, ended.0, reason, message_id, since, why, used, gone, in_doubt];
        update.execute(values)?;
        if state == SendState::Sent {
            uncounted.sent(lane.labels(), ended);
        }
    }
    // of a send that was erased meanwhile nothing is kept
    if lane.is_some() || is_kept(db, id.0)? {
        write_attempt(db, settlement)?;
    }
    Ok(lane)
}

fn is_kept(db: &Connection, id: i64) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM sends WHERE id = ?1 AND erased_at IS NULL")?.exists([id])
}

fn write_attempt(db: &Connection, settlement: &Settlement) -> Result<()> {
    let Settlement { id, number, attempt, .. } = settlement;
    let mut row = db.prepare_cached("INSERT OR IGNORE INTO attempts (send, number, at, took_ms, status, outcome, reason, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let took_ms = millis(attempt.took);
    let (outcome, said) = (attempt.outcome.name(), attempt.outcome.reason());
    row.execute(params![id.0, number, attempt.at.0, took_ms, attempt.status, outcome, said, attempt.answer]).map(drop)
}

/// The hold that begins with a settlement, if one does.
fn hold(db: &Connection, settlement: &Settlement, lane: &Lane, changes: &mut Vec<HoldChange>) -> Result<()> {
    let Settlement { id, attempt, next_step, .. } = settlement;
    let Lane { destination, account, campaign, .. } = lane;
    let (seen, now) = (attempt.at, attempt.at.after(attempt.took));
    if let Some((scope, reason, probe_at)) = next_step.hold() {
        let campaign = if scope == HoldScope::Account { "" } else { campaign };
        let probe_at = Some(probe_at);
        let hold = holds::Beginning { account, campaign, reason, by: "answer", refusal: None, seen, now, probe_at };
        holds::begin(db, hold, changes)?;
    }
    if let NextStep::Doubtful(refusal) = next_step {
        let refused = Refused { send: id.0, account, campaign, refusal, seen, now };
        if refusals::weigh(db, refused, changes)? {
            recipient_order::unblock_all(db, destination)?;
        }
    }
    Ok(())
}

/// Who stood behind a send that was attempted goes, unless it is to go first all the same.
fn let_by(db: &Connection, id: i64, lane: &Lane, next_step: &NextStep) -> Result<()> {
    let Lane { destination, account, campaign, priority, .. } = lane;
    match next_step {
        NextStep::Retry { .. } => {
            let before_it = Line { destination, account, campaign, priority: *priority, before: id };
            recipient_order::unblock_others(db, before_it)
        }
        NextStep::Blocked { .. } => recipient_order::unblock_all(db, destination),
        NextStep::Sent { .. } | NextStep::Failed { .. } | NextStep::Doubtful(_) | NextStep::NeedsDecision { .. } => {
            recipient_order::unblock_next(db, destination)
        }
    }
}

/// Takes back claimed sends for which no call was made: they are ready again, or wait.
fn release(db: &Connection, returned: &[Returned], now: Timestamp) -> Result<()> {
    let mut back =
        db.prepare_cached(sql!("UPDATE sends SET state = " ready ", due_at = 0 WHERE id = ?1 AND state = " sending " RETURNING destination"))?;
    let mut sending = db.prepare_cached(sql!("SELECT 1 FROM sends WHERE id = ?1 AND state = " sending))?;
    for Returned { id, start } in returned {
        match start {
            Some(start) if sending.exists([id.0])? => transitions::record(db, id.0, now, Transition::wait(*start))?,
            Some(_) => {}
            None => {
                let person: Option<String> = back.query_row([id.0], |row| row.get(0)).optional()?;
                person.map_or(Ok(()), |person| recipient_order::unblock_all(db, &person))?;
            }
        }
    }
    Ok(())
}
