//! A deterministic simulation: the real mapping, store and deliverer, with a clock, a Serri and misfortunes that a seed
//! decides. What must always hold is looked at with every call and at the end.
//!
//! `SERRI_RELAY_SEED=7 cargo test --test it simulation` replays one; `scripts/soak` runs many.

mod backlog;
mod end;
mod model;
mod script;
mod senders;
mod serri;
mod steps;
mod week;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use serri_relay::alert::Notifications;
use serri_relay::clock::{Clock, Stopwatch, Timestamp};
use serri_relay::config::unit::Rate;
use serri_relay::deliver::{self, Account, Deliverer, Delivery, Lookups, Policy, Settings};
use serri_relay::event::stats::SendCount;
use serri_relay::event::{Confirm, Kept, OnUncertain, State, UncertainPolicy};
use serri_relay::outbound::Fetch;
use serri_relay::retention::{Periods, Retention};
use serri_relay::route::notifiers::LookupNotifiers;
use serri_relay::route::{Routes, TestMode};
use serri_relay::secret::Secret;
use serri_relay::serri::{Caller, Endpoint};
use serri_relay::store::{Archive as _, CommitOrder, Intake as _, MemoryStore, Store};
use serri_relay::telemetry::Metrics;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::Setup;
use model::Model;
use script::{Act, NAMES, Script};
use senders::Senders;
use serri::Serri;

/// How many seeds a run tries, unless `SERRI_RELAY_SEEDS` says otherwise.
const SEEDS: u64 = 2_000;

/// A Monday; Serri's clock is the relay's.
const START: Timestamp = Timestamp(1_798_416_000_000);

/// How long what is left may take when nothing goes wrong any more.
const REST: Duration = Duration::from_secs(20 * 86_400);

/// How many calls an event may cost, however long things go wrong: some hours of repetitions and probes.
const CALLS: usize = 60;

/// For how long things are kept: longer than a simulation lasts, but for the keys of repetitions.
const PERIODS: Periods =
    Periods { events: Some(Duration::from_secs(90 * 86_400)), sends: Some(Duration::from_secs(365 * 86_400)) };

/// The routes of each configuration: compiled once for all seeds.
static ROUTES: LazyLock<[Arc<Routes>; NAMES.len()]> = LazyLock::new(|| {
    std::array::from_fn(|configuration| {
        let setup =
            Setup::new().account("second").file("sources/leads.yaml", script::LEADS_SOURCE).lists(script::CAMPAIGNS);
        let routes = script::routes(configuration);
        let setup = routes.iter().fold(setup, |setup, (name, text)| setup.route(name, text));
        setup.write("http://serri.example/api");
        Arc::new(setup.checked().routes)
    })
});

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says which")]
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SERRI_RELAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SERRI_RELAY_SEEDS").unwrap_or(SEEDS),
    }
}

