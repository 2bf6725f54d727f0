//! Carries out what is due: claims sends, calls the API, writes down what came of it.
//!
//! It decides *when*, [`crate::serri`] decides *what an answer means*, the store keeps it. Nothing is claimed while an
//! outcome waits to be written: what was sent must be known as sent before anything else goes.

mod adoption;
mod answers;
mod attempt;
mod breaker;
mod clocks;
mod find;
mod lookup;
mod lookup_hold;
mod lookup_state;
mod pace;
mod queue;
mod remap;
mod report;
mod run;
mod schedule;
mod throttle;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::alert::Notifications;
use crate::clock::Clock;
use crate::config::unit::Rate;
use crate::event::{KeyFingerprint, KeyKind};
use crate::route::{Routes, TestMode};
use crate::secret::Secret;
use crate::serri::{Caller, Endpoint};
use crate::store::{Store, StoreError, TestScope};
use crate::telemetry::Metrics;
use remap::Pass;
use run::Run;

pub use lookup::Lookups;
pub use schedule::Policy;

/// How often the store is asked although nothing said that something is due: a net, not the way.
pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How much longer than a call a lease lasts: an outcome may have to wait for the store.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// How long after a failure the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// A Serri project, ready to be called.
#[derive(Debug)]
pub struct Account {
    /// Where its calls go.
    pub endpoint: Endpoint,
    /// Its key.
    pub key: Secret,
    /// Its rate.
    pub rate: Rate,
    /// Those of campaigns that have one of their own.
    pub campaign_rates: BTreeMap<String, Rate>,
    /// Where its sends go instead of to customers.
    pub test_mode: TestMode,
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
    /// How often the store is asked although nothing said that something is due; as a rule [`POLL_INTERVAL`].
    pub poll_interval: Duration,
}

impl Settings {
    /// How long a lease lasts: longer than a call can take with all that comes before it.
    fn lease(&self) -> Duration {
        self.timeout.saturating_mul(4).saturating_add(LEASE_MARGIN)
    }
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
    /// Where changes of holds are reported.
    pub notifications: Arc<Notifications>,
    /// Dropped with the last delivery that it makes.
    pub in_use: Option<DropGuard>,
}

/// What delivers and looks up, as one configuration says. A new configuration makes a new one; what is under way is
/// finished by the old.
#[derive(Clone)]
pub struct Delivery {
    /// What delivers.
    pub deliverer: Arc<Deliverer>,
    /// What looks up.
    pub lookups: Arc<Lookups>,
    /// Whether nothing is under way any more that was begun as an older configuration said.
    pub is_settled: bool,
}

impl Delivery {
    /// One that is never replaced.
    pub fn unchanging(self) -> watch::Receiver<Self> {
        watch::channel(self).1
    }
}

/// Looks up and delivers until told to stop, as the newest configuration says; then finishes what is under way and writes it
/// down. If one of the two panics, the other does the same before the panic goes on.
pub async fn run(delivery: watch::Receiver<Delivery>, stop: CancellationToken) {
    let first = Arc::clone(&delivery.borrow().deliverer);
    first.recover(&stop).await;
    drop(first);
    let stop = stop.child_token();
    let sends = deliver(delivery.clone(), stop.clone());
    let (sends, reads) = tokio::join!(to_its_end(sends, &stop), to_its_end(lookup::run(delivery, stop.clone()), &stop));
    if let Err(panic) = sends.and(reads) {
        resume_unwind(panic);
    }
}

/// Runs one of the two; if it panics, the other is told to stop.
async fn to_its_end(run: impl Future<Output = ()>, stop: &CancellationToken) -> Result<(), Box<dyn Any + Send>> {
    let ended = AssertUnwindSafe(run).catch_unwind().await;
    if ended.is_err() {
        stop.cancel();
    }
    ended
}

async fn deliver(delivery: watch::Receiver<Delivery>, stop: CancellationToken) {
    let mut run = Run::new(delivery);
    run.deliver(&stop).await;
    run.finish().await;
}

impl Deliverer {
    /// What goes to nobody, or to a tester, whatever its rule says.
    fn test_modes(&self) -> Vec<(TestScope, String)> {
        let is_tested = |test_mode: &TestMode| *test_mode != TestMode::default();
        let accounts = self.accounts.iter().filter(|(_, account)| is_tested(&account.test_mode));
        let routes = self.routes.iter().filter(|(_, route)| is_tested(route.test_mode()));
        accounts
            .map(|(name, _)| (TestScope::Account, name.clone()))
            .chain(routes.map(|(name, _)| (TestScope::Route, name.clone())))
            .collect()
    }

    fn keys(&self) -> Vec<KeyFingerprint> {
        let of = |(name, account): (&String, &Account)| KeyFingerprint {
            kind: KeyKind::Account,
            name: name.clone(),
            fingerprint: account.key.fingerprint(),
        };
        self.accounts.iter().map(of).collect()
    }

    /// Makes what waits as the configuration says now.
    async fn prepare(&self, pass: Pass) -> Result<(), StoreError> {
        self.store.keep_test_modes(self.test_modes()).await?;
        let (keys, now) = (self.keys(), self.clock.now());
        match pass {
            // a probe with the key before may be under way, and ends after this
            Pass::First => self.store.try_new_keys(keys, now).await?,
            Pass::Last => self.store.keep_keys(keys, now).await?,
        }
        self.remap(pass).await
    }

    /// Treats what an earlier process left behind; tries until the store can.
    async fn recover(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let recovered = async {
                let recovered = self.store.recover(self.clock.now(), self.settings.policy.uncertain).await?;
                report::recovered(recovered);
                if recovered.held > 0 {
                    self.notifications.look();
                }
                self.prepare(Pass::Last).await
            };
            match recovered.await {
                Ok(()) => return,
                Err(_) => drop(tokio::time::timeout(STORE_PAUSE, stop.cancelled()).await),
            }
        }
    }
}
