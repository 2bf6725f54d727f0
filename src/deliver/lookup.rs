//! Looks up what events leave out, applies the rules to the whole event, and keeps the sends that come of it.
//!
//! A lookup is claimed, called for and settled as a send is, by the same schedule; only that nothing about a call that
//! just reads is uncertain. Event, sends and the lookup's end are written together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::answers::{Answers, Question};
use super::pace::Pace;
use super::schedule::Tried;
use super::{LEASE_MARGIN, NET, STORE_PAUSE, Settings};
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::config::unit::Rate;
use crate::event::lookup::{Lookup, LookupFate, LookupSettlement};
use crate::event::{Attempt, Fate, Outcome, without_numbers};
use crate::outbound::{Outbound, kept};
use crate::route::{Route, Routes};
use crate::source::enrich::missing;
use crate::store::{LookupRequest, Store};
use crate::telemetry::{LookupLabels, Metrics};

/// How many lookups are under way at once.
const CONCURRENCY: usize = 32;

/// How many of them one route may have: a sender's API that hangs must not stop the others'.
const MOST_OF_ONE: usize = 8;

/// The most of an answer that is read.
const ANSWER_LIMIT: usize = 1_024 * 1_024;

/// What lookups are made with.
pub struct Lookups {
    /// Where they come from.
    pub store: Arc<dyn Store>,
    /// What makes calls.
    pub outbound: Outbound,
    /// The routes, by name.
    pub routes: Arc<Routes>,
    /// How.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Told when an event was stored that needs one.
    pub due: Arc<Notify>,
    /// To be told when sends were stored.
    pub wake: Arc<Notify>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What was found lately.
    pub answers: Answers,
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

/// The state of a run.
struct Run {
    lookups: Arc<Lookups>,
    started: Stopwatch,
    paces: BTreeMap<String, Pace>,
    under_way: JoinSet<(String, LookupSettlement)>,
    /// How many are under way, by route.
    held: BTreeMap<String, usize>,
    settled: Vec<LookupSettlement>,
    /// Something may be ready that was not claimed.
    hungry: bool,
    next_due: Option<Timestamp>,
    /// The store failed: not before then.
    pause_until: Option<Timestamp>,
}

impl Lookups {
    /// Makes lookups until told to stop; then finishes what is under way and writes it down.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut run = Run::new(Arc::new(self));
        let due = Arc::clone(&run.lookups.due);
        while !stop.is_cancelled() {
            // registered before looking, so that nothing stored in between is missed
            let woken = due.notified();
            run.settle().await;
            run.claim().await;
            if run.is_needless() {
                return;
            }
            let pause = run.pause();
            tokio::select! {
                biased;
                Some(done) = run.under_way.join_next() => run.collect(done),
                () = woken => run.hungry = true,
                () = tokio::time::sleep(pause) => run.look_again(),
                () = stop.cancelled() => {}
            }
        }
        while let Some(done) = run.under_way.join_next().await {
            run.collect(done);
        }
        while !run.settled.is_empty() {
            run.settle().await;
            tokio::time::sleep(run.pause()).await;
        }
    }

    /// Makes one attempt, and of what it finds the event's sends.
    async fn attempt(self: Arc<Self>, lookup: Lookup) -> LookupSettlement {
        let (at, watch) = (self.clock.now(), Stopwatch::start());
        let route = self.routes.get(&lookup.route);
        let Exchange { status, answer, found } = match route {
            Some(route) => self.look_up(route, &lookup).await,
            None => Exchange::without_call(Err(gone(&lookup.route))),
        };
        let took = watch.elapsed();
        let (outcome, fate) = match found.and_then(|found| Ok((route.ok_or_else(|| gone(&lookup.route))?, found))) {
            Ok((route, found)) => {
                let (body, sends) = route.complete(&lookup.event, found);
                ("found", LookupFate::Found { body, sends })
            }
            Err(outcome) => {
                let name = outcome.name();
                (name, self.next(&lookup, &Attempt { at, took, status, answer: String::new(), outcome }))
            }
        };
        let number = lookup.attempts + 1;
        let settlement = LookupSettlement { seq: lookup.seq, number, at, took, status, outcome, answer, fate };
        self.report(&lookup, &settlement);
        settlement
    }

