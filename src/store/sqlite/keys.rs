//! The SQL of keys: which accounts have had one, and which are others than before. Nothing of the keys themselves.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::states::sql;
use crate::clock::Timestamp;
use crate::event::{KeyFingerprint, KeyKind};

/// Remembers accounts that have a key now; tells all that ever had one, by name.
pub fn had_keys(db: &Connection, with_key: &[String]) -> Result<Vec<String>> {
    let mut remember = db.prepare_cached("INSERT INTO keyed_accounts (name) VALUES (?1) ON CONFLICT DO NOTHING")?;
    for name in with_key {
        remember.execute([name])?;
    }
    let mut all = db.prepare_cached("SELECT name FROM keyed_accounts ORDER BY name")?;
    all.query_map([], |row| row.get(0))?.collect()
}

/// Tries at once what the key before was refused for. One that was not known yet counts as another.
pub fn try_new(db: &Connection, keys: &[KeyFingerprint], now: Timestamp) -> Result<()> {
    for key in keys {
        if known(db, key)? == Some(key.fingerprint) {
            continue;
        }
        let mut earlier = db.prepare_cached(match key.kind {
            // one that was set by hand is not probed
            KeyKind::Account => {
                "UPDATE holds SET probe_at = ?2 WHERE account = ?1 AND ended_at IS NULL AND probe_at > ?2"
            }
            KeyKind::Lookups => {
                sql!("UPDATE lookups SET due_at = ?2 WHERE state = " delayed " AND route = ?1 AND due_at > ?2")
            }
        })?;
        earlier.execute(params![key.name, now.0])?;
    }
    Ok(())
}

/// The same, and these are the keys from now on.
pub fn keep(db: &Connection, keys: &[KeyFingerprint], now: Timestamp) -> Result<()> {
    try_new(db, keys, now)?;
    let mut keep = db.prepare_cached(
        "INSERT INTO key_fingerprints (kind, name, fingerprint) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint WHERE fingerprint <> excluded.fingerprint",
    )?;
    for key in keys {
        keep.execute(params![kind(key.kind), key.name, key.fingerprint])?;
    }
    Ok(())
}

fn known(db: &Connection, key: &KeyFingerprint) -> Result<Option<i64>> {
    let mut known = db.prepare_cached("SELECT fingerprint FROM key_fingerprints WHERE kind = ?1 AND name = ?2")?;
    known.query_row([kind(key.kind), &key.name], |row| row.get(0)).optional()
}

fn kind(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Account => "account",
        KeyKind::Lookups => "lookups",
    }
}
