//! A store without a file or a thread, for simulations, in which nothing may depend on how threads are scheduled: each request
//! is a transaction of its own at once, or requests share one when the simulation says so. Not for a relay: it forgets.

use std::sync::{LazyLock, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use tokio::sync::Notify;

use super::errors;
use super::inbox::{Append, Batch, Request};
use super::reader::Look;
use super::requests::{self, Ask};
use super::schema::{Problem, migrate};
use super::transaction;
use crate::store::{StoreError, Upkeep};

/// What each begins as a copy of: to carry out the migrations took an eighth of a simulated world's time.
static EMPTY: LazyLock<Result<Mutex<Connection>, Problem>> = LazyLock::new(|| {
    let mut db = Connection::open_in_memory()?;
    migrate(&mut db)?;
    Ok(Mutex::new(db))
});

/// A store in memory.
pub struct MemoryStore {
    db: Mutex<Connection>,
    /// What is asked for and not carried out; `None`: everything is carried out at once.
    asked: Option<Asked>,
}

#[derive(Default)]
struct Asked {
    batch: Mutex<Batch>,
    filled: Notify,
}

/// In which order a store carries out what it was asked for at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOrder {
    /// All in one transaction: settlements, then events, then claims.
    Together,
    /// Claims in a transaction before: a store may do so, see [`Store::claim`](crate::store::Store::claim).
    ClaimsFirst,
}

impl MemoryStore {
    /// An empty one that carries out nothing until [`commit`](Self::commit).
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn committed_by_hand() -> Result<Self, StoreError> {
        Ok(Self { asked: Some(Asked::default()), ..Self::new()? })
    }

    /// Waits until something is asked for.
    pub async fn asked(&self) {
        match &self.asked {
            Some(asked) => asked.filled.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Carries out what was asked for since the last time.
    pub fn commit(&self, order: CommitOrder) {
        let mut batch = self.take_batch();
        if order == CommitOrder::ClaimsFirst {
            let is_claim = |request: &mut Request| matches!(request, Request::Claim(..));
            let claims = batch.requests.extract_if(.., is_claim).collect();
            self.carry_out(Batch { requests: claims, ..Batch::default() });
        }
        self.carry_out(batch);
    }

    /// The process dies: what was asked for and not carried out never is.
    pub fn crash(&self) {
        drop(self.take_batch());
    }

    fn take_batch(&self) -> Batch {
        let batch = self.asked.as_ref().map(|asked| asked.batch.lock().unwrap_or_else(PoisonError::into_inner));
        batch.map(|mut batch| std::mem::take(&mut *batch)).unwrap_or_default()
    }

    /// An empty one that carries out everything at once.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn new() -> Result<Self, StoreError> {
        let empty = EMPTY.as_ref().map_err(|problem| StoreError::Unavailable(problem.to_string()))?;
        let open = || {
            let mut db = Connection::open_in_memory()?;
            Backup::new(&empty.lock().unwrap_or_else(PoisonError::into_inner), &mut db)?.step(-1)?;
            db.set_prepared_statement_cache_capacity(128);
            Ok(db)
        };
        let db = open().map_err(|error| errors::unavailable(&error))?;
        Ok(Self { db: Mutex::new(db), asked: None })
    }

    fn ask(&self, Batch { appends, requests, .. }: Batch) {
        let Some(asked) = &self.asked else { return self.carry_out(Batch { appends, requests, ..Batch::default() }) };
        let mut batch = asked.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.appends.extend(appends);
        batch.requests.extend(requests);
        asked.filled.notify_one();
    }

    fn carry_out(&self, batch: Batch) {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        transaction::carry_out_alone(&db, batch);
    }
}

impl Ask for MemoryStore {
    fn put(&self, append: Append) {
        self.ask(Batch { appends: vec![append], ..Batch::default() });
    }

    fn request(&self, request: Request) {
        self.ask(Batch { requests: vec![request], ..Batch::default() });
    }

    fn chore(&self, _: Upkeep) -> BoxFuture<'_, Result<bool, StoreError>> {
        // it has no files
        Box::pin(async { Ok(true) })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        requests::probe(self)
    }
}

impl Look for MemoryStore {
    fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let read = ask(&db).map_err(|error| errors::unavailable(&error));
        Box::pin(async { read })
    }
}
