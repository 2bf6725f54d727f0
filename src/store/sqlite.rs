//! The embedded store: one SQLite file, one process.
//!
//! A second process on the same file would deliver everything twice; a lock file beside it keeps that from happening.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use super::inbox::{Append, Inbox, Request};
use super::requests::Ask;
use super::schema::{Problem, migrate};
use super::writer::Writer;

/// How the file is used, and why.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;            -- readers never wait, and a commit is one write to one file
    PRAGMA synchronous = FULL;            -- a commit is on disk when it returns: a 2xx depends on it
    PRAGMA busy_timeout = 1000;           -- another program's short lock is waited for; a sender waits some seconds at most
    PRAGMA wal_autocheckpoint = 1000;     -- 4 MiB of log, then it is worked into the file: commits wait for that, so it is kept short
    PRAGMA journal_size_limit = 67108864; -- a log that once grew is cut back to 64 MiB
    PRAGMA cache_size = -8000;            -- 8 MiB of pages
    PRAGMA temp_store = MEMORY;           -- no files beside the one
";

/// How often it is tried to get hold of the file, and how long in between: a relay that is just ending lets go of it.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

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
    /// The lock file cannot be used.
    #[error("the lock file `{0}` cannot be used: {1}")]
    Lock(PathBuf, std::io::Error),
    /// The writer thread cannot be started.
    #[error("the store's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Where the file is.
#[derive(Debug, Clone)]
pub struct Location {
    pub path: PathBuf,
}

impl Location {
    /// Reads `sqlite:PATH`.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let path = url
            .strip_prefix("sqlite:")
            .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
            .filter(|path| !path.is_empty() && !path.starts_with(':'));
        path.map(|path| Self { path: PathBuf::from(path) }).ok_or_else(|| OpenError::Url(url.to_owned()))
    }

    /// The same without links.
    fn canonical(self) -> Self {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = || Some(parent.canonicalize().ok()?.join(self.path.file_name()?));
        let path = self.path.canonicalize().ok().or_else(beside);
        Self { path: path.unwrap_or(self.path) }
    }

    /// Which file stands at the path, and how large it is; `None` if there is none.
    pub fn identity(&self) -> Option<Identity> {
        let file = std::fs::metadata(&self.path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&file);
        // elsewhere a file in use cannot be replaced
        #[cfg(not(unix))]
        let inode = 0;
        Some(Identity { inode, size: file.len() })
    }
}

/// Tells whether the file at the path is still the one that is open: it is never cut shorter by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub inode: u64,
    pub size: u64,
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
    // a statement keeps its plan whatever is bound to it: without this many were planned anew at each execution
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(128);
    migrate(&mut db)?;
    // from here on the file's size tells whether somebody cut it
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(db)
}

/// The store of one relay: a handle to the thread that writes.
pub struct SqliteStore {
    inbox: Arc<Inbox>,
    healthy: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    location: Location,
    _lock: File,
}

impl SqliteStore {
    /// Opens the store of a URL (`sqlite:PATH`) and starts its thread.
    ///
    /// A file that cannot be used *at present* is no error: it is logged, every call hears so, and it is tried again.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for what only a person can mend.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        let location = Location::parse(url)?;
        if let Some(parent) = location.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| OpenError::Directory(parent.to_owned(), error))?;
        }
        // by whatever name it is called, one file has one lock
        let location = location.canonical();
        let lock = lock(&location.path)?;
        let (inbox, healthy) = (Arc::new(Inbox::default()), Arc::new(AtomicBool::new(true)));
        let mut writer = Writer::new(location.clone(), Arc::clone(&inbox), Arc::clone(&healthy));
        // the writer logs what is wrong and keeps trying
        let _ = writer.try_open();
        let thread =
            std::thread::Builder::new().name("store".into()).spawn(move || writer.run()).map_err(OpenError::Thread)?;
        Ok(Self { inbox, healthy, thread: Mutex::new(Some(thread)), location, _lock: lock })
    }

    /// Whether the last write worked.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Where its file is.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Finishes what was asked for and closes the file. Waits for the disk: call it where waiting is allowed.
    pub fn close(&self) {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
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
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| OpenError::Lock(path.clone(), error))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => wait(),
            Err(TryLockError::Error(error)) => return Err(OpenError::Lock(path, error)),
        }
    }
    Err(OpenError::InUse(path.with_extension("")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "at the start, before anything runs: one that is just ending lets go in a moment"
)]
fn wait() {
    std::thread::sleep(LOCK_PAUSE);
}
