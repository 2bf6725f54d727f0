//! What a relay consists of: parts that last, and what one configuration makes of them. A new configuration makes the latter
//! anew and puts it in the place of the old.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

use super::error::StartError;
use super::settings::{accounts, bounds, calls, countries, limits, periods, proxy, targets};
use crate::admin::{self, Access, AdminState};
use crate::alert::{self, Notifications};
use crate::clock::Clock;
use crate::config::relay::{AccountSpec, RelayFile};
use crate::deliver::{Deliverer, Delivery, Lookups};
use crate::listen::{self, Reach};
use crate::outbound::Outbound;
use crate::receive::{self, Receiver};
use crate::retention::Periods;
use crate::route::check::Checked;
use crate::route::load::FaultyRoutes;
use crate::route::notifiers::LookupNotifiers;
use crate::route::reload::{ReloadRequests, view};
use crate::secret::Secret;
use crate::serri::sandbox::{self, Sandbox};
use crate::serri::{Caller, Client};
use crate::store::{Archive, Engine, Intake, Operate, Store};
use crate::telemetry::{FaultyLabels, Metrics};

/// How long the head of a call may take to the sandbox, which only the relay itself calls.
const SANDBOX_PATIENCE: Duration = Duration::from_secs(10);

/// The parts that last.
pub struct Assembly {
    pub store: Arc<dyn Engine>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub notifications: Arc<Notifications>,
    wake: Arc<Notify>,
    /// What takes calls; it also knows those whose senders hung up.
    receiving: Arc<receive::Means>,
    /// One person is erased at a time.
    erasing: Arc<Mutex<()>>,
    /// Where the admin listener really is.
    admin_address: SocketAddr,
    /// Where one asks for the configuration to be taken anew.
    reload: ReloadRequests,
    /// Whom to wake for lookups, as the newest configuration has them.
    due: Arc<LookupNotifiers>,
    /// What stands in for Serri, as soon as an account needs it.
    sandbox: Option<(Sandbox, Url)>,
    pub stop: CancellationToken,
}

/// What one configuration makes of them.
pub struct Assembled {
    /// Cancelled when the last webhook, delivery and lookup are over that were begun by it.
    over: [CancellationToken; 3],
    webhooks: Arc<Receiver>,
    admin: Router,
    delivery: Delivery,
    alerts: Arc<alert::Settings>,
    periods: Periods,
}

/// Where the parts that run take from what the newest configuration made.
pub struct Outlets {
    pub webhooks: watch::Sender<Router>,
    pub admin: watch::Sender<Router>,
    pub delivery: watch::Sender<Delivery>,
    pub alerts: watch::Sender<Arc<alert::Settings>>,
    pub periods: watch::Sender<Periods>,
    /// Of the newest, and of older ones that are still in use.
    over: Vec<CancellationToken>,
}

impl Outlets {
    /// With what the first configuration made.
    pub fn new(Assembled { webhooks, admin, delivery, alerts, periods, over }: Assembled) -> Self {
        webhooks.take_over();
        Self {
            over: over.to_vec(),
            webhooks: watch::Sender::new(receive::router(&webhooks)),
            admin: watch::Sender::new(admin),
            delivery: watch::Sender::new(delivery),
            alerts: watch::Sender::new(alerts),
            periods: watch::Sender::new(periods),
        }
    }

    /// Puts what a new configuration made in the place of the old. Returns what is cancelled when nothing is under way any
    /// more that older ones began.
    pub fn put(
        &mut self,
        Assembled { webhooks, admin, delivery, alerts, periods, over }: Assembled,
    ) -> Vec<CancellationToken> {
        // first those who deliver: a new account must be known before its first send
        self.delivery.send_replace(delivery);
        self.alerts.send_replace(alerts);
        self.periods.send_replace(periods);
        webhooks.take_over();
        drop((self.admin.send_replace(admin), self.webhooks.send_replace(receive::router(&webhooks))));
        let mut older = std::mem::replace(&mut self.over, over.to_vec());
        older.retain(|over| !over.is_cancelled());
        self.over.extend(older.iter().cloned());
        older
    }
}

impl Assembly {
    /// Without anything that depends on a configuration.
    pub fn new(
        store: Arc<dyn Engine>,
        clock: Clock,
        (metrics, notifications): (Arc<Metrics>, Arc<Notifications>),
        (admin_address, reload): (SocketAddr, ReloadRequests),
        stop: CancellationToken,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let intake = Arc::clone(&store) as Arc<dyn Intake>;
        let receiving = receive::Means::new(intake, Arc::clone(&wake), clock.clone(), Arc::clone(&metrics));
        Self {
            store,
            clock,
            metrics,
            notifications,
            wake,
            receiving: Arc::new(receiving),
            erasing: Arc::default(),
            admin_address,
            reload,
            due: Arc::default(),
            sandbox: None,
            stop,
        }
    }

    /// Calls whose senders hung up, and what else goes on although nobody waits for it.
    pub fn tasks(&self) -> &TaskTracker {
        &self.receiving.tasks
    }

