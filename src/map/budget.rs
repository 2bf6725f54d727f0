//! How much work one event and one call may cause, counted in steps.
//!
//! A step is what minijinja calls fuel: one instruction, two visited entries, or 64 bytes. Counting work and not time keeps
//! mapping pure: the same event gives the same sends on a fast machine and on a busy one, in `try` and in a replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps for everything that is worked out of one event: source, rules, send options. A real event takes some hundreds.
const EVENT_STEPS: u64 = 4_000_000;

/// Steps for all events of one call: enough for the 1,000 events of a large one.
const CALL_STEPS: u64 = 20_000_000;

/// How many bytes of text are read or written for one step where we do it ourselves, character by character.
const BYTES_PER_STEP: usize = 16;

/// What may still be done. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    event: Arc<AtomicU64>,
    call: Arc<AtomicU64>,
}

impl Budget {
    /// For a call.
    pub fn of_call() -> Self {
        Self { event: Arc::new(AtomicU64::new(EVENT_STEPS)), call: Arc::new(AtomicU64::new(CALL_STEPS)) }
    }

    /// For one more event of the same call.
    #[must_use]
    pub fn next_event(&self) -> Self {
        Self { event: Arc::new(AtomicU64::new(EVENT_STEPS)), call: Arc::clone(&self.call) }
    }

    /// Takes steps that were made. The last one may go beyond the bound; then nothing is left.
    pub fn spend(&self, steps: u64) {
        // one thread works on a call, so that nothing comes between
        for left in [&self.event, &self.call] {
            left.store(left.load(Ordering::Relaxed).saturating_sub(steps), Ordering::Relaxed);
        }
    }

    /// Whether more may be done.
    ///
    /// # Errors
    ///
    /// Which bound was reached, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.event.load(Ordering::Relaxed) == 0 {
            return Err(format!(
                "the rules take more than {EVENT_STEPS} steps for this event; shorten the lists that they go through \
                 (`for_each`, `pick`, `map`), or make fewer rules"
            ));
        }
        if self.call.load(Ordering::Relaxed) == 0 {
            return Err(format!(
                "the events of this call take more than {CALL_STEPS} steps together; replay the event, which then has a \
                 budget of its own, or let the sender put fewer events into one call"
            ));
        }
        Ok(())
    }
}

/// The steps for so many bytes.
pub fn steps_for(bytes: usize) -> u64 {
    u64::try_from(bytes / BYTES_PER_STEP).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_own_budget_and_its_share_of_the_calls() {
        let call = Budget::of_call();
        let mut events = 0;
        while call.next_event().check().is_ok() {
            let event = call.next_event();
            event.spend(EVENT_STEPS - 1);
            assert_eq!(event.check(), Ok(()), "one step is left");
            event.spend(1);
            assert!(event.check().is_err_and(|reason| reason.contains("this event")));
            events += 1;
        }
        assert_eq!(events, CALL_STEPS / EVENT_STEPS);
        assert!(call.next_event().check().is_err_and(|reason| reason.contains("this call")));
    }
}
