//! What is particular to the engine that keeps the store in a SQLite file, and the file as another program on the machine finds
//! it. Everything else is asked of the relay: [`crate::asked`].

mod files;
mod holds;
mod lookups;
mod operate;
mod process;
mod refusals;
mod refused;
mod unusable;

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use crate::world::{World, eventually};

impl World {
    /// Reads the file of its store.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        query(&self.setup.database(), sql)
    }

    /// Waits until a query gives a value.
    pub async fn settles(&self, sql: &str, value: &str) {
        eventually(&format!("`{sql}` gives {value}, last {:?}", self.query(sql)), async || {
            self.query(sql).iter().any(|row| row[0] == value)
        })
        .await;
    }
}

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
