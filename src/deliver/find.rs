//! One attempt at a lookup: the call, what it means, and of what it finds the whole event and its sends.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value as Json;
use tokio::sync::watch;

use super::Delivery;
use super::answers::{Answers, Question};
use super::schedule::{Policy, Tried};
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::event::lookup::{Lookup, LookupNextStep, LookupSettlement};
use crate::event::{Attempt, NextStep, OnUncertain, Outcome, UncertainPolicy, UnknownRefusal};
use crate::outbound::{Fetch, kept};
use crate::route::Route;
use crate::source::enrich::missing;
use crate::telemetry::{LookupLabels, Metrics};

/// The most of an answer that is read: a record has some kilobytes.
const ANSWER_LIMIT: usize = 256 * 1_024;

/// What to do when a sender's API refuses the token.
const FIX: &str = "put a new token into the route's `enrich`, or give it the permission; what waits is read then";

/// What makes the attempts of one route.
pub struct Finder {
    /// The route.
    pub route: Arc<Route>,
    /// What makes calls.
    pub outbound: Arc<dyn Fetch>,
    /// When a failed attempt is repeated.
    pub policy: Policy,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where the newest configuration is found.
    pub newest: watch::Receiver<Delivery>,
    /// What was found, for other events about the same record.
    pub answers: Answers<Outcome>,
}

/// What a lookup came to.
struct Exchange {
    /// The status, where an answer came to this very lookup.
    status: Option<u16>,
    /// The answer's first 2 KiB, where nothing was found in it.
    answer: String,
    /// What was found; `None` if nothing had to be looked up any more.
    found: Result<Option<Json>, Outcome>,
}

impl Exchange {
    fn without_call(found: Result<Option<Json>, Outcome>) -> Self {
        Self { status: None, answer: String::new(), found }
    }
}

impl Finder {
    /// Makes one attempt. A panic on the way ends this attempt alone; the schedule says when the next is made.
    pub async fn find(self: Arc<Self>, lookup: Lookup) -> LookupSettlement {
        let (at, watch) = (self.clock.now(), Stopwatch::start());
        match AssertUnwindSafe(self.attempt(&lookup, at, watch)).catch_unwind().await {
            Ok(settlement) => settlement,
            Err(_) => {
                let next = "please report this as a bug, with the panic message from the log";
                tracing::error!(route = lookup.route, next, "a lookup panicked; it is made again");
                let reason = "the relay failed internally while it looked this up".to_owned();
                let exchange = Exchange::without_call(Err(Outcome::Transient { reason, retry_after: None }));
                self.settlement(&lookup, (at, watch.elapsed()), exchange)
            }
        }
    }

    async fn attempt(&self, lookup: &Lookup, at: Timestamp, watch: Stopwatch) -> LookupSettlement {
        let exchange = self.look_up(lookup).await;
        let hint = matches!(exchange.found, Err(Outcome::Account { .. })).then_some(FIX);
        let settlement = self.settlement(lookup, (at, watch.elapsed()), exchange);
        self.report(lookup, &settlement, hint);
        settlement
    }

    /// The route as the newest configuration has it, by which the event is mapped; as it was if it looks nothing up any more.
    fn in_force(&self) -> Arc<Route> {
        let newest = self.newest.borrow().lookups.routes.get(&self.route.name).cloned();
        newest.filter(|route| route.profile.enrichment.is_some()).unwrap_or_else(|| Arc::clone(&self.route))
    }

    /// What follows from an attempt.
    fn settlement(&self, lookup: &Lookup, (at, took): (Timestamp, Duration), exchange: Exchange) -> LookupSettlement {
        let Exchange { status, answer, found } = exchange;
        let (outcome, next_step) = match found {
            Ok(found) => ("found", self.in_force().complete(&lookup.event, found)),
            Err(outcome) => {
                let name = outcome.name();
                (name, self.next(lookup, &Attempt { at, took, status, answer: String::new(), outcome }))
            }
        };
        LookupSettlement { seq: lookup.seq, number: lookup.attempts + 1, at, took, status, outcome, answer, next_step }
    }

