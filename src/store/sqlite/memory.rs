//! A store without a file or a thread: each request is a transaction of its own, carried out on the caller's thread. For
//! simulations, in which nothing may depend on how threads are scheduled. Not for a relay: it forgets.

use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use rusqlite::Connection;

use super::inbox::{Append, Batch, Request};
use super::requests::{self, Ask};
use super::schema::{Problem, migrate};
use super::transaction;
use crate::store::StoreError;

/// A store in memory.
pub struct MemoryStore(Mutex<Connection>);

impl MemoryStore {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn new() -> Result<Self, StoreError> {
        let open = || {
            let mut db = Connection::open_in_memory()?;
            migrate(&mut db)?;
            db.set_prepared_statement_cache_capacity(128);
            Ok::<_, Problem>(db)
        };
        open().map(|db| Self(Mutex::new(db))).map_err(|problem| StoreError::Unavailable(problem.to_string()))
    }

    /// Reads a table as an operator would, each value as text.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, StoreError> {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            let mut statement = db.prepare_cached(sql)?;
            let columns = statement.column_count();
            let text = |row: &rusqlite::Row<'_>, index| {
                Ok(match row.get_ref(index)? {
                    rusqlite::types::ValueRef::Null => String::new(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Real(number) => number.to_string(),
                    rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => {
                        String::from_utf8_lossy(text).into_owned()
                    }
                })
            };
            let rows = statement.query_map([], |row| (0..columns).map(|index| text(row, index)).collect())?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    fn carry_out(&self, batch: Batch) {
        let db = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        transaction::carry_out_alone(&db, batch);
    }
}

impl Ask for MemoryStore {
    fn put(&self, append: Append) {
        self.carry_out(Batch { appends: vec![append], requests: Vec::new() });
    }

    fn request(&self, request: Request) {
        self.carry_out(Batch { appends: Vec::new(), requests: vec![request] });
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        requests::probe(self)
    }
}
