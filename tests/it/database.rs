//! The store's file as another program on the machine finds it: what tests read from it, and what is done to it.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

/// What a query gives, as text; NULL is empty.
pub fn query(path: &Path, sql: &str) -> Vec<Vec<String>> {
    let db = Connection::open(path).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|index| {
                Ok(match row.get_ref(index)? {
                    ValueRef::Null => String::new(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => number.to_string(),
                    ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
                })
            })
            .collect()
    });
    rows.unwrap().collect::<Result<_>>().unwrap()
}

/// Carries out statements.
pub fn execute(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// A program that writes into the file for as long as this lives; nobody else can.
#[must_use]
pub struct Lock(Connection);

pub fn lock(path: &Path) -> Lock {
    let other = Connection::open(path).unwrap();
    other.busy_timeout(Duration::from_secs(20)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    Lock(other)
}

impl Lock {
    pub fn release(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}
