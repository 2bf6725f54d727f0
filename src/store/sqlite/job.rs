//! A piece of work for whoever holds the connection, and the way back for its result.

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::StoreError;

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Work inside a transaction that others may share. It may be done twice, if the first transaction is rolled back.
pub trait Job: Send {
    /// Does it; the result is kept until the transaction is on disk.
    fn carry_out(&mut self, db: &Connection) -> rusqlite::Result<()>;

    /// Tells whoever asked. They may have gone; that is theirs to decide.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Asked<T, F> {
    work: F,
    done: Option<T>,
    reply: Reply<T>,
}

/// A job of a function.
pub fn job<T, F>(reply: Reply<T>, work: F) -> Box<dyn Job>
where
    T: Send + 'static,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    Box::new(Asked { work, done: None, reply })
}

impl<T: Send, F: FnMut(&Connection) -> rusqlite::Result<T> + Send> Job for Asked<T, F> {
    fn carry_out(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.done = Some((self.work)(db)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        // what was carried out and committed has a result
        let result = outcome.and_then(|()| done.ok_or(StoreError::Closed));
        drop(reply.send(result));
    }
}
