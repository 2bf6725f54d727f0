//! The one thread that writes: whatever was asked for meanwhile shares one transaction, and so one sync (group commit).
//!
//! When the file cannot be used, callers hear so at once; the thread opens it anew until that works. A file that is damaged
//! is left alone until somebody changed it.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::errors::{is_damage, is_passing, unavailable};
use super::file::{REWRITTEN, open};
use super::health::Health;
use super::inbox::{Batch, Chore, Inbox};
use super::location::{Location, Mark, Missing};
use super::lock::FileLock;
use super::schema::Problem;
use super::transaction::{refuse, transact};
use super::turnstile::{Length, Turnstile};
use super::watch::{self, Loss, Standing, Watch};
use crate::clock::Stopwatch;
use crate::store::{StoreError, Upkeep};

/// How many events share a transaction at most.
const BATCH: usize = 512;

/// When this many calls shared the last commit, it pays to wait for more before the next.
const BUSY: usize = 8;

/// How long. A commit costs as much for one call as for ten, and the processor has other work meanwhile (PostgreSQL's
/// `commit_siblings` and `commit_delay`).
const GATHER: Duration = Duration::from_micros(300);

/// How often a broken file is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// From how many frames on the log is brought into the database file: 4 MiB of pages. The next batch waits for that, so it
/// is kept short.
const CHECKPOINT: u32 = 1_000;

/// From how many frames on readers have to make room for a log that begins anew: 64 MiB.
const TOO_LONG: u32 = 16_000;

/// The writer's state.
pub struct Writer {
    location: Location,
    lock: FileLock,
    inbox: Arc<Inbox>,
    health: Arc<Health>,
    turnstile: Arc<Turnstile>,
    open: Option<Open>,
    tried: Option<Stopwatch>,
    /// Whether the file was ever open: then it must not be made anew unasked.
    missing: Missing,
    /// What the damaged file looked like.
    damaged: Option<Mark>,
    /// The number of the next event, as the last commit left it.
    next_event: Option<i64>,
    /// Whether the log is still to be emptied.
    log_is_unwanted: bool,
}

/// What the writer shares with whoever asks.
pub struct Shared {
    pub inbox: Arc<Inbox>,
    pub health: Arc<Health>,
    pub turnstile: Arc<Turnstile>,
}

struct Open {
    db: Connection,
    watch: Watch,
}

impl Writer {
    pub fn new(location: Location, lock: FileLock, shared: Shared) -> Self {
        let Shared { inbox, health, turnstile } = shared;
        Self {
            location,
            lock,
            inbox,
            health,
            turnstile,
            open: None,
            tried: None,
            missing: Missing::Create,
            damaged: None,
            next_event: None,
            log_is_unwanted: false,
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
        let standing = open.watch.check(&open.db);
        let results = match (done, standing) {
            (Ok(results), Standing::Whole) => results,
            (Ok(results), Standing::Moved) if self.rescue() => results,
            (Ok(_), Standing::Moved) => return self.fail(batch, Problem::LogRemoved.into()),
            // what was committed went where nobody will find it
            (Ok(_), Standing::Lost(loss)) => {
                self.lose(loss);
                return self.fail(batch, Problem::from(loss).into());
            }
            (Err(error), _) => {
                self.give_up(&error);
                return self.fail(batch, unavailable(&error));
            }
        };
        self.next_event = results.next_event.or(self.next_event);
        if results.is_anything_kept() {
            self.health.works();
        }
        let chores = std::mem::take(&mut batch.chores);
        results.give(batch);
        self.log_is_unwanted |= chores.iter().any(|chore| chore.what == Upkeep::EmptyLog);
        let wants_rewriting = chores.iter().any(|chore| chore.what == Upkeep::Rewrite);
        let is_rewritten = wants_rewriting && self.open.as_ref().is_some_and(|open| rewrite(&open.db));
        self.tend_log();
        for Chore { what, reply } in chores {
            let is_done = if what == Upkeep::Rewrite { is_rewritten } else { !self.log_is_unwanted };
            drop(reply.send(Ok(is_done)));
        }
    }

    fn fail(&self, batch: Batch, error: StoreError) {
        self.health.failed(&error);
        refuse(batch, &error);
    }

    /// Opens the file if it is not open, or not the one at its path any more.
    pub fn make_ready(&mut self) -> Result<(), StoreError> {
        match self.open.as_mut().map(|open| open.watch.check(&open.db)) {
            None => {}
            Some(Standing::Whole) => return Ok(()),
            Some(Standing::Moved) if self.rescue() => {}
            Some(Standing::Moved) => {
                let error = Problem::LogRemoved.into();
                self.health.failed(&error);
                return Err(error);
            }
            Some(Standing::Lost(loss)) => self.lose(loss),
        }
        if self.tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
            let known = self.health.verdict().err();
            return Err(known
                .unwrap_or_else(|| StoreError::Unavailable("the file could not be opened; it is tried again".into())));
        }
        self.tried = Some(Stopwatch::start());
        self.reopen().map_err(|problem| {
            let error = StoreError::from(problem);
            self.health.failed(&error);
            error
        })
    }

