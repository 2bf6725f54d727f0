//! A whole relay: from a checked configuration and its listeners to running, and to an orderly end.
//!
//! The caller hands in the listeners and says when to stop; nothing here reads signals or the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Access, Desk};
use crate::alert::{Alerter, Means, Notices, Target};
use crate::bulkhead::Bulkhead;
use crate::clock::Clock;
use crate::config::relay::{AccountSpec, Addresses, AlertSpec, ProxySpec, RelayFile, ServerSpec};
use crate::config::wishes::CampaignSpec;
use crate::deliver::{Account, Deliverer, Lookups, Policy, Settings};
use crate::event::UncertainPolicy;
use crate::event::view::HoldView;
use crate::listen::{Connections, Reach, SharedBy};
use crate::map::phone;
use crate::outbound::{ClientError, Limits, Outbound, Proxy};
use crate::receive::{BodyMemory, Bounds, Receiver};
use crate::route::Detour;
use crate::route::check::Checked;
use crate::route::wakes::Wakes;
use crate::secret::Secret;
use crate::serri::sandbox::{self, Sandbox};
use crate::serri::{Caller, Client, Endpoint};
use crate::store::{Archive, Intake, OpenError, Operate, SqliteStore, Store};
use crate::telemetry::Metrics;
use crate::{admin, deliver, listen, receive};

/// How much of the grace is kept for closing the store.
const CLOSING: Duration = Duration::from_secs(2);

/// How many connections there may be for each request that is worked on at once: most of a sender's are idle, and what is
/// left of the process's file handles is for the store and for deliveries.
const CONNECTIONS: usize = 8;

/// How many there may be in any case.
const LEAST_CONNECTIONS: usize = 4_096;

/// The sockets a relay listens on.
#[derive(Debug)]
pub struct Listeners {
    /// For webhooks.
    pub webhooks: TcpListener,
    /// For whoever runs it.
    pub admin: TcpListener,
}

/// Why a relay cannot start.
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
}

impl Listeners {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if an address is taken.
    pub async fn bind(settings: &RelayFile) -> Result<Self, StartError> {
        let bind = async |address: &str| {
            TcpListener::bind(address).await.map_err(|error| StartError::Listen(address.to_owned(), error))
        };
        Ok(Self { webhooks: bind(&settings.server.listen).await?, admin: bind(&settings.admin.listen).await? })
    }
}