    /// Makes the call, unless one that was made since the event came has its answer.
    async fn look_up(&self, route: &Route, lookup: &Lookup) -> Exchange {
        let Some(enrichment) = &route.knowledge.enrichment else { return Exchange::without_call(Ok(None)) };
        if let Some(answer) = enrichment.stand_in_answer() {
            tracing::warn!(
                route = route.name,
                "SANDBOX: `enrich` has no token yet, so the source's own sample stands for what would be read"
            );
            let found = enrichment.taken(answer.clone()).map_err(|reason| Outcome::Refused { reason });
            return Exchange::without_call(found.map(Some));
        }
        if enrichment.is_unset {
            let reason = "`enrich` is not set up yet: put in the token, as the comment in the route says".to_owned();
            return Exchange::without_call(Err(Outcome::Account { reason }));
        }
        let url = match route.lookup_url(&lookup.event) {
            Ok(Some(url)) => url,
            Ok(None) => return Exchange::without_call(Ok(None)),
            Err(reason) => return Exchange::without_call(Err(Outcome::Refused { reason })),
        };
        let (mut status, mut answer) = (None, String::new());
        let ask = async || {
            let answered = self.outbound.call(enrichment.request(&url), ANSWER_LIMIT).await;
            let answered = enrichment.without_secrets(answered.map_err(|error| missing(&error))?);
            status = Some(answered.status);
            enrichment.judge(&answered).inspect_err(|_| answer = kept(&answered.body))
        };
        let question = Question { url: &url, since: lookup.event.received_at, keep: enrichment.cache };
        let found = self.answers.or_ask(question, &self.clock, ask).await;
        Exchange { status, answer, found: found.map(Some) }
    }

    /// What follows from an attempt in which nothing was found.
    fn next(&self, lookup: &Lookup, attempt: &Attempt) -> LookupFate {
        let tried = Tried { attempts: lookup.attempts, since: lookup.event.received_at };
        match self.settings.policy.fate(tried, attempt, fastrand::f64()) {
            Fate::Retry { due, reason } => LookupFate::Retry { due, reason },
            Fate::Failed { reason } | Fate::Held { reason } => LookupFate::Failed { reason },
            Fate::Sent { .. } => LookupFate::Failed { reason: "nothing was found".into() },
        }
    }

    fn report(&self, lookup: &Lookup, settlement: &LookupSettlement) {
        let LookupSettlement { number: attempt, outcome, status, took, fate, .. } = settlement;
        let labels = LookupLabels { route: lookup.route.clone(), outcome };
        self.metrics.lookups.get_or_create(&labels).inc();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (route, event) = (&*lookup.route, &*lookup.event.id);
        match fate {
            LookupFate::Found { sends, .. } => {
                let unmapped = sends.iter().find_map(|send| send.content.as_ref().err());
                match unmapped {
                    None => {
                        tracing::info!(
                            route,
                            event,
                            attempt,
                            outcome,
                            status,
                            took_ms,
                            sends = sends.len(),
                            "lookup attempted"
                        );
                    }
                    Some(reason) => {
                        let reason = without_numbers(reason);
                        tracing::warn!(
                            route,
                            event,
                            attempt,
                            outcome = "unmapped",
                            status,
                            took_ms,
                            reason,
                            "lookup attempted"
                        );
                    }
                }
            }
            LookupFate::Retry { due, reason } => {
                let reason = without_numbers(reason);
                tracing::warn!(route, event, attempt, outcome, status, took_ms, reason, next = %due, "lookup attempted");
            }
            LookupFate::Failed { reason } => {
                let reason = without_numbers(reason);
                tracing::error!(
                    route,
                    event,
                    attempt,
                    outcome,
                    status,
                    took_ms,
                    reason,
                    next = "failed",
                    "lookup attempted"
                );
            }
        }
    }
}

fn gone(route: &str) -> Outcome {
    Outcome::Account { reason: format!("there is no route `{route}` any more") }
}

impl Run {
    fn new(lookups: Arc<Lookups>) -> Self {
        let pace = |route: &Route| Pace::new(route.knowledge.enrichment.as_ref().map_or(Rate(None), |call| call.rate));
        Self {
            paces: lookups.routes.iter().map(|(name, route)| (name.clone(), pace(route))).collect(),
            lookups,
            started: Stopwatch::start(),
            under_way: JoinSet::new(),
            held: BTreeMap::new(),
            settled: Vec::new(),
            hungry: true,
            next_due: None,
            pause_until: None,
        }
    }

