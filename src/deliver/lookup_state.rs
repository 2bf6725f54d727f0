//! What is known of a route's lookups under one configuration after another: the loop of the old one, which finishes what it
//! began, and that of the new one share it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lookup_hold::LookupHold;
use super::pace::Pace;
use crate::clock::Timestamp;
use crate::config::unit::Rate;
use crate::route::{Route, Routes};
use crate::source::enrich::Enrichment;

/// Of one route.
#[derive(Debug)]
pub struct LookupState {
    pub hold: LookupHold,
    pub pace: Pace,
    /// How many are under way.
    pub under_way: usize,
    /// Of the token that is used now.
    key: Option<i64>,
}

/// The same, shared.
#[derive(Debug, Clone)]
pub struct SharedState(Arc<Mutex<LookupState>>);

impl SharedState {
    /// Not to be held while waiting for anything.
    pub fn lock(&self) -> MutexGuard<'_, LookupState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LookupState {
    /// The route is this one now. What was used of the rate counts on, and so does the hold; with another token it is tried at
    /// once.
    fn adopt(&mut self, route: &Route, now: Timestamp) {
        self.pace = self.pace.clone().adopt(rate(route), now);
        let key = key(route);
        if !self.uses(key) {
            self.key = key;
            self.hold.try_at(now);
        }
    }

    /// Whether this is the token that is used now: what another was answered tells nothing about the hold.
    pub fn uses(&self, key: Option<i64>) -> bool {
        self.key == key
    }
}

/// Of all routes.
#[derive(Debug, Default)]
pub struct LookupStates(BTreeMap<String, SharedState>);

impl LookupStates {
    /// These are the routes now.
    pub fn adopt(&mut self, routes: &Routes, now: Timestamp) {
        self.0.retain(|name, _| routes.contains_key(name));
        for (name, state) in &self.0 {
            routes.get(name).into_iter().for_each(|route| state.lock().adopt(route, now));
        }
    }

    /// That of a route.
    pub fn of(&mut self, route: &Route) -> SharedState {
        let new = || {
            let (hold, pace) = (LookupHold::new(), Pace::new(rate(route)));
            let state = LookupState { hold, pace, under_way: 0, key: key(route) };
            SharedState(Arc::new(Mutex::new(state)))
        };
        self.0.entry(route.name.clone()).or_insert_with(new).clone()
    }
}

/// What tells the token of a route's lookups from another.
pub fn key(route: &Route) -> Option<i64> {
    route.profile.enrichment.as_ref().map(Enrichment::key_fingerprint)
}

fn rate(route: &Route) -> Rate {
    route.profile.enrichment.as_ref().map_or(Rate(None), |call| call.rate)
}
