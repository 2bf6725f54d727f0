//! The SQL of people's wishes: who must not be messaged, what is no longer wanted, what somebody had already.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::origin::Origin;
use super::states::CANCELLED;
use super::turns::{self, Turn};
use crate::clock::Timestamp;
use crate::event::{BY_HAND, Cancel, Cap, Claimed, SendId, Suppression, is_sandboxed, plain_account};

/// Adds a number to those that must not be messaged, or takes it off, because an event or a person says so. Returns how
/// many entries that changed; `*` takes it off every account's.
pub fn suppress(db: &Connection, change: &Suppression, event: Option<i64>, at: Timestamp) -> Result<usize> {
    let Suppression { account, number, add, reason, since } = change;
    let account = plain_account(account);
    let changed = if *add {
        // who gives no reason does not take away one that was given
        db.prepare_cached(
            "INSERT INTO suppressions (number, account, reason, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET reason = CASE ?3 WHEN ?5 THEN reason ELSE ?3 END",
        )?
        .execute(params![number, account, reason, since.unwrap_or(at).0, BY_HAND])?
    } else {
        db.prepare_cached("DELETE FROM suppressions WHERE number = ?1 AND (account = ?2 OR ?2 = '*')")?
            .execute(params![number, account])?
    };
    if changed > 0 || event.is_some() {
        db.prepare_cached("INSERT INTO suppression_changes (number, account, added, reason, at, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![number, account, add, reason, at.0, event])?;
    }
    Ok(changed)
}

/// Whether a number is on the list already, and for this reason if one was given.
pub fn is_listed(db: &Connection, change: &Suppression) -> Result<bool> {
    let Suppression { account, number, reason, .. } = change;
    db.prepare_cached("SELECT 1 FROM suppressions WHERE number = ?1 AND account = ?2 AND ?3 IN (reason, ?4)")?
        .exists(params![number, plain_account(account), reason, BY_HAND])
}

/// Whether there are any.
pub fn is_anybody_suppressed(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM suppressions")?.exists([])
}

/// Why an account must not message a number; `None` if it may.
pub fn suppression(db: &Connection, account: &str, number: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT reason FROM suppressions WHERE number = ?1 AND account IN (?2, '*')")?
        .query_row([number, plain_account(account)], |row| row.get(0))
        .optional()
}

/// What waits of a rule about the same is no longer wanted, nor what an earlier event brings later.
pub fn cancel_about(db: &Connection, cancel: &Cancel, origin: Origin<'_>) -> Result<()> {
    let Cancel { account, key, route, rule } = cancel;
    forget_earlier(db, cancel, origin.seq)?;
    let mut waiting = db.prepare_cached(
        "SELECT id FROM sends INDEXED BY sends_about WHERE key = ?1 AND rule = ?2 AND route = ?3 AND account = ?4
         AND state IN (0, 1, 3) AND event < ?5",
    )?;
    let ids: Vec<i64> =
        waiting.query_map(params![key, rule, route, account, origin.seq], |row| row.get(0))?.collect::<Result<_>>()?;
    let reason = format!("cancelled by event `{}` of route `{}`", origin.id, origin.route);
    ids.into_iter().try_for_each(|id| turns::turn(db, id, origin.at, Turn::end(CANCELLED, &reason)))
}

/// Whether a later event than this one had cancelled what a rule makes about this key.
pub fn is_cancelled(db: &Connection, (route, rule, key): (&str, &str, &str), event: i64) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM cancels WHERE key = ?1 AND route = ?2 AND rule = ?3 AND event > ?4")?
        .exists(params![key, route, rule, event])
}

/// What is about this key and of an earlier event is not wanted any more, wherever it stands.
fn forget_earlier(db: &Connection, cancel: &Cancel, event: i64) -> Result<()> {
    let Cancel { account, key, route, rule } = cancel;
    db.prepare_cached(
        "INSERT INTO cancels (key, account, route, rule, event) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET event = max(event, excluded.event)",
    )?
    .execute(params![key, account, route, rule, event])
    .map(drop)
}

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

/// What waits of the rule about the same makes room for what this event brings.
pub fn replace(db: &Connection, origin: Origin<'_>, account: &str, (rule, key): (&str, &str)) -> Result<()> {
    let cancel = Cancel {
        account: account.to_owned(),
        key: key.to_owned(),
        route: origin.route.to_owned(),
        rule: rule.to_owned(),
    };
    forget_earlier(db, &cancel, origin.seq)?;
    let mut waiting = db.prepare_cached(
        "SELECT id FROM sends INDEXED BY sends_about WHERE key = ?1 AND rule = ?2 AND route = ?3
         AND state IN (0, 1, 3) AND event < ?4",
    )?;
    let ids: Vec<i64> =
        waiting.query_map(params![key, rule, origin.route, origin.seq], |row| row.get(0))?.collect::<Result<_>>()?;
    let reason = format!("event `{}` took its place", origin.id);
    ids.into_iter().try_for_each(|id| turns::turn(db, id, origin.at, Turn::end(CANCELLED, &reason)))
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
