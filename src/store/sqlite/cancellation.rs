//! The SQL of cancellation: what a later event makes unwanted.

use rusqlite::{Connection, Result, params};

use super::origin::Origin;
use super::states::{SendState, sql};
use super::transitions::{self, Transition};
use crate::event::Cancel;

/// What waits of a rule about the same is no longer wanted, nor what an earlier event brings later.
pub fn cancel_about(db: &Connection, cancel: &Cancel, origin: Origin<'_>) -> Result<()> {
    let Cancel { account, key, route, rule } = cancel;
    forget_earlier(db, cancel, origin.seq)?;
    let mut waiting = db.prepare_cached(
        sql!("SELECT id FROM sends INDEXED BY sends_about WHERE key = ?1 AND rule = ?2 AND route = ?3 AND account = ?4
         AND state IN (" unsent ") AND event < ?5"),
    )?;
    let ids: Vec<i64> =
        waiting.query_map(params![key, rule, route, account, origin.seq], |row| row.get(0))?.collect::<Result<_>>()?;
    let reason = format!("cancelled by event `{}` of route `{}`", origin.id, origin.route);
    ids.into_iter()
        .try_for_each(|id| transitions::record(db, id, origin.at, Transition::end(SendState::Cancelled, &reason)))
}

/// What sends of a rule are about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub route: &'a str,
    pub rule: &'a str,
    pub key: &'a str,
}

/// Whether a later event than this one had cancelled what a rule makes about this key.
pub fn is_cancelled(db: &Connection, about: About<'_>, event: i64) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM cancels WHERE key = ?1 AND route = ?2 AND rule = ?3 AND event > ?4")?
        .exists(params![about.key, about.route, about.rule, event])
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

/// What waits of the rule about the same makes room for what this event brings.
pub fn replace(db: &Connection, origin: Origin<'_>, account: &str, about: About<'_>) -> Result<()> {
    let About { rule, key, .. } = about;
    let cancel = Cancel {
        account: account.to_owned(),
        key: key.to_owned(),
        route: origin.route.to_owned(),
        rule: rule.to_owned(),
    };
    forget_earlier(db, &cancel, origin.seq)?;
    let mut waiting = db.prepare_cached(
        sql!("SELECT id FROM sends INDEXED BY sends_about WHERE key = ?1 AND rule = ?2 AND route = ?3
         AND state IN (" unsent ") AND event < ?4"),
    )?;
    let ids: Vec<i64> =
        waiting.query_map(params![key, rule, origin.route, origin.seq], |row| row.get(0))?.collect::<Result<_>>()?;
    let reason = format!("event `{}` took its place", origin.id);
    ids.into_iter()
        .try_for_each(|id| transitions::record(db, id, origin.at, Transition::end(SendState::Cancelled, &reason)))
}
