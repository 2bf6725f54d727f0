//! The embedded store: one SQLite file, one process.
//!
//! A second process on the same file would deliver everything twice; a lock on the file keeps that from happening.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::StoreError;
use super::health::{self, Health};
use super::inbox::{Append, Inbox, Request};
use super::location::Location;
use super::lock::FileLock;
use super::requests::{self, Ask};
use super::schema::{Problem, migrate};
use super::turnstile::Turnstile;
use super::writer::{Shared, Writer};
use crate::clock::Stopwatch;

/// How the file is used, and why.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;            -- readers never wait, and a commit is one write to one file
    PRAGMA synchronous = FULL;            -- a commit is on disk when it returns: a 2xx depends on it
    PRAGMA busy_timeout = 1000;           -- another program's short lock is waited for; a sender waits some seconds at most
    PRAGMA journal_size_limit = 67108864; -- a log that once grew is cut back to 64 MiB
    PRAGMA cache_size = -8000;            -- 8 MiB of pages
    PRAGMA temp_store = MEMORY;           -- no files beside the one
";

/// How long the file is looked through before it is used: a small one is looked through whole, of a large one what time
/// allows; what is damaged elsewhere is met when it is read.
const CHECK: Duration = Duration::from_secs(1);

/// Why a store cannot be opened at all, now or later.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is not one of this store.
    #[error("`{0}` is no store: write sqlite: and a path, as sqlite:data/relay.db")]
    Url(String),
    /// The directory cannot be made.
    #[error("the directory `{0}` cannot be made: {1}")]
    Directory(PathBuf, std::io::Error),
    /// Another relay works on the same file.
    #[error("another relay is using `{0}`; stop it, or give this one a file of its own (store.url)")]
    InUse(PathBuf),
    /// The file cannot be opened or locked.
    #[error(
        "the store's file `{0}` cannot be opened and locked: {1}; see to its owner and permissions, and keep it on a local disk"
    )]
    File(PathBuf, std::io::Error),
    /// The writer thread cannot be started.
    #[error("the store's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Whether a file that is not there may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// At a first start.
    Create,
    /// A file that was in use and vanished holds sends: an empty one must not take its place unasked.
    Refuse,
}

/// Opens the file, sets it up and brings it to the newest schema.
pub fn open(location: &Location, missing: Missing) -> Result<Connection, Problem> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match missing {
        Missing::Create => flags |= OpenFlags::SQLITE_OPEN_CREATE,
        Missing::Refuse if location.identity().is_none_or(|file| file.size == 0) => return Err(Problem::Gone),
        Missing::Refuse => {}
    }
    let mut db = Connection::open_with_flags(&location.path, flags)?;
    db.execute_batch(PRAGMAS)?;
    look_through(&mut db)?;
    // a statement keeps its plan whatever is bound to it: without this many were planned anew at each execution
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(128);
    migrate(&mut db)?;
    Ok(db)
}

/// Looks for damage, for no longer than [`CHECK`].
fn look_through(db: &mut Connection) -> Result<(), Problem> {
    let watch = Stopwatch::start();
    db.progress_handler(10_000, Some(move || watch.elapsed() > CHECK))?;
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    db.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(Problem::Damaged(found)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The store of one relay: a handle to the thread that writes.
pub struct SqliteStore {
    inbox: Arc<Inbox>,
    health: Arc<Health>,
    turnstile: Arc<Turnstile>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: CancellationToken,
    location: Location,
}

impl SqliteStore {
    /// Opens the store of a URL (`sqlite:PATH`) and starts its thread.
    ///
    /// A file that cannot be used *at present* is no error: it is logged, every call hears so, and it is tried again.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for what only a person can fix.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        let location = Location::parse(url)?;
        if let Some(parent) = location.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| OpenError::Directory(parent.to_owned(), error))?;
        }
        let location = location.canonical();
        let lock = FileLock::wait(&location)?;
        let (inbox, turnstile) = (Arc::new(Inbox::default()), Arc::new(Turnstile::default()));
        let health = Arc::new(Health::new(location.clone()));
        let shared =
            Shared { inbox: Arc::clone(&inbox), health: Arc::clone(&health), turnstile: Arc::clone(&turnstile) };
        let mut writer = Writer::new(location.clone(), lock, shared);
        // the writer logs what is wrong and keeps trying
        let _ = writer.make_ready();
        let ended = CancellationToken::new();
        let end = ThreadEnd { inbox: Arc::clone(&inbox), ended: ended.clone() };
        let run = move || {
            let _end = end;
            writer.run();
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(run).map_err(OpenError::Thread)?;
        Ok(Self { inbox, health, turnstile, thread: Mutex::new(Some(thread)), ended, location })
    }

    /// Waits until the thread that writes has ended: it was closed, or it panicked.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether the last commit and the last probe worked.
    pub fn is_healthy(&self) -> bool {
        self.health.verdict().is_ok()
    }

    /// Where its file is.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Where people who read wait for the log.
    pub(super) fn turnstile(&self) -> Arc<Turnstile> {
        Arc::clone(&self.turnstile)
    }

    /// Finishes what was asked for and closes the file. Waits for the disk: call it where waiting is allowed.
    pub fn close(&self) {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    async fn try_writing(&self) -> Result<(), StoreError> {
        let location = self.location.clone();
        let room = tokio::task::spawn_blocking(move || health::check_room(&location)).await;
        room.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))?;
        requests::probe(self).await
    }
}

/// Dropped when the thread ends, however it ends: nobody must wait for an answer that never comes.
struct ThreadEnd {
    inbox: Arc<Inbox>,
    ended: CancellationToken,
}

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        self.inbox.abandon();
        self.ended.cancel();
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Ask for SqliteStore {
    fn put(&self, append: Append) {
        self.inbox.append(append);
    }

    fn request(&self, request: Request) {
        self.inbox.request(request);
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut tried = self.health.tried.lock().await;
            if tried.is_none_or(|tried| tried.elapsed() >= health::PROBE_EVERY) {
                let found = tokio::time::timeout(health::PROBE_TIMEOUT, self.try_writing()).await;
                let silent = |_| Err(StoreError::Unavailable("the store does not answer".into()));
                self.health.probed(found.unwrap_or_else(silent));
                *tried = Some(Stopwatch::start());
            }
            self.health.verdict()
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::job::job;
    use super::super::{Intake as _, StoreError};
    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_has_ended_and_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&format!("sqlite:{}", dir.path().join("relay.db").display())).expect("a store");
        let (reply, answer) = oneshot::channel::<Result<(), StoreError>>();
        store.request(Request::Job(job(reply, |_| panic!("a job panics"))));
        store.ended().await;
        assert!(answer.await.is_err(), "whoever asked is let go");
        assert_eq!(store.probe().await, Err(StoreError::Closed));
    }
}
