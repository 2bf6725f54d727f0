//! The loop of the deliverer: what is claimed, under way, done, and written down.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Fuse, FutureExt as _};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::adoption::Adoption;
use super::attempt::Done;
use super::breaker::Turn;
use super::clocks::Clocks;
use super::queue::{Queue, Scope};
use super::remap::Pass;
use super::throttle::Throttles;
use super::{Deliverer, Delivery, STORE_PAUSE};
use crate::clock::Timestamp;
use crate::event::{Claimed, HoldScope, HoldTurn, Returned, Settlement, Start, Why};
use crate::store::{ClaimRequest, Claims, Correction, Latest, Quota, Report, Reported, StoreError};

/// What was to be written down, and what followed from it.
type Written = (Arc<Report>, Result<Reported, StoreError>);

/// The state of a run.
pub struct Run {
    delivery: watch::Receiver<Delivery>,
    deliverer: Arc<Deliverer>,
    adoption: Adoption,
    clocks: Clocks,
    throttles: Throttles,
    queue: Queue,
    under_way: JoinSet<Done>,
    /// Done, or claimed and not to be sent now, and not yet written down.
    unwritten: Report,
    writing: Fuse<BoxFuture<'static, Written>>,
    claiming: Fuse<BoxFuture<'static, Result<Claims, StoreError>>>,
    is_writing: bool,
    asked: Option<Vec<Quota>>,
    next_due: Option<Timestamp>,
    /// The clock was set back, or was when the relay was down.
    is_set_back: bool,
    /// A clock that had been set back was set ahead again, and the store does not know yet.
    correction: Option<Correction>,
    /// The store failed: not before then.
    pause_until: Option<Timestamp>,
}

impl Run {
    /// A run that has not begun.
    pub fn new(mut delivery: watch::Receiver<Delivery>) -> Self {
        let deliverer = Arc::clone(&delivery.borrow_and_update().deliverer);
        let throttles = Throttles::new(&deliverer.accounts, &deliverer.settings.policy);
        let clocks = Clocks::start(deliverer.clock.clone());
        Self {
            delivery,
            deliverer,
            adoption: Adoption::none(),
            clocks,
            throttles,
            queue: Queue::default(),
            under_way: JoinSet::new(),
            unwritten: Report::default(),
            writing: Fuse::terminated(),
            claiming: Fuse::terminated(),
            is_writing: false,
            asked: None,
            next_due: None,
            is_set_back: true,
            correction: None,
            pause_until: None,
        }
    }

    /// Delivers until told to stop.
    pub async fn deliver(&mut self, stop: &CancellationToken) {
        let wake = Arc::clone(&self.deliverer.wake);
        while !stop.is_cancelled() {
            // registered before looking, so that nothing stored in between is missed
            let woken = wake.notified();
            self.mind_the_clock();
            self.start_calls();
            self.go_on_adopting();
            self.start_writing();
            self.start_claiming();
            let pause = self.pause();
            self.clocks.will_pause(pause);
            tokio::select! {
                biased;
                Some(done) = self.under_way.join_next() => self.collect(done),
                (report, result) = &mut self.writing => self.writing_ended(report, result),
                claims = &mut self.claiming => self.claim_ended(claims),
                () = &mut self.adoption.work => self.adopted(),
                Ok(()) = self.delivery.changed() => self.adopt(),
                () = woken => self.throttles.mark_all_ready(),
                () = tokio::time::sleep(pause) => self.throttles.mark_all_ready(),
                () = stop.cancelled() => {}
            }
        }
    }

    /// There is a new configuration.
    fn adopt(&mut self) {
        let Delivery { deliverer, is_settled, .. } = self.delivery.borrow_and_update().clone();
        self.deliverer = deliverer;
        let (now, policy) = (self.deliverer.clock.now(), self.deliverer.settings.policy);
        self.throttles.adopt(&self.deliverer.accounts, &policy, now);
        self.adoption.begin(if is_settled { Pass::Last } else { Pass::First });
        self.call_off(Scope::Everything);
    }

    fn go_on_adopting(&mut self) {
        if self.asked.is_none() && !self.is_writing && self.unwritten.is_empty() {
            self.adoption.go_on(&self.deliverer);
        }
    }

    fn adopted(&mut self) {
        self.adoption.ended();
        self.throttles.mark_all_ready();
    }

    /// Where the wall clock was set back, nothing must wait for as long as it was ahead. Where time passed without this
    /// process, what was claimed before it is looked at anew.
    fn mind_the_clock(&mut self) {
        let (jump, now) = (self.clocks.look(), self.deliverer.clock.now());
        if let Some(by_ms) = jump.back_ms {
            let next = "see to the machine's time service, if nobody did it by hand";
            tracing::warn!(now = %now, by_ms, next, "the clock was set back; what waits is looked at anew");
            self.is_set_back = true;
            self.throttles.clamp_to(now, self.deliverer.settings.policy.max);
        }
        self.correction = jump.correction.or(self.correction);
        if jump.lost_time() {
            self.call_off(Scope::Everything);
        }
        if jump.back_ms.is_some() || jump.lost_time() {
            self.throttles.mark_all_ready();
            (self.next_due, self.pause_until) = (None, None);
        }
    }

