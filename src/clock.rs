//! The one place that reads the time.
//!
//! Everything else is given a [`Timestamp`] or a [`Clock`], so that a test decides what time it is. It does not sleep:
//! that is the business of whoever waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The same moment in whole seconds.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `wait` later; the last representable one if there is none.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// The moment `span` earlier.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long from `earlier` until this moment; zero if that lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Whole milliseconds.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Tells the time: the system's, or one that a test sets.
#[derive(Debug, Clone)]
pub struct Clock(Face);

#[derive(Debug, Clone)]
enum Face {
    System,
    Set(Arc<AtomicI64>),
    Running(Stopwatch, Arc<AtomicI64>),
    Told(Teller),
}

/// A function that tells the time.
#[derive(Clone)]
struct Teller(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller(..)")
    }
}

impl Clock {
    /// The computer's own clock.
    pub fn system() -> Self {
        Self(Face::System)
    }

    /// A clock that moves only when it is set.
    pub fn set_to(start: Timestamp) -> Self {
        Self(Face::Set(Arc::new(AtomicI64::new(start.0))))
    }

    /// A clock that runs, and can be set: as computers' clocks are.
    pub fn running_from(start: Timestamp) -> Self {
        Self(Face::Running(Stopwatch::start(), Arc::new(AtomicI64::new(start.0))))
    }

    /// A clock that asks a function each time.
    pub fn told_by(teller: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Face::Told(Teller(Arc::new(teller))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
            Face::System => Timestamp(match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => millis(since),
                Err(_) => 0,
            }),
            Face::Set(at) => Timestamp(at.load(Ordering::SeqCst)),
            Face::Told(Teller(tell)) => tell(),
            Face::Running(watch, from) => Timestamp(from.load(Ordering::SeqCst)).after(watch.elapsed()),
        }
    }

    /// Moves a clock made by [`Clock::set_to`] or [`Clock::running_from`] ahead; the system's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Face::Set(at) | Face::Running(_, at) = &self.0 {
            at.fetch_add(millis(by), Ordering::SeqCst);
        }
    }

    /// The same backwards.
    pub fn set_back(&self, by: Duration) {
        if let Face::Set(at) | Face::Running(_, at) = &self.0 {
            at.fetch_sub(millis(by), Ordering::SeqCst);
        }
    }
}

/// Measures how long something took, whatever the wall clock does meanwhile. Inside a simulation, whose time is not that
/// of the world, it measures that.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_shown_in_utc_to_the_millisecond() {
        assert_eq!(Timestamp(1_767_085_200_123).to_string(), "2025-12-30T09:00:00.123Z");
    }

    #[test]
    fn a_set_clock_moves_only_when_told() {
        let clock = Clock::set_to(Timestamp(5));
        assert_eq!(clock.now(), Timestamp(5));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp(1005));
    }
}
