//! How far retention has come, and what it left because something still needed it.

use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// What a cursor, or something postponed, is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `events.seq`.
    Events,
    /// `sends.id`.
    Sends,
    /// The first 7 bytes of `dedup_keys.fingerprint`, as a number.
    DedupKeys,
    /// When the last pass was complete: wall clock, milliseconds since 1970, UTC.
    Pass,
    /// Since when the wall clock is not believed, by the wall clock.
    Doubt,
}

impl ToSql for Kind {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self {
            Self::Events => "events",
            Self::Sends => "sends",
            Self::DedupKeys => "dedup keys",
            Self::Pass => "pass",
            Self::Doubt => "doubt",
        }))
    }
}

/// How far a walk has come; `None`: it has not begun.
pub fn read(db: &Connection, kind: Kind) -> Result<Option<i64>> {
    db.prepare_cached("SELECT upto FROM sweeps WHERE kind = ?1")?.query_row([kind], |row| row.get(0)).optional()
}

/// It has come this far.
pub fn write(db: &Connection, kind: Kind, upto: i64) -> Result<()> {
    db.prepare_cached("INSERT INTO sweeps (kind, upto) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET upto = ?2")?
        .execute(params![kind, upto])
        .map(drop)
}

/// It is forgotten.
pub fn remove(db: &Connection, kind: Kind) -> Result<()> {
    db.prepare_cached("DELETE FROM sweeps WHERE kind = ?1")?.execute([kind]).map(drop)
}

/// It is looked at again in the next pass.
pub fn postpone(db: &Connection, kind: Kind, id: i64) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO postponed (kind, id) VALUES (?1, ?2)")?
        .execute(params![kind, id])
        .map(drop)
}

/// It need not be looked at any more.
pub fn settle(db: &Connection, kind: Kind, id: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM postponed WHERE kind = ?1 AND id = ?2")?.execute(params![kind, id]).map(drop)
}

/// What was postponed, in order, after a number.
pub fn postponed(db: &Connection, kind: Kind, after: i64, limit: i64) -> Result<Vec<i64>> {
    db.prepare_cached("SELECT id FROM postponed WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?
        .query_map(params![kind, after, limit], |row| row.get(0))?
        .collect()
}
