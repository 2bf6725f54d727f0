//! Whose error it is: the file's, and then nobody can work, or one statement's, and then nobody else hears of it.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What to do about a damaged file.
const DAMAGED: &str = "stop the relay, copy the file with its -wal aside, and restore a backup or rebuild it (docs/OPERATIONS.md, \"A damaged file\")";

/// SQLite's extended codes that are told apart (<https://sqlite.org/rescode.html>).
const IOERR_WRITE: i32 = 778;
const IOERR_SHMSIZE: i32 = 4_874;

/// Whether it is the file's error. All others (a constraint, a type, a size, a table that is missing) are the error of the
/// statement that met it.
pub fn is_of_the_file(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::PermissionDenied
                | ErrorCode::OperationAborted
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::OperationInterrupted
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::AuthorizationForStatementDenied
                | ErrorCode::NotADatabase
        )
    )
}

/// Whether the same connection may work again: the disk is full or somebody holds a lock.
pub fn is_passing(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull))
}

/// Whether what the file holds is broken.
pub fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The file's error, for everybody who asked.
pub fn unavailable(error: &Error) -> StoreError {
    StoreError::Unavailable(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".into(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds a lock on the file".into(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(&error.to_string()),
        Some(ErrorCode::ReadOnly) => "the file or its directory is read-only".into(),
        Some(ErrorCode::SystemIoFailure) => match error.sqlite_extended_error_code() {
            Some(IOERR_WRITE | IOERR_SHMSIZE) => format!(
                "the disk takes no more: a quota or a limit on the size of files is reached, or the disk fails ({error})"
            ),
            _ => error.to_string(),
        },
        _ => error.to_string(),
    })
}

/// What is said of a damaged file.
pub fn damaged(detail: &str) -> String {
    format!("the file is damaged ({}); {DAMAGED}", detail.trim().replace('\n', "; "))
}

/// One statement's own error, for whoever asked for it.
pub fn refused(error: &Error) -> StoreError {
    StoreError::Refused(error.to_string())
}
