//! How much waits.

use rusqlite::{Connection, Result};

use super::states::sql;

/// How many sends of a campaign are ready, or of an account if the campaign is empty: what a hold keeps back.
pub fn ready(db: &Connection, account: &str, campaign: &str) -> Result<i64> {
    let sql = if campaign.is_empty() {
        sql!("SELECT count(*) FROM sends INDEXED BY sends_ready WHERE state = " ready " AND account = ?1 AND campaign >= ?2")
    } else {
        sql!("SELECT count(*) FROM sends INDEXED BY sends_ready WHERE state = " ready " AND account = ?1 AND campaign = ?2")
    };
    db.prepare_cached(sql)?.query_row([account, campaign], |row| row.get(0))
}

/// How many sends of an account wait, for whatever reason.
pub fn of_account(db: &Connection, account: &str) -> Result<i64> {
    let parked: i64 = db
        .prepare_cached(
            sql!("SELECT count(*) FROM sends INDEXED BY sends_parked WHERE state IN (" parked ") AND account = ?1"),
        )?
        .query_row([account], |row| row.get(0))?;
    Ok(ready(db, account, "")?.saturating_add(parked))
}
