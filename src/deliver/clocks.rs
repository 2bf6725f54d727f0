//! What the clocks of a loop show: whether this process was stopped, the machine suspended, or the wall clock set.

use std::time::Duration;

use super::POLL_INTERVAL;
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::store::{Correction, Lease};

/// A wall clock that differs by more than this from what has passed was set, and a loop that comes back by more than this
/// too late did not run.
const JUMP: Duration = Duration::from_secs(1);

/// What happened to the clocks since they were last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Jump {
    /// Milliseconds by which the wall clock was set back.
    pub back_ms: Option<i64>,
    /// Milliseconds by which the wall clock was set ahead, or by which time passed without this machine.
    pub ahead_ms: Option<i64>,
    /// This process did not run for a while: it was stopped, or starved.
    pub was_stopped: bool,
    /// The wall clock had been set back, and is set ahead again now, at least in part.
    pub correction: Option<Correction>,
}

impl Jump {
    /// Whether more time may have passed than the loop knows of.
    pub fn lost_time(&self) -> bool {
        self.was_stopped || self.ahead_ms.is_some()
    }
}

/// The clocks of one loop.
#[derive(Debug)]
pub struct Clocks {
    wall: Clock,
    started: Stopwatch,
    /// How far the wall clock is ahead of what has passed, in milliseconds.
    ahead_ms: i64,
    /// What had passed when they were last looked at.
    looked: Duration,
    /// How long the loop was going to wait then.
    pause: Duration,
    /// How long this process has run in all, without the times in which it was stopped.
    ran: Duration,
    /// The wall clock was set back, and not ahead again yet.
    behind: Option<Behind>,
}

/// A wall clock that was set back.
#[derive(Debug, Clone, Copy)]
struct Behind {
    /// What it showed then.
    from: Timestamp,
    by_ms: i64,
}

impl Clocks {
    /// They begin to run.
    pub fn start(wall: Clock) -> Self {
        let ahead_ms = wall.now().0;
        let zero = Duration::ZERO;
        Self { wall, started: Stopwatch::start(), ahead_ms, looked: zero, pause: zero, ran: zero, behind: None }
    }

    /// Since the start, by the clock that is never set.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A lease of what is claimed now. Neither a wall clock that jumps nor a pause ends it while a call is still under way.
    pub fn lease(&self, lasts: Duration) -> Lease {
        Lease { lasts, ran: self.ran }
    }

    /// The loop is going to wait, and no longer than this.
    pub fn will_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Looks what happened since the last time.
    pub fn look(&mut self) -> Jump {
        let elapsed = self.started.elapsed();
        let (passed, expected) = (elapsed.saturating_sub(self.looked), self.pause.saturating_add(JUMP));
        self.looked = elapsed;
        self.pause = Duration::ZERO;
        // a loop that waits longer than this is none of a relay; its calls must not lose their leases to a stop, either
        self.ran = self.ran.saturating_add(passed.min(expected).min(POLL_INTERVAL.saturating_add(JUMP)));
        let now = self.wall.now();
        let ahead_ms = now.before(elapsed).0;
        let by_ms = ahead_ms.saturating_sub(self.ahead_ms);
        self.ahead_ms = ahead_ms;
        let least = i64::try_from(JUMP.as_millis()).unwrap_or(0);
        let back_ms = (by_ms < -least).then_some(-by_ms);
        let ahead_ms = (by_ms > least).then_some(by_ms);
        if let Some(by_ms) = back_ms {
            let known = self.behind.map_or(0, |behind| behind.by_ms);
            self.behind = Some(Behind { from: now, by_ms: by_ms.saturating_add(known) });
        }
        let correction = ahead_ms.and_then(|by_ms| self.corrected(now, by_ms));
        Jump { back_ms, ahead_ms, was_stopped: passed > expected, correction }
    }

    /// What a clock that is set ahead puts right of having been set back.
    fn corrected(&mut self, now: Timestamp, ahead_ms: i64) -> Option<Correction> {
        let Behind { from, by_ms } = self.behind?;
        let right_ms = ahead_ms.min(by_ms);
        let left_ms = by_ms.saturating_sub(right_ms);
        self.behind =
            (left_ms > 0).then_some(Behind { from: Timestamp(from.0.saturating_add(right_ms)), by_ms: left_ms });
        Some(Correction { from, until: Timestamp(now.0.saturating_sub(ahead_ms)), by_ms: right_ms })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_stop_a_suspension_and_a_set_clock_are_told_apart() {
        let wall = Clock::running_from(Timestamp(1_000_000));
        let mut clocks = Clocks::start(wall.clone());
        clocks.will_pause(SECOND * 5);
        advance(SECOND * 5).await;
        assert_eq!(clocks.look(), Jump::default(), "it waited as long as it was going to");
        clocks.will_pause(SECOND * 5);
        advance(SECOND * 600).await;
        assert_eq!(clocks.look(), Jump { was_stopped: true, ..Jump::default() });
        assert_eq!(clocks.lease(SECOND).ran, SECOND * 11, "leases stood still meanwhile");
        wall.advance(SECOND * 600);
        assert_eq!(clocks.look(), Jump { ahead_ms: Some(600_000), ..Jump::default() });
        wall.set_back(SECOND * 60);
        assert_eq!(clocks.look(), Jump { back_ms: Some(60_000), ..Jump::default() });
        assert_eq!(clocks.look(), Jump::default(), "each is told once");
        advance(SECOND / 2).await;
        wall.advance(SECOND * 90);
        let shown = wall.now();
        let correction = clocks.look().correction.expect("it was set back before");
        assert_eq!(correction.by_ms, 60_000, "no more than it had been set back by");
        assert_eq!(correction.until, shown.before(SECOND * 90));
        wall.advance(SECOND * 90);
        assert_eq!(clocks.look().correction, None, "it is right already");
    }
}
