//! A part of a transaction that may fail alone.

use rusqlite::Connection;

use super::errors::{is_of_the_file, refused};
use crate::store::StoreError;

/// What a part comes to.
pub type Part<T> = Result<T, StoreError>;

/// Does a part of a transaction; what fails by its own fault is taken back alone. An error is the file's.
pub fn apart<T>(db: &Connection, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<Part<T>> {
    db.prepare_cached("SAVEPOINT part")?.execute([])?;
    let done = match work() {
        Ok(done) => Ok(done),
        // a transaction that the error ended cannot go on
        Err(error) if is_of_the_file(&error) || db.is_autocommit() => return Err(error),
        Err(error) => {
            db.prepare_cached("ROLLBACK TO part")?.execute([])?;
            Err(refused(&error))
        }
    };
    db.prepare_cached("RELEASE part")?.execute([])?;
    Ok(done)
}