/// Two halves, for two processors.
fn run_half(half: u64) {
    let failed: Vec<u64> =
        seeds().filter(|seed| seed % 2 == half && std::panic::catch_unwind(|| simulate(*seed)).is_err()).collect();
    assert!(failed.is_empty(), "SERRI_RELAY_SEED={} cargo test --test it simulation, of {failed:?}", failed[0]);
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_doubled_or_untimely_even_seeds() {
    run_half(0);
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_doubled_or_untimely_odd_seeds() {
    run_half(1);
}

#[test]
fn a_seed_replays_exactly() {
    let told = |seed| {
        let world = Simulation::new(seed);
        world.run();
        (world.serri.log(), world.sends())
    };
    for seed in 0..5 {
        assert_eq!(told(seed), told(seed), "seed {seed}");
    }
    assert_ne!(told(1), told(2));
}

fn simulate(seed: u64) {
    let world = Simulation::new(seed);
    world.run();
    world.check_the_end();
}

/// One simulated world.
pub struct Simulation {
    runtime: tokio::runtime::Runtime,
    clock: Clock,
    store: Arc<MemoryStore>,
    serri: Arc<Serri>,
    senders: Arc<Senders>,
    due: Arc<LookupNotifiers>,
    model: Arc<Model>,
    script: Script,
    /// Where the relay that runs takes its configuration from, and what is cancelled when nothing is under way any more that
    /// the one of now, or one before it, began.
    running: Mutex<Option<(watch::Sender<Delivery>, Vec<CancellationToken>)>>,
    /// One in ten has retention at work: a pass each hour, however long it lasts.
    has_retention: bool,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self::of(seed, Script::of(seed))
    }

    fn of(seed: u64, script: Script) -> Self {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (clock, model) = {
            let _in = runtime.enter();
            (Clock::running_from(START), Arc::new(Model::new()))
        };
        let (serri, senders) = {
            let _in = runtime.enter();
            let serri = Serri::new(seed, clock.clone(), Arc::clone(&model), script.faults.clone());
            (serri, Arc::new(Senders::new(seed, script.troubles.clone())))
        };
        let due = Arc::new(LookupNotifiers::new(&ROUTES[0]));
        // half of the worlds share transactions, as the writer thread does
        let store = if seed % 4 < 2 { MemoryStore::new() } else { MemoryStore::committed_by_hand() };
        Self {
            runtime,
            clock,
            store: Arc::new(store.unwrap()),
            serri,
            senders,
            due,
            model,
            script,
            running: Mutex::default(),
            has_retention: seed.is_multiple_of(10),
        }
    }

    fn run(&self) {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.commit() => {}
                () = self.live() => {}
            }
        });
    }

    /// What is asked for meanwhile shares a transaction, as long as it takes.
    async fn commit(&self) {
        loop {
            self.store.asked().await;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=30))).await;
            self.store.commit(if fastrand::bool() { CommitOrder::Together } else { CommitOrder::ClaimsFirst });
        }
    }

    async fn live(&self) {
        let begin = Stopwatch::start();
        let wake = Arc::new(Notify::new());
        let mut relay = self.start(&wake);
        for (at, act) in &self.script.acts {
            loop {
                tokio::select! {
                    biased;
                    () = self.serri.killed() => relay = self.restart(relay, &wake).await,
                    () = tokio::time::sleep(at.saturating_sub(begin.elapsed())) => break,
                }
            }
            match act {
                Act::Event { route, body } => self.receive(route, body, &wake).await,
                Act::Kill => relay = self.restart(relay, &wake).await,
                Act::KillAtCall => self.serri.kill_at_next_call(),
                Act::Reload(configuration) => {
                    self.model.configured(*configuration);
                    self.reload(&mut relay, &wake);
                }
                Act::Ahead(by) => {
                    let before = self.clock.now();
                    self.clock.advance(*by);
                    self.model.clock_was_set_ahead(before, self.clock.now());
                }
                // the process is stopped: time passes, and all that ends meanwhile ends at once
                Act::Pause(by) => tokio::time::advance(*by).await,
                Act::Back(by) => {
                    let before = self.clock.now();
                    self.clock.set_back(*by);
                    self.model.clock_was_set_back(before, self.clock.now());
                    self.serri.clock_was_set_back();
                }
            }
        }
        let mut left = REST;
        while self.is_busy().await {
            let step = Duration::from_secs(3_600);
            tokio::select! {
                biased;
                () = self.serri.killed() => relay = self.restart(relay, &wake).await,
                () = tokio::time::sleep(step) => match left.checked_sub(step) {
                    Some(rest) => left = rest,
                    None => panic!("some never come to their end: {:#?}", self.left().await),
                },
            }
        }
        relay.shutdown().await;
    }

    /// A process that dies leaves what it had not written down; one that starts finds what was.
    async fn restart(&self, mut relay: JoinSet<()>, wake: &Arc<Notify>) -> JoinSet<()> {
        // what the dying process had asked for may have been written, although it never heard so
        if fastrand::bool() {
            self.store.commit(CommitOrder::Together);
        }
        relay.shutdown().await;
        self.store.crash();
        self.serri.everybody_hung_up();
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.start(wake)
    }

    /// What delivers, and what is cancelled when it no longer does.
    fn delivery(&self, wake: &Arc<Notify>) -> (Delivery, CancellationToken) {
        let settings = Settings {
            concurrency: self.script.concurrency,
            timeout: Duration::from_secs(10),
            policy: policy(),
            poll_interval: Duration::from_secs(86_400),
        };
        let caller = Arc::clone(&self.serri) as Arc<dyn Caller>;
        let senders = Arc::clone(&self.senders) as Arc<dyn Fetch>;
        let due = Arc::clone(&self.due);
        let routes = Arc::clone(self.routes());
        let far = Far { senders, due, routes, ..Far::of(&self.store, caller, &self.clock) };
        let mut delivery = delivery(far, settings, "20/s", wake);
        let over = CancellationToken::new();
        Arc::get_mut(&mut delivery.deliverer).unwrap().in_use = Some(over.clone().drop_guard());
        (delivery, over)
    }

    /// The configuration is taken anew, as `relay::reload` does it.
    fn reload(&self, relay: &mut JoinSet<()>, wake: &Arc<Notify>) {
        let (delivery, over) = self.delivery(wake);
        let mut running = self.running.lock().unwrap();
        let (newest, mut all) = running.take().unwrap();
        newest.send_replace(Delivery { is_settled: false, ..delivery });
        relay.spawn({
            let (newest, before) = (newest.clone(), all.clone());
            async move {
                for over in before {
                    over.cancelled().await;
                }
                newest.send_modify(|delivery| delivery.is_settled = true);
            }
        });
        all.push(over);
        *running = Some((newest, all));
    }

    fn start(&self, wake: &Arc<Notify>) -> JoinSet<()> {
        let (delivery, over) = self.delivery(wake);
        let newest = watch::Sender::new(delivery);
        let mut relay = JoinSet::new();
        relay.spawn(deliver::run(newest.subscribe(), CancellationToken::new()));
        *self.running.lock().unwrap() = Some((newest, vec![over]));
        if self.has_retention {
            let (store, clock) = (Arc::clone(&self.store) as Arc<dyn Store>, self.clock.clone());
            relay.spawn(Retention { store, clock, periods: watch::channel(PERIODS).1 }.run(CancellationToken::new()));
        }
        relay
    }

    /// Those of the configuration that runs.
    fn routes(&self) -> &Arc<Routes> {
        &ROUTES[self.model.configuration()]
    }

    async fn receive(&self, route: &str, body: &str, wake: &Notify) {
        let route = &self.routes()[route];
        let call = script::call(route, body);
        let events = route.read(&route.authentication.assume(call), self.clock.now()).unwrap();
        // a deliverer that asks at the same moment gets the sends straight away, where they share a transaction
        wake.notify_one();
        let kept = self.store.append(events.clone()).await.unwrap();
        for (event, kept) in events.iter().zip(kept) {
            if kept == Kept::New {
                self.model.arrived(event);
            }
        }
        wake.notify_one();
        if let Some(due) = self.due.of(&route.name) {
            due.notify_one();
        }
    }
}

