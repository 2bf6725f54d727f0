//! The schema's versions, applied in order; `PRAGMA user_version` says how far a file has come.

use rusqlite::{Connection, TransactionBehavior};

use super::errors;
use super::lock::LockError;
use crate::store::StoreError;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_events_and_sends.sql"),
    include_str!("migrations/0002_lookups.sql"),
    include_str!("migrations/0003_holds_and_send_options.sql"),
    include_str!("migrations/0004_consent_and_notices.sql"),
    include_str!("migrations/0005_test_modes_and_alerts.sql"),
    include_str!("migrations/0006_answers.sql"),
    include_str!("migrations/0007_rules_by_sha256_and_keys.sql"),
    include_str!("migrations/0008_chances_of_refused_sends.sql"),
    include_str!("migrations/0009_counts.sql"),
    include_str!("migrations/0010_retention.sql"),
    include_str!("migrations/0011_erasures.sql"),
    include_str!("migrations/0012_field_names.sql"),
    include_str!("migrations/0013_test_events.sql"),
    include_str!("migrations/0014_route_alerts.sql"),
    include_str!("migrations/0015_key_fingerprints.sql"),
    include_str!("migrations/0016_new_rows_counted_by_the_relay.sql"),
];

/// Brings a file to the newest version. An interrupted migration leaves the file as it was.
///
/// # Errors
///
/// SQLite's error, or a text if the file was written by a newer relay.
pub fn migrate(connection: &mut Connection) -> Result<(), Problem> {
    migrate_to(connection, MIGRATIONS.len())
}

/// The same up to a version.
pub(super) fn migrate_to(connection: &mut Connection, newest: usize) -> Result<(), Problem> {
    let version: usize = connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))?;
    if version > MIGRATIONS.len() {
        return Err(Problem::Newer { found: version, known: MIGRATIONS.len() });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().take(newest).skip(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The file that was in use is not there any more, or empty.
    #[error("the file was moved, removed or emptied while it was in use; put it back, or restart with an empty store")]
    Gone,
    /// The database file or its log was cut while it was in use.
    #[error("the file or its -wal was cut short while it was in use")]
    Cut,
    /// The log was removed, and somebody who reads keeps it from being saved.
    #[error("the -wal or -shm file was removed while it was in use; what it holds is being saved")]
    LogRemoved,
    /// It cannot be opened or locked.
    #[error("the file cannot be opened and locked: {0}")]
    File(std::io::Error),
    /// It holds what it should not.
    #[error("{}", errors::damaged(.0))]
    Damaged(String),
    /// Another relay took the file that was put in its place.
    #[error("another relay is using the file; stop one of them")]
    InUse,
    /// The file is of a later version.
    #[error("the file has schema version {found}, this relay knows {known}: it was written by a newer relay")]
    Newer {
        /// The file's version.
        found: usize,
        /// The newest this program knows.
        known: usize,
    },
}

impl Problem {
    /// Whether what the file holds is broken.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Sqlite(error) => errors::is_damage(error),
            _ => false,
        }
    }
}

impl From<LockError> for Problem {
    fn from(error: LockError) -> Self {
        match error {
            LockError::InUse => Self::InUse,
            LockError::File(error) if error.kind() == std::io::ErrorKind::NotFound => Self::Gone,
            LockError::File(error) => Self::File(error),
        }
    }
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Sqlite(error) => errors::unavailable(&error),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