    /// Everything that finished meanwhile is settled together.
    fn collect(&mut self, first: Result<(String, LookupSettlement), JoinError>) {
        let mut next = Some(first);
        while let Some(done) = next {
            match done {
                Ok((route, settlement)) => {
                    self.held.entry(route).and_modify(|held| *held = held.saturating_sub(1));
                    self.settled.push(settlement);
                    self.hungry = true;
                }
                Err(error) => tracing::error!(%error, "a lookup broke off; it is made again when its lease ends"),
            }
            next = self.under_way.try_join_next();
        }
    }

    async fn settle(&mut self) {
        if self.settled.is_empty() || self.is_paused() {
            return;
        }
        let settlements = Arc::new(std::mem::take(&mut self.settled));
        if self.lookups.store.settle_lookups(Arc::clone(&settlements)).await.is_err() {
            self.settled = Arc::unwrap_or_clone(settlements);
            self.pause_until = Some(self.lookups.clock.now().after(STORE_PAUSE));
            return;
        }
        for settlement in settlements.iter() {
            match &settlement.fate {
                LookupFate::Retry { due, .. } => self.next_due = self.next_due.into_iter().chain([*due]).min(),
                LookupFate::Found { .. } => self.lookups.wake.notify_one(),
                LookupFate::Failed { .. } => {}
            }
        }
    }

    /// Claims as many as there is room for and each route's rate allows.
    async fn claim(&mut self) {
        let now = self.lookups.clock.now();
        if !self.hungry || self.is_paused() {
            return;
        }
        let wants = self.wants(now);
        if wants.is_empty() {
            return;
        }
        let lease_now = Timestamp(0).after(self.started.elapsed());
        let lease_until = lease_now.after(self.lookups.settings.timeout.saturating_mul(4).saturating_add(LEASE_MARGIN));
        let request = LookupRequest { now, lease_now, lease_until, wants };
        let Ok(claims) = self.lookups.store.claim_lookups(request.clone()).await else {
            self.pause_until = Some(now.after(STORE_PAUSE));
            return;
        };
        self.pause_until = None;
        self.next_due = claims.next_due;
        let mut got: BTreeMap<&str, usize> = BTreeMap::new();
        claims.lookups.iter().for_each(|lookup| *got.entry(&lookup.route).or_default() += 1);
        self.hungry = false;
        for (route, wanted) in &request.wants {
            let got = got.get(route.as_str()).copied().unwrap_or(0);
            self.paces.get_mut(route).into_iter().for_each(|pace| pace.take(got, now));
            *self.held.entry(route.clone()).or_default() += got;
            self.hungry |= got == *wanted;
        }
        for lookup in claims.lookups {
            let route = lookup.route.clone();
            let attempt = Arc::clone(&self.lookups).attempt(lookup);
            self.under_way.spawn(async move { (route, attempt.await) });
        }
    }

    /// No route looks anything up, and nothing waits that a route once asked for.
    fn is_needless(&self) -> bool {
        let asks = |route: &Route| route.knowledge.enrichment.is_some();
        let waits = self.hungry || self.next_due.is_some() || !self.under_way.is_empty() || !self.settled.is_empty();
        !waits && !self.lookups.routes.values().any(asks)
    }

    fn wants(&self, now: Timestamp) -> Vec<(String, usize)> {
        let mut room = CONCURRENCY.saturating_sub(self.under_way.len());
        let mut wants = Vec::new();
        for (route, pace) in &self.paces {
            let held = self.held.get(route).copied().unwrap_or(0);
            let count = pace.available(now).min(MOST_OF_ONE.saturating_sub(held)).min(room);
            if count > 0 {
                wants.push((route.clone(), count));
                room -= count;
            }
        }
        wants
    }

    fn is_paused(&self) -> bool {
        self.pause_until.is_some_and(|until| until > self.lookups.clock.now())
    }

    /// How long there is nothing to do but wait for others.
    fn pause(&self) -> Duration {
        let now = self.lookups.clock.now();
        let mut at = now.after(NET);
        if let Some(until) = self.pause_until.filter(|until| *until > now) {
            at = at.min(until);
        }
        if let Some(due) = self.next_due {
            at = at.min(due);
        }
        if self.hungry {
            // hungry and nothing claimed: the rates forbid it for a moment
            at = self.paces.values().map(|pace| pace.next(now)).filter(|next| *next > now).fold(at, Timestamp::min);
        }
        at.since(now).max(Duration::from_millis(1))
    }

    fn look_again(&mut self) {
        let now = self.lookups.clock.now();
        self.paces.values_mut().for_each(|pace| pace.forgive(now));
        self.hungry = true;
    }
}
