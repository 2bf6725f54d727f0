//! The SQL of suppression: which numbers must not be messaged. Those of people who were erased are known by a hash alone.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::hashed_suppressions::Hashes;
use crate::clock::Timestamp;
use crate::event::{BY_HAND, Suppression, plain_account};

/// Adds a number to those that must not be messaged, or takes it off, because an event or a person says so. Returns how
/// many entries that changed; `*` takes it off every account's.
pub fn suppress(db: &Connection, change: &Suppression, event: Option<i64>, at: Timestamp) -> Result<usize> {
    let Suppression { account, number, add, reason, since, .. } = change;
    let account = plain_account(account);
    let changed = if *add {
        // who gives no reason does not take away one that was given
        db.prepare_cached(
            "INSERT INTO suppressions (number, account, reason, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET reason = CASE ?3 WHEN ?5 THEN reason ELSE ?3 END",
        )?
        .execute(params![number, account, reason, since.unwrap_or(at).0, BY_HAND])?
    } else {
        let plain = db
            .prepare_cached("DELETE FROM suppressions WHERE number = ?1 AND (account = ?2 OR ?2 = '*')")?
            .execute(params![number, account])?;
        plain + Hashes::of(db)?.map_or(Ok(0), |hashes| hashes.remove(db, account, number))?
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
    db.prepare_cached("SELECT 1 FROM suppressions UNION ALL SELECT 1 FROM hashed_suppressions")?.exists([])
}

/// Why an account must not message a number; `None` if it may.
pub fn suppression(db: &Connection, account: &str, number: &str) -> Result<Option<String>> {
    let account = plain_account(account);
    // in one question: as a rule nobody was ever erased, and no hash has to be computed
    let mut select = db.prepare_cached(
        "SELECT reason, 0 AS is_hashed FROM suppressions WHERE number = ?1 AND account IN (?2, '*')
         UNION ALL SELECT '', 1 FROM hashed_suppressions LIMIT 1",
    )?;
    let found: Option<(String, bool)> =
        select.query_row([number, account], |row| Ok((row.get("reason")?, row.get("is_hashed")?))).optional()?;
    match found {
        Some((_, true)) => Hashes::of(db)?.map_or(Ok(None), |hashes| hashes.suppression(db, account, number)),
        found => Ok(found.map(|(reason, _)| reason)),
    }
}
