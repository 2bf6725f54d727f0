//! What follows from an attempt, and when: small pure functions, time and chance given.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::event::{Attempt, Fate, OnUncertain, Outcome};

/// How failed sends are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The longest first wait.
    pub initial: Duration,
    /// The longest wait of all.
    pub max: Duration,
    /// When a send that still fails is given up.
    pub give_up_after: Duration,
    /// What happens to a send of which nobody knows whether it went.
    pub on_uncertain: OnUncertain,
}

/// What was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How many attempts were made.
    pub attempts: u32,
    /// Since when; the time that an account or a campaign stood still does not count.
    pub since: Timestamp,
}

impl Policy {
    /// What becomes of a send (or a lookup) after an attempt. `chance` is between 0 and 1.
    pub fn fate(&self, tried: Tried, attempt: &Attempt, chance: f64) -> Fate {
        let ended = attempt.at.after(attempt.took);
        let reason = || attempt.outcome.reason().to_owned();
        let retry = |asked: Option<Duration>| Fate::Retry {
            due: ended.after(self.wait(tried.attempts + 1, asked, chance)),
            reason: reason(),
            since: None,
        };
        match &attempt.outcome {
            Outcome::Sent { message_id } => Fate::Sent { message_id: message_id.clone() },
            Outcome::Refused { .. } => Fate::Failed { reason: reason() },
            Outcome::Uncertain { .. } if self.on_uncertain == OnUncertain::Hold => Fate::Held { reason: reason() },
            Outcome::Transient { .. } | Outcome::Uncertain { .. } if self.is_over(tried, ended) => {
                Fate::Failed { reason: format!("given up after {} attempts: {}", tried.attempts + 1, reason()) }
            }
            Outcome::Transient { retry_after, .. } => retry(*retry_after),
            Outcome::Uncertain { .. } => retry(None),
            // no fault of this send: it waits for as long as the account or the campaign does, and never asks at once
            Outcome::Account { .. } | Outcome::Campaign { .. } => {
                let wait = self.wait(tried.attempts + 1, None, 0.5 + chance / 2.0);
                Fate::Retry { due: ended.after(wait), reason: reason(), since: Some(ended) }
            }
        }
    }

    /// Exponential backoff with full jitter: anything up to `initial`, doubled with each attempt, up to `max`. What the
    /// server asked for is the least, up to `max`.
    fn wait(&self, attempts: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let factor = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.initial.saturating_mul(factor).min(self.max);
        let wait = longest.mul_f64(chance.clamp(0.0, 1.0));
        asked.map_or(wait, |asked| asked.min(self.max).max(wait))
    }

    fn is_over(&self, tried: Tried, now: Timestamp) -> bool {
        now.since(tried.since) >= self.give_up_after
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy {
        initial: Duration::from_secs(2),
        max: Duration::from_secs(600),
        give_up_after: Duration::from_secs(3_600),
        on_uncertain: OnUncertain::Retry,
    };

    fn fate(policy: Policy, attempts: u32, at_s: i64, outcome: Outcome) -> Fate {
        policy.fate(
            Tried { attempts, since: Timestamp(0) },
            &Attempt {
                at: Timestamp(at_s * 1_000),
                took: Duration::ZERO,
                status: None,
                answer: String::new(),
                outcome,
            },
            1.0,
        )
    }

    fn down(retry_after: Option<u64>) -> Outcome {
        Outcome::Transient { reason: "503".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    fn due_s(fate: Fate) -> Option<i64> {
        match fate {
            Fate::Retry { due, .. } => Some(due.as_seconds()),
            _ => None,
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(
            [0, 1, 2, 20, 4_000].map(|attempts| due_s(fate(POLICY, attempts, 0, down(None)))),
            [Some(2), Some(4), Some(8), Some(600), Some(600)]
        );
    }

    #[test]
    fn a_server_is_heard_but_not_for_ever() {
        assert_eq!(due_s(fate(POLICY, 0, 0, down(Some(30)))), Some(30));
        assert_eq!(due_s(fate(POLICY, 0, 0, down(Some(999_999)))), Some(600));
        assert_eq!(due_s(fate(POLICY, 5, 0, down(Some(1)))), Some(64));
    }

    #[test]
    fn a_send_is_given_up_in_the_end_but_never_for_the_accounts_fault() {
        assert!(
            matches!(fate(POLICY, 9, 3_600, down(None)), Fate::Failed { reason } if reason == "given up after 10 attempts: 503")
        );
        for outcome in [Outcome::Account { reason: "402".into() }, Outcome::Campaign { reason: "400".into() }] {
            assert!(matches!(fate(POLICY, 9, 1_000_000, outcome), Fate::Retry { .. }));
        }
    }

    #[test]
    fn the_uncertain_are_repeated_or_left_to_a_person() {
        let unknown = || Outcome::Uncertain { reason: "no answer in time".into() };
        assert!(matches!(fate(POLICY, 0, 0, unknown()), Fate::Retry { .. }));
        assert!(matches!(
            fate(Policy { on_uncertain: OnUncertain::Hold, ..POLICY }, 0, 0, unknown()),
            Fate::Held { .. }
        ));
        assert!(matches!(fate(POLICY, 0, 0, Outcome::Refused { reason: "400".into() }), Fate::Failed { .. }));
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(attempts in any::<u32>(), asked in proptest::option::of(any::<u32>()), chance in 0.0..=1.0) {
            let wait = POLICY.wait(attempts, asked.map(|s| Duration::from_secs(s.into())), chance);
            prop_assert!(wait <= POLICY.max);
        }
    }
}
