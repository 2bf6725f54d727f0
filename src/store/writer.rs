//! The one thread that writes: whatever was asked for meanwhile shares one transaction, and so one sync (group commit).
//!
//! When the file cannot be used, callers hear so at once; the thread opens it anew until that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::direct::Direct;
use super::inbox::{Append, Batch, Inbox, Request};
use super::schema::Problem;
use super::sqlite::{Identity, Location, Missing, open};
use super::{Claims, StoreError, append, claim};
use crate::clock::Stopwatch;
use crate::event::Kept;

/// How many events share a transaction at most.
const BATCH: usize = 512;

/// When this many calls shared the last commit, it pays to wait for more before the next.
const BUSY: usize = 8;

/// How long. A commit costs as much for one call as for ten, and the processor has other work meanwhile (PostgreSQL's
/// `commit_siblings` and `commit_delay`).
const GATHER: Duration = Duration::from_micros(300);

/// How often a broken file is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// The writer's state.
pub struct Writer {
    location: Location,
    inbox: Arc<Inbox>,
    healthy: Arc<AtomicBool>,
    open: Option<Open>,
    tried: Option<Stopwatch>,
    /// Whether the file was ever open: then it must not be made anew unasked.
    missing: Missing,
}

struct Open {
    db: Connection,
    identity: Option<Identity>,
}

impl Writer {
    pub fn new(location: Location, inbox: Arc<Inbox>, healthy: Arc<AtomicBool>) -> Self {
        Self { location, inbox, healthy, open: None, tried: None, missing: Missing::Create }
    }

