//! What follows from an attempt, and when: small pure functions, time and chance given.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::event::{Attempt, HoldScope, NextStep, Outcome, Probe, UncertainPolicy, UnknownRefusal, Verdict};

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
    pub uncertain: UncertainPolicy,
    /// How soon a hold is tried first.
    pub probe_initial: Duration,
    /// The longest wait between two such tries.
    pub probe_max: Duration,
}

/// What was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How many attempts failed for this very send.
    pub used: u32,
    /// Since when; the time that an account or a campaign stood still does not count.
    pub since: Timestamp,
    /// The hold that this attempt tried, if it tried one.
    pub probe: Option<Probe>,
    /// After how many tries nobody knew whether it went.
    pub in_doubt: u32,
    /// What happens if nobody knows it this time either.
    pub uncertain: UncertainPolicy,
}

impl Policy {
    /// What becomes of a send (or a lookup) after an attempt. `chance` is between 0 and 1.
    pub fn next_step(&self, tried: Tried, attempt: &Attempt, chance: f64) -> NextStep {
        let ended = attempt.at.after(attempt.took);
        let reason = || attempt.outcome.reason().to_owned();
        let retry = |asked: Option<Duration>| NextStep::Retry {
            due: ended.after(self.wait(tried.used + 1, asked, chance)),
            reason: reason(),
            since: None,
        };
        let probes = |scope| tried.probe.filter(|probe| probe.scope == scope).map_or(0, |probe| probe.made + 1);
        let stopped = |scope| NextStep::Blocked {
            scope,
            reason: reason(),
            probe_at: ended.after(self.probe_wait(probes(scope))),
        };
        match &attempt.outcome {
            Outcome::Sent { message_id } => NextStep::Sent { message_id: message_id.clone() },
            Outcome::Refused { .. } => NextStep::Failed { reason: reason() },
            Outcome::Unknown { text, .. } => NextStep::Doubtful(UnknownRefusal {
                reason: reason(),
                text: text.clone(),
                probe_at: ended.after(self.probe_wait(0)),
                not_before: ended.before(self.give_up_after),
            }),
            Outcome::Unconfirmed { .. } => {
                let probe_at = Some(ended.after(self.probe_wait(probes(HoldScope::Account))));
                NextStep::NeedsDecision { reason: reason(), probe_at }
            }
            Outcome::Uncertain { .. } if !tried.uncertain.may_repeat(tried.in_doubt) || self.is_over(tried, ended) => {
                NextStep::NeedsDecision { reason: reason(), probe_at: None }
            }
            Outcome::Uncertain { .. } => retry(None),
            Outcome::Transient { .. } if self.is_over(tried, ended) => {
                NextStep::Failed { reason: format!("given up after {} attempts: {}", tried.used + 1, reason()) }
            }
            Outcome::Transient { retry_after, .. } => retry(*retry_after),
            Outcome::Account { .. } | Outcome::WrongEndpoint { .. } => stopped(HoldScope::Account),
            Outcome::Campaign { .. } => stopped(HoldScope::Campaign),
        }
    }

    /// What follows for the hold that an attempt tried.
    pub fn verdict(&self, probe: Probe, attempt: &Attempt) -> Verdict {
        let ended = attempt.at.after(attempt.took);
        let later = ended.after(self.probe_wait(probe.made + 1));
        match (&attempt.outcome, probe.scope) {
            (Outcome::Sent { .. }, _) => Verdict::Passed,
            (
                Outcome::Account { .. } | Outcome::WrongEndpoint { .. } | Outcome::Unconfirmed { .. },
                HoldScope::Account,
            )
            | (Outcome::Campaign { .. }, HoldScope::Campaign) => Verdict::Lasts(later),
            // what is wrong with one send or one campaign says nothing about the account: the next one tells
            (Outcome::Refused { .. }, _) => Verdict::Unclear(ended),
            // unless its campaign stood still before: then nothing else waits that could tell
            (Outcome::Campaign { .. }, HoldScope::Account) if probe.is_last_resort => Verdict::Lasts(later),
            (Outcome::Campaign { .. }, HoldScope::Account) => Verdict::Unclear(ended),
            (Outcome::Unknown { .. }, _) => {
                let unclear = if probe.is_last_resort { later } else { ended };
                Verdict::Unknown { lasts: later, unclear }
            }
            (
                Outcome::Transient { .. }
                | Outcome::Uncertain { .. }
                | Outcome::Account { .. }
                | Outcome::WrongEndpoint { .. }
                | Outcome::Unconfirmed { .. },
                _,
            ) => Verdict::Unclear(later),
        }
    }

