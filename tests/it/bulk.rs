//! What people do with very many sends at once: in bounded steps, between which events are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use serri_relay::admin::{self, Access, AdminState};
use serri_relay::alert::Notifications;
use serri_relay::clock::{Clock, Timestamp};
use serri_relay::event::act::{Acted, Action, STEP};
use serri_relay::event::erasure::{ERASE_STEP, Erased, ErasureStep, Person};
use serri_relay::event::view::Filter;
use serri_relay::event::{Claimed, Content, Kept, Made, NewEvent, NewSend, NextStep, Outcome, SendOptions, Start, Why};
use serri_relay::listen::Reach;
use serri_relay::route::notifiers::LookupNotifiers;
use serri_relay::secret::Secret;
use serri_relay::store::{Archive, Engine, Intake, Operate, Report, StoreError, Upkeep};
use serri_relay::telemetry::Metrics;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::asked::{Ask, is_ready, state, text};
use crate::store::{request, settlement};
use crate::world::{ROUTE, Served, Setup, serve};

/// Counts the steps, and lets an event come before each of them.
struct Stepped {
    store: Arc<dyn Engine>,
    steps: AtomicUsize,
    largest: AtomicUsize,
    arrivals: AtomicU64,
    /// After how many steps the disk is full.
    last: usize,
}

impl Intake for Stepped {
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Kept>, StoreError>> {
        self.store.append(events)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.probe()
    }
}

impl Operate for Stepped {
    fn act(&self, action: Action, now: Timestamp) -> BoxFuture<'_, Result<Acted, StoreError>> {
        let size = match &action {
            Action::Cancel { ids, .. } => ids.len(),
            Action::Revive(revivals) => revivals.len(),
            Action::Import(numbers) => numbers.len(),
            _ => 1,
        };
        Box::pin(async move {
            if self.steps.fetch_add(1, Ordering::SeqCst) == self.last {
                return Err(StoreError::Unavailable("the disk is full".into()));
            }
            self.largest.fetch_max(size, Ordering::SeqCst);
            let number = self.arrivals.fetch_add(1, Ordering::SeqCst);
            let kept = self.store.append(vec![arrival(number)]).await?;
            assert_eq!(kept, [Kept::New], "events are taken between the steps");
            self.store.act(action, now).await
        })
    }

    fn erase(&self, person: Person, step: ErasureStep, now: Timestamp) -> BoxFuture<'_, Result<Erased, StoreError>> {
        let size = if let ErasureStep::Traces(traces) = &step { traces.len() } else { 0 };
        Box::pin(async move {
            if self.steps.fetch_add(1, Ordering::SeqCst) == self.last {
                return Err(StoreError::Unavailable("the disk is full".into()));
            }
            self.largest.fetch_max(size, Ordering::SeqCst);
            let number = self.arrivals.fetch_add(1, Ordering::SeqCst);
            let kept = self.store.append(vec![arrival(number)]).await?;
            assert_eq!(kept, [Kept::New], "events are taken between the steps");
            self.store.erase(person, step, now).await
        })
    }

    fn upkeep(&self, what: Upkeep) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.upkeep(what)
    }
}

/// An event whose send waits, as those that were there before it.
fn arrival(number: u64) -> NewEvent {
    let content = Content {
        campaign: "c".into(),
        destination: "+919899999999".into(),
        payload: "{}".into(),
        options: SendOptions { start: Some(LATER), ..SendOptions::default() },
    };
    let mut fingerprint = [0xff; 16];
    fingerprint[..8].copy_from_slice(&number.to_le_bytes());
    NewEvent { id: format!("arrival-{number}"), fingerprint, ..of(content) }
}

/// An event of which one send came.
fn of(content: Content) -> NewEvent {
    let send = NewSend { rule: "welcome".into(), account: "default".into(), item: 0, version: 0, content: Ok(content) };
    NewEvent {
        route: "hello".into(),
        source: "generic".into(),
        id: String::new(),
        kind: String::new(),
        fingerprint: [0; 16],
        window: Duration::from_secs(60),
        received_at: Timestamp(0),
        body: "{}".into(),
        envelope: "{}".into(),
        fault: None,
        test: false,
        lookup: false,
        made: Made { sends: vec![send], ..Made::default() },
    }
}

/// When what waits is due: never, as far as a test is concerned.
const LATER: Start = Start { at: Timestamp(i64::MAX / 2), why: Why::Delay };

/// The admin API over a store.
pub struct Bulk {
    pub setup: Setup,
    pub store: Arc<dyn Engine>,
    stepped: Arc<Stepped>,
    served: Served,
    http: reqwest::Client,
}

impl Bulk {
    /// One with so many sends that wait, each to a person of its own.
    pub async fn waiting(count: u32) -> Self {
        Self::of((1..=count).map(|number| event(number, None, Some(LATER))), usize::MAX).await
    }

    /// One with so many sends that failed.
    pub async fn failed(count: u32) -> Self {
        let bulk = Self::of((1..=count).map(|number| event(number, None, None)), usize::MAX).await;
        fail(&*bulk.store).await;
        bulk
    }

