//! Removes what is past its time, in passes of small steps: the store is busy with it for a tenth of the time at most, so that
//! nothing that comes in waits.
//!
//! A wall clock that jumps far ahead makes everything look old: nothing is removed then until it has shown so for a day.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Stopwatch, Timestamp, millis};
use crate::store::sweep::{Removed, Stage, SweepRequest, Swept};
use crate::store::{Store, StoreError};

/// When the first pass begins after the start, and how long after one the next does.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How long a step is to take; it looks at as many rows as that allows.
const STEP: Duration = Duration::from_millis(3);

/// How many rows the first step of a stage looks at, and any at most.
const FIRST_ROWS: usize = 64;
const MOST_ROWS: usize = 4_000;

/// How many times as long as it took the next step waits, and how long at least.
const REST: u32 = 9;
const LEAST_REST: Duration = Duration::from_millis(20);

/// A wall clock that moved by this much more than time passed is not believed.
const JUMP: Duration = Duration::from_secs(60 * 60);

/// The same between two processes: a relay may have been off for a while.
const ABSENCE: Duration = Duration::from_secs(30 * 86_400);

/// How long, by a clock that is never set, a wall clock is not believed.
const DOUBT: Duration = Duration::from_secs(86_400);

/// For how long what is kept; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// What events held, counted from when they were received.
    pub events: Option<Duration>,
    /// Sends, counted from their end.
    pub sends: Option<Duration>,
}

/// What removes it.
pub struct Retention {
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// For how long it is kept, as the configuration says at present.
    pub periods: watch::Receiver<Periods>,
}

/// How a pass ended.
enum Passed {
    Whole(Removed),
    /// The relay stops, or the wall clock is not believed.
    Broken,
}

impl Retention {
    /// Makes a pass now and then, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut clocks = Clocks::start(self.clock.clone());
        let (mut pause, mut has_failed) = (FIRST, false);
        loop {
            if is_stopped_within(&stop, pause).await {
                return;
            }
            pause = EVERY;
            if !clocks.are_believed() {
                continue;
            }
            match self.pass(&mut clocks, &stop).await {
                Ok(Passed::Whole(removed)) => {
                    has_failed = false;
                    report(removed);
                }
                Ok(Passed::Broken) => {}
                // the store says itself that it cannot be used
                Err(error) if has_failed => tracing::debug!(%error, "retention still cannot remove anything"),
                Err(error) => {
                    has_failed = true;
                    tracing::warn!(%error, "retention cannot remove what is past its time; it is tried again each hour");
                }
            }
        }
    }

    /// One pass over everything.
    async fn pass(&self, clocks: &mut Clocks, stop: &CancellationToken) -> Result<Passed, StoreError> {
        let (now, periods) = (self.clock.now(), *self.periods.borrow());
        let mut request = SweepRequest {
            now,
            events_before: periods.events.map(|period| now.before(period)),
            sends_before: periods.sends.map(|period| now.before(period)),
            stage: Stage::Begin,
            most: FIRST_ROWS,
        };
        let mut removed = Removed::default();
        loop {
            let watch = Stopwatch::start();
            let swept = self.store.sweep(request).await?;
            if clocks.doubts(&swept, now) {
                if swept.doubted_since.is_none_or(|since| since > now) {
                    self.store.sweep(SweepRequest { stage: Stage::Doubt, ..request }).await?;
                }
                return Ok(Passed::Broken);
            }
            removed.add(swept.removed);
            let Some(next) = swept.next else { return Ok(Passed::Whole(removed)) };
            let is_same_stage = std::mem::discriminant(&next) == std::mem::discriminant(&request.stage);
            request.most = if is_same_stage { rows_after(request.most, &swept) } else { FIRST_ROWS };
            request.stage = next;
            let rest = watch.elapsed().saturating_mul(REST).max(LEAST_REST);
            if is_stopped_within(stop, rest).await {
                return Ok(Passed::Broken);
            }
        }
    }
}

/// How many rows the next step looks at, after one that looked at so many: at most twice or half as many.
fn rows_after(most: usize, swept: &Swept) -> usize {
    let (took, aim) = (swept.took.as_micros().max(1), STEP.as_micros());
    let fitting = usize::try_from(most as u128 * aim / took).unwrap_or(MOST_ROWS);
    fitting.clamp(most / 2, most * 2).clamp(1, MOST_ROWS)
}

fn report(removed: Removed) {
    if removed == Removed::default() {
        return;
    }
    let Removed { events, events_erased, sends, sends_erased, dedup_keys, others, pages } = removed;
    tracing::info!(
        events,
        events_erased,
        sends,
        sends_erased,
        dedup_keys,
        others,
        pages,
        "retention removed what was past its time"
    );
}

/// Waits; true if it is time to stop.
async fn is_stopped_within(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}

/// Whether the wall clock can be believed.
struct Clocks {
    wall: Clock,
    started: Stopwatch,
    /// How far the wall clock is ahead of what has passed, in milliseconds.
    ahead_ms: i64,
    /// Until when it is not believed, by what has passed.
    doubt_until: Option<Duration>,
    /// It has shown the same for long enough, whatever it showed before.
    is_settled: bool,
}

impl Clocks {
    fn start(wall: Clock) -> Self {
        let ahead_ms = wall.now().0;
        Self { wall, started: Stopwatch::start(), ahead_ms, doubt_until: None, is_settled: false }
    }

    /// Looks at both clocks before a pass.
    fn are_believed(&mut self) -> bool {
        let elapsed = self.started.elapsed();
        let ahead_ms = self.wall.now().before(elapsed).0;
        let by_ms = ahead_ms.saturating_sub(self.ahead_ms);
        self.ahead_ms = ahead_ms;
        if by_ms > millis(JUMP) {
            self.doubt("it was set ahead", DOUBT);
        }
        match self.doubt_until {
            Some(until) if elapsed < until => false,
            Some(_) => {
                (self.doubt_until, self.is_settled) = (None, true);
                true
            }
            None => true,
        }
    }

    /// Looks at when the last pass was, maybe that of another process, and since when that doubted the clock. Returns whether
    /// the clock is doubted now.
    fn doubts(&mut self, Swept { last_pass, doubted_since, .. }: &Swept, now: Timestamp) -> bool {
        let is_far = last_pass.is_some_and(|last| now.since(last) > ABSENCE);
        // a process that is restarted every night comes to an end with it as well
        let doubted = doubted_since.filter(|since| *since <= now).map_or(Duration::ZERO, |since| now.since(since));
        self.is_settled |= doubted >= DOUBT;
        if is_far && !self.is_settled {
            self.doubt("it is far ahead of the last time that something was removed", DOUBT.saturating_sub(doubted));
            return true;
        }
        self.is_settled |= last_pass.is_some();
        false
    }

    fn doubt(&mut self, why: &'static str, lasts: Duration) {
        self.doubt_until = Some(self.started.elapsed().saturating_add(lasts));
        self.is_settled = false;
        let clock = self.wall.now().to_string();
        tracing::warn!(clock, why, "retention waits for a day before it removes anything: check the computer's clock");
    }
}
