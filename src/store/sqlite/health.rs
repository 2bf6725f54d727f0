//! Whether the store can be written to, as the last commit and the last probe saw it.
//!
//! A commit that worked does not make up for a probe that failed: on a disk that is nearly full small events still fit.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rlimit::Resource;

use super::location::{Location, identity};
use crate::clock::Stopwatch;
use crate::store::StoreError;

/// How often writing is tried at most, however many ask: anybody may ask, and each try is a synced write.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How long a try may take.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How much must fit beside the store, in bytes: the largest call by default.
const ROOM: usize = 1_024 * 1_024;

/// What is known.
pub struct Health {
    location: Location,
    state: Mutex<State>,
    /// When it was last tried; held while it is tried, so that all who ask meanwhile share the answer.
    pub tried: tokio::sync::Mutex<Option<Stopwatch>>,
}

#[derive(Default)]
struct State {
    commit: Option<StoreError>,
    probe: Option<StoreError>,
}

impl Health {
    pub fn new(location: Location) -> Self {
        Self { location, state: Mutex::default(), tried: tokio::sync::Mutex::default() }
    }

    /// Nothing could be written.
    pub fn failed(&self, error: &StoreError) {
        let file = self.location.path.display();
        if self.lock().commit.replace(error.clone()).is_none() {
            tracing::error!(%file, %error, "nothing can be stored: webhooks are answered 503 until this is fixed; free the disk, or restore the file");
        } else {
            tracing::debug!(%file, %error, "still nothing can be stored");
        }
    }

    /// Something was written.
    pub fn works(&self) {
        if self.lock().commit.take().is_some() {
            tracing::info!(file = %self.location.path.display(), "the store works again");
        }
    }

    /// What a probe found.
    pub fn probed(&self, found: Result<(), StoreError>) {
        let file = self.location.path.display();
        if found.is_ok() {
            self.works();
        }
        let before = std::mem::replace(&mut self.lock().probe, found.as_ref().err().cloned());
        match (before, found) {
            (None, Err(error)) => {
                tracing::error!(%file, %error, "the store is not ready: /readyz answers 503 until this is fixed");
            }
            (Some(_), Ok(())) => tracing::info!(%file, "the store is ready again"),
            _ => {}
        }
    }

    /// What the last commit and the last probe found.
    pub fn verdict(&self) -> Result<(), StoreError> {
        let state = self.lock();
        state.commit.clone().or_else(|| state.probe.clone()).map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether as much fits beside the store as the largest call brings. The log is written over and over: that a small write
/// works says nothing of a disk that is full. The file of the trial is gone before it is written, and never synced.
pub fn check_room(location: &Location) -> Result<(), StoreError> {
    let largest = [identity(&location.path), identity(&location.beside("-wal"))];
    let largest = largest.into_iter().flatten().map(|file| file.size).max().unwrap_or(0);
    let limit = Resource::FSIZE.get_soft().unwrap_or(u64::MAX);
    if limit < largest.saturating_add(ROOM as u64) {
        let text = format!("the file has {largest} bytes, and the limit on the size of files is {limit}; raise it");
        return Err(StoreError::Unavailable(text));
    }
    let path = location.beside("-room");
    let tried = File::create(&path).and_then(|mut file| {
        std::fs::remove_file(&path)?;
        file.write_all(&vec![0; ROOM])
    });
    tried.map_err(|error| {
        let text = match error.kind() {
            ErrorKind::StorageFull => format!("the disk is full: less than {ROOM} bytes are left; free some"),
            ErrorKind::QuotaExceeded => format!("the quota is used up: less than {ROOM} bytes are left; free some"),
            ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
            _ => format!("no file can be written beside the store: {error}"),
        };
        StoreError::Unavailable(text)
    })
}
