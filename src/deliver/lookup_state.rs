//! What is known of a route's lookups under one configuration after another: the loop of the old one, which finishes what it
//! began, and that of the new one share it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lookup_hold::LookupHold;
use super::pace::Pace;
use crate::clock::Timestamp;
use crate::config::unit::Rate;
use crate::route::{Route, Routes};

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
    pub fn adopt(&mut self, routes: &Routes) {
        self.0.retain(|name, _| routes.contains_key(name));
    }

    /// That of a route, as the configuration says now: what was used of the rate counts, and so does the hold. It is tried at
    /// once with another token.
    pub fn of(&mut self, route: &Route, now: Timestamp) -> SharedState {
        let (rate, key) = (rate(route), key(route));
        if let Some(shared) = self.0.get(&route.name) {
            let mut state = shared.lock();
            state.pace = state.pace.clone().adopt(rate, now);
            if !state.uses(key) {
                state.key = key;
                state.hold.try_at(now);
            }
            drop(state);
            return shared.clone();
        }
        let state = LookupState { hold: LookupHold::new(), pace: Pace::new(rate), under_way: 0, key };
        let shared = SharedState(Arc::new(Mutex::new(state)));
        self.0.insert(route.name.clone(), shared.clone());
        shared
    }
}

/// What tells the token of a route's lookups from another.
pub fn key(route: &Route) -> Option<i64> {
    route.profile.enrichment.as_ref().map(|call| call.key_fingerprint())
}

fn rate(route: &Route) -> Rate {
    route.profile.enrichment.as_ref().map_or(Rate(None), |call| call.rate)
}
