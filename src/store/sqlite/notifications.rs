//! The SQL of notifications, and of who has received them.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::states::SendState;
use super::{backlog, route_alerts};
use crate::clock::Timestamp;
use crate::event::{
    AccountChange, AccountTurn, HoldChange, HoldId, HoldTurn, Notification, NotificationId, NotificationStatus, Reach,
};

const NOTIFICATION: &str = "SELECT n.id, n.hold, h.account AS held_account, h.campaign, h.reason, h.since AS held_since, n.turn, n.count, n.at, n.notified, n.account, n.since, n.recent, n.route, n.reason AS route_reason
    FROM notifications n LEFT JOIN holds h ON h.id = n.hold";

/// The kinds of `account_alerts`.
const UNREACHABLE: &str = "unreachable";
const LEFT_UNCERTAIN: &str = "uncertain";

/// Writes down that something happened to a hold.
pub fn note(db: &Connection, hold: i64, turn: HoldTurn, at: Timestamp) -> Result<HoldChange> {
    let (turn, count) = match turn {
        HoldTurn::Began => ("began", 0),
        HoldTurn::Lasts { waiting } => ("lasts", waiting),
        HoldTurn::Ended { waited } => ("ended", waited),
        HoldTurn::Emptied => ("emptied", 0),
    };
    db.prepare_cached("INSERT INTO notifications (hold, turn, count, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![hold, turn, signed(count), at.0])?;
    db.prepare_cached(&format!("{NOTIFICATION} WHERE n.id = ?1"))?
        .query_row([db.last_insert_rowid()], |row| read_hold(row, hold))
}

/// What happened since then, with those who know it.
pub fn since(db: &Connection, moment: Timestamp) -> Result<Vec<NotificationStatus>> {
    let mut select = db.prepare_cached(&format!("{NOTIFICATION} WHERE n.at >= ?1 ORDER BY n.id"))?;
    let rows = select.query_map([moment.0], |row| {
        let told: String = row.get("notified")?;
        let (hold, route): (Option<i64>, String) = (row.get("hold")?, row.get("route")?);
        let notification = match hold {
            Some(hold) => Notification::Hold(read_hold(row, hold)?),
            None if !route.is_empty() => Notification::Route(route_alerts::read(row)?),
            None => Notification::Account(read_account(row)?),
        };
        Ok(NotificationStatus { notification, targets: told.split_whitespace().map(ToOwned::to_owned).collect() })
    })?;
    rows.collect()
}

/// Somebody knows.
pub fn mark_notified(db: &Connection, notification: NotificationId, target: &str) -> Result<()> {
    db.prepare_cached("UPDATE notifications SET notified = notified || ?2 || ' ' WHERE id = ?1")?
        .execute(params![notification.0, target])
        .map(drop)
}

/// Of what happened before then nobody is notified any more.
pub fn forget(db: &Connection, before: Timestamp) -> Result<()> {
    db.prepare_cached("DELETE FROM notifications WHERE at < ?1")?.execute([before.0]).map(drop)
}

/// A send was left for a person to decide about: people are notified of it together with others.
pub fn left_uncertain(db: &Connection, account: &str, at: Timestamp) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO account_alerts (account, kind, since, pending, notified_at) VALUES (?1, ?2, ?3, 1, 0)
         ON CONFLICT DO UPDATE SET pending = pending + 1, since = CASE pending WHEN 0 THEN ?3 ELSE since END",
    )?
    .execute(params![account, LEFT_UNCERTAIN, at.0])
    .map(drop)
}

/// The accounts that cannot be reached, as far as people were notified of it.
pub fn unreachable(db: &Connection) -> Result<Vec<String>> {
    let mut select = db.prepare_cached("SELECT account FROM account_alerts WHERE kind = ?1")?;
    select.query_map([UNREACHABLE], |row| row.get(0))?.collect()
}

/// Whether an account can be reached changed. `None` if people know that already.
pub fn reach_changed(db: &Connection, account: &str, reach: Reach, now: Timestamp) -> Result<Option<AccountChange>> {
    let (turn, since) = match reach {
        Reach::Unreachable { since } => {
            let mut begin = db.prepare_cached(
                "INSERT INTO account_alerts (account, kind, since, notified_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            if begin.execute(params![account, UNREACHABLE, since.0, now.0])? == 0 {
                return Ok(None);
            }
            (AccountTurn::OutageBegan { waiting: waiting(db, account)? }, since)
        }
        Reach::Reachable => {
            let mut end =
                db.prepare_cached("DELETE FROM account_alerts WHERE account = ?1 AND kind = ?2 RETURNING since")?;
            let since: Option<i64> = end.query_row([account, UNREACHABLE], |row| row.get(0)).optional()?;
            let Some(since) = since else { return Ok(None) };
            (AccountTurn::OutageEnded { waited: waiting(db, account)? }, Timestamp(since))
        }
    };
    note_account(db, account, turn, since, now).map(Some)
}

