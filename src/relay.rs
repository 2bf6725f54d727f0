//! A whole relay: from a checked configuration and its listeners to running, and to an orderly end.
//!
//! The caller hands in the listeners and says when to stop; nothing here reads signals or the environment.

mod keys;
mod parts;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::admin::{Access, AdminState};
use crate::alert::{Alerter, Means, Notifications};
use crate::bulkhead::{Bulkhead, heartbeat};
use crate::clock::Clock;
use crate::config::address::ListenAddress;
use crate::config::relay::{AccountSpec, RelayFile};
use crate::deliver::{Deliverer, Lookups};
use crate::event::view::HoldView;
use crate::listen::Reach;
use crate::outbound::{ClientError, Outbound};
use crate::receive::{BodyMemory, Receiver, StoreMemory};
use crate::retention::Retention;
use crate::route::check::Checked;
use crate::route::notifiers::LookupNotifiers;
use crate::secret::Secret;
use crate::serri::sandbox::{self, Sandbox};
use crate::serri::{Caller, Client};
use crate::store::{self, Archive, Engine, Intake, OpenError, Operate, Store};
use crate::telemetry::Metrics;
use crate::{admin, deliver, listen, receive};

use keys::Keys;
use parts::Parts;
use settings::{accounts, bounds, calls, connections, countries, limits, periods, proxy, targets};

pub use parts::PartEnded;

/// How much of the grace is kept for closing the store.
const CLOSING: Duration = Duration::from_secs(2);

/// The sockets a relay listens on.
#[derive(Debug)]
pub struct Listeners {
    /// For webhooks.
    pub webhooks: TcpListener,
    /// For whoever runs it.
    pub admin: TcpListener,
}

/// Why a relay cannot start, or ended although nobody told it to.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error(
        "cannot listen on {0}: {1}; is another relay running? server.listen and admin.listen in relay.yaml say where"
    )]
    Listen(String, std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Deliveries have threads of their own.
    #[error("cannot start threads for deliveries: {0}; raise the limit of processes (ulimit -u, pids_limit)")]
    Threads(std::io::Error),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An account that had a key has none.
    #[error(
        "account `{0}` had an API key before and has none now: its messages would go to the sandbox and reach nobody; set accounts.NAME.api_key (SERRI_API_KEY) again, or start with `serve --sandbox` if that is what you want"
    )]
    KeyLost(String),
    /// A part of it ended before it was told to stop.
    #[error(transparent)]
    Part(#[from] PartEnded),
}

impl Listeners {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if an address is taken.
    pub async fn bind(settings: &RelayFile) -> Result<Self, StartError> {
        let bind = async |ListenAddress(address): ListenAddress| {
            TcpListener::bind(address).await.map_err(|error| StartError::Listen(address.to_string(), error))
        };
        Ok(Self { webhooks: bind(settings.server.listen).await?, admin: bind(settings.admin.listen).await? })
    }
}