    /// Everything that finished meanwhile is written down together.
    fn collect(&mut self, first: Result<Done, JoinError>) {
        let mut next = Some(first);
        while let Some(done) = next {
            match done {
                Ok(Done { account, campaign, settlement, by }) => {
                    self.ended(&account, campaign, settlement);
                    drop(by);
                }
                // a panic is caught where the call is made
                Err(error) => tracing::error!(%error, "a delivery was aborted; the send counts as uncertain"),
            }
            next = self.under_way.try_join_next();
        }
    }

    fn ended(&mut self, account: &str, campaign: String, settlement: Settlement) {
        self.throttles.done(account);
        let turn = self.throttles.learn(account, &settlement.attempt, fastrand::f64());
        if let Some(turn) = turn {
            self.deliverer.report_breaker(account, turn);
        }
        if turn == Some(Turn::Opened) {
            // what was claimed before must not go to a server that is down
            self.call_off(Scope::Account(account.to_owned()));
        }
        if let Some((scope, ..)) = settlement.next_step.hold() {
            self.hold(account.to_owned(), (scope == HoldScope::Campaign).then_some(campaign));
        }
        self.unwritten.settlements.push(settlement);
    }

    /// What is claimed and not yet under way of an account, or of a campaign of it, goes back.
    fn hold(&mut self, account: String, campaign: Option<String>) {
        let held = self.queue.hold(match campaign {
            None => Scope::Account(account),
            Some(campaign) => Scope::Campaign(account, campaign),
        });
        held.iter().for_each(|send| self.give_back(send, None));
    }

    fn call_off(&mut self, scope: Scope) {
        let taken = self.queue.call_off(scope);
        taken.iter().for_each(|send| self.give_back(send, None));
    }

    fn give_back(&mut self, send: &Claimed, start: Option<Start>) {
        self.throttles.give_back(&send.account, &send.campaign);
        self.unwritten.returned.push(Returned { id: send.id, start });
    }

    fn start_calls(&mut self) {
        let now = self.deliverer.clock.now();
        while self.under_way.len() < self.deliverer.settings.concurrency
            && let Some((send, is_fresh)) = self.queue.pop(self.clocks.elapsed())
        {
            let opening = send.guards.hours.as_ref().and_then(|hours| hours.opening(now));
            if let Some(at) = opening {
                self.give_back(&send, Some(Start { at, why: Why::Hours }));
            } else if !is_fresh || send.expires_at.is_some_and(|at| at <= now) {
                self.give_back(&send, None);
            } else {
                self.under_way.spawn(Arc::clone(&self.deliverer).deliver(send));
            }
        }
    }

    fn start_writing(&mut self) {
        if self.is_writing || self.unwritten.is_empty() || self.is_paused() {
            return;
        }
        let report = Arc::new(std::mem::take(&mut self.unwritten));
        let (store, now) = (Arc::clone(&self.deliverer.store), self.deliverer.clock.now());
        self.is_writing = true;
        self.writing = async move {
            let result = store.settle(Arc::clone(&report), now).await;
            (report, result)
        }
        .boxed()
        .fuse();
    }

    fn writing_ended(&mut self, report: Arc<Report>, result: Result<Reported, StoreError>) {
        self.is_writing = false;
        match result {
            Ok(reported) => {
                // the store knows of holds that no single answer begins
                for change in reported.holds.iter().filter(|change| change.turn == HoldTurn::Began) {
                    self.hold(change.account.clone(), change.campaign.clone());
                }
                self.deliverer.report_written(reported);
                // somebody may have stood behind one of these, or they come again soon
                self.throttles.mark_all_ready();
                let retries = report.settlements.iter().filter_map(|settlement| settlement.next_step.due());
                let parked = report.returned.iter().filter_map(|returned| returned.start.map(|start| start.at));
                self.next_due = self.next_due.into_iter().chain(retries).chain(parked).min();
                if self.asked.is_none() && self.unwritten.settlements.is_empty() {
                    self.queue.holds_are_known();
                }
            }
            Err(_) => {
                self.write_again(report);
                self.pause_until = Some(self.deliverer.clock.now().after(STORE_PAUSE));
            }
        }
    }

    /// It was not written down, none of it: it comes before what happened since.
    fn write_again(&mut self, report: Arc<Report>) {
        let Report { settlements, returned } = Arc::unwrap_or_clone(report);
        self.unwritten.settlements.splice(0..0, settlements);
        self.unwritten.returned.splice(0..0, returned);
    }