    fn reopen(&mut self) -> Result<(), Problem> {
        if let Some(damaged) = &self.damaged
            && *damaged == self.location.mark()
        {
            return Err(Problem::Damaged("it was not changed since".into()));
        }
        if !self.lock.covers(&self.location) {
            self.lock = FileLock::take(&self.location, self.missing)?;
        }
        let opened = open(&self.location, self.missing).and_then(|mut db| {
            let watch = Watch::start(&mut db, &self.location)?;
            Ok(Open { db, watch })
        });
        let open = opened.inspect_err(|problem| {
            if problem.is_damage() {
                self.damaged = Some(self.location.mark());
            }
        })?;
        // another file may have come to stand there meanwhile
        if !self.lock.covers(&self.location) {
            return Err(Problem::Gone);
        }
        self.tell_of_loss(&open.db)?;
        (self.damaged, self.tried, self.missing) = (None, None, Missing::Refuse);
        self.open = Some(open);
        Ok(())
    }

    /// Brings what a removed log holds into the database file, and closes both. False if somebody who reads is in the way:
    /// then it stays open, and is tried again.
    fn rescue(&mut self) -> bool {
        let Some(open) = &self.open else { return true };
        if !watch::checkpoint(&open.db).unwrap_or(false) {
            return false;
        }
        tracing::warn!(file = %self.location.path.display(), "the -wal or -shm file was removed or replaced while the relay was running; everything was saved from it, and the file is opened anew. Leave both alone while the relay runs");
        // there may be others by their names now
        open.leave_the_log();
        self.open = None;
        true
    }

    /// Closes a file of which a part is gone, and touches nothing.
    fn lose(&mut self, loss: Loss) {
        let error = Problem::from(loss);
        tracing::error!(file = %self.location.path.display(), %error, "the store's files were changed under the running relay; what was written since the log was last brought into the file may be lost");
        if let Some(open) = self.open.take() {
            open.leave_the_log();
        }
    }

    /// After an error of the file.
    fn give_up(&mut self, error: &rusqlite::Error) {
        if is_passing(error) {
            return;
        }
        if let Some(open) = self.open.take().filter(|_| is_damage(error)) {
            // what can be saved of it is not written to any more
            open.leave_the_log();
            drop(open);
            self.damaged = Some(self.location.mark());
        }
    }

    /// Whether the events that were kept are still in the file that was opened anew.
    fn tell_of_loss(&self, db: &Connection) -> Result<(), Problem> {
        let Some(next) = self.next_event else { return Ok(()) };
        let found: i64 = db.query_row("SELECT coalesce(max(seq), 0) + 1 FROM events", [], |row| row.get(0))?;
        if found < next {
            let (first, last, events) = (found, next - 1, next - found);
            tracing::error!(file = %self.location.path.display(), first, last, events, "events that were accepted are not in the file any more: restore the file, or let their senders send them again; outcomes of sends may be missing too, so that some may go twice");
        }
        Ok(())
    }

    /// Brings the log into the database file when it has grown. Nobody waits for an answer meanwhile.
    fn tend_log(&mut self) {
        let Some(open) = &mut self.open else { return };
        if self.log_is_unwanted {
            match open.watch.empty_log(&open.db) {
                Ok(emptied) => self.log_is_unwanted = !emptied,
                Err(error) => tracing::debug!(%error, "the log cannot be emptied"),
            }
        }
        let frames = open.watch.frames();
        if frames >= CHECKPOINT
            && let Err(error) = watch::checkpoint(&open.db)
        {
            tracing::debug!(%error, "the log cannot be brought into the file");
        }
        self.turnstile.step(if frames >= TOO_LONG { Length::TooLong } else { Length::Fine });
    }
}

/// Writes a small file anew. Nothing of what was removed from it is left in it then.
fn rewrite(db: &Connection) -> bool {
    let ask = |what: &str| db.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, i64>(0));
    let size = ask("page_count").and_then(|pages| Ok(pages.saturating_mul(ask("page_size")?)));
    let rewritten = size.and_then(|size| {
        let is_small = size <= REWRITTEN;
        if is_small { db.execute_batch("VACUUM").map(|()| true) } else { Ok(false) }
    });
    rewritten.inspect_err(|error| tracing::warn!(%error, "the store's file could not be written anew")).unwrap_or(false)
}

impl Open {
    /// Closing brings the log into the database file and removes it by its name, unless told not to.
    fn leave_the_log(&self) {
        let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if matches!(self.watch.check(&self.db), Standing::Lost(_)) {
            self.leave_the_log();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "waiting for a condition would wake this thread at each call that comes")]
fn gather() {
    std::thread::sleep(GATHER);
}
