//! Reading for people, on connections that cannot write: however long a list takes, no webhook waits for it.
//!
//! Whoever reads keeps the log from beginning anew, so that it grows meanwhile: reading ends after a bound.

use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::engine::SqliteStore;
use super::location::Location;
use super::queries;
use super::{barrier, errors, hashed_suppressions};
use crate::clock::{Stopwatch, Timestamp};
use crate::event::SendId;
use crate::event::act::{Barrier, Candidate};
use crate::event::erasure::{ErasureView, Person, SearchCursor, Traces};
use crate::event::stats::{Levels, Stat, StatsFilter};
use crate::event::view::{
    EventStory, EventView, Filter, HoldView, KeptWhole, LearnedCampaign, Page, SendStory, SendView, SuppressionStory,
    SuppressionView, Tally,
};
use crate::store::{Archive, StoreError};

/// How long anybody may read, and how long the campaigns may be learned, which looks at every send once.
const READING: Duration = Duration::from_secs(10);
const LEARNING: Duration = Duration::from_secs(60);

/// After how many steps of SQLite's machine the time is looked at: some fractions of a millisecond.
const STEPS: i32 = 10_000;

/// Reads a store of which the relay may be running or not.
///
/// # Errors
///
/// What SQLite says, or that it is not a store.
pub fn learned(url: &str) -> Result<Vec<LearnedCampaign>, StoreError> {
    let location = Location::parse(url).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    read(&location, LEARNING, queries::learned)
}

fn read<T>(
    location: &Location,
    bound: Duration,
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let watch = Stopwatch::start();
    let open = || {
        let mut db = Connection::open_with_flags(&location.path, flags)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.progress_handler(STEPS, Some(move || watch.elapsed() > bound))?;
        ask(&db)
    };
    open().map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => StoreError::TooLong(bound),
        _ => errors::unavailable(&error),
    })
}

/// Shows a connection to whoever has a question.
pub trait Look: Send + Sync + 'static {
    /// What a question is answered.
    fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>>;
}

impl Look for SqliteStore {
    fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (location, turnstile) = (self.location().clone(), self.turnstile());
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || {
                let _pass = turnstile.enter();
                read(&location, READING, ask)
            });
            done.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
        })
    }
}

impl<S: Look> Archive for S {
    fn sends(&self, filter: Filter) -> BoxFuture<'_, Result<Page<SendView>, StoreError>> {
        self.read(move |db| queries::sends(db, &filter))
    }

    fn tally(&self, filter: Filter) -> BoxFuture<'_, Result<Tally, StoreError>> {
        self.read(move |db| queries::tally(db, &filter))
    }

    fn barrier(&self, candidate: Candidate<'_>, now: Timestamp) -> BoxFuture<'_, Result<Option<Barrier>, StoreError>> {
        let Candidate { send, route, event, old } = candidate;
        let (send, route) = (send.clone(), route.to_owned());
        self.read(move |db| barrier::barrier(db, Candidate { send: &send, route: &route, event, old }, now))
    }

    fn seen(&self, fingerprint: [u8; 16]) -> BoxFuture<'_, Result<Option<i64>, StoreError>> {
        self.read(move |db| queries::seen(db, fingerprint))
    }

    fn send(&self, id: SendId) -> BoxFuture<'_, Result<Option<SendStory>, StoreError>> {
        self.read(move |db| queries::send_story(db, id))
    }

    fn events(&self, filter: Filter) -> BoxFuture<'_, Result<Page<EventView>, StoreError>> {
        self.read(move |db| queries::events(db, &filter))
    }

    fn event(&self, name: String) -> BoxFuture<'_, Result<Option<EventStory>, StoreError>> {
        self.read(move |db| queries::event_story(db, &name))
    }

    fn kept(&self, numbers: Vec<i64>) -> BoxFuture<'_, Result<Vec<KeptWhole>, StoreError>> {
        self.read(move |db| queries::kept(db, &numbers))
    }

    fn levels(&self, now: Timestamp) -> BoxFuture<'_, Result<Levels, StoreError>> {
        self.read(move |db| queries::levels(db, now))
    }

    fn stats(&self, filter: StatsFilter, most: usize) -> BoxFuture<'_, Result<Vec<Stat>, StoreError>> {
        self.read(move |db| queries::stats(db, &filter, most))
    }

    fn holds(&self) -> BoxFuture<'_, Result<Vec<HoldView>, StoreError>> {
        self.read(queries::holds)
    }

    fn suppressions(
        &self,
        after: (String, String),
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SuppressionView>, StoreError>> {
        self.read(move |db| queries::suppressions(db, (&after.0, &after.1), limit))
    }

    fn hashed_suppressions(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.read(hashed_suppressions::count)
    }

    fn traces(&self, person: Person, cursor: SearchCursor) -> BoxFuture<'_, Result<Traces, StoreError>> {
        self.read(move |db| queries::traces(db, &person, &cursor))
    }

    fn erasures(&self) -> BoxFuture<'_, Result<Vec<ErasureView>, StoreError>> {
        self.read(queries::erasures)
    }

    fn suppression(&self, number: String) -> BoxFuture<'_, Result<SuppressionStory, StoreError>> {
        self.read(move |db| queries::suppression_story(db, &number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_that_takes_too_long_ends_and_says_what_to_narrow() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("relay.db").display());
        let store = SqliteStore::open(&url).unwrap();
        let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let bound = Duration::from_millis(20);
        let read = read(store.location(), bound, |db| db.query_row(endless, [], |row| row.get::<_, i64>(0)));
        assert_eq!(read, Err(StoreError::TooLong(bound)));
        assert!(read.unwrap_err().to_string().contains("narrow it"));
    }
}
