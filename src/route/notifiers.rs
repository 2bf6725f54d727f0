//! Whom to wake when an event of a route needs a lookup.

use std::collections::BTreeMap;

use tokio::sync::Notify;

use super::Routes;

/// For each route, whoever makes its lookups.
#[derive(Debug, Default)]
pub struct LookupNotifiers(BTreeMap<String, Notify>);

impl LookupNotifiers {
    /// For these routes.
    pub fn new(routes: &Routes) -> Self {
        Self(routes.keys().map(|name| (name.clone(), Notify::new())).collect())
    }

    /// What is told when a lookup of a route is due.
    pub fn of(&self, route: &str) -> Option<&Notify> {
        self.0.get(route)
    }
}