/// Runs a relay until told to stop; then lets everything in flight come to its end.
///
/// # Errors
///
/// [`StartError`] if it cannot start, or if one of its parts ends by itself: then the others are closed in order first.
pub async fn serve(
    checked: Checked,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let settings = checked.written.relay.value;
    let store = store::open(settings.store.url.as_str())?;
    let keys = Keys::of(&settings, checked.sending);
    keys.check(&*store).await?;
    let outbound = Outbound::new(limits(&settings), &proxy(&settings), clock.clone())?;
    let metrics = Arc::new(Metrics::new());
    let wake = Arc::new(Notify::new());
    let routes = Arc::new(checked.routes);
    let due = Arc::new(LookupNotifiers::new(&routes));
    let deliveries = Bulkhead::new("deliveries").map_err(StartError::Threads)?;
    // also cancelled when a part ends by itself, which is not the caller's business
    let stop = stop.child_token();
    let mut parts = Parts::default();
    // what proven calls still need, also when their senders hung up
    let calls_taken = TaskTracker::new();
    let (notifications, inbox) = Notifications::new(Arc::clone(&metrics));
    tell_of_holds(&*store, &notifications).await;
    parts.spawn("retention", retention(&store, &clock, &settings).run(stop.clone()));
    let sandbox = start_sandbox(&settings, &clock, &mut parts, &stop).await?;
    let receiver = Arc::new(Receiver {
        routes: Arc::clone(&routes),
        store: Arc::clone(&store) as Arc<dyn Intake>,
        wake: Arc::clone(&wake),
        lookup: Arc::clone(&due),
        clock: clock.clone(),
        metrics: Arc::clone(&metrics),
        bounds: bounds(&settings.server),
        memory: Arc::new(BodyMemory::new(settings.server.body_memory.0)),
        storing: StoreMemory::new(settings.server.body_memory.0),
        working: Semaphore::new(receive::WORKING),
        large: Semaphore::new(1),
        tasks: calls_taken.clone(),
    });
    let settings_of_calls = calls(&settings);
    let lookups = Lookups {
        store: Arc::clone(&store) as Arc<dyn Store>,
        outbound: Arc::new(outbound.clone()),
        routes: Arc::clone(&routes),
        settings: settings_of_calls,
        clock: clock.clone(),
        due: Arc::clone(&due),
        wake: Arc::clone(&wake),
        metrics: Arc::clone(&metrics),
    };
    let caller: Arc<dyn Caller> = Arc::new(Client::new(outbound.clone()));
    let alerter = Alerter {
        targets: targets(&checked.alerts, sandbox.as_ref().map(|(_, url)| url)),
        remind: settings.delivery.remind.0,
        unreachable_after: settings.delivery.unreachable_after.0,
        means: Means {
            outbound,
            caller: Arc::clone(&caller),
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: clock.clone(),
        },
        inbox,
        notifications: Arc::clone(&notifications),
    };
    let deliverer = Deliverer {
        store: Arc::clone(&store) as Arc<dyn Store>,
        caller: Arc::clone(&caller),
        routes: Arc::clone(&routes),
        accounts: accounts(&checked.accounts, &settings.campaigns, sandbox.as_ref().map(|(_, url)| url)),
        settings: settings_of_calls,
        clock: clock.clone(),
        wake: Arc::clone(&wake),
        metrics: Arc::clone(&metrics),
        notifications: Arc::clone(&notifications),
    };
    let admin = AdminState {
        archive: Arc::clone(&store) as Arc<dyn Archive>,
        operate: Arc::clone(&store) as Arc<dyn Operate>,
        routes: Arc::clone(&routes),
        accounts: countries(&settings),
        notifications,
        clock,
        wake,
        due,
        sandbox: sandbox.as_ref().map(|(sandbox, _)| sandbox.clone()),
        tasks: calls_taken.clone(),
        erasing: Mutex::default(),
    };
    announce(&settings, &receiver, &listeners, sandbox.is_some());

    let header_timeout = settings.server.header_timeout.0;
    let address =
        listeners.admin.local_addr().map_err(|error| StartError::Listen(settings.admin.listen.to_string(), error))?;
    let access = Access { token: Secret::new(settings.admin.token.trim()), reach: Reach::of(address) };
    let admin = admin::router(admin, metrics, access);
    let limits = listen::Limits { header_timeout, connections: connections(&settings.server) };
    let webhooks = listen::serve_within(listeners.webhooks, receive::router(&receiver), limits, stop.clone());
    parts.spawn("the webhook listener", webhooks);
    parts.spawn("the admin listener", listen::serve(listeners.admin, admin, header_timeout, stop.clone()));
    parts.spawn_on("the deliverer", deliver_with(keys, deliverer, lookups, stop.clone()), deliveries.handle());
    keep_timers_near(&mut parts, &deliveries, &stop);
    parts.spawn("the alerter", alerter.run(stop.clone()));
    parts.spawn("the store", until_it_ends(Arc::clone(&store), stop.clone()));
    let watched = parts.watch(&stop).await;
    stop.cancel();
    let ended = end(parts, calls_taken, store, settings.server.shutdown_grace.0).await;
    Ok(watched.and(ended)?)
}

