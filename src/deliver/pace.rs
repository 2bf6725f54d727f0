//! An account's rate: how many sends may go now, and when the next may.
//!
//! The generic cell rate algorithm. Our own few lines instead of a rate-limiting crate, because the deliverer has to ask
//! "how many?" before it claims, and because time is given, not read.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::unit::{PerSecond, Rate};

/// How much of a second's allowance may go at once after a pause.
const BURST: Duration = Duration::from_millis(100);

/// When the allowance is used up, it pays to wait until some may go again, and to ask for them together: a transaction
/// costs as much for one.
const BATCH: Duration = Duration::from_millis(20);

/// What an account without a limit is slowed down to first, and what none is slowed down below: microseconds.
const SLOWED_US: (i64, i64) = (50_000, 1_000_000);

/// Answers that come within this time of the first are about the same haste.
const SAME: Duration = Duration::from_secs(1);

/// After so long without another complaint it goes faster again, by a quarter.
const EASE: Duration = Duration::from_secs(5);

/// One account's pace.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Microseconds between sends; `None`: no limit.
    interval_us: Option<i64>,
    burst_us: i64,
    /// When the allowance would be full again, in microseconds.
    full_at_us: i64,
    /// The server said that it is too much.
    slowed: Option<Slowed>,
    /// Nothing goes before then, since the server asked for it.
    not_before: Timestamp,
}

/// How far a pace is slowed down.
#[derive(Debug, Clone, Copy)]
struct Slowed {
    interval_us: i64,
    /// Since when.
    at: Timestamp,
}

impl Pace {
    /// A pace with its whole burst at hand.
    pub fn new(rate: Rate) -> Self {
        let interval_us = rate.0.map(|PerSecond { count, every }| {
            i64::try_from(every.as_micros()).unwrap_or(i64::MAX) / i64::from(count.max(1))
        });
        let burst_us = interval_us.unwrap_or(0).max(i64::try_from(BURST.as_micros()).unwrap_or(0));
        Self {
            interval_us: interval_us.map(|interval| interval.max(1)),
            burst_us,
            full_at_us: 0,
            slowed: None,
            not_before: Timestamp(i64::MIN),
        }
    }

    /// The same at another rate: what was used up counts, as far as that rate remembers it, and so does what the server asked
    /// for.
    pub fn adopt(self, rate: Rate, now: Timestamp) -> Self {
        let new = Self::new(rate);
        let latest = now.0.saturating_mul(1_000).saturating_add(new.burst_us);
        Self { full_at_us: self.full_at_us.min(latest), slowed: self.slowed, not_before: self.not_before, ..new }
    }

    /// The server said that it is too much: half as fast, and not at all before `until`.
    pub fn slow(&mut self, now: Timestamp, until: Option<Timestamp>) {
        self.not_before = until.map_or(self.not_before, |until| self.not_before.max(until));
        if self.slowed.is_some_and(|slowed| now.since(slowed.at) < SAME) {
            return;
        }
        let at_present = self.interval();
        let (first, slowest) = SLOWED_US;
        let interval_us = at_present.map_or(first, |interval| interval.saturating_mul(2)).min(slowest);
        self.slowed = Some(Slowed { interval_us, at: now });
    }

    /// The server took one: after a while without a complaint it goes faster again.
    pub fn ease(&mut self, now: Timestamp) {
        let Some(slowed) = &mut self.slowed else { return };
        if now.since(slowed.at) < EASE {
            return;
        }
        *slowed = Slowed { interval_us: slowed.interval_us * 3 / 4, at: now };
        // a thousand a second is more than the API takes from anybody
        if slowed.interval_us <= self.interval_us.unwrap_or(1_000) {
            self.slowed = None;
        }
    }

    /// Microseconds between sends as it is now.
    fn interval(&self) -> Option<i64> {
        self.interval_us.into_iter().chain(self.slowed.map(|slowed| slowed.interval_us)).max()
    }

    /// How many are waited for once none is left.
    fn batch(&self) -> i64 {
        let batch_us = i64::try_from(BATCH.as_micros()).unwrap_or(0);
        self.interval().map_or(1, |interval| (batch_us / interval).max(1))
    }

    fn burst(&self) -> i64 {
        self.burst_us.max(self.slowed.map_or(0, |slowed| slowed.interval_us))
    }

