//! The SQL of which accounts have had an API key: their names, and nothing of the keys.

use rusqlite::{Connection, Result};

/// Remembers accounts that have a key now; tells all that ever had one, by name.
pub fn had_keys(db: &Connection, with_key: &[String]) -> Result<Vec<String>> {
    let mut remember = db.prepare_cached("INSERT INTO keyed_accounts (name) VALUES (?1) ON CONFLICT DO NOTHING")?;
    for name in with_key {
        remember.execute([name])?;
    }
    let mut all = db.prepare_cached("SELECT name FROM keyed_accounts ORDER BY name")?;
    all.query_map([], |row| row.get(0))?.collect()
}