/// Runs a relay until told to stop; then lets everything in flight come to its end.
///
/// # Errors
///
/// [`StartError`] if it cannot start.
pub async fn serve(
    checked: Checked,
    listeners: Listeners,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let settings = checked.written.relay.value;
    let store = Arc::new(SqliteStore::open(&settings.store.url)?);
    let limits = Limits {
        timeout: settings.delivery.timeout.0,
        connect_timeout: settings.delivery.connect_timeout.0,
        connections: calls(&settings).concurrency,
    };
    let outbound = Outbound::new(limits, &proxy(&settings), clock.clone())?;
    let metrics = Arc::new(Metrics::new());
    let wake = Arc::new(Notify::new());
    let routes = Arc::new(checked.routes);
    let due = Arc::new(Wakes::new(&routes));
    let tasks = TaskTracker::new();
    let deliveries = Bulkhead::new("deliveries").map_err(StartError::Threads)?;
    let (notices, told) = Notices::new(Arc::clone(&metrics));
    tell_of_holds(&*store, &notices).await;
    let sandbox = if settings.accounts.values().any(AccountSpec::uses_sandbox) {
        Some(start_sandbox(&clock, &tasks, &stop).await?)
    } else {
        None
    };
    let receiver = Arc::new(Receiver {
        routes: Arc::clone(&routes),
        store: Arc::clone(&store) as Arc<dyn Intake>,
        wake: Arc::clone(&wake),
        lookup: Arc::clone(&due),
        clock: clock.clone(),
        metrics: Arc::clone(&metrics),
        bounds: bounds(&settings.server),
        memory: Arc::new(BodyMemory::new(settings.server.body_memory.0)),
        working: Semaphore::new(receive::WORKING),
        tasks: tasks.clone(),
    });
    let settings_of_calls = calls(&settings);
    let lookups = Lookups {
        store: Arc::clone(&store) as Arc<dyn Store>,
        outbound: outbound.clone(),
        routes: Arc::clone(&routes),
        settings: settings_of_calls,
        clock: clock.clone(),
        due: Arc::clone(&due),
        wake: Arc::clone(&wake),
        metrics: Arc::clone(&metrics),
    };
    let caller: Arc<dyn Caller> = Arc::new(Client::new(outbound.clone()));
    let alerter = Alerter {
        targets: targets(&settings, sandbox.as_ref().map(|(_, address)| *address)),
        remind: settings.delivery.remind.0,
        unreachable_after: settings.delivery.unreachable_after.0,
        means: Means {
            outbound,
            caller: Arc::clone(&caller),
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: clock.clone(),
        },
        inbox: told,
        notices: Arc::clone(&notices),
    };
    let deliverer = Deliverer {
        store: Arc::clone(&store) as Arc<dyn Store>,
        caller: Arc::clone(&caller),
        routes: Arc::clone(&routes),
        accounts: accounts(&settings, sandbox.as_ref().map(|(_, address)| *address)),
        settings: settings_of_calls,
        clock: clock.clone(),
        wake: Arc::clone(&wake),
        metrics: Arc::clone(&metrics),
        notices: Arc::clone(&notices),
    };
    let desk = Desk {
        archive: Arc::clone(&store) as Arc<dyn Archive>,
        operate: Arc::clone(&store) as Arc<dyn Operate>,
        routes: Arc::clone(&routes),
        accounts: countries(&settings),
        notices,
        clock,
        wake,
        due,
    };
    announce(&settings, &receiver, &listeners, sandbox.is_some());

    let header_timeout = settings.server.header_timeout.0;
    let address =
        listeners.admin.local_addr().map_err(|error| StartError::Listen(settings.admin.listen.clone(), error))?;
    let access = Access { token: Secret::new(settings.admin.token.trim()), reach: Reach::of(address) };
    let admin = admin::router(desk, metrics, sandbox.as_ref().map(|(sandbox, _)| sandbox), access);
    let limits = listen::Limits { header_timeout, connections: connections(&settings.server) };
    tasks.spawn(listen::serve_within(listeners.webhooks, receive::router(&receiver), limits, stop.clone()));
    tasks.spawn(listen::serve(listeners.admin, admin, header_timeout, stop.clone()));
    tasks.spawn_on(deliver::run(deliverer, lookups, stop.clone()), deliveries.handle());
    tasks.spawn(alerter.run(stop.clone()));
    tasks.close();
    stop.cancelled().await;
    end(&tasks, store, settings.server.shutdown_grace.0).await;
    Ok(())
}

