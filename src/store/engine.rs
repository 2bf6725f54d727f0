//! What every engine that keeps a store is.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use thiserror::Error;

use super::{Archive, Operate, Store, StoreError};

/// Why a store cannot be opened at all, now or later.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is not one of this store.
    #[error("`{0}` is not a store: write sqlite: and a path, as sqlite:data/relay.db")]
    Url(String),
    /// The directory cannot be made.
    #[error("the directory `{0}` cannot be made: {1}")]
    Directory(PathBuf, std::io::Error),
    /// Another relay works on the same file.
    #[error("another relay is using `{0}`; stop it, or give this one a file of its own (store.url)")]
    InUse(PathBuf),
    /// The file cannot be opened or locked.
    #[error(
        "the store's file `{0}` cannot be opened and locked: {1}; see to its owner and permissions, and keep it on a local disk"
    )]
    File(PathBuf, std::io::Error),
    /// The writer thread cannot be started.
    #[error("the store's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// How an engine checks itself, for tests: it reads everything that is kept.
pub trait Audit {
    /// Each disagreement between events and sends and what is counted or kept of them, as a sentence; empty: there is none.
    fn inconsistencies(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
}

/// A store that is open, whichever engine keeps it.
pub trait Engine: Store + Operate + Archive + Audit {
    /// Waits until it does not work any more: it was closed, or a part of it panicked.
    fn ended(&self) -> BoxFuture<'_, ()>;

    /// Finishes what was asked for and closes it. Waits for the disk: call it where waiting is allowed.
    fn close(&self);
}