    /// One with these events, whose disk is full after so many steps.
    pub async fn of(events: impl Iterator<Item = NewEvent>, last: usize) -> Self {
        let setup = Setup::new().route("hello", ROUTE);
        setup.write("http://127.0.0.1:9/");
        let store = setup.store();
        append(&*store, events).await;
        let routes = Arc::new(setup.checked().routes);
        let metrics = Arc::new(Metrics::new());
        let stepped = Arc::new(Stepped {
            store: Arc::clone(&store),
            steps: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
            arrivals: AtomicU64::new(0),
            last,
        });
        let admin = AdminState {
            archive: Arc::clone(&store) as Arc<dyn Archive>,
            operate: Arc::clone(&stepped) as Arc<dyn Operate>,
            due: Arc::new(LookupNotifiers::new(&routes)),
            routes,
            faulty: Arc::default(),
            metrics: Arc::clone(&metrics),
            reload: tokio::sync::mpsc::unbounded_channel().0,
            accounts: [("default".to_owned(), serri_relay::phone::Country::INDIA)].into(),
            notifications: Notifications::new(Arc::clone(&metrics)).0,
            clock: Clock::system(),
            wake: Arc::new(Notify::new()),
            sandbox: None,
            tasks: TaskTracker::new(),
            erasing: Arc::default(),
        };
        let access = Access { token: Secret::new(""), reach: Reach::Loopback };
        let served = serve(admin::router(admin, metrics, access)).await;
        Self { setup, store, stepped, served, http: reqwest::Client::new() }
    }

    pub async fn ask(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.served.base);
        let request = self.http.request(method.parse().unwrap(), url).header("content-type", "application/json");
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, told) = self.ask("POST", path, body.to_string()).await;
        assert_eq!(status, 200, "{told}");
        told
    }

    fn steps(&self) -> (usize, usize) {
        (self.stepped.steps.load(Ordering::SeqCst), self.stepped.largest.load(Ordering::SeqCst))
    }
}

/// An event of a send to a person of its own, or to `to`; it waits for a moment that is far away, or can go at once.
fn event(number: u32, to: Option<&str>, start: Option<Start>) -> NewEvent {
    let own = format!("+9198{:08}", 10_000_000 + number);
    let destination = to.map_or(own, ToOwned::to_owned);
    let national = destination.strip_prefix("+91").unwrap();
    let body = json!({"id": format!("e{number}"), "phone": national}).to_string();
    let mut fingerprint = [0; 16];
    fingerprint[..4].copy_from_slice(&number.to_le_bytes());
    let options = SendOptions { start, ..SendOptions::default() };
    let content = Content { campaign: "c".into(), destination, payload: "{}".into(), options };
    NewEvent { id: format!("e{number}"), fingerprint, body: body.into(), ..of(content) }
}

/// Appends events in calls of a thousand.
async fn append(store: &dyn Engine, events: impl Iterator<Item = NewEvent>) {
    let events: Vec<NewEvent> = events.collect();
    for call in events.chunks(1_000) {
        store.append(call.to_vec()).await.unwrap();
    }
}

