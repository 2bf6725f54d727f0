//! The parts of a relay are watched: one that panics ends the whole, in order.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serri_relay::alert::{self, Alerter, Means, Notifications};
use serri_relay::clock::Clock;
use serri_relay::deliver::{self, Deliverer, Delivery, Lookups, Policy, Settings};
use serri_relay::event::{OnUncertain, UncertainPolicy};
use serri_relay::outbound::{Limits, Outbound, Proxy};
use serri_relay::relay::{self, Start};
use serri_relay::route::Routes;
use serri_relay::route::notifiers::LookupNotifiers;
use serri_relay::serri::{Caller, Client};
use serri_relay::store::{MemoryStore, Store};
use serri_relay::telemetry::Metrics;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::asked::{Ask as _, texts};
use crate::world::{PATIENCE, ROUTE, Setup, eventually, proven};

/// A clock at which whoever reads it panics as soon as the flag is set.
fn broken_clock(broken: &Arc<AtomicBool>) -> Clock {
    let (broken, right) = (Arc::clone(broken), Clock::system());
    Clock::told_by(move || {
        if broken.load(Ordering::SeqCst) {
            // unlike `panic!` this writes nothing to the test's output
            resume_unwind(Box::new("the clock is broken"));
        }
        right.now()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_panics_ends_the_relay_in_order() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let start = setup.ready().await;
    let base = format!("http://{}", start.listeners.webhooks.local_addr().unwrap());
    let broken = Arc::new(AtomicBool::new(false));
    let mut relay = JoinSet::new();
    relay.spawn(relay::serve(Start { clock: broken_clock(&broken), ..start }, CancellationToken::new()));
    let http = reqwest::Client::new();
    let post = |id: &str| {
        let body = format!(r#"{{"id":"{id}","phone":"9812345670"}}"#);
        proven(&http, &format!("{base}/webhooks/hello"), body).send()
    };
    eventually("it runs", async || post("e1").await.is_ok_and(|answer| answer.status() == 200)).await;
    broken.store(true, Ordering::SeqCst);
    let ended = tokio::time::timeout(PATIENCE, relay.join_next()).await.expect("it ends").unwrap().unwrap();
    let said = ended.unwrap_err().to_string();
    // whichever reads the clock first
    assert!(said.contains("the deliverer panicked") || said.contains("the alerter panicked"), "{said}");
    assert!(said.contains("start the relay again"), "{said}");
    // another test's relay may have the port by now
    assert!(!post("e2").await.is_ok_and(|answer| answer.status() == 200), "nothing is taken any more");
    assert!(!setup.dir.path().join("relay.db-wal").exists(), "the store was closed in order");
    assert_eq!(texts(&setup.store().events().await, "id"), ["e1"]);
}

/// A deliverer without accounts, and lookups, each with its own clock.
pub fn delivery(store: Arc<dyn Store>, routes: Routes, [of_sends, of_lookups]: [&Clock; 2]) -> Delivery {
    let routes = Arc::new(routes);
    let second = Duration::from_secs(1);
    let policy = Policy {
        initial: second,
        max: second,
        give_up_after: second,
        uncertain: UncertainPolicy { on_uncertain: OnUncertain::Retry, tries: NonZeroU32::MIN },
        probe_initial: second,
        probe_max: second,
    };
    let settings = Settings { concurrency: 1, timeout: second, policy, poll_interval: second };
    let (metrics, wake) = (Arc::new(Metrics::new()), Arc::new(Notify::new()));
    let deliverer = Deliverer {
        store: Arc::clone(&store),
        caller: Arc::new(Client::new(outbound())) as Arc<dyn Caller>,
        accounts: BTreeMap::new(),
        routes: Arc::clone(&routes),
        settings,
        clock: of_sends.clone(),
        wake: Arc::clone(&wake),
        metrics: Arc::clone(&metrics),
        notifications: Notifications::new(Arc::clone(&metrics)).0,
        in_use: None,
    };
    let due = Arc::new(LookupNotifiers::new(&routes));
    let clock = of_lookups.clone();
    let notifications = Notifications::new(Arc::clone(&metrics)).0;
    let outbound = Arc::new(outbound());
    let lookups = Lookups { store, outbound, routes, settings, clock, due, wake, metrics, notifications, in_use: None };
    Delivery { deliverer: Arc::new(deliverer), lookups: Arc::new(lookups), is_settled: true }
}

fn outbound() -> Outbound {
    let second = Duration::from_secs(1);
    let limits = Limits { timeout: second, connect_timeout: second, connections: 1 };
    Outbound::new(limits, &Proxy::Direct, Clock::system()).unwrap()
}

/// How a part ended that was not told to stop, or just now.
pub async fn ended(part: impl Future<Output = ()> + Send + 'static) -> &'static str {
    let mut task = JoinSet::new();
    task.spawn(part);
    match tokio::time::timeout(PATIENCE, task.join_next()).await {
        Ok(Some(Err(error))) if error.is_panic() => "panicked",
        Ok(_) => "ended",
        Err(_) => "hangs",
    }
}

#[tokio::test]
async fn a_panic_in_any_part_of_the_work_is_not_swallowed() {
    let route = "source: meta-leads\nsecret: a-secret-for-tests\nverify_token: v\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\nenrich: { token: t }\n";
    let setup = Setup::new().route("leads", route);
    setup.write("http://127.0.0.1:9/");
    let (right, broken) = (Clock::system(), broken_clock(&Arc::new(AtomicBool::new(true))));
    for (of_sends, of_lookups) in [(&right, &broken), (&broken, &right)] {
        let store = Arc::new(MemoryStore::new().unwrap());
        let delivery = delivery(store, setup.checked().routes, [of_sends, of_lookups]);
        assert_eq!(ended(deliver::run(delivery.unchanging(), CancellationToken::new())).await, "panicked");
    }
    let metrics = Arc::new(Metrics::new());
    let (notifications, inbox) = Notifications::new(metrics);
    let means = Means {
        outbound: outbound(),
        caller: Arc::new(Client::new(outbound())),
        store: Arc::new(MemoryStore::new().unwrap()),
        clock: broken,
        metrics: Arc::default(),
    };
    let remind = Duration::from_secs(1);
    let settings = alert::Settings { targets: Vec::new(), remind, unreachable_after: remind, means };
    let alerter = Alerter { settings: watch::channel(Arc::new(settings)).1, inbox, notifications };
    assert_eq!(ended(alerter.run(CancellationToken::new())).await, "panicked");
}
