//! Whom to wake when an event of a route needs a lookup.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::Routes;

/// For each route, whoever makes its lookups.
#[derive(Debug, Default)]
pub struct LookupNotifiers(BTreeMap<String, Arc<Notify>>);

impl LookupNotifiers {
    /// For these routes.
    pub fn new(routes: &Routes) -> Self {
        Self::default().adopt(routes)
    }

    /// The same for other routes: who stored an event by the old ones wakes those who look up by the new.
    #[must_use]
    pub fn adopt(&self, routes: &Routes) -> Self {
        let notifier = |name: &String| (name.clone(), self.0.get(name).cloned().unwrap_or_default());
        Self(routes.keys().map(notifier).collect())
    }

    /// What is notified when a lookup of a route is due.
    pub fn of(&self, route: &str) -> Option<&Notify> {
        self.0.get(route).map(Arc::as_ref)
    }
}
