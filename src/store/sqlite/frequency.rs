//! The SQL of frequency: what a person had already (`once`, one send for one moment, caps).

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::clock::Timestamp;
use crate::event::{Cap, Claimed, SendId, is_sandboxed};

/// A send that is about a moment.
#[derive(Clone, Copy)]
pub struct OfMoment<'a> {
    pub route: &'a str,
    pub rule: &'a str,
    pub account: &'a str,
    pub key: &'a str,
    pub moment: Timestamp,
    /// Its number, where it is kept already.
    pub id: Option<SendId>,
    /// Whether another that still waits counts as well.
    pub waiting_counts: bool,
}

/// Another send of the rule for the same moment that went, or may have gone. What went to the sandbox reached nobody: it
/// counts for other sends to the sandbox only.
pub fn sent_for_moment(db: &Connection, send: OfMoment<'_>) -> Result<Option<i64>> {
    let OfMoment { route, rule, account, key, moment, id, waiting_counts } = send;
    let mut select = db.prepare_cached(
        "SELECT id, account FROM sends INDEXED BY sends_about WHERE key = ?1 AND rule = ?2 AND route = ?3 AND moment = ?4
         AND (state = 2 OR gone_at IS NOT NULL OR ?6 AND state IN (0, 1, 3)) AND id IS NOT ?5",
    )?;
    let mut rows = select.query(params![key, rule, route, moment.0, id.map(|id| id.0), waiting_counts])?;
    while let Some(row) = rows.next()? {
        let went_by = row.get_ref(1)?.as_str()?;
        if went_by == account || !is_sandboxed(went_by) {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}

/// The same, sent before.
pub enum Same {
    /// It went, or may have gone, by this send.
    Went(i64),
    /// It is being sent.
    IsGoing,
}

/// Whether the same was sent since then by another send.
pub fn same_before(db: &Connection, key: &[u8], id: i64, since: i64) -> Result<Option<Same>> {
    let mut select = db.prepare_cached(
        "SELECT id, state FROM sends INDEXED BY sends_once WHERE once IS NOT NULL AND once = ?1 AND id <> ?2
         AND (state = 2 OR gone_at > ?3) ORDER BY gone_at > ?3 DESC LIMIT 1",
    )?;
    let found: Option<(i64, i64)> =
        select.query_row(params![key, id, since], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(id, state)| if state == super::states::SENDING { Same::IsGoing } else { Same::Went(id) }))
}

/// When the person may get one more marketing message of the account; `None`: now.
pub fn room_at(db: &Connection, send: &Claimed, cap: Cap, now: Timestamp) -> Result<Option<Timestamp>> {
    let per = i64::try_from(cap.per_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let mut select = db.prepare_cached(
        "SELECT gone_at FROM sends INDEXED BY sends_capped WHERE marketing = 1 AND gone_at IS NOT NULL
         AND account = ?1 AND destination = ?2 AND gone_at > ?3 AND id <> ?5 ORDER BY gone_at DESC LIMIT 1 OFFSET ?4",
    )?;
    let before_that = i64::from(cap.most.max(1) - 1);
    let oldest: Option<i64> = select
        .query_row(params![send.account, send.destination, now.0.saturating_sub(per), before_that, send.id.0], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(oldest.map(|at| Timestamp(at.saturating_add(per))))
}
