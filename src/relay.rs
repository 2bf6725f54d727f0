//! A whole relay: from a checked configuration and its listeners to running, and to an orderly end.
//!
//! The caller hands in the listeners and says when to stop; nothing here reads signals or the environment.

mod assembly;
mod error;
mod keys;
mod listeners;
mod parts;
mod reload;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alert::{Alerter, Notifications};
use crate::bulkhead::{Bulkhead, heartbeat};
use crate::clock::Clock;
use crate::deliver::{self, Delivery};
use crate::event::view::HoldView;
use crate::listen::{self, Connections};
use crate::mask::CurrentSecrets;
use crate::retention::Retention;
use crate::route::check::Checked;
use crate::route::load::{Loaded, Origin};
use crate::route::reload::{ReloadRequest, ReloadRequests};
use crate::store::{Archive, Engine, Store};
use crate::telemetry::Metrics;

use assembly::{Assembly, Outlets, sandboxed};
use keys::Keys;
use listeners::FAREWELL;
use parts::Parts;
use reload::Reloader;
use settings::connections;

pub use error::StartError;
pub use listeners::Listeners;
pub use parts::PartEnded;
pub use settings::{endpoint, limits, proxy};

/// How much of the grace is kept for closing the store.
const CLOSING: Duration = Duration::from_secs(2);

/// What a relay is started with.
pub struct Start {
    /// The configuration.
    pub loaded: Loaded,
    /// Where it was read from, and is read again.
    pub origin: Origin,
    /// Where calls come in.
    pub listeners: Listeners,
    /// The time.
    pub clock: Clock,
    /// What the log must not show.
    pub secrets: Arc<CurrentSecrets>,
    /// Where one asks for the configuration to be taken anew.
    pub reloads: Reloads,
}

/// Both ends of the line by which one asks for the configuration to be taken anew.
pub struct Reloads {
    /// Where one asks.
    pub ask: ReloadRequests,
    asked: mpsc::UnboundedReceiver<ReloadRequest>,
}

impl Reloads {
    /// With nothing asked yet.
    pub fn new() -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        Self { ask, asked }
    }
}