    /// Makes of it what a configuration says. Nothing of it runs yet.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the client cannot be made as it says, or the sandbox gets no port.
    pub async fn assemble(&mut self, checked: &Checked, faulty: &FaultyRoutes) -> Result<Assembled, StartError> {
        let settings = &checked.written.relay.value;
        // the socket may be another than the settings name: one that was handed over, or that of before a reload
        if !self.admin_address.ip().is_loopback() && settings.admin.token.trim().is_empty() {
            return Err(StartError::WithoutToken(self.admin_address));
        }
        let outbound = Outbound::new(limits(settings), &proxy(settings), self.clock.clone())?;
        let caller: Arc<dyn Caller> = Arc::new(Client::new(outbound.clone()));
        if self.sandbox.is_none() && settings.accounts.values().any(AccountSpec::uses_sandbox) {
            self.sandbox = Some(self.start_sandbox().await?);
        }
        let sandbox = self.sandbox.as_ref().map(|(_, url)| url);
        self.due = Arc::new(self.due.adopt(&checked.routes));
        let routes = Arc::new(checked.routes.clone());
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let [calls_over, deliveries_over, lookups_over] = std::array::from_fn(|_| CancellationToken::new());
        let lookups = Lookups {
            store: Arc::clone(&store),
            outbound: Arc::new(outbound.clone()),
            routes: Arc::clone(&routes),
            settings: calls(settings),
            clock: self.clock.clone(),
            due: Arc::clone(&self.due),
            wake: Arc::clone(&self.wake),
            metrics: Arc::clone(&self.metrics),
            notifications: Arc::clone(&self.notifications),
            in_use: Some(lookups_over.clone().drop_guard()),
        };
        let deliverer = Deliverer {
            store: Arc::clone(&store),
            caller: Arc::clone(&caller),
            routes: Arc::clone(&routes),
            accounts: accounts(&checked.accounts, &settings.campaigns, sandbox),
            settings: calls(settings),
            clock: self.clock.clone(),
            wake: Arc::clone(&self.wake),
            metrics: Arc::clone(&self.metrics),
            notifications: Arc::clone(&self.notifications),
            in_use: Some(deliveries_over.clone().drop_guard()),
        };
        let alerts = alert::Settings {
            targets: targets(&checked.alerts, sandbox),
            remind: settings.delivery.remind.0,
            unreachable_after: settings.delivery.unreachable_after.0,
            means: alert::Means {
                outbound,
                caller,
                store,
                clock: self.clock.clone(),
                metrics: Arc::clone(&self.metrics),
            },
        };
        let faulty = Arc::new(faulty.clone());
        self.metrics.faulty_routes.clear();
        for (route, faulty) in faulty.iter() {
            let labels = FaultyLabels { route: route.as_str().into(), serves: view(route, faulty).serves };
            self.metrics.faulty_routes.get_or_create(&labels).set(1);
        }
        let receiver = self.receiver(checked, Arc::clone(&faulty), calls_over.clone().drop_guard());
        Ok(Assembled {
            over: [calls_over, deliveries_over, lookups_over],
            webhooks: Arc::new(receiver),
            admin: self.admin(checked, faulty),
            delivery: Delivery { deliverer: Arc::new(deliverer), lookups: Arc::new(lookups), is_settled: false },
            alerts: Arc::new(alerts),
            periods: periods(&settings.store),
        })
    }

    fn receiver(&self, checked: &Checked, faulty: Arc<FaultyRoutes>, in_use: DropGuard) -> Receiver {
        let server = &checked.written.relay.value.server;
        Receiver {
            routes: Arc::new(checked.routes.clone()),
            faulty,
            in_use: Some(in_use),
            lookup: Arc::clone(&self.due),
            bounds: bounds(server),
            means: Arc::clone(&self.receiving),
        }
    }

    fn admin(&self, checked: &Checked, faulty: Arc<FaultyRoutes>) -> Router {
        let settings = &checked.written.relay.value;
        let state = AdminState {
            archive: Arc::clone(&self.store) as Arc<dyn Archive>,
            operate: Arc::clone(&self.store) as Arc<dyn Operate>,
            routes: Arc::new(checked.routes.clone()),
            faulty,
            metrics: Arc::clone(&self.metrics),
            reload: self.reload.clone(),
            accounts: countries(settings),
            notifications: Arc::clone(&self.notifications),
            clock: self.clock.clone(),
            wake: Arc::clone(&self.wake),
            due: Arc::clone(&self.due),
            sandbox: self.sandbox.as_ref().map(|(sandbox, _)| sandbox.clone()),
            tasks: self.tasks().clone(),
            erasing: Arc::clone(&self.erasing),
        };
        let access = Access { token: Secret::new(settings.admin.token.trim()), reach: Reach::of(self.admin_address) };
        admin::router(state, Arc::clone(&self.metrics), access)
    }

    /// The sandbox gets a port of its own on loopback: deliveries then go the same way as to Serri.
    async fn start_sandbox(&self) -> Result<(Sandbox, Url), StartError> {
        let sandbox = Sandbox::new(self.clock.clone());
        let failed = |error| StartError::Listen("127.0.0.1:0".into(), error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let url = format!("http://{address}{}", sandbox::PATH);
        let url = Url::parse(&url).map_err(|error| failed(std::io::Error::other(error)))?;
        let router = sandbox.guarded(Reach::Loopback);
        self.tasks().spawn(listen::serve(listener, router, SANDBOX_PATIENCE, self.stop.clone()));
        Ok((sandbox, url))
    }

    /// Whether something stands in for Serri.
    pub fn has_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }
}

/// The names of the accounts of which no message reaches anybody.
pub fn sandboxed(settings: &RelayFile) -> Vec<&str> {
    let accounts = settings.accounts.iter().filter(|(_, account)| account.uses_sandbox());
    accounts.map(|(name, _)| name.as_str()).collect()
}
