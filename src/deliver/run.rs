//! The loop of the deliverer: what is claimed, under way, done, and written down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Fuse, FutureExt as _};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::{Deliverer, LEASE_MARGIN, NET, STORE_PAUSE};
use crate::clock::{Stopwatch, Timestamp};
use crate::event::{Claimed, Fate, Settlement};
use crate::store::{ClaimRequest, Claims, StoreError};

/// Of several accounts one may hold at most this part of the room.
const MOST_SHARES: usize = 4;

/// What was to be written, and whether it was.
type Written = (Arc<Vec<Settlement>>, Result<(), StoreError>);

/// The state of a run.
pub struct Run {
    deliverer: Arc<Deliverer>,
    /// Leases run by this, and not by the wall clock, which may jump.
    started: Stopwatch,
    paces: BTreeMap<String, Pace>,
    /// Claimed, and not yet under way.
    queue: VecDeque<Claimed>,
    under_way: JoinSet<(String, Settlement)>,
    /// How many are claimed and not yet done, by account.
    held: BTreeMap<String, usize>,
    /// The account that is asked for first, the next time.
    first: usize,
    /// Done, and not yet written down.
    settled: Vec<Settlement>,
    settling: Fuse<BoxFuture<'static, Written>>,
    claiming: Fuse<BoxFuture<'static, Result<Claims, StoreError>>>,
    is_settling: bool,
    asked: Option<Vec<(String, usize)>>,
    /// Accounts of which something may be ready that was not claimed.
    hungry: BTreeSet<String>,
    next_due: Option<Timestamp>,
    /// The store failed: not before then.
    pause_until: Option<Timestamp>,
}

impl Run {
    /// A run that has not begun.
    pub fn new(deliverer: Arc<Deliverer>) -> Self {
        let all = deliverer.accounts.keys().cloned().collect();
        let paces: BTreeMap<String, Pace> =
            deliverer.accounts.iter().map(|(name, account)| (name.clone(), Pace::new(account.rate))).collect();
        Self {
            deliverer,
            started: Stopwatch::start(),
            paces,
            queue: VecDeque::new(),
            under_way: JoinSet::new(),
            held: BTreeMap::new(),
            first: 0,
            settled: Vec::new(),
            settling: Fuse::terminated(),
            claiming: Fuse::terminated(),
            is_settling: false,
            asked: None,
            hungry: all,
            next_due: None,
            pause_until: None,
        }
    }

    /// Delivers until told to stop.
    pub async fn deliver(&mut self, stop: &CancellationToken) {
        let wake = Arc::clone(&self.deliverer.wake);
        while !stop.is_cancelled() {
            // registered before looking, so that nothing stored in between is missed
            let woken = wake.notified();
            self.start_calls();
            self.start_settling();
            self.start_claiming();
            let pause = self.pause();
            tokio::select! {
                biased;
                Some(done) = self.under_way.join_next() => self.collect(done),
                (settlements, result) = &mut self.settling => self.settle_ended(settlements, result),
                claims = &mut self.claiming => self.claim_ended(claims),
                () = woken => self.look_for_all(),
                () = tokio::time::sleep(pause) => self.look_again(),
                () = stop.cancelled() => {}
            }
        }
    }

    /// Everything that finished meanwhile is settled together.
    fn collect(&mut self, first: Result<(String, Settlement), JoinError>) {
        let mut next = Some(first);
        while let Some(done) = next {
            match done {
                Ok((account, settlement)) => {
                    self.held.entry(account).and_modify(|held| *held = held.saturating_sub(1));
                    self.settled.push(settlement);
                }
                Err(error) => {
                    tracing::error!(%error, "a delivery broke off; the send is treated as uncertain when its lease ends");
                }
            }
            next = self.under_way.try_join_next();
        }
    }

    fn start_calls(&mut self) {
        while self.under_way.len() < self.deliverer.settings.concurrency
            && let Some(send) = self.queue.pop_front()
        {
            self.under_way.spawn(Arc::clone(&self.deliverer).attempt(send));
        }
    }

    fn start_settling(&mut self) {
        if self.is_settling || self.settled.is_empty() || self.is_paused() {
            return;
        }
        let settlements = Arc::new(std::mem::take(&mut self.settled));
        let store = Arc::clone(&self.deliverer.store);
        self.is_settling = true;
        self.settling = async move {
            let result = store.settle(Arc::clone(&settlements)).await;
            (settlements, result)
        }
        .boxed()
        .fuse();
    }

    fn settle_ended(&mut self, settlements: Arc<Vec<Settlement>>, result: Result<(), StoreError>) {
        self.is_settling = false;
        match result {
            Ok(()) => {
                // somebody may have stood behind one of these, or they come again soon
                self.look_for_all();
                let soonest = settlements
                    .iter()
                    .filter_map(
                        |settlement| if let Fate::Retry { due, .. } = settlement.fate { Some(due) } else { None },
                    )
                    .min();
                self.next_due = self.next_due.into_iter().chain(soonest).min();
            }
            Err(_) => {
                self.settled.splice(0..0, Arc::unwrap_or_clone(settlements));
                self.pause_until = Some(self.deliverer.clock.now().after(STORE_PAUSE));
            }
        }
    }