    /// Asks for as many sends as there is room for and each account's rate allows.
    fn start_claiming(&mut self) {
        let unwritten = self.pause_until.is_some() && !self.unwritten.settlements.is_empty();
        let is_busy = self.asked.is_some() || self.adoption.is_under_way();
        if self.throttles.nothing_to_claim() || is_busy || self.is_paused() || unwritten {
            return;
        }
        let now = self.deliverer.clock.now();
        let settings = self.deliverer.settings;
        let (room, all) = (self.room(), 2 * settings.concurrency);
        let quotas = self.throttles.quotas(now, room, all);
        if quotas.is_empty() {
            return;
        }
        let lease = self.clocks.lease(settings.lease());
        let policy = settings.policy;
        let latest = Latest { retry: now.after(policy.max), probe: now.after(policy.probe_max) };
        let request = ClaimRequest {
            now,
            lease,
            quotas: quotas.clone(),
            uncertain: policy.uncertain,
            latest: std::mem::take(&mut self.is_set_back).then_some(latest),
            correction: self.correction,
        };
        let store = Arc::clone(&self.deliverer.store);
        self.throttles.asked(&quotas);
        self.queue.claim_begins();
        self.asked = Some(quotas);
        self.claiming = async move { store.claim(request).await }.boxed().fuse();
    }

    /// As many again as can be under way are claimed, so that calls need not wait for the disk.
    fn room(&self) -> usize {
        (2 * self.deliverer.settings.concurrency).saturating_sub(self.under_way.len() + self.queue.len())
    }

    fn claim_ended(&mut self, claims: Result<Claims, StoreError>) {
        let asked = self.asked.take().unwrap_or_default();
        let now = self.deliverer.clock.now();
        let Ok(claims) = claims else {
            self.throttles.mark_all_ready();
            // whether the store got to know of that is unknown
            self.is_set_back = true;
            self.pause_until = Some(now.after(STORE_PAUSE));
            return;
        };
        self.pause_until = None;
        self.next_due = claims.next_due;
        self.correction = self.correction.filter(|correction| claims.correction != Some(*correction));
        self.deliverer.notifications.tell(claims.holds);
        for quota in &asked {
            let got = claims.sends.iter().filter(|send| send.account == quota.account).count();
            if got == quota.count || claims.more {
                self.throttles.mark_ready(&quota.account);
            }
        }
        self.accept(claims.sends, now);
        if !self.is_writing && self.unwritten.settlements.is_empty() {
            self.queue.holds_are_known();
        }
    }

    /// What was claimed goes, unless it may not at this hour or was put on hold since.
    fn accept(&mut self, sends: Vec<Claimed>, now: Timestamp) {
        for send in sends {
            let opening = send.guards.hours.as_ref().and_then(|hours| hours.opening(now));
            if let Some(at) = opening {
                self.unwritten.returned.push(Returned { id: send.id, start: Some(Start { at, why: Why::Hours }) });
            } else if self.adoption.is_under_way() || !self.queue.takes(&send) {
                self.unwritten.returned.push(Returned { id: send.id, start: None });
            } else {
                self.throttles.take(&send.account, &send.campaign, now);
                self.queue.push(send, self.clocks.elapsed());
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.pause_until.is_some_and(|until| until > self.deliverer.clock.now())
    }

    /// How long there is nothing to do but wait for others.
    fn pause(&self) -> Duration {
        let now = self.deliverer.clock.now();
        // something may be ready and nobody asks: the rates forbid it for a moment
        let idle = self.asked.is_none() && self.queue.is_empty();
        let next = if idle { self.throttles.next(now) } else { None };
        // what is due already waits for something else than time
        let moments = [self.pause_until, self.next_due, next].into_iter().flatten().filter(|at| *at > now);
        moments
            .fold(now.after(self.deliverer.settings.poll_interval), Timestamp::min)
            .since(now)
            .max(Duration::from_millis(1))
    }

    /// Lets calls come to their end, gives back what was not begun, and writes everything down.
    pub async fn finish(mut self) {
        if self.asked.is_some()
            && let Ok(claims) = std::mem::replace(&mut self.claiming, Fuse::terminated()).await
        {
            self.unwritten.returned.extend(claims.sends.iter().map(|send| Returned { id: send.id, start: None }));
        }
        self.call_off(Scope::Everything);
        if self.is_writing {
            let (report, result) = std::mem::replace(&mut self.writing, Fuse::terminated()).await;
            self.writing_ended(report, result);
        }
        self.write_now().await;
        while let Some(done) = self.under_way.join_next().await {
            self.collect(done);
            self.write_now().await;
        }
        while !self.unwritten.is_empty() {
            self.write_now().await;
        }
    }

    async fn write_now(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let report = Arc::new(std::mem::take(&mut self.unwritten));
        match self.deliverer.store.settle(Arc::clone(&report), self.deliverer.clock.now()).await {
            Ok(reported) => self.deliverer.report_written(reported),
            // nothing can be written any more: what is in flight is treated as uncertain at the next start
            Err(StoreError::Closed) => {}
            Err(_) => {
                self.write_again(report);
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}