/// What removes what is past its time.
fn retention(store: &Arc<dyn Engine>, clock: &Clock, settings: &RelayFile) -> Retention {
    let store = Arc::clone(store) as Arc<dyn Store>;
    Retention { store, clock: clock.clone(), periods: periods(&settings.store) }
}

/// Each runtime has its own timers.
fn keep_timers_near(parts: &mut Parts, deliveries: &Bulkhead, stop: &CancellationToken) {
    parts.spawn("the heartbeat of the listeners", heartbeat(stop.clone()));
    parts.spawn_on("the heartbeat of deliveries", heartbeat(stop.clone()), deliveries.handle());
}

/// Delivers as soon as it is written down whose keys are used. An account that turns out to have lost its key ends it.
async fn deliver_with(keys: Keys, deliverer: Deliverer, lookups: Lookups, stop: CancellationToken) {
    if let Err(error) = keys.settle(&*deliverer.store, &stop).await {
        tracing::error!(%error, "nothing is delivered");
        return;
    }
    deliver::run(deliverer, lookups, stop).await;
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
    tracing::info!("stopping: nothing new is taken, what is in flight comes to its end");
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

/// The sandbox gets a port of its own on loopback, if an account needs it: deliveries then go the same way as to Serri.
async fn start_sandbox(
    settings: &RelayFile,
    clock: &Clock,
    parts: &mut Parts,
    stop: &CancellationToken,
) -> Result<Option<(Sandbox, Url)>, StartError> {
    if !settings.accounts.values().any(AccountSpec::uses_sandbox) {
        return Ok(None);
    }
    let sandbox = Sandbox::new(clock.clone());
    let failed = |error| StartError::Listen("127.0.0.1:0".into(), error);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let url = format!("http://{address}{}", sandbox::PATH);
    let url = Url::parse(&url).map_err(|error| failed(std::io::Error::other(error)))?;
    parts.spawn(
        "the sandbox",
        listen::serve(listener, sandbox.guarded(Reach::Loopback), Duration::from_secs(10), stop.clone()),
    );
    Ok(Some((sandbox, url)))
}

/// What has been on hold since an earlier process is said once more, and counted.
async fn tell_of_holds(store: &dyn Archive, notifications: &Notifications) {
    for hold in store.holds().await.unwrap_or_default() {
        notifications.lasts(&hold.account, hold.campaign.as_deref());
        let HoldView { account, campaign, reason, since, waiting, .. } = &hold;
        tracing::warn!(account, campaign = campaign.as_deref(), reason, since, waiting, "hold lasts");
    }
}

/// Tells a newcomer where things are.
fn announce(settings: &RelayFile, receiver: &Receiver, listeners: &Listeners, sandbox: bool) {
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let (webhooks, admin) = (address(&listeners.webhooks), address(&listeners.admin));
    for name in receiver.routes.keys() {
        tracing::info!(
            route = name,
            "route ready: POST http://{}/webhooks/{name}",
            webhooks.replace("0.0.0.0", "localhost")
        );
    }
    if receiver.routes.is_empty() {
        tracing::warn!("there are no routes yet; `serri-relay new NAME --source SOURCE` writes one");
    }
    if sandbox {
        let names: Vec<&str> = settings
            .accounts
            .iter()
            .filter(|(_, account)| account.uses_sandbox())
            .map(|(name, _)| name.as_str())
            .collect();
        tracing::warn!(
            accounts = names.join(", "),
            "SANDBOX: no message of these accounts reaches anybody, since they have no Serri API key (SERRI_API_KEY) or `--sandbox` was given; see what would have been sent at http://{admin}/sandbox/messages"
        );
    }
    tracing::info!(webhooks, admin, store = settings.store.url.as_str(), "serri-relay is running");
}
