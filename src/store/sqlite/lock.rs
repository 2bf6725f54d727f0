//! One relay a file, by whatever name it calls it: the database file itself is locked, so that neither a hard link, a bind
//! mount nor the removal of a lock file lets a second one in.
//!
//! The lock is `flock(2)`, which on Linux has nothing to do with the `fcntl(2)` locks that SQLite sets on the same file
//! (flock(2), "NOTES"), except on NFS, where a store has no place anyway. Closing *any* handle of a file drops a
//! process's `fcntl` locks on it, so this one stays open for as long as SQLite has the file open.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::location::{FileId, Identity, Location, Missing};
use crate::store::OpenError;

/// How often it is tried to get hold of the file, and how long in between: a relay that is just ending lets go of it.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The file, held for this process. Dropped after the connection to it.
pub struct FileLock {
    id: FileId,
    _file: File,
}

/// Why a file cannot be had.
#[derive(Debug)]
pub enum LockError {
    /// Another relay has it.
    InUse,
    /// It cannot be opened or locked.
    File(std::io::Error),
}

impl FileLock {
    /// Locks the file at once or not at all.
    pub fn take(location: &Location, missing: Missing) -> Result<Self, LockError> {
        let file = open(location, missing).map_err(LockError::File)?;
        let id = Identity::of(&file.metadata().map_err(LockError::File)?).id;
        match file.try_lock() {
            Ok(()) => Ok(Self { id, _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse),
            Err(TryLockError::Error(error)) => Err(LockError::File(error)),
        }
    }

    /// Locks the file at a start; one that another relay has is waited for, for a second.
    pub fn wait(location: &Location) -> Result<Self, OpenError> {
        for _ in 0..TRIES {
            match Self::take(location, Missing::Create) {
                Ok(lock) => return Ok(lock),
                Err(LockError::InUse) => pause(),
                Err(LockError::File(error)) => return Err(OpenError::File(location.path.clone(), error)),
            }
        }
        Err(OpenError::InUse(location.path.clone()))
    }

    /// Whether it is the lock of the file that stands at the path now.
    pub fn covers(&self, location: &Location) -> bool {
        let locked = super::location::identity(&path(location));
        locked.is_some_and(|locked| locked.id == self.id)
    }
}

#[cfg(target_os = "linux")]
fn path(location: &Location) -> PathBuf {
    location.path.clone()
}

/// Elsewhere the two kinds of locks may be one, and SQLite needs its own: a file beside it is locked.
#[cfg(not(target_os = "linux"))]
fn path(location: &Location) -> PathBuf {
    location.beside(".lock")
}

fn open(location: &Location, missing: Missing) -> std::io::Result<File> {
    let path = path(location);
    let create = missing == Missing::Create;
    let opened = File::options().read(true).write(true).create(create).truncate(false).open(&path);
    match opened {
        // a file that can only be read can be locked, and is reported when it is to be written to
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            File::open(&path).map_err(|_| error)
        }
        opened => opened,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "at the start, before anything runs: one that is just ending lets go in a moment"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
