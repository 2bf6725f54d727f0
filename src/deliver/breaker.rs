//! A circuit breaker: when many calls of an account fail in a row, its server is down, and one call now and then finds
//! out when it is up again.

use std::time::Duration;

use crate::clock::Timestamp;

/// So many failures in a row say that the server is down, not a send at fault.
const TRIPS: u32 = 5;

/// The longest wait between two calls: an hour costs some dozens, and nobody waits much longer than the outage.
const LONGEST: Duration = Duration::from_secs(120);

/// One account's breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    first: Duration,
    longest: Duration,
    failures: u32,
    open: Option<Open>,
    /// Whether any call was answered in this process.
    was_answered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: Timestamp,
    until: Timestamp,
    wait: Duration,
}

/// What an attempt did to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It opened: the account is down.
    Opened,
    /// It closed: the account is up again.
    Closed {
        /// Since when it was down.
        since: Timestamp,
    },
    /// The first call of this process was answered: an outage of before is over.
    Answered,
}

impl Breaker {
    /// A closed one; its waits begin with `first`, and are never longer than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.min(LONGEST).max(first), failures: 0, open: None, was_answered: false }
    }

    /// The same with other waits.
    pub fn adopt(self, first: Duration, longest: Duration) -> Self {
        let Self { failures, open, was_answered, .. } = self;
        Self { failures, open, was_answered, ..Self::new(first, longest) }
    }

    /// How many calls may be begun while `under_way` are.
    pub fn room(&self, now: Timestamp, under_way: usize) -> usize {
        match self.open {
            None => usize::MAX,
            Some(open) => usize::from(now >= open.until && under_way == 0),
        }
    }

    /// When the next call may be begun, where it is not at once.
    pub fn next(&self) -> Option<Timestamp> {
        self.open.map(|open| open.until)
    }

    /// A call that began at `began` failed. `chance` is between 0 and 1.
    pub fn failed(&mut self, began: Timestamp, ended: Timestamp, chance: f64) -> Option<Turn> {
        // half of the wait at least, so that many relays do not come back at once
        let jitter = |wait: Duration| wait.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        match &mut self.open {
            None => {
                self.failures += 1;
                if self.failures < TRIPS {
                    return None;
                }
                self.open = Some(Open { since: ended, until: ended.after(jitter(self.first)), wait: self.first });
                Some(Turn::Opened)
            }
            // those that were under way when it opened tell nothing new
            Some(open) if began < open.since => None,
            Some(open) => {
                open.wait = open.wait.saturating_mul(2).min(self.longest);
                open.until = ended.after(jitter(open.wait));
                None
            }
        }
    }

    /// A call was answered.
    pub fn passed(&mut self) -> Option<Turn> {
        self.failures = 0;
        let is_first = !std::mem::replace(&mut self.was_answered, true);
        let closed = self.open.take().map(|open| Turn::Closed { since: open.since });
        closed.or(is_first.then_some(Turn::Answered))
    }

    /// A clock that was set back must not keep it open for as long as it was ahead.
    pub fn clamp_to(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.open {
            open.until = open.until.min(now.after(self.longest));
            open.since = open.since.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000)
    }

    #[test]
    fn an_outage_of_an_hour_costs_dozens_of_calls() {
        let mut breaker = Breaker::new(Duration::from_secs(2), Duration::from_secs(600));
        let (mut now, mut calls) = (s(0), 0);
        while now < s(3_600) {
            if breaker.room(now, 0) > 0 {
                calls += 1;
                let _ = breaker.failed(now, now, 0.5);
            }
            now = breaker.next().map_or(now, |next| next.max(now.after(Duration::from_millis(50))));
        }
        assert!((20..80).contains(&calls), "{calls}");
        assert_eq!(breaker.room(s(3_720), 1), 0, "one at a time");
        assert_eq!(breaker.room(s(3_720), 0), 1);
        assert!(matches!(breaker.passed(), Some(Turn::Closed { .. })));
        assert_eq!(breaker.room(s(3_720), 50), usize::MAX);
    }

    #[test]
    fn failures_among_successes_open_nothing() {
        let mut breaker = Breaker::new(Duration::from_secs(2), Duration::from_secs(600));
        for _ in 0..100 {
            for _ in 0..TRIPS - 1 {
                assert_eq!(breaker.failed(s(1), s(1), 0.5), None);
            }
            assert!(!matches!(breaker.passed(), Some(Turn::Closed { .. })));
        }
    }

    #[test]
    fn what_was_under_way_when_it_opened_makes_nothing_worse() {
        let mut breaker = Breaker::new(Duration::from_secs(2), Duration::from_secs(600));
        for _ in 0..64 {
            let _ = breaker.failed(s(0), s(1), 1.0);
        }
        assert_eq!(breaker.next(), Some(s(3)));
    }
}