/// Waits for what is in flight, but no longer than the grace: then a sender that dawdles is cut off, and calls whose
/// answers are still missing are treated as uncertain at the next start. The store is closed in any case.
async fn end(tasks: &TaskTracker, store: Arc<SqliteStore>, grace: Duration) {
    tracing::info!("stopping: nothing new is taken, what is in flight comes to its end");
    if tokio::time::timeout(grace.saturating_sub(CLOSING), tasks.wait()).await.is_err() {
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
}

/// The sandbox gets a port of its own on loopback: deliveries then go the same way as to Serri.
async fn start_sandbox(
    clock: &Clock,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(Sandbox, SocketAddr), StartError> {
    let sandbox = Sandbox::new(clock.clone());
    let failed = |error| StartError::Listen("127.0.0.1:0".into(), error);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tasks.spawn(listen::serve(listener, sandbox.guarded(Reach::Loopback), Duration::from_secs(10), stop.clone()));
    Ok((sandbox, address))
}

fn bounds(server: &ServerSpec) -> Bounds {
    Bounds {
        body_limit: server.body_limit.0,
        request_timeout: server.request_timeout.0,
        concurrency: usize::try_from(server.concurrency).unwrap_or(usize::MAX),
    }
}

/// How many connections senders may have.
fn connections(server: &ServerSpec) -> Connections {
    let bounded = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Connections {
        total: bounded(server.concurrency).saturating_mul(CONNECTIONS).max(LEAST_CONNECTIONS),
        per_address: bounded(server.per_address.connections),
        shared_by: match server.per_address.addresses {
            Addresses::Public => SharedBy::PublicAddresses,
            Addresses::All => SharedBy::AllAddresses,
        },
    }
}

/// The proxy that calls go through; `check` has seen to it that it is one.
fn proxy(settings: &RelayFile) -> Proxy {
    match settings.delivery.proxy() {
        Some(ProxySpec::Environment) => Proxy::Environment,
        Some(ProxySpec::Url(url)) => Proxy::Through(url),
        Some(ProxySpec::None) | None => Proxy::Direct,
    }
}

/// How calls are made.
fn calls(settings: &RelayFile) -> Settings {
    let delivery = &settings.delivery;
    let policy = Policy {
        initial: delivery.retry.initial.0,
        max: delivery.retry.max.0,
        give_up_after: delivery.retry.give_up_after.0,
        uncertain: UncertainPolicy { on_uncertain: delivery.on_uncertain, tries: delivery.uncertain_tries },
        probe_initial: delivery.hold_probe.initial.0,
        probe_max: delivery.hold_probe.max.0,
    };
    let concurrency = usize::try_from(delivery.concurrency).unwrap_or(usize::MAX);
    Settings { concurrency, timeout: delivery.timeout.0, policy, net: deliver::NET }
}

fn accounts(settings: &RelayFile, sandbox: Option<SocketAddr>) -> BTreeMap<String, Account> {
    let account = |(name, spec): (&String, &AccountSpec)| {
        let (endpoint, key) = match sandbox.filter(|_| spec.uses_sandbox()) {
            Some(address) => (format!("http://{address}{}", sandbox::PATH), sandbox::KEY.to_owned()),
            None => (spec.endpoint.clone(), spec.api_key.trim().to_owned()),
        };
        // `check` has seen to it that it is a URL
        let endpoint = Endpoint { account: name.clone(), url: endpoint.parse::<Url>().ok()?, confirm: spec.confirm };
        let of = |campaign: &&CampaignSpec| campaign.account.as_deref().unwrap_or("default") == name;
        let campaigns = settings.campaigns.iter().filter(of);
        let account = Account {
            endpoint,
            key: Secret::new(key),
            rate: spec.rate,
            campaign_rates: campaigns.filter_map(|campaign| Some((campaign.name.clone(), campaign.rate?))).collect(),
            detour: Detour::of(&spec.wishes, &spec.default_country),
        };
        Some((spec.label(name), account))
    };
    settings.accounts.iter().filter_map(account).collect()
}

/// The countries of the accounts' numbers, by the accounts as sends name them.
fn countries(settings: &RelayFile) -> BTreeMap<String, String> {
    settings.accounts.iter().map(|(name, spec)| (spec.label(name), spec.default_country.clone())).collect()
}

/// Those who want to know of holds; `check` has seen to it that each can be told.
fn targets(settings: &RelayFile, sandbox: Option<SocketAddr>) -> Vec<Target> {
    let accounts = accounts(settings, sandbox);
    let target = |alert: &AlertSpec| {
        if let Some(url) = alert.webhook.as_deref().and_then(|url| url.parse().ok()) {
            return Some(Target::Webhook { url, key: alert.secret.as_deref().map(Secret::new) });
        }
        if let Some(url) = alert.slack.as_deref().and_then(|url| url.parse().ok()) {
            return Some(Target::Slack(url));
        }
        let name = alert.account.as_deref().unwrap_or("default");
        let spec = settings.accounts.get(name)?;
        let account = accounts.get(&spec.label(name))?;
        Some(Target::Campaign {
            account: name.to_owned(),
            endpoint: account.endpoint.clone(),
            key: account.key.clone(),
            campaign: alert.campaign.clone()?,
            to: phone::normalise(alert.to.as_deref()?, &spec.default_country).ok()?,
        })
    };
    settings.alerts.iter().filter_map(target).collect()
}

/// What stands still since an earlier process is said once more, and counted.
async fn tell_of_holds(store: &dyn Archive, notices: &Notices) {
    for hold in store.holds().await.unwrap_or_default() {
        notices.lasts(&hold.account, hold.campaign.as_deref());
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
            "SANDBOX: there is no Serri API key (SERRI_API_KEY), so no message reaches anybody; see what would have been sent at http://{admin}/sandbox/messages"
        );
    }
    tracing::info!(webhooks, admin, store = settings.store.url, "serri-relay is running");
}