    /// Opens the file now, so that a first start can say at once what is wrong.
    pub fn try_open(&mut self) -> Result<(), StoreError> {
        match open_checked(&self.location, self.missing) {
            Ok(open) => {
                self.open = Some(open);
                self.missing = Missing::Refuse;
                self.healthy.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// Works until the inbox is closed and empty.
    pub fn run(mut self) {
        let mut shared = 0;
        loop {
            if shared >= BUSY {
                gather();
            }
            let Some(batch) = self.inbox.take(BATCH) else { return };
            shared = batch.appends.len();
            self.serve(batch);
        }
    }

    /// Carries a batch out.
    fn serve(&mut self, mut batch: Batch) {
        if let Err(error) = self.make_ready() {
            return refuse(batch, &error);
        }
        let Some(open) = self.open.as_mut() else { return };
        let done = transact(&open.db, &mut batch);
        let still_there = open.is_at(&self.location);
        open.identity = self.location.identity();
        match done {
            Ok(_) if !still_there => {
                // what was committed went into a file that nobody will find
                self.open = None;
                let error = StoreError::Unavailable(Problem::Gone.to_string());
                self.failed(&error);
                refuse(batch, &error);
            }
            Ok(results) => {
                if !self.healthy.swap(true, Ordering::Relaxed) {
                    tracing::info!(file = %self.location.path.display(), "the store works again");
                }
                results.give(batch);
            }
            Err(error) => {
                if !is_passing(&error) {
                    self.open = None;
                }
                let error = unavailable(&error);
                self.failed(&error);
                refuse(batch, &error);
            }
        }
    }

    /// Makes sure that there is an open file, and that it is still the one at its path.
    fn make_ready(&mut self) -> Result<(), StoreError> {
        if self.open.as_ref().is_some_and(|open| !open.is_at(&self.location)) {
            self.open = None;
        }
        if self.open.is_some() {
            return Ok(());
        }
        if self.tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
            return Err(StoreError::Unavailable("the file could not be opened; it is tried again".into()));
        }
        self.tried = Some(Stopwatch::start());
        match open_checked(&self.location, self.missing) {
            Ok(open) => {
                self.open = Some(open);
                self.missing = Missing::Refuse;
                self.tried = None;
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    fn failed(&self, error: &StoreError) {
        if self.healthy.swap(false, Ordering::Relaxed) {
            tracing::error!(file = %self.location.path.display(), %error, "nothing can be stored: webhooks are answered 503 until this is mended; free the disk, or restore the file");
        } else {
            tracing::debug!(%error, "still nothing can be stored");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "waiting for a condition would wake this thread at each call that comes")]
fn gather() {
    std::thread::sleep(GATHER);
}

/// The results of one transaction, in the order of the batch.
struct Results {
    appends: Vec<Vec<Kept>>,
    claims: Vec<Claims>,
}

impl Results {
    /// Answers whoever asked. They may have gone; that is theirs to decide.
    fn give(self, batch: Batch) {
        let mut claims = self.claims.into_iter();
        for request in batch.requests {
            match request {
                Request::Claim(_, reply) => drop(claims.next().map(|claims| reply.send(Ok(claims)))),
                Request::Job(job) => job.answer(Ok(())),
            }
        }
        for (append, kept) in batch.appends.into_iter().zip(self.appends) {
            drop(append.reply.send(Ok(kept)));
        }
    }
}

/// Carries a batch out and answers it, whatever comes of it.
pub fn carry_out_alone(db: &Connection, mut batch: Batch) {
    match transact(db, &mut batch) {
        Ok(results) => results.give(batch),
        Err(error) => refuse(batch, &unavailable(&error)),
    }
}

fn transact(db: &Connection, batch: &mut Batch) -> rusqlite::Result<Results> {
    // IMMEDIATE: somebody else's lock is met here, and not half-way
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = carry_out(db, batch).and_then(|results| db.prepare_cached("COMMIT")?.execute([]).map(|_| results));
    if done.is_err() && !db.is_autocommit() {
        let _ = db.execute("ROLLBACK", []);
    }
    done
}

/// Settlements first, claims last, so that a claim sees what was freed and what has come.
fn carry_out(db: &Connection, batch: &mut Batch) -> rusqlite::Result<Results> {
    let mut results = Results { appends: Vec::with_capacity(batch.appends.len()), claims: Vec::new() };
    for request in &mut batch.requests {
        if let Request::Job(job) = request {
            job.carry_out(db)?;
        }
    }
    let asked = batch.requests.iter().find_map(|request| match request {
        Request::Claim(request, _) => Some(request),
        Request::Job(_) => None,
    });
    let mut direct = asked.map(|request| Direct::of(db, request)).transpose()?.unwrap_or_default();
    for Append { events, .. } in &batch.appends {
        results.appends.push(append::append(db, events, &mut direct)?);
    }
    for request in &batch.requests {
        if let Request::Claim(request, _) = request {
            results.claims.push(claim::claim(db, request, std::mem::take(&mut direct))?);
        }
    }
    Ok(results)
}

fn refuse(batch: Batch, error: &StoreError) {
    for append in batch.appends {
        drop(append.reply.send(Err(error.clone())));
    }
    for request in batch.requests {
        match request {
            Request::Claim(_, reply) => drop(reply.send(Err(error.clone()))),
            Request::Job(job) => job.answer(Err(error.clone())),
        }
    }
}

/// Writes without changing anything.
pub fn probe(db: &Connection) -> rusqlite::Result<()> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    db.pragma_update(None, "user_version", version)
}

fn open_checked(location: &Location, missing: Missing) -> Result<Open, StoreError> {
    let db = open(location, missing).map_err(|problem| match problem {
        Problem::Sqlite(error) => unavailable(&error),
        other => StoreError::Unavailable(other.to_string()),
    })?;
    Ok(Open { db, identity: location.identity() })
}

impl Open {
    /// Whether the open file is still the one at the path, and was not cut.
    fn is_at(&self, location: &Location) -> bool {
        match (self.identity, location.identity()) {
            (Some(open), Some(found)) => open.inode == found.inode && open.size <= found.size,
            _ => false,
        }
    }
}

/// Whether the same connection may work again: the disk is full or somebody holds a lock.
fn is_passing(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull))
}

fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".into(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds a lock on the file".into(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => format!("the file is damaged: {error}"),
        Some(ErrorCode::ReadOnly) => "the file is read-only".into(),
        _ => error.to_string(),
    })
}