    /// Makes the call, unless one that was made since the event came has its answer.
    async fn look_up(&self, lookup: &Lookup) -> Exchange {
        let route = &self.route;
        let Some(enrichment) = &route.profile.enrichment else { return Exchange::without_call(Ok(None)) };
        if let Some(answer) = enrichment.stand_in_answer() {
            tracing::warn!(
                route = route.name,
                "SANDBOX: `enrich` has no token yet, so the source's own sample stands for what would be read"
            );
            let found = enrichment.taken(answer.clone()).map_err(Outcome::refused);
            return Exchange::without_call(found.map(Some));
        }
        if enrichment.is_unset {
            let reason = "`enrich` is not set up yet: put in the token, as the comment in the route says".to_owned();
            return Exchange::without_call(Err(Outcome::Account { reason }));
        }
        let url = match route.lookup_url(&lookup.event) {
            Ok(Some(url)) => url,
            Ok(None) => return Exchange::without_call(Ok(None)),
            Err(reason) => return Exchange::without_call(Err(Outcome::refused(reason))),
        };
        let (mut status, mut answer) = (None, String::new());
        let ask = async || {
            let answered = self.outbound.fetch(enrichment.request(&url), ANSWER_LIMIT).await;
            let answered = answered.map_err(|error| missing(&error))?;
            status = Some(answered.status);
            enrichment
                .judge(&answered)
                .inspect_err(|_| answer = kept(&enrichment.without_secrets(answered.body.clone())))
        };
        let question = Question { url: &url, since: lookup.event.received_at, keep: enrichment.cache };
        let found = self.answers.or_ask(question, &self.clock, ask).await;
        Exchange { status, answer, found: found.map(Some) }
    }

    /// What follows from an attempt in which nothing was found.
    fn next(&self, lookup: &Lookup, attempt: &Attempt) -> LookupNextStep {
        let policy = self.policy;
        // a call that only reads may be made again
        let uncertain = UncertainPolicy { on_uncertain: OnUncertain::Retry, tries: NonZeroU32::MAX };
        let tried = Tried { used: lookup.attempts, since: lookup.since, probe: None, in_doubt: 0, uncertain };
        match policy.next_step(tried, attempt, fastrand::f64()) {
            NextStep::Retry { due, reason, since } => LookupNextStep::Retry { due, reason, since },
            NextStep::Blocked { reason, .. } => {
                let ended = attempt.at.after(attempt.took);
                let due = policy.patience(lookup.attempts, ended, fastrand::f64());
                LookupNextStep::Retry { due, reason, since: Some(ended) }
            }
            NextStep::Failed { reason } | NextStep::NeedsDecision { reason, .. } => LookupNextStep::Failed { reason },
            NextStep::Doubtful(UnknownRefusal { reason, .. }) => LookupNextStep::Failed { reason },
            NextStep::Sent { .. } => LookupNextStep::Failed { reason: "nothing was found".into() },
        }
    }

    fn report(&self, lookup: &Lookup, settlement: &LookupSettlement, hint: Option<&str>) {
        let LookupSettlement { number: attempt, outcome, status, took, next_step, .. } = settlement;
        let labels = LookupLabels { route: (&lookup.route).into(), outcome };
        self.metrics.lookups.get_or_create(&labels).inc();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (route, event) = (&*lookup.route, &*lookup.event.id);
        match next_step {
            LookupNextStep::Found { made, .. } => {
                let count = made.sends.len();
                match made.sends.iter().find_map(|send| send.content.as_ref().err()) {
                    None => {
                        tracing::info!(
                            route,
                            event,
                            attempt,
                            outcome,
                            status,
                            took_ms,
                            sends = count,
                            "lookup attempted"
                        );
                    }
                    Some(unmapped) => {
                        let (outcome, reason) = ("unmapped", unmapped.to_string());
                        tracing::warn!(route, event, attempt, outcome, status, took_ms, reason, "lookup attempted");
                    }
                }
            }
            LookupNextStep::Retry { due, reason, .. } => {
                tracing::warn!(route, event, attempt, outcome, status, took_ms, reason, hint, next = %due, "lookup attempted");
            }
            LookupNextStep::Failed { reason } => {
                let next = "failed";
                tracing::error!(route, event, attempt, outcome, status, took_ms, reason, next, "lookup attempted");
            }
        }
    }
}
