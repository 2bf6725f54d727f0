//! What is said of deliveries: one log line an attempt, one for each turn of a breaker, and what is counted.

use super::Deliverer;
use super::breaker::Turn;
use crate::event::{Attempt, Claimed, HoldScope, NextStep, Reach};
use crate::mask;
use crate::store::{Recovered, Reported};
use crate::telemetry::{AttemptLabels, HoldTurnLabels, Label, UnknownLabels};

impl Deliverer {
    pub(super) fn report_attempt(&self, send: &Claimed, number: u32, attempt: &Attempt, next_step: &NextStep) {
        let outcome = attempt.outcome.name();
        self.metrics.attempts.get_or_create(&AttemptLabels { account: (&send.account).into(), outcome }).inc();
        self.metrics.attempt_seconds.observe(attempt.took.as_secs_f64());
        let took_ms = u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX);
        let (to, status) = (mask::number(&send.destination), attempt.status);
        let (rule, account) = (&*send.rule, &*send.account);
        let (event, campaign) = (&*send.event, &*send.campaign);
        let probe = send.probe.map(|probe| probe.hold.0);
        let reason = attempt.outcome.reason();
        // one line an attempt, with the same fields whatever came of it
        macro_rules! attempted {
            ($level:ident, $($more:tt)*) => {
                tracing::$level!(
                    send = send.id.0, event, rule, account, campaign, to, attempt = number, outcome, status, took_ms, probe, $($more)*,
                    "delivery attempted"
                )
            };
        }
        match next_step {
            NextStep::Sent { message_id } => {
                attempted!(info, message_id = message_id.as_deref());
            }
            NextStep::Retry { due, .. } => {
                attempted!(warn, reason, next = %due);
            }
            NextStep::Blocked { scope, .. } => {
                let next = match scope {
                    HoldScope::Account => "waits until the account works again",
                    HoldScope::Campaign => "waits until the campaign works again",
                };
                attempted!(warn, reason, next);
            }
            NextStep::Doubtful(_) => {
                self.count_unknown(reason);
                let next = "failed, unless others are refused the same way: then it waits with them";
                attempted!(error, reason, unknown_answer = true, next);
            }
            NextStep::Failed { .. } | NextStep::NeedsDecision { .. } => {
                let next = if next_step.needs_decision() { "held for a person to decide" } else { "failed" };
                attempted!(error, reason, next);
            }
        }
    }

    /// A new kind of answer is counted under its text, so that somebody sees it; not under more texts than a page holds.
    fn count_unknown(&self, reason: &str) {
        let mut text = Label::from(mask::impersonal(reason).chars().take(UnknownLabels::LONGEST).collect::<String>());
        let mut known = self.metrics.unknown_texts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.contains(&text) && known.len() >= UnknownLabels::MOST {
            text = "others".into();
        }
        known.insert(text.clone());
        self.metrics.unknown_answers.get_or_create(&UnknownLabels { text }).inc();
    }

    /// A breaker is a hold of this process alone: it has a line and a count. Only if it lasts is anybody notified of it.
    pub(super) fn report_breaker(&self, account: &str, turn: Turn) {
        self.notifications.reach(
            account,
            match turn {
                Turn::Opened => Reach::Unreachable { since: self.clock.now() },
                Turn::Closed { .. } | Turn::Answered => Reach::Reachable,
            },
        );
        if turn == Turn::Answered {
            return;
        }
        let labels = HoldTurnLabels {
            account: account.into(),
            turn: if turn == Turn::Opened { "unreachable" } else { "reachable" },
        };
        self.metrics.hold_turns.get_or_create(&labels).inc();
        match turn {
            Turn::Opened => tracing::error!(
                account,
                "the account cannot be reached: one call now and then finds out when it can be again"
            ),
            Turn::Answered => {}
            Turn::Closed { since } => {
                tracing::info!(account, since = %since, "the account can be reached again");
            }
        }
    }
}

impl Deliverer {
    /// What followed from what was written down.
    pub(super) fn report_written(&self, reported: Reported) {
        self.notifications.tell(reported.holds);
        if reported.left_uncertain > 0 {
            self.notifications.look();
        }
    }
}

/// What an earlier process left in flight.
pub fn recovered(recovered: Recovered) {
    let Recovered { repeated, held } = recovered;
    if repeated + held > 0 {
        tracing::warn!(
            repeated,
            held,
            "the relay died while calls were under way, and nobody knows whether they went: on_uncertain and uncertain_tries say whether they are repeated or wait for a person to decide; `serri-relay sends list --state uncertain` shows those that wait"
        );
    }
}
