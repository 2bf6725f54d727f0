//! How the calls of each route fare: when the last was accepted and the last refused, and why.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// This many refused calls in a row are neither chance nor somebody who tries an address once.
const MANY: u64 = 5;

/// A route that accepted a call within this time before is well: somebody else knocks.
const RECENT: Duration = Duration::from_secs(60 * 60);

/// How the calls of one route fared since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteCalls {
    /// When the last was accepted.
    pub accepted_at: Option<Timestamp>,
    /// Those that were refused since.
    pub refused: Option<Refused>,
    /// When the last was refused, and why.
    pub last_refused: Option<(Timestamp, String)>,
}

/// Calls refused in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// When the first was.
    pub since: Timestamp,
    /// How many were.
    pub calls: u64,
}

impl RouteCalls {
    /// Whether it looks as if nothing that its sender sends were accepted.
    pub fn is_unheard(&self) -> bool {
        let is_idle = |refused: Refused| self.accepted_at.is_none_or(|at| refused.since.since(at) >= RECENT);
        self.refused.is_some_and(|refused| refused.calls >= MANY && is_idle(refused))
    }

    /// What is wrong, as a sentence without its beginning.
    pub fn problem(&self) -> Option<String> {
        let (Refused { since, calls }, (_, reason)) = (self.refused?, self.last_refused.as_ref()?);
        Some(format!("refused {calls} call(s) and accepted none since {since}; the last: {reason}"))
    }
}

/// The calls of all routes.
#[derive(Debug, Default)]
pub struct CallsByRoute(Mutex<BTreeMap<String, RouteCalls>>);

impl CallsByRoute {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RouteCalls>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call was accepted.
    pub fn accepted(&self, route: &str, now: Timestamp) {
        let mut calls = self.lock();
        // the name is copied once, not for each call
        if let Some(of_route) = calls.get_mut(route) {
            (of_route.accepted_at, of_route.refused) = (Some(now), None);
        } else {
            calls.insert(route.to_owned(), RouteCalls { accepted_at: Some(now), ..RouteCalls::default() });
        }
    }

    /// A call was refused.
    pub fn refused(&self, route: &str, reason: &str, now: Timestamp) {
        let mut calls = self.lock();
        let of_route = calls.entry(route.to_owned()).or_default();
        let before = of_route.refused.unwrap_or(Refused { since: now, calls: 0 });
        of_route.refused = Some(Refused { calls: before.calls + 1, ..before });
        of_route.last_refused = Some((now, reason.to_owned()));
    }

    /// How each route fares.
    pub fn all(&self) -> BTreeMap<String, RouteCalls> {
        self.lock().clone()
    }

    /// How one fares.
    pub fn of(&self, route: &str) -> RouteCalls {
        self.lock().get(route).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_unheard_when_many_are_refused_and_none_was_accepted_for_a_while() {
        let calls = CallsByRoute::default();
        let hour = 3_600_000;
        for n in 1..=4 {
            calls.refused("shop", "wrong", Timestamp(n));
            assert!(!calls.of("shop").is_unheard(), "{n}");
        }
        calls.refused("shop", "wrong", Timestamp(5));
        assert!(calls.of("shop").is_unheard());
        let problem = calls.of("shop").problem().expect("one");
        assert!(problem.starts_with("refused 5 call(s) and accepted none since 1970-01-01T00:00:00.001Z"), "{problem}");
        calls.accepted("shop", Timestamp(6));
        assert_eq!((calls.of("shop").is_unheard(), calls.of("shop").problem()), (false, None));
        (0..50).for_each(|n| calls.refused("shop", "wrong", Timestamp(7 + n)));
        assert!(!calls.of("shop").is_unheard(), "its sender was heard a moment ago");
        calls.accepted("shop", Timestamp(100));
        (0..50).for_each(|n| calls.refused("shop", "wrong", Timestamp(100 + hour + n)));
        assert!(calls.of("shop").is_unheard());
        assert_eq!(calls.of("other"), RouteCalls::default());
    }
}
