//! What is kept besides events and sends, and past its time: cancellations, ended holds, notifications, and changes of
//! numbers that are not suppressed any more.

use std::time::Duration;

use rusqlite::{Connection, Result, params};

use super::cursor::{self, Kind};
use super::{Walk, count, is_full, limit};
use crate::store::sweep::{Removed, SweepRequest};

/// How long notifications are kept: nobody is notified of what is older than a few hours.
const NOTIFICATIONS: Duration = Duration::from_secs(86_400);

/// Removes what is past its time, as much of each kind as a step may. The newest notification and the newest hold stay, so that
/// no number is given twice: the alerter passes over numbers that it knows.
pub fn rest(db: &Connection, request: &SweepRequest, removed: &mut Removed) -> Result<Walk> {
    let notifications = db
        .prepare_cached(
            "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE at < ?1
             AND id < (SELECT max(id) FROM notifications) LIMIT ?2)",
        )?
        .execute(params![request.now.before(NOTIFICATIONS).0, limit(request)])?;
    let holds = match request.sends_before {
        None => 0,
        Some(before) => db
            .prepare_cached(
                "DELETE FROM holds WHERE id IN (SELECT id FROM holds WHERE ended_at <= ?1
                 AND id < (SELECT max(id) FROM holds) LIMIT ?2)",
            )?
            .execute(params![before.0, limit(request)])?,
    };
    let cancellations = cancellations(db, request)?;
    removed.others += count(notifications + holds + cancellations);
    let fullest = notifications.max(holds).max(cancellations);
    Ok(if is_full(request, fullest) { Walk::GoesOn } else { Walk::Ended })
}

/// Cancellations by events past their time. They keep earlier events from bringing back what is not wanted any more: as long
/// as one of those may still make sends, they stay.
fn cancellations(db: &Connection, request: &SweepRequest) -> Result<usize> {
    let upto = cursor::read(db, Kind::Events)?.unwrap_or(0);
    let earliest = cursor::postponed(db, Kind::Events, 0, 1)?.first().copied().unwrap_or(i64::MAX);
    db.prepare_cached(
        "DELETE FROM cancels WHERE (key, account, route, rule) IN
           (SELECT key, account, route, rule FROM cancels INDEXED BY cancels_of_event WHERE event <= ?1 LIMIT ?2)",
    )?
    .execute(params![upto.min(earliest), limit(request)])
}

/// What was decided about a number is evidence as long as it is suppressed; afterwards it is kept as long as sends are. Returns
/// the last that was looked at, unless that was all.
pub fn suppression_changes(
    db: &Connection,
    request: &SweepRequest,
    after: i64,
    removed: &mut Removed,
) -> Result<Option<i64>> {
    let Some(before) = request.sends_before else { return Ok(None) };
    let mut select = db.prepare_cached(
        "SELECT rowid, at <= ?2 AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.number = c.number) AS is_over
         FROM suppression_changes c WHERE rowid > ?1 ORDER BY rowid LIMIT ?3",
    )?;
    let rows: Vec<(i64, bool)> = select
        .query_map(params![after, before.0, limit(request)], |row| Ok((row.get("rowid")?, row.get("is_over")?)))?
        .collect::<Result<_>>()?;
    let mut remove = db.prepare_cached("DELETE FROM suppression_changes WHERE rowid = ?1")?;
    for (rowid, _) in rows.iter().filter(|(_, is_over)| *is_over) {
        removed.others += count(remove.execute([rowid])?);
    }
    Ok(rows.last().map(|(rowid, _)| *rowid).filter(|_| is_full(request, rows.len())))
}
