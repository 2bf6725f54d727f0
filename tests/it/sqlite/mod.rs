//! What is particular to the engine that keeps the store in a SQLite file, and the file as another program on the machine finds
//! it. Everything else is asked of the relay: [`crate::asked`].

mod bulk;
mod files;
mod forget;
mod holds;
mod lookups;
mod operate;
mod process;
mod refusals;
mod refused;
mod retention;
mod unusable;

use std::path::Path;

use serri_relay::store::Outside;

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

/// None of these texts is in any row of a file. Columns of numbers are left out: the digits of a time may be those of a text.
pub fn assert_no_row(path: &Path, texts: &[&str]) {
    let columns = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND c.type IN ('TEXT', 'BLOB')";
    let columns = query(path, columns);
    assert!(columns.len() > 50, "{columns:?}");
    for column in columns {
        let (table, column) = (&column[0], &column[1]);
        for row in query(path, &format!("SELECT \"{column}\" FROM \"{table}\"")) {
            assert!(!texts.iter().any(|text| row[0].contains(text)), "{table}.{column}: {row:?}");
        }
    }
}

/// What a query gives, as text; NULL is empty.
pub fn query(path: &Path, sql: &str) -> Vec<Vec<String>> {
    Outside::open(path).unwrap().query(sql).unwrap()
}

/// Carries out statements.
pub fn execute(path: &Path, sql: &str) {
    Outside::open(path).unwrap().execute(sql).unwrap();
}

/// A program that writes into the file for as long as this lives; nobody else can.
#[must_use]
pub struct Lock(Outside);

pub fn lock(path: &Path) -> Lock {
    let other = Outside::open(path).unwrap();
    other.execute("BEGIN IMMEDIATE").unwrap();
    Lock(other)
}

impl Lock {
    pub fn release(self) {
        self.0.execute("ROLLBACK").unwrap();
    }
}
