//! The file as another program on the machine finds it. For tests and measurements alone, which look into the file of a
//! relay, fill it, damage it and lock it. The relay itself never opens its store this way.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::store::StoreError;

/// How long it waits for whoever else writes: longer than a relay lets anybody wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection of another program. All its methods fail with what SQLite says.
pub struct Outside(Connection);

impl Outside {
    /// Opens a file, or makes one.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let db = Connection::open(path)?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            Ok(Self(db))
        };
        open().map_err(said)
    }

    /// What a query gives, as text; NULL is empty.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, StoreError> {
        let read = || {
            let mut statement = self.0.prepare(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| (0..columns).map(|index| text(row, index)).collect())?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(said)
    }

    /// Carries out statements.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.0.execute_batch(sql).map_err(said)
    }
}

fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    })
}

fn said(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
