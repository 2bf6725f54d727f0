//! The SQL of what is told of holds, and to whom it was.

use rusqlite::{Connection, Result, Row, params};

use crate::clock::Timestamp;
use crate::event::{HoldChange, HoldId, HoldTurn, NoticeId, Told};

const NOTICE: &str = "SELECT n.id, n.hold, h.account, h.campaign, h.reason, h.since, n.turn, n.count, n.at, n.told
    FROM notices n JOIN holds h ON h.id = n.hold";

/// Writes down that something happened to a hold.
pub fn note(db: &Connection, hold: i64, turn: HoldTurn, at: Timestamp) -> Result<HoldChange> {
    let (turn, count) = match turn {
        HoldTurn::Began => ("began", 0),
        HoldTurn::Lasts { waiting } => ("lasts", waiting),
        HoldTurn::Ended { waited } => ("ended", waited),
    };
    db.prepare_cached("INSERT INTO notices (hold, turn, count, at) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        hold,
        turn,
        i64::try_from(count).unwrap_or(i64::MAX),
        at.0
    ])?;
    db.prepare_cached(&format!("{NOTICE} WHERE n.id = ?1"))?.query_row([db.last_insert_rowid()], read)
}

/// What happened since then, with those who know it.
pub fn since(db: &Connection, moment: Timestamp) -> Result<Vec<Told>> {
    let mut select = db.prepare_cached(&format!("{NOTICE} WHERE n.at >= ?1 ORDER BY n.id"))?;
    let rows = select.query_map([moment.0], |row| {
        let told: String = row.get(9)?;
        Ok(Told { change: read(row)?, to: told.split_whitespace().map(ToOwned::to_owned).collect() })
    })?;
    rows.collect()
}

/// Somebody knows.
pub fn told(db: &Connection, notice: NoticeId, who: &str) -> Result<()> {
    db.prepare_cached("UPDATE notices SET told = told || ?2 || ' ' WHERE id = ?1")?
        .execute(params![notice.0, who])
        .map(drop)
}

/// What happened before then is told to nobody any more.
pub fn forget(db: &Connection, before: Timestamp) -> Result<()> {
    db.prepare_cached("DELETE FROM notices WHERE at < ?1")?.execute([before.0]).map(drop)
}

fn read(row: &Row<'_>) -> Result<HoldChange> {
    let (campaign, turn): (String, String) = (row.get(3)?, row.get(6)?);
    let count = row.get::<_, i64>(7).map(|count| u64::try_from(count).unwrap_or(0))?;
    Ok(HoldChange {
        notice: NoticeId(row.get(0)?),
        hold: HoldId(row.get(1)?),
        account: row.get(2)?,
        campaign: Some(campaign).filter(|campaign| !campaign.is_empty()),
        reason: row.get(4)?,
        since: Timestamp(row.get(5)?),
        turn: match turn.as_str() {
            "began" => HoldTurn::Began,
            "lasts" => HoldTurn::Lasts { waiting: count },
            _ => HoldTurn::Ended { waited: count },
        },
        at: Timestamp(row.get(8)?),
    })
}