    /// How many may go now.
    pub fn available(&self, now: Timestamp) -> usize {
        if now < self.not_before {
            return 0;
        }
        let Some(interval) = self.interval() else { return usize::MAX };
        let now_us = now.0.saturating_mul(1_000);
        let used = self.full_at_us.saturating_sub(now_us).max(0);
        let count = (self.burst() - used) / interval;
        if count < self.batch() { 0 } else { usize::try_from(count).unwrap_or(0) }
    }

    /// Uses up some.
    pub fn take(&mut self, count: usize, now: Timestamp) {
        let Some(interval) = self.interval() else { return };
        let used = interval.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        self.full_at_us = self.full_at_us.max(now.0.saturating_mul(1_000)).saturating_add(used);
    }

    /// One that was taken does not go.
    pub fn give_back(&mut self) {
        self.full_at_us = self.full_at_us.saturating_sub(self.interval().unwrap_or(0));
    }

    /// When the next may go; now, if one may.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        let Some(interval) = self.interval() else { return now.max(self.not_before) };
        let at_us = self.full_at_us.saturating_sub(self.burst()).saturating_add(interval.saturating_mul(self.batch()));
        let at = Timestamp(at_us.div_euclid(1_000) + i64::from(at_us.rem_euclid(1_000) > 0));
        now.max(at).max(self.not_before)
    }

    /// A clock that was set back must not hold sends up for as long as it was ahead.
    pub fn clamp_to(&mut self, now: Timestamp, longest: Duration) {
        let latest = now.0.saturating_mul(1_000).saturating_add(self.burst());
        self.full_at_us = self.full_at_us.min(latest);
        self.not_before = self.not_before.min(now.after(longest));
        if let Some(slowed) = &mut self.slowed {
            slowed.at = slowed.at.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drained(rate: &str, seconds: i64) -> usize {
        let mut pace = Pace::new(rate.parse().expect("rate"));
        let (mut now, mut sent) = (Timestamp(0), 0);
        while now.0 < seconds * 1_000 {
            let count = pace.available(now).min(100);
            pace.take(count, now);
            sent += count;
            now = pace.next(now);
        }
        sent
    }

    #[test]
    fn a_backlog_goes_at_the_rate() {
        for (rate, seconds, expected) in
            [("20/s", 100, 2_000), ("1/s", 60, 60), ("30/m", 600, 300), ("500/s", 10, 5_000)]
        {
            let sent = drained(rate, seconds);
            assert!(sent.abs_diff(expected) * 20 <= expected, "{rate}: {sent} instead of {expected}");
        }
    }

    #[test]
    fn without_a_limit_all_may_go() {
        let pace = Pace::new(Rate(None));
        assert_eq!(pace.available(Timestamp(0)), usize::MAX);
        assert_eq!(pace.next(Timestamp(5)), Timestamp(5));
    }

    #[test]
    fn too_fast_halves_the_rate_and_it_recovers() {
        for rate in ["20/s", "unlimited"] {
            let mut pace = Pace::new(rate.parse().expect("rate"));
            let ms = |ms: i64| Timestamp(ms);
            // sixty answers about the same haste count once
            (0..60).for_each(|n| pace.slow(ms(n), Some(ms(2_000))));
            assert_eq!((pace.available(ms(1_999)), pace.next(ms(0))), (0, ms(2_000)), "{rate}");
            let slowed = pace.interval().expect("slowed");
            pace.slow(ms(3_000), None);
            assert_eq!(pace.interval(), Some(slowed * 2), "{rate}");
            for second in 4..120 {
                pace.ease(ms(second * 1_000));
            }
            assert!(pace.slowed.is_none(), "{rate}");
        }
    }

    proptest! {
        #[test]
        fn after_the_next_moment_one_may_go(count in 1_u32..2_000, taken in 0_usize..500, at in 0_i64..1_000_000) {
            let mut pace = Pace::new(Rate(Some(PerSecond { count, every: Duration::from_secs(1) })));
            pace.take(taken, Timestamp(at));
            let next = pace.next(Timestamp(at));
            prop_assert!(pace.available(next) >= 1);
        }

        #[test]
        fn a_clock_set_back_costs_no_more_than_the_burst(ahead in 0_i64..10_000_000) {
            let mut pace = Pace::new("20/s".parse().expect("rate"));
            pace.take(50, Timestamp(ahead));
            pace.clamp_to(Timestamp(0), Duration::from_secs(600));
            prop_assert!(pace.next(Timestamp(0)).0 <= 100);
        }
    }
}
