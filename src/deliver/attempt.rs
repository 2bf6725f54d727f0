//! One attempt at a send: the call, and what follows from it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Deliverer;
use super::schedule::Tried;
use crate::clock::{Stopwatch, Timestamp};
use crate::event::{Attempt, Claimed, Outcome, Probed, Settlement};
use crate::route::TestMode;
use crate::serri::{Exchange, payload};

/// An attempt that ended.
pub struct Done {
    pub account: String,
    pub campaign: String,
    pub settlement: Settlement,
    /// What made it: in use until this is written down.
    pub by: Arc<Deliverer>,
}

impl Deliverer {
    /// Makes one call and decides what follows. A panic on the way ends this attempt alone: whether the call went is
    /// unknown then.
    pub(super) async fn deliver(self: Arc<Self>, send: Claimed) -> Done {
        let (at, watch) = (self.clock.now(), Stopwatch::start());
        let settlement = match AssertUnwindSafe(self.attempt(&send, at, watch)).catch_unwind().await {
            Ok(settlement) => settlement,
            Err(_) => {
                let next = "please report this as a bug, with the panic message from the log";
                tracing::error!(
                    send = send.id.0,
                    account = send.account,
                    next,
                    "a delivery panicked; the send counts as uncertain"
                );
                let reason = "the relay failed internally while the call was under way".to_owned();
                let outcome = Outcome::Uncertain { reason };
                let attempt = Attempt { at, took: watch.elapsed(), status: None, answer: String::new(), outcome };
                self.settlement(&send, attempt)
            }
        };
        Done { account: send.account, campaign: send.campaign, settlement, by: self }
    }

    async fn attempt(&self, send: &Claimed, at: Timestamp, watch: Stopwatch) -> Settlement {
        let Exchange { status, answer, outcome } = self.call(send).await;
        let attempt = Attempt { at, took: watch.elapsed(), status, answer, outcome };
        let settlement = self.settlement(send, attempt);
        self.report_attempt(send, settlement.number, &settlement.attempt, &settlement.next_step);
        settlement
    }

    /// What follows from an attempt.
    fn settlement(&self, send: &Claimed, attempt: Attempt) -> Settlement {
        let policy = self.settings.policy;
        let tried = Tried {
            used: send.used,
            since: send.since,
            probe: send.probe,
            in_doubt: send.uncertain,
            uncertain: policy.uncertain.of(&send.guards),
        };
        let next_step = policy.next_step(tried, &attempt, fastrand::f64());
        let probed = send.probe.map(|probe| Probed { hold: probe.hold, verdict: policy.verdict(probe, &attempt) });
        let reached = self.way(send) == TestMode::default();
        Settlement { id: send.id, number: send.attempts + 1, attempt, next_step, probed, reached }
    }

    /// Where a send goes: as its rule said when it was made, or as its route or account says now.
    fn way(&self, send: &Claimed) -> TestMode {
        let account = self.accounts.get(&send.account).map(|account| account.test_mode.clone()).unwrap_or_default();
        let route = self.routes.get(&send.route).map(|route| route.test_mode().clone()).unwrap_or_default();
        TestMode {
            redirect_to: route.redirect_to.or(account.redirect_to).or_else(|| send.guards.redirect_to.clone()),
            dry_run: send.guards.dry_run || route.dry_run || account.dry_run,
        }
    }

    async fn call(&self, send: &Claimed) -> Exchange {
        let Some(account) = self.accounts.get(&send.account) else {
            return Exchange::without_account(&send.account);
        };
        match self.way(send) {
            TestMode { dry_run: true, .. } => Exchange::dry_run(),
            TestMode { redirect_to: Some(number), .. } => {
                let payload = payload::redirected(&send.payload, &number);
                self.caller.call(&account.endpoint, &account.key, &payload).await
            }
            TestMode { .. } => self.caller.call(&account.endpoint, &account.key, &send.payload).await,
        }
    }
}