/// What people should be notified of, or reminded of: outages that last, and sends left uncertain.
pub fn remind(db: &Connection, now: Timestamp, before: Timestamp, changes: &mut Vec<Notification>) -> Result<()> {
    let mut select = db.prepare_cached(
        "SELECT account, kind, since, pending FROM account_alerts WHERE notified_at <= ?1 AND (kind = ?2 OR pending > 0)",
    )?;
    let rows = select
        .query_map(params![before.0, UNREACHABLE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let due: Vec<(String, String, i64, i64)> = rows.collect::<Result<_>>()?;
    for (account, kind, since, pending) in due {
        let turn = if kind == UNREACHABLE {
            match waiting(db, &account)? {
                // nothing is tried any more, and nobody needs it to be reachable
                0 => continue,
                waiting => AccountTurn::OutageLasts { waiting },
            }
        } else {
            let waiting = backlog::count(db, &account, "", SendState::Uncertain)?;
            AccountTurn::Uncertain { recent: unsigned(pending), waiting: unsigned(waiting) }
        };
        db.prepare_cached("UPDATE account_alerts SET notified_at = ?3, pending = 0 WHERE account = ?1 AND kind = ?2")?
            .execute(params![account, kind, now.0])?;
        let change = note_account(db, &account, turn, Timestamp(since), now)?;
        changes.push(Notification::Account(change));
    }
    route_alerts::remind(db, now, before, changes)
}

/// After the clock was set back nobody waits for a reminder until the time that it showed before.
pub fn pull_in(db: &Connection, now: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE account_alerts SET notified_at = ?1 WHERE notified_at > ?1")?.execute([now.0])?;
    route_alerts::pull_in(db, now)
}

fn note_account(
    db: &Connection,
    account: &str,
    turn: AccountTurn,
    since: Timestamp,
    at: Timestamp,
) -> Result<AccountChange> {
    let (name, count, recent) = match turn {
        AccountTurn::OutageBegan { waiting } => ("outage.began", waiting, 0),
        AccountTurn::OutageLasts { waiting } => ("outage.lasts", waiting, 0),
        AccountTurn::OutageEnded { waited } => ("outage.ended", waited, 0),
        AccountTurn::Uncertain { recent, waiting } => ("sends.uncertain", waiting, recent),
    };
    db.prepare_cached(
        "INSERT INTO notifications (account, since, turn, count, recent, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![account, since.0, name, signed(count), signed(recent), at.0])?;
    Ok(AccountChange {
        notification: NotificationId(db.last_insert_rowid()),
        account: account.to_owned(),
        turn,
        since,
        at,
    })
}

/// How many sends of an account wait.
fn waiting(db: &Connection, account: &str) -> Result<u64> {
    backlog::waiting(db, account, "").map(unsigned)
}

fn read_hold(row: &Row<'_>, hold: i64) -> Result<HoldChange> {
    let (campaign, turn): (String, String) = (row.get("campaign")?, row.get("turn")?);
    let count = unsigned(row.get("count")?);
    Ok(HoldChange {
        notification: NotificationId(row.get("id")?),
        hold: HoldId(hold),
        account: row.get("held_account")?,
        campaign: Some(campaign).filter(|campaign| !campaign.is_empty()),
        reason: row.get("reason")?,
        since: Timestamp(row.get("held_since")?),
        turn: match turn.as_str() {
            "began" => HoldTurn::Began,
            "lasts" => HoldTurn::Lasts { waiting: count },
            "emptied" => HoldTurn::Emptied,
            _ => HoldTurn::Ended { waited: count },
        },
        at: Timestamp(row.get("at")?),
    })
}

fn read_account(row: &Row<'_>) -> Result<AccountChange> {
    let (turn, count, recent): (String, i64, i64) = (row.get("turn")?, row.get("count")?, row.get("recent")?);
    let count = unsigned(count);
    Ok(AccountChange {
        notification: NotificationId(row.get("id")?),
        account: row.get("account")?,
        turn: match turn.as_str() {
            "outage.began" => AccountTurn::OutageBegan { waiting: count },
            "outage.lasts" => AccountTurn::OutageLasts { waiting: count },
            "outage.ended" => AccountTurn::OutageEnded { waited: count },
            _ => AccountTurn::Uncertain { recent: unsigned(recent), waiting: count },
        },
        since: Timestamp(row.get("since")?),
        at: Timestamp(row.get("at")?),
    })
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