impl Default for Reloads {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a relay until told to stop; then lets everything in flight come to its end.
///
/// # Errors
///
/// [`StartError`] if it cannot start, or if one of its parts ends by itself: then the others are closed in order first.
pub async fn serve(start: Start, stop: CancellationToken) -> Result<(), StartError> {
    let Start { loaded, origin, listeners, clock, secrets, reloads } = start;
    let Loaded { checked, faulty, files, .. } = loaded;
    let settings = &checked.written.relay.value;
    let Some(store) = listeners.open_store(&settings.store.url, &stop).await? else { return Ok(()) };
    let keys = Keys::of(settings, checked.sending);
    keys.check(&*store).await?;
    let deliveries = Bulkhead::new("deliveries").map_err(StartError::Threads)?;
    let address =
        listeners.admin.local_addr().map_err(|error| StartError::Listen(settings.admin.listen.to_string(), error))?;
    // also cancelled when a part ends by itself, which is not the caller's business
    let stop = stop.child_token();
    let metrics = Arc::new(Metrics::new());
    let (notifications, inbox) = Notifications::new(Arc::clone(&metrics));
    tell_of_holds(&*store, &notifications).await;
    let shared = (metrics, Arc::clone(&notifications));
    let reached = (address, reloads.ask);
    let mut assembly = Assembly::new(Arc::clone(&store), clock.clone(), shared, reached, stop.clone());
    let outlets = Outlets::new(assembly.assemble(&checked, &faulty).await?);
    assembly.metrics.reloaded(true, clock.now());
    announce(&checked, &listeners, assembly.has_sandbox());
    reload::log_faulty(&faulty);

    let header_timeout = settings.server.header_timeout.0;
    // sockets that the next process goes on with are served while deliveries come to their end: nobody has to wait for those
    let is_handed_over = listeners.is_handed_over;
    let (accepting, farewell) =
        if is_handed_over { (CancellationToken::new(), FAREWELL) } else { (stop.clone(), Duration::ZERO) };
    let limits = listen::Limits { header_timeout, connections: connections(&settings.server), farewell };
    let webhooks = listen::serve_within(listeners.webhooks, outlets.webhooks.subscribe(), limits, accepting.clone());
    let limits = listen::Limits { connections: Connections::UNLIMITED, farewell: Duration::ZERO, ..limits };
    let admin = listen::serve_within(listeners.admin, outlets.admin.subscribe(), limits, stop.clone());
    let alerter = Alerter { settings: outlets.alerts.subscribe(), inbox, notifications };
    let retention =
        Retention { store: Arc::clone(&store) as Arc<dyn Store>, clock, periods: outlets.periods.subscribe() };
    let delivery = deliver_with(keys, Arc::clone(&store), outlets.delivery.subscribe(), stop.clone());
    let delivery = async move {
        let _ends_with_it = is_handed_over.then(|| accepting.drop_guard());
        delivery.await;
    };
    let (calls_taken, grace) = (assembly.tasks().clone(), settings.server.shutdown_grace.0);
    let current = Arc::new(checked);
    let started = Arc::clone(&current);
    let reloader = Reloader { origin, started, current, assembly, outlets, requests: reloads.asked, secrets };
    let mut parts = Parts::default();
    parts.spawn("what takes the configuration anew", reloader.run(files, stop.clone()));
    parts.spawn("the webhook listener", webhooks);
    parts.spawn("the admin listener", admin);
    parts.spawn_on("the deliverer", delivery, deliveries.handle());
    keep_timers_near(&mut parts, &deliveries, &stop);
    parts.spawn("the alerter", alerter.run(stop.clone()));
    parts.spawn("retention", retention.run(stop.clone()));
    parts.spawn("the store", until_it_ends(Arc::clone(&store), stop.clone()));
    let watched = parts.watch(&stop).await;
    stop.cancel();
    let ended = end(parts, calls_taken, store, grace).await;
    Ok(watched.and(ended)?)
}

/// Each runtime has its own timers.
fn keep_timers_near(parts: &mut Parts, deliveries: &Bulkhead, stop: &CancellationToken) {
    parts.spawn("the heartbeat of the listeners", heartbeat(stop.clone()));
    parts.spawn_on("the heartbeat of deliveries", heartbeat(stop.clone()), deliveries.handle());
}

/// Delivers as soon as it is written down whose keys are used. An account that turns out to have lost its key ends it.
async fn deliver_with(
    keys: Keys,
    store: Arc<dyn Engine>,
    delivery: watch::Receiver<Delivery>,
    stop: CancellationToken,
) {
    if let Err(error) = keys.settle(&*store, &stop).await {
        tracing::error!(%error, "nothing is delivered");
        return;
    }
    deliver::run(delivery, stop).await;
}

/// Lasts as long as the store works, or until told to stop: it is closed after all others.
async fn until_it_ends(store: Arc<dyn Engine>, stop: CancellationToken) {
    tokio::select! {
        () = store.ended() => {}
        () = stop.cancelled() => {}
    }
}

/// Waits for what is in flight, but no longer than the grace: then a sender that dawdles is cut off, and calls whose
/// answers are still missing are treated as uncertain at the next start. The store is closed in any case.
async fn end(
    mut parts: Parts,
    calls_taken: TaskTracker,
    store: Arc<dyn Engine>,
    grace: Duration,
) -> Result<(), PartEnded> {
    tracing::info!("stopping: what is in flight comes to its end");
    calls_taken.close();
    let all = async { tokio::join!(parts.finish(), calls_taken.wait()).0 };
    let finished = tokio::time::timeout(grace.saturating_sub(CLOSING), all).await;
    if finished.is_err() {
        tracing::warn!(
            "not everything came to its end in time; calls without an answer are treated as uncertain at the next start"
        );
    }
    // closing waits for the disk
    let closed = tokio::task::spawn_blocking(move || store.close());
    if tokio::time::timeout(CLOSING, closed).await.is_err() {
        tracing::warn!("the store did not close in time; what was answered is on disk all the same");
    }
    tracing::info!("stopped");
    finished.unwrap_or(Ok(()))
}

/// What has been on hold since an earlier process is said once more, and counted.
async fn tell_of_holds(store: &dyn Archive, notifications: &Notifications) {
    let holds = store.holds().await.unwrap_or_default();
    for hold in holds.into_iter().filter(|hold| hold.route.is_none()) {
        notifications.lasts(&hold.account, hold.campaign.as_deref());
        let HoldView { account, campaign, reason, since, waiting, .. } = &hold;
        tracing::warn!(account, campaign = campaign.as_deref(), reason, since, waiting, "hold lasts");
    }
}

/// Tells a newcomer where things are.
fn announce(checked: &Checked, listeners: &Listeners, sandbox: bool) {
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let (webhooks, admin) = (address(&listeners.webhooks), address(&listeners.admin));
    for name in checked.routes.keys() {
        tracing::info!(
            route = name,
            "route ready: POST http://{}/webhooks/{name}",
            webhooks.replace("0.0.0.0", "localhost")
        );
    }
    if checked.routes.is_empty() {
        tracing::warn!("there are no routes yet; `serri-relay new NAME --source SOURCE` writes one");
    }
    let settings = &checked.written.relay.value;
    if sandbox {
        tracing::warn!(
            accounts = sandboxed(settings).join(", "),
            "SANDBOX: no message of these accounts reaches anybody, since they have no Serri API key (SERRI_API_KEY) or `--sandbox` was given; see what would have been sent at http://{admin}/sandbox/messages"
        );
    }
    tracing::info!(webhooks, admin, store = settings.store.url.as_str(), "serri-relay is running");
}