    /// Asks for as many sends as there is room for and each account's rate allows.
    fn start_claiming(&mut self) {
        let unwritten = self.pause_until.is_some() && !self.settled.is_empty();
        if self.hungry.is_empty() || self.asked.is_some() || self.is_paused() || unwritten {
            return;
        }
        let now = self.deliverer.clock.now();
        let settings = self.deliverer.settings;
        let room = self.room();
        let wants = self.wants(now);
        if wants.is_empty() {
            return;
        }
        let eager = wants.iter().map(|(_, count)| count).sum::<usize>() == room;
        let lease_now = Timestamp(0).after(self.started.elapsed());
        let lease_until = lease_now.after(settings.timeout.saturating_mul(4).saturating_add(LEASE_MARGIN));
        let request = ClaimRequest {
            now,
            lease_now,
            lease_until,
            wants: wants.clone(),
            eager,
            on_uncertain: settings.policy.on_uncertain,
        };
        let store = Arc::clone(&self.deliverer.store);
        for (account, _) in &wants {
            self.hungry.remove(account);
        }
        self.asked = Some(wants);
        self.claiming = async move { store.claim(request).await }.boxed().fuse();
    }

    fn room(&self) -> usize {
        (2 * self.deliverer.settings.concurrency).saturating_sub(self.under_way.len() + self.queue.len())
    }

    /// How many of which account: as many again as can be under way, so that calls need not wait for the disk, and of
    /// several accounts none so many that one that hangs could stop the others.
    fn wants(&mut self, now: Timestamp) -> Vec<(String, usize)> {
        let all = 2 * self.deliverer.settings.concurrency;
        let mut room = self.room();
        let most = (all / self.paces.len().clamp(1, MOST_SHARES)).max(1);
        let mut wants = Vec::new();
        let from = self.first % self.paces.len().max(1);
        for (account, pace) in self.paces.iter().skip(from).chain(self.paces.iter().take(from)) {
            if !self.hungry.contains(account) {
                continue;
            }
            let held = self.held.get(account).copied().unwrap_or(0);
            let count = pace.available(now).min(most.saturating_sub(held)).min(room);
            if count > 0 {
                wants.push((account.clone(), count));
                room -= count;
            }
        }
        self.first = from + 1;
        wants
    }

    fn claim_ended(&mut self, claims: Result<Claims, StoreError>) {
        let asked = self.asked.take().unwrap_or_default();
        let now = self.deliverer.clock.now();
        match claims {
            Ok(claims) => {
                self.pause_until = None;
                self.next_due = claims.next_due;
                for (account, wanted) in &asked {
                    let got = claims.sends.iter().filter(|send| send.account == *account).count();
                    if let Some(pace) = self.paces.get_mut(account) {
                        pace.take(got, now);
                    }
                    *self.held.entry(account.clone()).or_default() += got;
                    if got == *wanted {
                        self.hungry.insert(account.clone());
                    }
                }
                self.queue.extend(claims.sends);
            }
            Err(_) => {
                self.look_for_all();
                self.pause_until = Some(now.after(STORE_PAUSE));
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.pause_until.is_some_and(|until| until > self.deliverer.clock.now())
    }

    /// How long there is nothing to do but wait for others.
    fn pause(&self) -> Duration {
        let now = self.deliverer.clock.now();
        let mut at = now.after(NET);
        if let Some(until) = self.pause_until.filter(|until| *until > now) {
            at = at.min(until);
        }
        if let Some(due) = self.next_due {
            at = at.min(due);
        }
        if self.asked.is_none() && self.queue.is_empty() {
            // hungry and not asking: the rates forbid it for a moment
            let next = self.paces.iter().filter(|(account, _)| self.hungry.contains(*account));
            at = next.map(|(_, pace)| pace.next(now)).fold(at, Timestamp::min);
        }
        at.since(now).max(Duration::from_millis(1))
    }

    fn look_again(&mut self) {
        let now = self.deliverer.clock.now();
        self.paces.values_mut().for_each(|pace| pace.forgive(now));
        self.look_for_all();
    }

    fn look_for_all(&mut self) {
        if self.hungry.len() < self.paces.len() {
            self.hungry = self.paces.keys().cloned().collect();
        }
    }

    /// Lets calls come to their end, gives back what was not begun, and writes everything down.
    pub async fn finish(mut self) {
        let claiming =
            if self.asked.is_some() { Some(std::mem::replace(&mut self.claiming, Fuse::terminated())) } else { None };
        if let Some(Ok(claims)) = match claiming {
            Some(claiming) => Some(claiming.await),
            None => None,
        } {
            self.queue.extend(claims.sends);
        }
        let store = Arc::clone(&self.deliverer.store);
        let unbegun: Vec<_> = self.queue.drain(..).map(|send| send.id).collect();
        if !unbegun.is_empty() && store.release(unbegun).await.is_err() {
            tracing::warn!("claimed sends could not be given back; they are treated as uncertain at the next start");
        }
        if self.is_settling {
            let (settlements, result) = std::mem::replace(&mut self.settling, Fuse::terminated()).await;
            self.settle_ended(settlements, result);
        }
        while let Some(done) = self.under_way.join_next().await {
            self.collect(done);
            self.settle_now().await;
        }
        while !self.settled.is_empty() {
            self.settle_now().await;
        }
    }

    async fn settle_now(&mut self) {
        let settlements = Arc::new(std::mem::take(&mut self.settled));
        if self.deliverer.store.settle(Arc::clone(&settlements)).await.is_err() {
            self.settled = Arc::unwrap_or_clone(settlements);
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}
