//! The file, opened as the relay uses it.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::location::{Location, Missing};
use super::schema::{Problem, migrate};
use crate::clock::Stopwatch;

/// How the file is used, and why.
const PRAGMAS: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;     -- before the first table: retention gives freed pages back in small steps
    PRAGMA journal_mode = WAL;            -- readers never wait, and a commit is one write to one file
    PRAGMA synchronous = FULL;            -- a commit is on disk when it returns: a 2xx depends on it
    PRAGMA journal_size_limit = 67108864; -- a log that once grew is cut back to 64 MiB
    PRAGMA cache_size = -8000;            -- 8 MiB of pages
    PRAGMA temp_store = MEMORY;           -- no files beside the one
    PRAGMA secure_delete = ON;            -- what is removed or replaced is overwritten: who is erased leaves no trace in the file
";

/// Another program's short lock is waited for; a sender waits some seconds at most.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the file is looked through before it is used: a small one is looked through whole, of a large one what time
/// allows; what is damaged elsewhere is met when it is read.
const CHECK: Duration = Duration::from_secs(1);

/// `PRAGMA auto_vacuum` of files that never become smaller, as earlier releases made them.
const NO_VACUUM: i64 = 0;

/// Up to which size, in bytes, a file is written anew where that helps: it takes some tenths of a second.
pub const REWRITTEN: i64 = 64 * 1_024 * 1_024;

/// Opens the file, sets it up and brings it to the newest schema.
pub fn open(location: &Location, missing: Missing) -> Result<Connection, Problem> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match missing {
        Missing::Create => flags |= OpenFlags::SQLITE_OPEN_CREATE,
        Missing::Refuse if location.identity().is_none_or(|file| file.size == 0) => return Err(Problem::Gone),
        Missing::Refuse => {}
    }
    let mut db = Connection::open_with_flags(&location.path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.execute_batch(PRAGMAS)?;
    look_through(&mut db)?;
    // a statement keeps its plan whatever is bound to it: without this many were planned anew at each execution
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(128);
    migrate(&mut db)?;
    let_it_shrink(&db)?;
    Ok(db)
}

/// Lets a small file of an earlier release become smaller when things are removed. In a large one freed pages are used again,
/// and docs/OPERATIONS.md says how to convert it.
fn let_it_shrink(db: &Connection) -> Result<(), Problem> {
    let ask = |what: &str| db.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, i64>(0));
    if ask("auto_vacuum")? != NO_VACUUM || ask("page_count")?.saturating_mul(ask("page_size")?) > REWRITTEN {
        return Ok(());
    }
    // the pragma above counts from here on
    if let Err(error) = db.execute_batch("VACUUM") {
        tracing::warn!(%error, "the store's file could not be written anew, so that it will not become smaller when things are removed; it is tried again at the next start");
    }
    Ok(())
}

/// Looks for damage, for no longer than [`CHECK`].
fn look_through(db: &mut Connection) -> Result<(), Problem> {
    let watch = Stopwatch::start();
    db.progress_handler(10_000, Some(move || watch.elapsed() > CHECK))?;
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    db.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(Problem::Damaged(found)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
