//! Carries out what is due: claims sends, calls the API, writes down what came of it.
//!
//! It decides *when*, [`crate::serri`] decides *what an answer means*, the store keeps it. Nothing is claimed while an
//! outcome waits to be written: what was sent must be known as sent before anything else goes.

mod answers;
mod find;
mod lookup;
mod pace;
mod run;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Stopwatch};
use crate::config::unit::Rate;
use crate::event::{Attempt, Claimed, Fate, Settlement, masked, without_numbers};
use crate::secret::Secret;
use crate::serri::Client;
use crate::store::Store;
use crate::telemetry::{AttemptLabels, Metrics};
use run::Run;
use schedule::Tried;

pub use lookup::Lookups;
pub use schedule::Policy;

/// How often the store is asked although nothing said that something is due: a net, not the way.
const NET: Duration = Duration::from_secs(5);

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
}

/// What the deliverer works with.
pub struct Deliverer {
    /// Where sends come from.
    pub store: Arc<dyn Store>,
    /// What calls the API.
    pub client: Client,
    /// The accounts, by name.
    pub accounts: BTreeMap<String, Account>,
    /// How.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Told when something was stored.
    pub wake: Arc<Notify>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
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

    /// Treats what an earlier process left in flight; tries until the store can.
    async fn recover(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.store.recover(self.clock.now(), self.settings.policy.on_uncertain).await {
                Ok(0) => return,
                Ok(count) => {
                    let then = match self.settings.policy.on_uncertain {
                        crate::event::OnUncertain::Retry => "they are repeated (delivery.on_uncertain: retry)",
                        crate::event::OnUncertain::Hold => {
                            "they wait for a person to decide (delivery.on_uncertain: hold)"
                        }
                    };
                    tracing::warn!(
                        sends = count,
                        "the relay died while calls were under way, and nobody knows whether they went: {then}"
                    );
                    return;
                }
                Err(_) => drop(tokio::time::timeout(STORE_PAUSE, stop.cancelled()).await),
            }
        }
    }

    /// Makes one call and decides what follows.
    async fn attempt(self: Arc<Self>, send: Claimed) -> (String, Settlement) {
        let number = send.attempts + 1;
        let (at, watch) = (self.clock.now(), Stopwatch::start());
        let exchange = match self.accounts.get(&send.account) {
            Some(account) => self.client.send(&account.endpoint, &account.key, &send.payload).await,
            None => crate::serri::Exchange::without_account(&send.account),
        };
        let attempt = Attempt {
            at,
            took: watch.elapsed(),
            status: exchange.status,
            answer: exchange.answer,
            outcome: exchange.outcome,
        };
        let fate =
            self.settings.policy.fate(Tried { attempts: send.attempts, since: send.since }, &attempt, fastrand::f64());
        self.report(&send, number, &attempt, &fate);
        (send.account, Settlement { id: send.id, number, attempt, fate })
    }

    fn report(&self, send: &Claimed, number: u32, attempt: &Attempt, fate: &Fate) {
        let outcome = attempt.outcome.name();
        self.metrics.attempts.get_or_create(&AttemptLabels { account: send.account.clone(), outcome }).inc();
        self.metrics.attempt_seconds.observe(attempt.took.as_secs_f64());
        let took_ms = u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX);
        let (to, status) = (masked(&send.destination), attempt.status);
        let (event, rule, account, campaign) = (&*send.event, &*send.rule, &*send.account, &*send.campaign);
        match fate {
            Fate::Sent { message_id } => {
                tracing::info!(
                    send = send.id.0,
                    event,
                    rule,
                    account,
                    campaign,
                    to,
                    attempt = number,
                    outcome,
                    status,
                    took_ms,
                    message_id = message_id.as_deref(),
                    "delivery attempted"
                );
            }
            Fate::Retry { due, reason, .. } => {
                let reason = without_numbers(reason);
                tracing::warn!(send = send.id.0,
                    event,
                    rule, account, campaign, to, attempt = number, outcome, status, took_ms, reason, next = %due, "delivery attempted");
            }
            Fate::Failed { reason } | Fate::Held { reason } => {
                let reason = without_numbers(reason);
                let next = if matches!(fate, Fate::Failed { .. }) { "failed" } else { "held for a person to decide" };
                tracing::error!(
                    send = send.id.0,
                    event,
                    rule,
                    account,
                    campaign,
                    to,
                    attempt = number,
                    outcome,
                    status,
                    took_ms,
                    reason,
                    next,
                    "delivery attempted"
                );
            }
        }
    }
}
