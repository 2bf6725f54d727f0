//! The secrets of the configuration that runs at present.

use std::sync::{Arc, PoisonError, RwLock};

use super::Secrets;

/// A set of secrets that can be replaced.
#[derive(Debug, Default)]
pub struct CurrentSecrets(RwLock<Arc<Secrets>>);

impl CurrentSecrets {
    /// Those of now.
    pub fn get(&self) -> Arc<Secrets> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these as well. What was a secret once stays one: it may be in use elsewhere.
    pub fn add(&self, secrets: &Secrets) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(current.and(secrets));
    }
}
