//! Looks up what events leave out: one loop a route, so that a sender's API that hangs, or asks to wait, stops no other.
//!
//! A lookup is claimed, called for and settled as a send is, by the same schedule; only that nothing about a call that
//! just reads is uncertain. Event, sends and the lookup's end are written together.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answers::Answers;
use super::clocks::Clocks;
use super::find::Finder;
use super::lookup_hold::HoldTurn;
use super::lookup_state::{self, LookupState, LookupStates, SharedState};
use super::{Delivery, POLL_INTERVAL, STORE_PAUSE, Settings};
use crate::alert::Notifications;
use crate::clock::{Clock, Timestamp};
use crate::event::lookup::{LookupNextStep, LookupSettlement};
use crate::event::{KeyFingerprint, KeyKind, Notification, Outcome, RouteState};
use crate::outbound::Fetch;
use crate::route::notifiers::LookupNotifiers;
use crate::route::{Route, Routes};
use crate::store::{LookupRequest, Store, StoreError};
use crate::telemetry::Metrics;

/// How many lookups of a route are under way at once.
const CONCURRENCY: usize = 8;

/// What lookups are made with.
pub struct Lookups {
    /// Where they come from.
    pub store: Arc<dyn Store>,
    /// What makes calls.
    pub outbound: Arc<dyn Fetch>,
    /// The routes, by name.
    pub routes: Arc<Routes>,
    /// How.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Told when an event of a route was stored that needs one.
    pub due: Arc<LookupNotifiers>,
    /// To be told when sends were stored.
    pub wake: Arc<Notify>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where changes of holds are reported.
    pub notifications: Arc<Notifications>,
    /// Dropped with the last lookup that it makes.
    pub in_use: Option<DropGuard>,
}

/// Makes lookups until told to stop; then finishes what is under way and writes it down. A new configuration has loops of
/// its own: those of the old finish what is under way beside them.
pub async fn run(mut delivery: watch::Receiver<Delivery>, stop: CancellationToken) {
    let (mut loops, mut states) = (JoinSet::new(), LookupStates::default());
    while !stop.is_cancelled() {
        let lookups = Arc::clone(&delivery.borrow_and_update().lookups);
        let replaced = stop.child_token();
        lookups.begin(&mut loops, (&mut states, &delivery), &replaced).await;
        while !replaced.is_cancelled() {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(ended) = loops.join_next() => pass_on(ended),
                Ok(()) = delivery.changed() => replaced.cancel(),
            }
        }
    }
    while let Some(ended) = loops.join_next().await {
        pass_on(ended);
    }
}

/// A panic goes on. The loops of other routes are broken off with it: they only read, and what they read is read again.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}

impl Lookups {
    /// Begins a loop for each route that needs one.
    async fn begin(
        self: Arc<Self>,
        loops: &mut JoinSet<()>,
        (states, newest): (&mut LookupStates, &watch::Receiver<Delivery>),
        stop: &CancellationToken,
    ) {
        self.keep_keys(stop).await;
        states.adopt(&self.routes, self.clock.now());
        let waiting = self.waiting(stop).await;
        for (route, count) in waiting.iter().filter(|(route, _)| !self.routes.contains_key(*route)) {
            tracing::warn!(
                route,
                lookups = count,
                "events wait for lookups of a route that is gone; they are made when a route of that name is there"
            );
        }
        for (name, route) in self.routes.iter() {
            // one that no longer looks anything up still has to finish what it was asked for before
            if route.profile.enrichment.is_some() || waiting.contains_key(name) {
                let state = states.of(route);
                loops.spawn(Run::new(Arc::clone(&self), route, state, newest.clone()).run(stop.clone()));
            }
        }
    }

    /// What waits since a token was refused is due with another; tries until the store can.
    async fn keep_keys(&self, stop: &CancellationToken) {
        let keys = self.routes.iter().filter_map(|(name, route)| {
            let fingerprint = lookup_state::key(route)?;
            Some(KeyFingerprint { kind: KeyKind::Lookups, name: name.clone(), fingerprint })
        });
        let keys: Vec<KeyFingerprint> = keys.collect();
        while self.store.keep_keys(keys.clone(), self.clock.now()).await.is_err() && !stop.is_cancelled() {
            drop(tokio::time::timeout(STORE_PAUSE, stop.cancelled()).await);
        }
    }

