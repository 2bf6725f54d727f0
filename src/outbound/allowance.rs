//! How long a call may take, counted only while this process runs.
//!
//! A process that was stopped (a frozen container, a debugger, a suspended machine) finds all its timers expired when it
//! continues, even those of calls whose answers arrived in the meantime. Giving such a call up would repeat a message that
//! was taken. So the time is counted in slices, the call is polled before the timer, and a slice that took far too long
//! counts as one slice.

use std::pin::pin;
use std::time::Duration;

use crate::clock::Stopwatch;

/// How much of a pause counts at most; longer than the heartbeat of the relay's runtimes (`bulkhead`). An answer that has arrived is read within this time, too.
const SLICE: Duration = Duration::from_millis(250);

/// How often a call gets one more slice because its last one ended late: a machine that is overloaded for good must not
/// keep calls for ever.
const EXTRA_SLICES: u32 = 3;

/// The time that a call may still take.
#[derive(Debug, Clone)]
pub struct Allowance {
    left: Duration,
    extra_slices: u32,
}

impl Allowance {
    /// A call may take this long.
    pub fn new(limit: Duration) -> Self {
        Self { left: limit, extra_slices: EXTRA_SLICES }
    }

    /// Waits for a call or a part of one; `None` if the time is over.
    pub async fn wait<T>(&mut self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        loop {
            let (watch, slice) = (Stopwatch::start(), self.left.min(SLICE));
            let done = tokio::select! {
                biased;
                done = &mut call => Some(done),
                () = tokio::time::sleep(slice) => None,
            };
            let took = watch.elapsed();
            self.left = self.left.saturating_sub(took.min(slice));
            if done.is_some() {
                return done;
            }
            if self.left.is_zero() {
                let was_stopped = took > slice.saturating_add(SLICE);
                if !was_stopped || self.extra_slices == 0 {
                    return None;
                }
                self.extra_slices -= 1;
                self.left = SLICE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;
    use tokio::task::JoinSet;
    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// Waits for an answer that comes through another task, as a connection's does, over a pause that begins after `before`.
    async fn answered_in_a_pause(before: Duration) -> Option<&'static str> {
        let (answer, answered) = oneshot::channel();
        let arrives = Stopwatch::start();
        let (mut senders, mut calls) = (JoinSet::new(), JoinSet::new());
        senders.spawn(async move {
            sleep(before + Duration::from_millis(1)).await;
            // a connection is read, then decoded: some turns of the scheduler later than the timer
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let _ = answer.send("taken");
        });
        calls.spawn(async move { Allowance::new(LIMIT).wait(answered).await.map(|answer| answer.unwrap()) });
        sleep(before).await;
        advance(HOUR).await;
        assert!(arrives.elapsed() >= HOUR);
        calls.join_all().await.remove(0)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_came_while_the_process_was_stopped_is_read() {
        for before in [0, 100, 5_000, 9_700, 9_800, 9_990] {
            let answer = answered_in_a_pause(Duration::from_millis(before)).await;
            assert_eq!(answer, Some("taken"), "stopped after {before} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends_in_time_and_a_stop_counts_as_one_slice() {
        let watch = Stopwatch::start();
        assert_eq!(Allowance::new(LIMIT).wait(pending::<()>()).await, None);
        assert_eq!(watch.elapsed().as_secs(), LIMIT.as_secs());
        let watch = Stopwatch::start();
        let mut calls = JoinSet::new();
        calls.spawn(async { Allowance::new(LIMIT).wait(pending::<()>()).await });
        sleep(Duration::from_secs(1)).await;
        advance(HOUR).await;
        assert_eq!(calls.join_all().await, [None]);
        let ran = watch.elapsed().saturating_sub(HOUR);
        assert!(ran + SLICE * 2 >= LIMIT && ran <= LIMIT + SLICE, "{ran:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_parts_of_a_call_share_its_time() {
        let mut allowance = Allowance::new(Duration::from_secs(1));
        let mut parts = 0;
        while allowance.wait(sleep(Duration::from_millis(100))).await.is_some() {
            parts += 1;
        }
        assert!((8..=10).contains(&parts), "{parts}");
    }
}
