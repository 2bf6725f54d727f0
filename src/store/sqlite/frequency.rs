//! The SQL of frequency: what a person had already (`once`, one send for one moment, caps).

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::states::{SendState, sql};
use crate::clock::Timestamp;
use crate::event::{Cap, Once, SendId, is_sandboxed};
use crate::store::gate::Same;

/// What a send is about.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    pub route: &'a str,
    pub rule: &'a str,
    pub key: &'a str,
    pub at: Timestamp,
    /// The account of the send that asks: what went to the sandbox reached nobody, and counts for the sandbox only.
    pub account: &'a str,
    pub rivals: Rivals,
}

/// Which other sends about the same moment count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rivals {
    /// Those that went, or are being sent.
    Gone,
    /// Those that wait as well: of several that are replayed together one goes.
    Waiting,
}

/// Another send of the rule for the same moment.
pub fn same_moment(db: &Connection, moment: Moment<'_>, except: Option<SendId>) -> Result<Option<Same>> {
    let Moment { route, rule, key, at, account, rivals } = moment;
    let mut select = db.prepare_cached(
        sql!("SELECT id, account, reached_at FROM sends INDEXED BY sends_about WHERE key = ?1 AND rule = ?2 AND route = ?3 AND about_at = ?4
         AND (state = " sending " OR reached_at IS NOT NULL OR ?6 AND state IN (" unsent ")) AND id IS NOT ?5"),
    )?;
    let waiting_count = rivals == Rivals::Waiting;
    let mut rows = select.query(params![key, rule, route, at.0, except.map(|id| id.0), waiting_count])?;
    let mut found = None;
    while let Some(row) = rows.next()? {
        let went_by = row.get_ref("account")?.as_str()?;
        if went_by != account && is_sandboxed(went_by) {
            continue;
        }
        if waiting_count || row.get::<_, Option<i64>>("reached_at")?.is_some() {
            return Ok(Some(Same::Went(row.get("id")?)));
        }
        found = Some(Same::IsGoing);
    }
    Ok(found)
}

/// Whether the same was sent within its window by another send, or is being sent.
pub fn same_before(db: &Connection, once: &Once, except: Option<SendId>, now: Timestamp) -> Result<Option<Same>> {
    let mut select = db.prepare_cached(
        sql!("SELECT id, state FROM sends INDEXED BY sends_once WHERE once IS NOT NULL AND once = ?1 AND id <> ?2
         AND (state = " sending " OR reached_at > ?3) ORDER BY reached_at > ?3 DESC LIMIT 1"),
    )?;
    let except = except.map_or(0, |id| id.0);
    let read = |row: &Row<'_>| {
        let is_going = row.get::<_, SendState>("state")? == SendState::Sending;
        Ok(if is_going { Same::IsGoing } else { Same::Went(row.get("id")?) })
    };
    select.query_row(params![once.key, except, now.before(once.within).0], read).optional()
}

/// Who would get one more marketing message of an account.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    pub account: &'a str,
    pub destination: &'a str,
    /// The send that would be the one more.
    pub except: Option<SendId>,
}

/// When the person may get one more; `None`: now.
pub fn capped_until(db: &Connection, to: Recipient<'_>, cap: Cap, now: Timestamp) -> Result<Option<Timestamp>> {
    let per = i64::try_from(cap.per_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let mut select = db.prepare_cached(
        "SELECT reached_at FROM sends INDEXED BY sends_capped WHERE marketing = 1 AND reached_at IS NOT NULL
         AND account = ?1 AND destination = ?2 AND reached_at > ?3 AND id IS NOT ?5 ORDER BY reached_at DESC LIMIT 1 OFFSET ?4",
    )?;
    let before_that = i64::from(cap.most.max(1) - 1);
    let since = now.0.saturating_sub(per);
    let values = params![to.account, to.destination, since, before_that, to.except.map(|id| id.0)];
    let oldest: Option<i64> = select.query_row(values, |row| row.get(0)).optional()?;
    Ok(oldest.map(|at| Timestamp(at.saturating_add(per))))
}
