//! How much work one event and one call may cause, counted in steps.
//!
//! A step is what minijinja calls fuel: one instruction, two visited entries, or 64 bytes. Counting work and not time keeps
//! mapping pure: the same event gives the same sends on a fast machine and on a busy one, in `try` and in a replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Steps that each kind of work may take for one event. A real event takes some hundreds.
const EVENT_STEPS: u64 = 4_000_000;

/// Steps for the rules over all events of one call: enough for the 1,000 events of a large one.
const RULES_STEPS: u64 = 20_000_000;

/// Steps for the source's expressions over all events of one call. More than rules get, since a call that needs more is
/// refused: a megabyte of form answers, in which a dozen expressions pick one each, takes up to 25 million.
const SOURCE_STEPS: u64 = 40_000_000;

/// How many bytes of text are read or written for one step where we do it ourselves, character by character.
const BYTES_PER_STEP: usize = 16;

/// What may still be done. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    event: Arc<Pools>,
    call: Arc<Pools>,
    work: Work,
}

/// The kinds of work, each with steps of its own: what an event is must not depend on what rules used up.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// What the event is (id, type, contact), and what it cancels.
    Source,
    /// What the rules make of it.
    Rules,
}

#[derive(Debug)]
struct Pools {
    source: Pool,
    rules: Pool,
}

#[derive(Debug)]
struct Pool {
    left: AtomicU64,
    /// Whether work was refused because nothing was left.
    refused: AtomicBool,
}

impl Budget {
    /// For a call. Its steps are for the source's expressions.
    pub fn of_call() -> Self {
        let call = Arc::new(Pools { source: Pool::of(SOURCE_STEPS), rules: Pool::of(RULES_STEPS) });
        Self { event: Pools::of_event(), call, work: Work::Source }
    }

    /// For one more event of the same call.
    #[must_use]
    pub fn next_event(&self) -> Self {
        Self { event: Pools::of_event(), call: Arc::clone(&self.call), work: Work::Source }
    }

    /// The same event's, for its rules.
    #[must_use]
    pub fn for_rules(&self) -> Self {
        Self { work: Work::Rules, ..self.clone() }
    }

    /// Takes steps that were made. The last one may go beyond the bound; then nothing is left.
    pub fn spend(&self, steps: u64) {
        // one thread works on a call, so that nothing comes between
        for pool in [self.event.of(self.work), self.call.of(self.work)] {
            pool.left.store(pool.left.load(Ordering::Relaxed).saturating_sub(steps), Ordering::Relaxed);
        }
    }

    /// Whether more may be done.
    ///
    /// # Errors
    ///
    /// Which bound was reached, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let (event, call) = (self.event.of(self.work), self.call.of(self.work));
        if event.is_empty() {
            event.refused.store(true, Ordering::Relaxed);
            return Err(format!(
                "the rules take more than {} steps for this event, and make nothing more of it; shorten the lists that \
                 they go through (`for_each`, `pick`, `map`), or make fewer rules",
                in_words(EVENT_STEPS)
            ));
        }
        if call.is_empty() {
            event.refused.store(true, Ordering::Relaxed);
            call.refused.store(true, Ordering::Relaxed);
            return Err(format!(
                "the events of this call take more than {} steps together, so that the rules make nothing more of this \
                 one; replay the event, which then has a budget of its own, or let the sender put fewer events into one \
                 call",
                in_words(RULES_STEPS)
            ));
        }
        Ok(())
    }

    /// Whether something was left undone for the event because nothing was left of either bound.
    pub fn lacked(&self) -> bool {
        self.event.of(self.work).refused.load(Ordering::Relaxed)
    }

    /// How many steps the source's expressions may take for a call, if they would have taken more.
    pub fn exceeded_by_source(&self) -> Option<u64> {
        self.call.source.refused.load(Ordering::Relaxed).then_some(SOURCE_STEPS)
    }
}

impl Pools {
    fn of_event() -> Arc<Self> {
        Arc::new(Self { source: Pool::of(EVENT_STEPS), rules: Pool::of(EVENT_STEPS) })
    }

    fn of(&self, work: Work) -> &Pool {
        match work {
            Work::Source => &self.source,
            Work::Rules => &self.rules,
        }
    }
}

impl Pool {
    fn of(steps: u64) -> Self {
        Self { left: AtomicU64::new(steps), refused: AtomicBool::new(false) }
    }

    fn is_empty(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// So many steps; in digits the log would take them for a phone number and mask them.
fn in_words(steps: u64) -> String {
    format!("{} million", steps / 1_000_000)
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
        while call.next_event().for_rules().check().is_ok() {
            let event = call.next_event().for_rules();
            event.spend(EVENT_STEPS - 1);
            assert_eq!((event.check(), event.lacked()), (Ok(()), false), "one step is left");
            event.spend(1);
            assert!(event.check().is_err_and(|reason| reason.contains("more than 4 million steps for this event")));
            assert!(event.lacked());
            events += 1;
        }
        assert_eq!(events, RULES_STEPS / EVENT_STEPS);
        let next = call.next_event().for_rules();
        assert!(!next.lacked(), "nothing was asked for yet");
        assert!(next.check().is_err_and(|reason| reason.contains("this call take more than 20 million steps")));
        assert!(next.lacked());
    }

    #[test]
    fn what_rules_use_up_is_not_taken_from_the_source() {
        let call = Budget::of_call();
        for _ in 0..=RULES_STEPS / EVENT_STEPS {
            call.next_event().for_rules().spend(EVENT_STEPS);
        }
        assert_eq!((call.next_event().check(), call.exceeded_by_source()), (Ok(()), None));
        for _ in 0..SOURCE_STEPS / EVENT_STEPS {
            call.next_event().spend(EVENT_STEPS);
        }
        assert_eq!(call.exceeded_by_source(), None, "all was used, and nothing refused");
        assert!(call.next_event().check().is_err());
        assert_eq!(call.exceeded_by_source(), Some(SOURCE_STEPS));
    }
}