/// When sends are tried again; nothing is given up while a simulation lasts.
fn policy() -> Policy {
    Policy {
        initial: Duration::from_secs(2),
        max: Duration::from_secs(600),
        give_up_after: Duration::from_secs(30 * 86_400),
        uncertain: UncertainPolicy { on_uncertain: OnUncertain::Retry, tries: NonZeroU32::new(2).unwrap() },
        probe_initial: Duration::from_secs(60),
        probe_max: Duration::from_secs(900),
    }
}

/// Where an account's calls go.
pub fn endpoint(account: &str) -> Endpoint {
    let url = format!("http://{account}.example/").parse().unwrap();
    Endpoint { account: account.to_owned(), url, confirm: Confirm::Explicit }
}

/// How many sends are still to be sent.
async fn unsent(store: &MemoryStore, now: Timestamp) -> u64 {
    let is_unsent = |count: &&SendCount| [State::Waiting, State::Sending].contains(&count.state);
    store.levels(now).await.unwrap().sends.iter().filter(is_unsent).map(|count| count.count).sum()
}

/// What a relay works with.
pub struct Far {
    pub store: Arc<MemoryStore>,
    pub caller: Arc<dyn Caller>,
    pub senders: Arc<dyn Fetch>,
    pub clock: Clock,
    /// Told of lookups that are due.
    pub due: Arc<LookupNotifiers>,
    pub routes: Arc<Routes>,
}

impl Far {
    /// One whose senders' APIs always answer.
    pub fn of(store: &Arc<MemoryStore>, caller: Arc<dyn Caller>, clock: &Clock) -> Self {
        let (senders, due) = (Arc::new(Senders::new(0, Vec::new())), Arc::new(LookupNotifiers::new(&ROUTES[0])));
        Self { store: Arc::clone(store), caller, senders, clock: clock.clone(), due, routes: Arc::clone(&ROUTES[0]) }
    }
}

/// A deliverer over a store, a Serri, senders' APIs and a clock.
fn delivery(
    Far { store, caller, senders, clock, due, routes }: Far,
    settings: Settings,
    rate: &str,
    wake: &Arc<Notify>,
) -> Delivery {
    let metrics = Arc::new(Metrics::new());
    let rate: Rate = rate.parse().unwrap();
    let account = |name: &str| {
        let account = Account {
            endpoint: endpoint(name),
            key: Secret::new("key"),
            rate,
            campaign_rates: BTreeMap::new(),
            test_mode: TestMode::default(),
        };
        (name.to_owned(), account)
    };
    let store = store as Arc<dyn Store>;
    let deliverer = Deliverer {
        store: Arc::clone(&store),
        caller,
        accounts: ["default", "second"].map(account).into(),
        routes: Arc::clone(&routes),
        settings,
        clock: clock.clone(),
        wake: Arc::clone(wake),
        metrics: Arc::clone(&metrics),
        notifications: Notifications::new(Arc::clone(&metrics)).0,
        in_use: None,
    };
    let lookups = Lookups {
        store,
        outbound: senders,
        routes,
        settings,
        clock,
        due,
        wake: Arc::clone(wake),
        notifications: Notifications::new(Arc::clone(&metrics)).0,
        in_use: None,
        metrics,
    };
    Delivery { deliverer: Arc::new(deliverer), lookups: Arc::new(lookups), is_settled: true }
}
