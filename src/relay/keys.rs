//! An account that lost its key: without one its sends would go to the sandbox, be `sent`, and reach nobody.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::StartError;
use crate::config::relay::{AccountSpec, RelayFile};
use crate::route::check::Sending;
use crate::store::Store;

/// How long after a failure the store is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Which accounts have a key.
#[derive(Debug)]
pub struct Keys {
    /// These, which are remembered.
    with: Vec<String>,
    /// These have none, and nobody said that the sandbox is meant.
    without: Vec<String>,
}

impl Keys {
    /// As the settings say.
    pub fn of(settings: &RelayFile, sending: Sending) -> Self {
        let names = |wanted: &dyn Fn(&AccountSpec) -> bool| {
            settings.accounts.iter().filter(|(_, account)| wanted(account)).map(|(name, _)| name.clone()).collect()
        };
        match sending {
            Sending::AsConfigured => {
                Self { with: names(&|account| !account.uses_sandbox()), without: names(&AccountSpec::uses_sandbox) }
            }
            Sending::Sandbox => Self { with: Vec::new(), without: Vec::new() },
        }
    }

    /// Refuses to start with an account that lost its key. A store that cannot be used at present cannot tell:
    /// [`Keys::settle`] asks it again.
    pub async fn check(&self, store: &dyn Store) -> Result<(), StartError> {
        store.had_keys(self.with.clone()).await.map_or(Ok(()), |had| self.lost(&had))
    }

    /// The same before anything is sent, with the keys of now written down; waits for the store.
    pub async fn settle(&self, store: &dyn Store, stop: &CancellationToken) -> Result<(), StartError> {
        while !stop.is_cancelled() {
            match store.had_keys(self.with.clone()).await {
                Ok(had) => return self.lost(&had),
                Err(_) => drop(tokio::time::timeout(PAUSE, stop.cancelled()).await),
            }
        }
        Ok(())
    }

    fn lost(&self, had: &[String]) -> Result<(), StartError> {
        let lost: Vec<&str> = self.without.iter().filter(|name| had.contains(name)).map(String::as_str).collect();
        if lost.is_empty() { Ok(()) } else { Err(StartError::KeyLost(lost.join("`, `"))) }
    }
}