/// Lets all that can go fail.
async fn fail(store: &dyn Engine) {
    loop {
        let sends = store.claim(request(1, 1_000)).await.unwrap().sends;
        if sends.is_empty() {
            return;
        }
        let refused = |send: &Claimed| {
            let mut settlement = settlement(send, NextStep::Failed { reason: "Invalid Number".into() });
            settlement.attempt.outcome = Outcome::Refused { reason: "Invalid Number".into() };
            settlement
        };
        let settlements = sends.iter().map(refused).collect();
        store.settle(Arc::new(Report { settlements, ..Report::default() }), Timestamp(1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_sends_are_cancelled_in_steps_and_events_are_taken_in_between() {
    let bulk = Bulk::waiting(20_000).await;
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c"}})).await;
    assert_eq!((&told["count"], &told["cancelled"], bulk.steps().0), (&json!(20_000), &json!(0), 0));
    assert_eq!(told["sends"].as_array().unwrap().len(), 50, "the first page, not all of them");
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c"}, "yes": true})).await;
    assert_eq!((&told["count"], &told["cancelled"]), (&json!(20_000), &json!(20_000)));
    assert_eq!(told["sends"].as_array().unwrap().len(), 50);
    assert_eq!(bulk.steps(), (20_000 / STEP, STEP));
    // what came in between was not there when it was asked for
    let sends = bulk.store.sends().await;
    let count = |wanted: &str| sends.iter().filter(|send| state(send) == wanted).count();
    assert_eq!((count("waiting delay"), count("cancelled"), sends.len()), (40, 20_000, 20_040));
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c", "limit": 30}, "yes": true})).await;
    assert_eq!((&told["count"], &told["cancelled"]), (&json!(30), &json!(30)), "no more than the limit says");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_breaks_off_says_how_far_it_came_and_is_finished_by_the_next() {
    let bulk = Bulk::of((1..=2_000).map(|number| event(number, None, Some(LATER))), 2).await;
    let all = json!({"filter": {"campaign": "c", "limit": 1_800}, "yes": true});
    let (status, told) = bulk.ask("POST", "/sends/cancel", all.to_string()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 503 && detail.contains("1000 were cancelled before: ask for the same again"), "{told}");
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c"}, "yes": true})).await;
    assert_eq!(told["cancelled"], 1_000 + 2, "the rest, and what came in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sends_are_replayed_in_steps_and_each_goes_once() {
    let bulk = Bulk::failed(1_200).await;
    let told = bulk.post("/sends/replay", json!({"filter": {"state": "failed"}})).await;
    assert_eq!((&told["count"], &told["does"]["send"], bulk.steps().0), (&json!(1_200), &json!(1_200), 0));
    assert_eq!(told["steps"].as_array().unwrap().len(), 50);
    let told = bulk.post("/sends/replay", json!({"filter": {"state": "failed", "limit": 1_100}, "yes": true})).await;
    assert_eq!((&told["count"], &told["replayed"]), (&json!(1_100), &json!(1_100)));
    assert_eq!(bulk.steps(), (3, STEP));
    let told = bulk.post("/sends/replay", json!({"filter": {"rule": "welcome"}, "yes": true})).await;
    assert_eq!(told["replayed"], 100, "those that wait already are left alone");
    let ready = bulk.store.sends().await.iter().filter(|send| is_ready(send)).count();
    assert_eq!(ready, 1_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_are_named_by_numbers_or_by_a_filter() {
    let bulk = Bulk::waiting(3).await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"ids": [1], "filter": {"campaign": "c"}}), 400),
        (json!({"ids": (0..10_001).collect::<Vec<i64>>()}), 400),
        (json!({"ids": [4]}), 404),
        (json!({"filter": {"colour": "red"}}), 422),
    ] {
        let (told, problem) = bulk.ask("POST", "/sends/cancel", body.to_string()).await;
        assert_eq!(told, status, "{body}: {problem}");
    }
    let told = bulk.post("/sends/cancel", json!({"ids": [1, 1, 2], "yes": true})).await;
    assert_eq!((&told["count"], &told["cancelled"], &told["not_waiting"]), (&json!(2), &json!(2), &json!(0)));
    let told = bulk.post("/sends/cancel", json!({"ids": [1, 3], "yes": true})).await;
    assert_eq!((&told["count"], &told["cancelled"], &told["not_waiting"]), (&json!(1), &json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_numbers_is_checked_whole_and_one_that_breaks_off_is_finished_by_importing_it_again() {
    let bulk = Bulk::of(std::iter::empty(), 3).await;
    let mut list: String = (0..2_000).map(|n| format!("98{:08};gone\r\n", 12_000_000 + n)).collect();
    list.insert_str(0, "number;reason\r\n");
    let wrong = format!("{list}nobody;x\r\n");
    let (status, told) = bulk.ask("POST", "/suppressions.csv", wrong).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 400 && detail.starts_with("line 2002: ") && detail.ends_with("nothing was imported"), "{detail}");
    assert_eq!((bulk.steps().0, Ask::suppressions(&bulk.store).await.len()), (0, 0));
    let (status, told) = bulk.ask("POST", "/suppressions.csv", list.clone()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(
        status == 503 && detail.starts_with("line 1502: ") && detail.contains("import the same list again"),
        "{detail}"
    );
    assert_eq!(Ask::suppressions(&bulk.store).await.len(), 1_500);
    let (_, told) = bulk.ask("POST", "/suppressions.csv", list).await;
    assert_eq!(told, json!({"imported": 2_000, "changed": 500, "skipped": 0}));
    for suppressed in Ask::suppressions(&bulk.store).await {
        let story = bulk.store.suppression(text(&suppressed["number"])).await.unwrap();
        assert_eq!(story.history.len(), 1, "nobody's history has it twice: {story:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_thousands_of_events_is_erased_in_steps_and_what_broke_off_is_finished_by_the_next() {
    let events = (1..=30_000).map(|number| event(number, (number <= 1_000).then_some("+919812345670"), Some(LATER)));
    let bulk = Bulk::of(events, 5).await;
    let told = bulk.post("/forget", json!({"number": "9812345670"})).await;
    assert_eq!((&told["counts"]["sends"], bulk.steps().0), (&json!(1_000), 0));
    let all = json!({"number": "9812345670", "yes": true});
    let (status, told) = bulk.ask("POST", "/forget", all.to_string()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 503 && detail.contains("800 were erased before: ask for the same again"), "{told}");
    let told = bulk.post("/forget", all).await;
    assert_eq!((&told["counts"]["sends"], &told["counts"]["events"]), (&json!(600), &json!(600)));
    assert_eq!(bulk.steps().1, ERASE_STEP);
    let arrived = bulk.stepped.arrivals.load(Ordering::SeqCst);
    let left = bulk.store.tally(Filter { campaign: Some("c".into()), ..Filter::default() }).await.unwrap();
    assert_eq!((left.found, left.next), (29_000 + arrived, None), "nobody else's");
}
