//! Numbers that must not be messaged, as people ask for them.

use rusqlite::{Connection, Result, Row, ToSql, params};

use crate::clock::Timestamp;
use crate::event::view::{SuppressionChange, SuppressionStory, SuppressionView, shown};
use crate::store::sqlite::hashed_suppressions::Hashes;

/// The numbers that must not be messaged, in their order, after a number and an account.
pub fn suppressions(db: &Connection, after: (&str, &str), limit: usize) -> Result<Vec<SuppressionView>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare(
        "SELECT number, account, reason, at FROM suppressions WHERE (number, account) > (?1, ?2) ORDER BY number, account LIMIT ?3",
    )?
    .query_map(params![after.0, after.1, limit], view)?
    .collect()
}

fn view(row: &Row<'_>) -> Result<SuppressionView> {
    Ok(SuppressionView {
        number: row.get(0)?,
        account: row.get(1)?,
        reason: row.get(2)?,
        since: shown(Timestamp(row.get(3)?)),
    })
}

/// Whether a number may be messaged, and how that came.
pub fn suppression_story(db: &Connection, number: &str) -> Result<SuppressionStory> {
    let mut select =
        db.prepare("SELECT number, account, reason, at FROM suppressions WHERE number = ?1 ORDER BY account")?;
    let mut suppressions: Vec<SuppressionView> = select.query_map([number], view)?.collect::<Result<_>>()?;
    if let Some(hashes) = Hashes::of(db)? {
        suppressions.extend(hashes.views(db, number)?);
    }
    Ok(SuppressionStory { number: number.to_owned(), suppressions, history: changes(db, "number = ?1", number)? })
}

/// What was decided about numbers: by an event, or about one, oldest first.
pub fn changes(db: &Connection, of: &str, which: impl ToSql) -> Result<Vec<SuppressionChange>> {
    let sql = format!("SELECT at, added, number, account, reason FROM suppression_changes WHERE {of} ORDER BY rowid");
    let read = |row: &Row<'_>| {
        Ok(SuppressionChange {
            at: shown(Timestamp(row.get(0)?)),
            what: if row.get(1)? { "added" } else { "removed" },
            number: row.get(2)?,
            account: row.get(3)?,
            reason: row.get(4)?,
        })
    };
    db.prepare(&sql)?.query_map([which], read)?.collect()
}
