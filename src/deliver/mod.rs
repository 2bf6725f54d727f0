//! Carries out what is due: claims sends, calls the API, writes down what came of it.
//!
//! It decides *when*, [`crate::serri`] decides *what an answer means*, the store keeps it. Nothing is claimed while an
//! outcome waits to be written: what was sent must be known as sent before anything else goes.

mod answers;
mod breaker;
mod find;
mod lookup;
mod pace;
mod remap;
mod report;
mod run;
mod schedule;
mod throttle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::alert::Notices;
use crate::clock::{Clock, Stopwatch};
use crate::config::unit::Rate;
use crate::event::{Attempt, Claimed, Probed, Settlement};
use crate::route::{Detour, Routes};
use crate::secret::Secret;
use crate::serri::{Caller, Exchange, payload};
use crate::store::Store;
use crate::telemetry::Metrics;
use run::{Done, Run};
use schedule::Tried;

pub use lookup::Lookups;
pub use schedule::Policy;

/// How often the store is asked although nothing said that something is due: a net, not the way.
pub const NET: Duration = Duration::from_secs(5);

/// How much longer than a call a lease lasts: an outcome may have to wait for the store.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// How long after a failure the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// A Serri project, ready to be called.
#[derive(Debug)]
pub struct Account {
    /// Where its calls go.
    pub endpoint: Url,
    /// Its key.
    pub key: Secret,
    /// Its rate.
    pub rate: Rate,
    /// Those of campaigns that have one of their own.
    pub campaign_rates: BTreeMap<String, Rate>,
    /// Where its sends go instead of to customers.
    pub detour: Detour,
}

/// How sends are delivered.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many calls are under way at once.
    pub concurrency: usize,
    /// How long one may take.
    pub timeout: Duration,
    /// When failed sends are tried again.
    pub policy: Policy,
    /// How often the store is asked although nothing said that something is due; as a rule [`NET`].
    pub net: Duration,
}

/// What the deliverer works with.
pub struct Deliverer {
    /// Where sends come from.
    pub store: Arc<dyn Store>,
    /// What calls the API.
    pub caller: Arc<dyn Caller>,
    /// The accounts, by name.
    pub accounts: BTreeMap<String, Account>,
    /// The routes, by name.
    pub routes: Arc<Routes>,
    /// How.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Told when something was stored.
    pub wake: Arc<Notify>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where turns of holds are told.
    pub notices: Arc<Notices>,
}

/// Looks up and delivers until told to stop; then finishes what is under way and writes it down.
pub async fn run(deliverer: Deliverer, lookups: Lookups, stop: CancellationToken) {
    deliverer.recover(&stop).await;
    tokio::join!(deliverer.run(stop.clone()), lookups.run(stop));
}

impl Deliverer {
    async fn run(self, stop: CancellationToken) {
        let deliverer = Arc::new(self);
        let mut run = Run::new(deliverer);
        run.deliver(&stop).await;
        run.finish().await;
    }

    /// Treats what an earlier process left behind; tries until the store can.
    async fn recover(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let recovered = async {
                let recovered = self.store.recover(self.clock.now(), self.settings.policy.on_uncertain).await?;
                report::recovered(recovered);
                self.remap().await
            };
            match recovered.await {
                Ok(()) => return,
                Err(_) => drop(tokio::time::timeout(STORE_PAUSE, stop.cancelled()).await),
            }
        }
    }

    /// Makes one call and decides what follows.
    async fn attempt(self: Arc<Self>, send: Claimed) -> Done {
        let number = send.attempts + 1;
        let (at, watch) = (self.clock.now(), Stopwatch::start());
        let way = self.way(&send);
        let exchange = self.call(&send, &way).await;
        let attempt = Attempt {
            at,
            took: watch.elapsed(),
            status: exchange.status,
            answer: exchange.answer,
            outcome: exchange.outcome,
        };
        let policy = self.settings.policy;
        let tried = Tried {
            used: send.used,
            since: send.since,
            probe: send.probe,
            on_uncertain: send.terms.on_uncertain.unwrap_or(policy.on_uncertain),
        };
        let fate = policy.fate(tried, &attempt, fastrand::f64());
        let probed = send.probe.map(|probe| Probed { hold: probe.hold, verdict: policy.verdict(probe, &attempt) });
        self.report_attempt(&send, number, &attempt, &fate);
        let reached = way == Detour::default();
        let settlement = Settlement { id: send.id, number, attempt, fate, probed, reached };
        Done { account: send.account, campaign: send.campaign, settlement }
    }

    /// Where a send goes: as its rule said when it was made, or as its route or account says now.
    fn way(&self, send: &Claimed) -> Detour {
        let account = self.accounts.get(&send.account).map(|account| account.detour.clone()).unwrap_or_default();
        let route = self.routes.get(&send.route).map(|route| route.detour().clone()).unwrap_or_default();
        Detour {
            redirect_to: route.redirect_to.or(account.redirect_to).or_else(|| send.terms.redirect_to.clone()),
            dry_run: send.terms.dry_run || route.dry_run || account.dry_run,
        }
    }

    async fn call(&self, send: &Claimed, way: &Detour) -> Exchange {
        let Some(account) = self.accounts.get(&send.account) else {
            return Exchange::without_account(&send.account);
        };
        match way {
            Detour { dry_run: true, .. } => Exchange::dry_run(),
            Detour { redirect_to: Some(number), .. } => {
                let payload = payload::redirected(&send.payload, number);
                self.caller.call(&account.endpoint, &account.key, &payload).await
            }
            Detour { .. } => self.caller.call(&account.endpoint, &account.key, &send.payload).await,
        }
    }
}
