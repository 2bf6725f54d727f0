//! The SQL of what people are notified of about routes: calls that are refused, and lookups that are.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::states::sql;
use crate::clock::Timestamp;
use crate::event::view::HoldView;
use crate::event::{Notification, NotificationId, RouteChange, RouteState, RouteTurn};

/// The kinds of `route_alerts`.
const REFUSALS: &str = "refusals";
const LOOKUPS: &str = "lookups";

/// How a route fares changed. `None` if people know that already.
pub fn changed(db: &Connection, route: &str, state: &RouteState, now: Timestamp) -> Result<Option<RouteChange>> {
    match state {
        RouteState::Refuses { since, calls, reason } => {
            begin(db, (route, REFUSALS), (*since, reason), RouteTurn::RefusalsBegan { calls: *calls }, now)
        }
        RouteState::LookupsHeld { since, reason } => {
            let waiting = waiting(db, route)?;
            begin(db, (route, LOOKUPS), (*since, reason), RouteTurn::LookupsHeld { waiting }, now)
        }
        RouteState::Accepts => end(db, (route, REFUSALS), RouteTurn::RefusalsEnded, now),
        RouteState::LookupsWork => {
            let waited = waiting(db, route)?;
            let change = end(db, (route, LOOKUPS), RouteTurn::LookupsReleased { waited }, now)?;
            if change.is_some() {
                // what was refused while the hold lasted waits for nothing else
                db.prepare_cached(
                    sql!("UPDATE lookups SET due_at = ?2 WHERE state = " delayed " AND route = ?1 AND due_at > ?2"),
                )?
                .execute(params![route, now.0])?;
            }
            Ok(change)
        }
    }
}

/// The lookups on hold.
pub fn held(db: &Connection) -> Result<Vec<HoldView>> {
    let mut select =
        db.prepare_cached("SELECT route, reason, since FROM route_alerts WHERE kind = ?1 ORDER BY route")?;
    let rows = select.query_map([LOOKUPS], |row| {
        let route: String = row.get("route")?;
        Ok(HoldView {
            account: String::new(),
            waiting: waiting(db, &route)?,
            route: Some(route),
            campaign: None,
            reason: row.get("reason")?,
            by: "answer".to_owned(),
            since: Timestamp(row.get("since")?).to_string(),
            probes: 0,
            probe_at: None,
        })
    })?;
    // one whose lookups were erased meanwhile keeps nothing back
    Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().filter(|hold| hold.waiting > 0).collect())
}

/// What people should be reminded of: lookups that still wait.
pub fn remind(db: &Connection, now: Timestamp, before: Timestamp, changes: &mut Vec<Notification>) -> Result<()> {
    let mut select =
        db.prepare_cached("SELECT route, reason, since FROM route_alerts WHERE notified_at <= ?1 AND kind = ?2")?;
    let rows = select
        .query_map(params![before.0, LOOKUPS], |row| Ok((row.get("route")?, row.get("reason")?, row.get("since")?)))?;
    let due: Vec<(String, String, i64)> = rows.collect::<Result<_>>()?;
    for (route, reason, since) in due {
        let waiting = waiting(db, &route)?;
        if waiting == 0 {
            continue;
        }
        db.prepare_cached("UPDATE route_alerts SET notified_at = ?3 WHERE route = ?1 AND kind = ?2")?
            .execute(params![route, LOOKUPS, now.0])?;
        let about = (route.as_str(), Timestamp(since), reason.as_str());
        changes.push(Notification::Route(note(db, about, RouteTurn::LookupsLast { waiting }, now)?));
    }
    Ok(())
}

/// After the clock was set back nobody waits for a reminder until the time that it showed before.
pub fn pull_in(db: &Connection, now: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE route_alerts SET notified_at = ?1 WHERE notified_at > ?1")?.execute([now.0]).map(drop)
}

fn begin(
    db: &Connection,
    (route, kind): (&str, &str),
    (since, reason): (Timestamp, &str),
    turn: RouteTurn,
    now: Timestamp,
) -> Result<Option<RouteChange>> {
    let mut insert = db.prepare_cached(
        "INSERT INTO route_alerts (route, kind, since, reason, notified_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?;
    if insert.execute(params![route, kind, since.0, reason, now.0])? == 0 {
        return Ok(None);
    }
    note(db, (route, since, reason), turn, now).map(Some)
}

fn end(db: &Connection, (route, kind): (&str, &str), turn: RouteTurn, now: Timestamp) -> Result<Option<RouteChange>> {
    let mut delete =
        db.prepare_cached("DELETE FROM route_alerts WHERE route = ?1 AND kind = ?2 RETURNING since, reason")?;
    let ended: Option<(i64, String)> =
        delete.query_row([route, kind], |row| Ok((row.get("since")?, row.get("reason")?))).optional()?;
    let Some((since, reason)) = ended else { return Ok(None) };
    note(db, (route, Timestamp(since), &reason), turn, now).map(Some)
}

fn note(
    db: &Connection,
    (route, since, reason): (&str, Timestamp, &str),
    turn: RouteTurn,
    at: Timestamp,
) -> Result<RouteChange> {
    let (name, count) = match turn {
        RouteTurn::RefusalsBegan { calls } => ("refusals.began", calls),
        RouteTurn::RefusalsEnded => ("refusals.ended", 0),
        RouteTurn::LookupsHeld { waiting } => ("lookups.held", waiting),
        RouteTurn::LookupsLast { waiting } => ("lookups.last", waiting),
        RouteTurn::LookupsReleased { waited } => ("lookups.released", waited),
    };
    db.prepare_cached(
        "INSERT INTO notifications (route, since, reason, turn, count, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![route, since.0, reason, name, i64::try_from(count).unwrap_or(i64::MAX), at.0])?;
    let notification = NotificationId(db.last_insert_rowid());
    Ok(RouteChange { notification, route: route.to_owned(), turn, reason: reason.to_owned(), since, at })
}

/// A notification about a route.
pub fn read(row: &Row<'_>) -> Result<RouteChange> {
    let (turn, count): (String, i64) = (row.get("turn")?, row.get("count")?);
    let count = u64::try_from(count).unwrap_or(0);
    Ok(RouteChange {
        notification: NotificationId(row.get("id")?),
        route: row.get("route")?,
        turn: match turn.as_str() {
            "refusals.began" => RouteTurn::RefusalsBegan { calls: count },
            "refusals.ended" => RouteTurn::RefusalsEnded,
            "lookups.held" => RouteTurn::LookupsHeld { waiting: count },
            "lookups.last" => RouteTurn::LookupsLast { waiting: count },
            _ => RouteTurn::LookupsReleased { waited: count },
        },
        reason: row.get("route_reason")?,
        since: Timestamp(row.get("since")?),
        at: Timestamp(row.get("at")?),
    })
}

/// How many lookups of a route are not done.
fn waiting(db: &Connection, route: &str) -> Result<u64> {
    // each by its own partial index
    let mut count = 0_i64;
    for select in [
        sql!("SELECT count(*) FROM lookups WHERE state = " ready " AND route = ?1"),
        sql!("SELECT count(*) FROM lookups WHERE state = " delayed " AND route = ?1"),
        sql!("SELECT count(*) FROM lookups WHERE state = " sending " AND route = ?1"),
    ] {
        count += db.prepare_cached(select)?.query_row([route], |row| row.get::<_, i64>(0))?;
    }
    Ok(u64::try_from(count).unwrap_or(0))
}