    /// How many lookups of which route wait; asks until the store can say.
    async fn waiting(&self, stop: &CancellationToken) -> BTreeMap<String, usize> {
        loop {
            match self.store.waiting_lookups().await {
                Ok(waiting) => return waiting,
                Err(_) if stop.is_cancelled() => return BTreeMap::new(),
                Err(_) => drop(tokio::time::timeout(STORE_PAUSE, stop.cancelled()).await),
            }
        }
    }
}

/// The lookups of one route.
struct Run {
    lookups: Arc<Lookups>,
    finder: Arc<Finder>,
    route: String,
    clocks: Clocks,
    state: SharedState,
    under_way: JoinSet<LookupSettlement>,
    settled: Vec<LookupSettlement>,
    /// What became of the hold, and is not written down yet.
    turned: Option<RouteState>,
    /// Something may be ready that was not claimed.
    may_have_ready: bool,
    /// Whether those that were tried before come first, the next time.
    retries_first: bool,
    next_due: Option<Timestamp>,
    /// The store failed: not before then.
    pause_until: Option<Timestamp>,
}

impl Run {
    fn new(lookups: Arc<Lookups>, route: &Arc<Route>, state: SharedState, newest: watch::Receiver<Delivery>) -> Self {
        let finder = Finder {
            route: Arc::clone(route),
            outbound: Arc::clone(&lookups.outbound),
            policy: lookups.settings.policy,
            clock: lookups.clock.clone(),
            metrics: Arc::clone(&lookups.metrics),
            newest,
            answers: Answers::default(),
        };
        Self {
            finder: Arc::new(finder),
            clocks: Clocks::start(lookups.clock.clone()),
            lookups,
            route: route.name.clone(),
            state,
            under_way: JoinSet::new(),
            settled: Vec::new(),
            turned: None,
            may_have_ready: true,
            retries_first: false,
            next_due: None,
            pause_until: None,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let lookups = Arc::clone(&self.lookups);
        let Some(due) = lookups.due.of(&self.route) else { return };
        while !stop.is_cancelled() {
            // registered before looking, so that nothing stored in between is missed
            let woken = due.notified();
            if self.clocks.look().lost_time() {
                self.look_again();
            }
            self.settle().await;
            self.turn().await;
            self.claim().await;
            let pause = self.pause();
            self.clocks.will_pause(pause);
            tokio::select! {
                biased;
                Some(done) = self.under_way.join_next() => self.collect(done),
                () = woken => self.may_have_ready = true,
                () = tokio::time::sleep(pause) => self.look_again(),
                () = stop.cancelled() => {}
            }
        }
        while let Some(done) = self.under_way.join_next().await {
            self.collect(done);
            // the loop that came after this one has more room
            due.notify_one();
        }
        self.settle().await;
        self.turn().await;
        while !self.settled.is_empty() {
            tokio::time::sleep(STORE_PAUSE).await;
            self.settle().await;
        }
    }

    /// Everything that finished meanwhile is settled together.
    fn collect(&mut self, first: Result<LookupSettlement, JoinError>) {
        let mut next = Some(first);
        while let Some(done) = next {
            self.state.lock().under_way -= 1;
            match done {
                Ok(settlement) => self.settled.push(settlement),
                // a panic is caught where the lookup is made
                Err(error) => tracing::error!(%error, "a lookup was aborted; it is made again when its lease ends"),
            }
            next = self.under_way.try_join_next();
        }
        self.may_have_ready = true;
    }

    async fn settle(&mut self) {
        if self.settled.is_empty() || self.is_paused() {
            return;
        }
        let settlements = Arc::new(std::mem::take(&mut self.settled));
        for settlement in settlements.iter() {
            self.learn(settlement);
        }
        match self.lookups.store.settle_lookups(Arc::clone(&settlements)).await {
            Ok(()) => {}
            // nothing can be written any more: what was under way is looked up again after the next start
            Err(StoreError::Closed) => return,
            Err(_) => {
                self.settled = Arc::unwrap_or_clone(settlements);
                self.pause_until = Some(self.lookups.clock.now().after(STORE_PAUSE));
                return;
            }
        }
        for settlement in settlements.iter() {
            match &settlement.next_step {
                LookupNextStep::Retry { due, .. } => self.next_due = self.next_due.into_iter().chain([*due]).min(),
                LookupNextStep::Found { .. } => self.lookups.wake.notify_one(),
                LookupNextStep::Failed { .. } => {}
            }
        }
    }

    /// What an attempt tells of the sender's API as a whole.
    fn learn(&mut self, settlement: &LookupSettlement) {
        let ended = settlement.at.after(settlement.took);
        let mut state = self.state.lock();
        if !state.uses(lookup_state::key(&self.finder.route)) {
            return;
        }
        let turn = match (&settlement.next_step, settlement.status) {
            (LookupNextStep::Retry { reason, .. }, _) if settlement.outcome == Outcome::ACCOUNT => {
                let turn = state.hold.refused(settlement.number == 1, ended, &self.lookups.settings.policy);
                turn.map(|turn| (turn, reason.clone()))
            }
            (LookupNextStep::Found { .. }, Some(_)) => {
                state.hold.answered(settlement.number == 1).map(|turn| (turn, String::new()))
            }
            _ => None,
        };
        drop(state);
        self.turned = match turn {
            Some((HoldTurn::Begins { since }, reason)) => Some(RouteState::LookupsHeld { since, reason }),
            Some((HoldTurn::Ends, _)) => Some(RouteState::LookupsWork),
            None => self.turned.take(),
        };
    }

    /// Writes down what became of the hold, and tells of it.
    async fn turn(&mut self) {
        let Some(state) = self.turned.clone().filter(|_| self.settled.is_empty() && !self.is_paused()) else { return };
        let now = self.lookups.clock.now();
        match self.lookups.store.route_changed(self.route.clone(), state.clone(), now).await {
            Ok(change) => {
                self.turned = None;
                if let Some(change) = change {
                    self.lookups.notifications.notify(Notification::Route(change));
                }
                if state == RouteState::LookupsWork {
                    // what was refused while the hold lasted is due now
                    self.may_have_ready = true;
                }
            }
            Err(StoreError::Closed) => self.turned = None,
            Err(_) => self.pause_until = Some(now.after(STORE_PAUSE)),
        }
    }

    /// Claims as many as there is room for and the rate allows; of those that were refused, one now and then.
    async fn claim(&mut self) {
        let now = self.lookups.clock.now();
        let (count, again) = {
            let state = self.state.lock();
            (state.pace.available(now).min(room(&state)), state.hold.room(now))
        };
        if !self.may_have_ready || self.is_paused() || count == 0 {
            return;
        }
        let lease = self.clocks.lease(self.lookups.settings.lease());
        let (route, retries_first) = (self.route.clone(), self.retries_first);
        let request = LookupRequest { now, lease, route, count, again, retries_first };
        let Ok(claims) = self.lookups.store.claim_lookups(request).await else {
            self.pause_until = Some(now.after(STORE_PAUSE));
            return;
        };
        self.pause_until = None;
        let mut state = self.state.lock();
        if claims.lookups.iter().any(|lookup| lookup.attempts > 0) {
            state.hold.probes(now);
        }
        self.next_due = claims.next_due.map(|due| due.max(state.hold.probe_at().unwrap_or(due)));
        self.retries_first = !self.retries_first;
        state.pace.take(claims.lookups.len(), now);
        state.under_way += claims.lookups.len();
        drop(state);
        self.may_have_ready = claims.lookups.len() == count;
        for lookup in claims.lookups {
            self.under_way.spawn(Arc::clone(&self.finder).find(lookup));
        }
    }

    fn is_paused(&self) -> bool {
        self.pause_until.is_some_and(|until| until > self.lookups.clock.now())
    }

    /// How long there is nothing to do but wait for calls to end.
    fn pause(&self) -> Duration {
        let now = self.lookups.clock.now();
        let mut at = now.after(self.lookups.settings.poll_interval);
        if let Some(until) = self.pause_until.filter(|until| *until > now) {
            return until.since(now);
        }
        let state = self.state.lock();
        if room(&state) > 0 {
            // something may be ready and nothing is claimed: the rate forbids it for a moment
            let next = state.pace.next(now);
            at = self.next_due.map_or(at, |due| at.min(due.max(next)));
            at = if self.may_have_ready { at.min(next) } else { at };
        }
        at.since(now).max(Duration::from_millis(1))
    }

    fn look_again(&mut self) {
        let (now, mut state) = (self.lookups.clock.now(), self.state.lock());
        state.pace.clamp_to(now, POLL_INTERVAL);
        state.hold.clamp_to(now);
        drop(state);
        self.may_have_ready = true;
    }
}

fn room(state: &LookupState) -> usize {
    CONCURRENCY.saturating_sub(state.under_way)
}
