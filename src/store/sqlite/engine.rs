//! The embedded store: one SQLite file, one process.
//!
//! A second process on the same file would deliver everything twice; a lock on the file keeps that from happening.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::health::{self, Health};
use super::inbox::{Append, Chore, Inbox, Request};
use super::location::Location;
use super::lock::FileLock;
use super::requests::{self, Ask};
use super::turnstile::Turnstile;
use super::writer::{Shared, Writer};
use crate::clock::Stopwatch;
use crate::store::{Engine, OpenError, StoreError, Upkeep};

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
    /// A file that cannot be used *at present* is not an error: it is logged, every call hears so, and it is tried again.
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

    /// Where its file is.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Where people who read wait for the log.
    pub(super) fn turnstile(&self) -> Arc<Turnstile> {
        Arc::clone(&self.turnstile)
    }

    async fn try_writing(&self) -> Result<(), StoreError> {
        let location = self.location.clone();
        let room = tokio::task::spawn_blocking(move || health::check_room(&location)).await;
        room.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))?;
        requests::probe(self).await
    }
}

impl Engine for SqliteStore {
    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.ended.cancelled())
    }

    fn close(&self) {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
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

    fn chore(&self, what: Upkeep) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.inbox.chore(Chore { what, reply });
        Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Closed)) })
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
    use super::super::job::job;
    use super::*;
    use crate::store::{Intake as _, StoreError};

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