    /// When a lookup is made again that its API refuses to anybody: never at once, and for as long as it takes.
    pub fn patience(&self, attempts: u32, ended: Timestamp, chance: f64) -> Timestamp {
        ended.after(self.wait(attempts + 1, None, 0.5 + chance / 2.0))
    }

    /// Exponential backoff with full jitter: anything up to `initial`, doubled with each attempt, up to `max`. What the
    /// server asked for is the least, up to `max`.
    fn wait(&self, attempts: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let wait = doubled(self.initial, attempts.saturating_sub(1), self.max).mul_f64(chance.clamp(0.0, 1.0));
        asked.map_or(wait, |asked| asked.min(self.max).max(wait))
    }

    fn probe_wait(&self, made: u32) -> Duration {
        doubled(self.probe_initial, made, self.probe_max)
    }

    /// The time is over, and it was tried as often as it would have been in that time at least: a clock that jumps
    /// ahead makes nobody give up.
    fn is_over(&self, tried: Tried, now: Timestamp) -> bool {
        let least = self.give_up_after.as_millis() / self.max.as_millis().max(1);
        now.since(tried.since) >= self.give_up_after && u128::from(tried.used) + 1 >= least
    }
}

/// `first`, doubled so many times, up to `most`.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{HoldId, OnUncertain};

    const REPEATED: UncertainPolicy = UncertainPolicy { on_uncertain: OnUncertain::Retry, tries: tries(2) };

    const fn tries(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).expect("some")
    }

    const POLICY: Policy = Policy {
        initial: Duration::from_secs(2),
        max: Duration::from_secs(600),
        give_up_after: Duration::from_secs(3_600),
        uncertain: REPEATED,
        probe_initial: Duration::from_secs(60),
        probe_max: Duration::from_secs(900),
    };

    fn next_step(policy: Policy, used: u32, at_s: i64, outcome: Outcome) -> NextStep {
        policy.next_step(Tried { uncertain: policy.uncertain, ..tried(used) }, &attempt(at_s, outcome), 1.0)
    }

    fn tried(used: u32) -> Tried {
        Tried { used, since: Timestamp(0), probe: None, in_doubt: 0, uncertain: REPEATED }
    }

    fn attempt(at_s: i64, outcome: Outcome) -> Attempt {
        Attempt { at: Timestamp(at_s * 1_000), took: Duration::ZERO, status: None, answer: String::new(), outcome }
    }

    fn down(retry_after: Option<u64>) -> Outcome {
        Outcome::Transient { reason: "503".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    fn due_s(next_step: NextStep) -> Option<i64> {
        match next_step {
            NextStep::Retry { due, .. } => Some(due.as_seconds()),
            _ => None,
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(
            [0, 1, 2, 20, 4_000].map(|attempts| due_s(next_step(POLICY, attempts, 0, down(None)))),
            [Some(2), Some(4), Some(8), Some(600), Some(600)]
        );
    }

    #[test]
    fn a_server_is_heard_but_not_for_ever() {
        assert_eq!(due_s(next_step(POLICY, 0, 0, down(Some(30)))), Some(30));
        assert_eq!(due_s(next_step(POLICY, 0, 0, down(Some(999_999)))), Some(600));
        assert_eq!(due_s(next_step(POLICY, 5, 0, down(Some(1)))), Some(64));
    }

    #[test]
    fn a_send_is_given_up_in_the_end_but_never_for_the_accounts_fault() {
        assert!(
            matches!(next_step(POLICY, 9, 3_600, down(None)), NextStep::Failed { reason } if reason == "given up after 10 attempts: 503")
        );
        for outcome in [Outcome::Account { reason: "402".into() }, Outcome::Campaign { reason: "400".into() }] {
            assert!(matches!(next_step(POLICY, 9, 1_000_000, outcome), NextStep::Blocked { .. }));
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_makes_nobody_give_up() {
        assert!(matches!(next_step(POLICY, 2, 1_000_000_000, down(None)), NextStep::Retry { .. }));
    }

    #[test]
    fn a_hold_is_tried_more_and_more_rarely_and_a_bad_number_tells_nothing_about_it() {
        let probe = |made| Probe { hold: HoldId(1), scope: HoldScope::Account, made, is_last_resort: false };
        let refused = Outcome::Account { reason: "402".into() };
        let waits = [0, 1, 2, 3, 4, 900].map(|made| match POLICY.verdict(probe(made), &attempt(0, refused.clone())) {
            Verdict::Lasts(at) => at.as_seconds(),
            other => panic!("{other:?}"),
        });
        assert_eq!(waits, [120, 240, 480, 900, 900, 900]);
        let first = next_step(POLICY, 0, 0, refused);
        assert!(matches!(first, NextStep::Blocked { probe_at: Timestamp(60_000), .. }), "{first:?}");
        let said = |outcome| POLICY.verdict(probe(3), &attempt(5, outcome));
        assert_eq!(said(Outcome::refused("400: Invalid Number".into())), Verdict::Unclear(Timestamp(5_000)));
        assert_eq!(said(Outcome::Campaign { reason: "400".into() }), Verdict::Unclear(Timestamp(5_000)));
        let last = Probe { is_last_resort: true, ..probe(3) };
        let of_campaign = attempt(5, Outcome::Campaign { reason: "400".into() });
        assert_eq!(POLICY.verdict(last, &of_campaign), Verdict::Lasts(Timestamp(905_000)));
        assert_eq!(said(down(None)), Verdict::Unclear(Timestamp(905_000)));
        assert_eq!(said(Outcome::Sent { message_id: None }), Verdict::Passed);
    }

    #[test]
    fn the_uncertain_are_repeated_or_left_to_a_person() {
        let unknown = || Outcome::Uncertain { reason: "no answer in time".into() };
        let fate_of = |in_doubt, on_uncertain, most| {
            let uncertain = UncertainPolicy { on_uncertain, tries: tries(most) };
            POLICY.next_step(Tried { in_doubt, uncertain, ..tried(in_doubt) }, &attempt(0, unknown()), 1.0)
        };
        for (in_doubt, on_uncertain, most, is_repeated) in [
            (0, OnUncertain::Retry, 2, true),
            (1, OnUncertain::Retry, 2, false),
            (9, OnUncertain::Retry, 2, false),
            (0, OnUncertain::Retry, 1, false),
            (4, OnUncertain::Retry, 6, true),
            (5, OnUncertain::Retry, 6, false),
            (0, OnUncertain::Hold, 6, false),
        ] {
            let next_step = fate_of(in_doubt, on_uncertain, most);
            assert_eq!(
                matches!(next_step, NextStep::Retry { .. }),
                is_repeated,
                "{in_doubt} {on_uncertain:?} {most}: {next_step:?}"
            );
            assert_eq!(next_step.needs_decision(), !is_repeated, "{in_doubt} {on_uncertain:?} {most}");
        }
        let given_up = next_step(POLICY, 9, 3_600, unknown());
        assert!(given_up.needs_decision(), "what may have gone has not failed: {given_up:?}");
        assert!(matches!(next_step(POLICY, 0, 0, Outcome::refused("400".into())), NextStep::Failed { .. }));
    }

    #[test]
    fn the_accounts_faults_hold_the_account_and_tell_a_probe_that_it_lasts() {
        let reason = || "200".to_owned();
        let probe = |scope| Probe { hold: HoldId(1), scope, made: 0, is_last_resort: false };
        for outcome in [
            Outcome::Account { reason: reason() },
            Outcome::WrongEndpoint { reason: reason() },
            Outcome::Unconfirmed { reason: reason() },
        ] {
            let next_step = next_step(POLICY, 99, 1_000_000, outcome.clone());
            assert!(
                matches!(next_step.hold(), Some((HoldScope::Account, "200", Timestamp(1_000_060_000)))),
                "{next_step:?}"
            );
            assert_eq!(next_step.needs_decision(), outcome.is_in_doubt(), "only what may have gone is a person's");
            let verdict = |scope| POLICY.verdict(probe(scope), &attempt(5, outcome.clone()));
            assert_eq!(verdict(HoldScope::Account), Verdict::Lasts(Timestamp(125_000)), "{outcome:?}");
            assert_eq!(verdict(HoldScope::Campaign), Verdict::Unclear(Timestamp(125_000)), "{outcome:?}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(attempts in any::<u32>(), asked in proptest::option::of(any::<u32>()), chance in 0.0..=1.0) {
            let wait = POLICY.wait(attempts, asked.map(|s| Duration::from_secs(s.into())), chance);
            prop_assert!(wait <= POLICY.max);
        }
    }
}
