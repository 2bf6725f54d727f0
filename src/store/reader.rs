//! Reading for people, on connections that cannot write: however long a list takes, no webhook waits for it.

use futures_util::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};

use super::sqlite::{Location, SqliteStore};
use super::{Archive, StoreError, archive, barrier};
use crate::clock::Timestamp;
use crate::event::SendId;
use crate::event::act::Candidate;
use crate::event::view::{
    EventStory, EventView, Filter, HoldView, KeptWhole, LearnedCampaign, Page, SendStory, SendView, SuppressionStory,
    SuppressionView, Tally,
};

/// Reads a store of which the relay may be running or not.
///
/// # Errors
///
/// What SQLite says, or that it is no store.
pub fn learned(url: &str) -> Result<Vec<LearnedCampaign>, StoreError> {
    let location = Location::parse(url).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    read(&location, archive::learned)
}

fn read<T>(location: &Location, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(&location.path, flags)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        ask(&db)
    };
    open().map_err(|error| StoreError::Unavailable(error.to_string()))
}

impl SqliteStore {
    fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let location = self.location().clone();
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || read(&location, ask)).await;
            done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
        })
    }
}

impl Archive for SqliteStore {
    fn sends(&self, filter: Filter) -> BoxFuture<'_, Result<Page<SendView>, StoreError>> {
        self.read(move |db| archive::sends(db, &filter))
    }

    fn tally(&self, filter: Filter) -> BoxFuture<'_, Result<Tally, StoreError>> {
        self.read(move |db| archive::tally(db, &filter))
    }

    fn barrier(&self, candidate: Candidate<'_>, now: Timestamp) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let Candidate { send, route, event, old } = candidate;
        let (send, route) = (send.clone(), route.to_owned());
        self.read(move |db| barrier::barrier(db, Candidate { send: &send, route: &route, event, old }, now))
    }

    fn seen(&self, fingerprint: [u8; 16]) -> BoxFuture<'_, Result<Option<i64>, StoreError>> {
        self.read(move |db| archive::seen(db, fingerprint))
    }

    fn send(&self, id: SendId) -> BoxFuture<'_, Result<Option<SendStory>, StoreError>> {
        self.read(move |db| archive::send_story(db, id))
    }

    fn events(&self, filter: Filter) -> BoxFuture<'_, Result<Page<EventView>, StoreError>> {
        self.read(move |db| archive::events(db, &filter))
    }

    fn event(&self, name: String) -> BoxFuture<'_, Result<Option<EventStory>, StoreError>> {
        self.read(move |db| archive::event_story(db, &name))
    }

    fn kept(&self, number: i64) -> BoxFuture<'_, Result<Option<KeptWhole>, StoreError>> {
        self.read(move |db| archive::kept(db, number))
    }

    fn holds(&self) -> BoxFuture<'_, Result<Vec<HoldView>, StoreError>> {
        self.read(archive::holds)
    }

    fn suppressions(
        &self,
        after: (String, String),
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SuppressionView>, StoreError>> {
        self.read(move |db| archive::suppressions(db, (&after.0, &after.1), limit))
    }

    fn suppression(&self, number: String) -> BoxFuture<'_, Result<SuppressionStory, StoreError>> {
        self.read(move |db| archive::suppression_story(db, &number))
    }
}
