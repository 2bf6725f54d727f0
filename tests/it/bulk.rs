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
use serri_relay::event::{Content, Kept, Made, NewEvent, NewSend, SendOptions, Start, Why};
use serri_relay::listen::Reach;
use serri_relay::route::notifiers::LookupNotifiers;
use serri_relay::secret::Secret;
use serri_relay::store::{Archive, Engine, Intake, Operate, StoreError, Upkeep, open};
use serri_relay::telemetry::Metrics;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::TaskTracker;

use crate::sqlite::{execute, query};
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
    let start = Start { at: Timestamp(i64::MAX / 2), why: Why::Delay };
    let content = Content {
        campaign: "c".into(),
        destination: "+919899999999".into(),
        payload: "{}".into(),
        options: SendOptions { start: Some(start), ..SendOptions::default() },
    };
    let send = NewSend { rule: "welcome".into(), account: "default".into(), item: 0, version: 0, content: Ok(content) };
    let mut fingerprint = [0xff; 16];
    fingerprint[..8].copy_from_slice(&number.to_le_bytes());
    NewEvent {
        route: "hello".into(),
        source: "generic".into(),
        id: format!("arrival-{number}"),
        kind: String::new(),
        fingerprint,
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

/// The admin API over a store with so many events, each with one send in that state.
struct Bulk {
    setup: Setup,
    stepped: Arc<Stepped>,
    served: Served,
    http: reqwest::Client,
}

impl Bulk {
    async fn of(count: u32, state: u32) -> Self {
        Self::failing(count, state, usize::MAX).await
    }

    async fn failing(count: u32, state: u32, last: usize) -> Self {
        let setup = Setup::new().route("hello", ROUTE);
        setup.write("http://127.0.0.1:9/");
        let store = open(&format!("sqlite:{}", setup.database().display())).unwrap();
        fill(&setup, count, state);
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
            archive: store as Arc<dyn Archive>,
            operate: Arc::clone(&stepped) as Arc<dyn Operate>,
            due: Arc::new(LookupNotifiers::new(&routes)),
            routes,
            accounts: [("default".to_owned(), serri_relay::phone::Country::INDIA)].into(),
            notifications: Notifications::new(Arc::clone(&metrics)).0,
            clock: Clock::system(),
            wake: Arc::new(Notify::new()),
            sandbox: None,
            tasks: TaskTracker::new(),
            erasing: Mutex::default(),
        };
        let access = Access { token: Secret::new(""), reach: Reach::Loopback };
        let served = serve(admin::router(admin, metrics, access)).await;
        Self { setup, stepped, served, http: reqwest::Client::new() }
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.served.base);
        let request = self.http.request(method.parse().unwrap(), url).header("content-type", "application/json");
        let response = request.body(body).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, told) = self.ask("POST", path, body.to_string()).await;
        assert_eq!(status, 200, "{told}");
        told
    }

    fn query(&self, sql: &str) -> Vec<Vec<String>> {
        query(&self.setup.database(), sql)
    }

    fn steps(&self) -> (usize, usize) {
        (self.stepped.steps.load(Ordering::SeqCst), self.stepped.largest.load(Ordering::SeqCst))
    }
}

fn fill(setup: &Setup, count: u32, state: u32) {
    let rows = format!(
        "BEGIN;
         INSERT INTO events (seq, route, source, id, type, received_at, envelope, body)
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
           SELECT i, 'hello', 'generic', 'e' || i, '', 1, '{{}}', CAST('{{\"id\":\"e' || i || '\",\"phone\":\"98' || (10000000 + i) || '\"}}' AS BLOB) FROM n;
         INSERT INTO sends (event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, route)
           SELECT seq, 'welcome', 'default', 'c', '+9198' || (10000000 + seq), '{{}}', {state}, 9000000000000, 0, 1, 1, 'hello' FROM events;
         COMMIT;"
    );
    execute(&setup.database(), &rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_sends_are_cancelled_in_steps_and_events_are_taken_in_between() {
    let bulk = Bulk::of(20_000, 1).await;
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c"}})).await;
    assert_eq!((&told["count"], &told["cancelled"], bulk.steps().0), (&json!(20_000), &json!(0), 0));
    assert_eq!(told["sends"].as_array().unwrap().len(), 50, "the first page, not all of them");
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c"}, "yes": true})).await;
    assert_eq!((&told["count"], &told["cancelled"]), (&json!(20_000), &json!(20_000)));
    assert_eq!(told["sends"].as_array().unwrap().len(), 50);
    assert_eq!(bulk.steps(), (20_000 / STEP, STEP));
    // what came in between was not there when it was asked for
    let states = bulk.query("SELECT state, count(*) FROM sends GROUP BY state ORDER BY state");
    assert_eq!(states, [["1", "40"], ["15", "20000"]]);
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c", "limit": 30}, "yes": true})).await;
    assert_eq!((&told["count"], &told["cancelled"]), (&json!(30), &json!(30)), "no more than the limit says");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_breaks_off_says_how_far_it_came_and_is_finished_by_the_next() {
    let bulk = Bulk::failing(2_000, 1, 2).await;
    let all = json!({"filter": {"campaign": "c", "limit": 1_800}, "yes": true});
    let (status, told) = bulk.ask("POST", "/sends/cancel", all.to_string()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 503 && detail.contains("1000 were cancelled before: ask for the same again"), "{told}");
    let told = bulk.post("/sends/cancel", json!({"filter": {"campaign": "c"}, "yes": true})).await;
    assert_eq!(told["cancelled"], 1_000 + 2, "the rest, and what came in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sends_are_replayed_in_steps_and_each_goes_once() {
    let bulk = Bulk::of(1_200, 11).await;
    let told = bulk.post("/sends/replay", json!({"filter": {"state": "failed"}})).await;
    assert_eq!((&told["count"], &told["does"]["send"], bulk.steps().0), (&json!(1_200), &json!(1_200), 0));
    assert_eq!(told["steps"].as_array().unwrap().len(), 50);
    let told = bulk.post("/sends/replay", json!({"filter": {"state": "failed", "limit": 1_100}, "yes": true})).await;
    assert_eq!((&told["count"], &told["replayed"]), (&json!(1_100), &json!(1_100)));
    assert_eq!(bulk.steps(), (3, STEP));
    let told = bulk.post("/sends/replay", json!({"filter": {"rule": "welcome"}, "yes": true})).await;
    assert_eq!(told["replayed"], 100, "those that wait already are left alone");
    assert_eq!(bulk.query("SELECT count(*) FROM sends WHERE state = 0"), [["1200"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_breaks_off_while_it_is_planned_writes_what_was_planned_and_says_how_far_it_came() {
    let bulk = Bulk::of(1_200, 11).await;
    let change = |sql: &str| execute(&bulk.setup.database(), sql);
    let failed = json!({"filter": {"state": "failed"}, "yes": true});
    // newest first: the event of the 1101st cannot be read, and later the third page
    for (spoil, restore, replayed) in [
        (
            "UPDATE events SET envelope = CAST(x'ff' AS TEXT) WHERE seq = 100",
            "UPDATE events SET envelope = '{}'",
            1_100,
        ),
        (
            "UPDATE sends SET state = 11 WHERE id <= 1200; UPDATE sends SET reason = CAST(x'ff' AS TEXT) WHERE id = 100",
            "UPDATE sends SET reason = NULL WHERE id = 100",
            1_000,
        ),
    ] {
        change(spoil);
        let (status, told) = bulk.ask("POST", "/sends/replay", failed.to_string()).await;
        let detail = told["detail"].as_str().unwrap();
        let said = format!("; {replayed} were replayed before: ask for the same again to go on");
        assert!(status == 503 && detail.ends_with(&said), "{told}");
        assert_eq!(bulk.query("SELECT count(*) FROM sends WHERE state = 0"), [[replayed.to_string()]]);
        change(restore);
        assert_eq!(bulk.post("/sends/replay", failed.clone()).await["replayed"], 1_200 - replayed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_cannot_read_on_says_how_far_it_came() {
    let bulk = Bulk::of(1_200, 1).await;
    let spoil = "UPDATE sends SET reason = CAST(x'ff' AS TEXT) WHERE id = 100";
    execute(&bulk.setup.database(), spoil);
    let all = json!({"filter": {"campaign": "c"}, "yes": true});
    let (status, told) = bulk.ask("POST", "/sends/cancel", all.to_string()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 503 && detail.contains("1000 were cancelled before: ask for the same again"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_far_back_is_found_by_short_readings() {
    let bulk = Bulk::of(120_001, 10).await;
    bulk.query("SELECT 1");
    execute(&bulk.setup.database(), "UPDATE sends SET state = 11 WHERE id IN (1, 60000)");
    let filter =
        serri_relay::event::view::Filter { state: Some(serri_relay::event::State::Failed), ..Default::default() };
    let page = bulk.stepped.store.sends(filter.clone()).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("70002")), "one reading looks at a part of history");
    let page = bulk.stepped.store.events(filter).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("70002")));
    for (list, number) in [("sends", "id"), ("events", "number")] {
        let (_, told) = bulk.ask("GET", &format!("/{list}?state=failed"), String::new()).await;
        let found: Vec<i64> =
            told[list].as_array().unwrap().iter().map(|entry| entry[number].as_i64().unwrap()).collect();
        assert_eq!((found, &told["next"]), (vec![60_000, 1], &Value::Null), "{list}");
    }
    let told = bulk.post("/sends/replay", json!({"filter": {"state": "failed"}, "yes": true})).await;
    assert_eq!((&told["count"], &told["replayed"]), (&json!(2), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_are_named_by_numbers_or_by_a_filter() {
    let bulk = Bulk::of(3, 1).await;
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
    let bulk = Bulk::failing(1, 10, 3).await;
    let mut list: String = (0..2_000).map(|n| format!("98{:08};gone\r\n", 12_000_000 + n)).collect();
    list.insert_str(0, "number;reason\r\n");
    let wrong = format!("{list}nobody;x\r\n");
    let (status, told) = bulk.ask("POST", "/suppressions.csv", wrong).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 400 && detail.starts_with("line 2002: ") && detail.ends_with("nothing was imported"), "{detail}");
    assert_eq!((bulk.steps().0, bulk.query("SELECT count(*) FROM suppressions")), (0, vec![vec!["0".to_owned()]]));
    let (status, told) = bulk.ask("POST", "/suppressions.csv", list.clone()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(
        status == 503 && detail.starts_with("line 1502: ") && detail.contains("import the same list again"),
        "{detail}"
    );
    assert_eq!(bulk.query("SELECT count(*) FROM suppressions"), [["1500"]]);
    let (_, told) = bulk.ask("POST", "/suppressions.csv", list).await;
    assert_eq!(told, json!({"imported": 2_000, "changed": 500, "skipped": 0}));
    assert_eq!(bulk.query("SELECT count(*) FROM suppression_changes"), [["2000"]], "nobody's history has it twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_thousands_of_events_is_erased_in_steps_and_what_broke_off_is_finished_by_the_next() {
    let bulk = Bulk::failing(30_000, 10, 5).await;
    let number = |count: u32| format!("UPDATE sends SET destination = '+919812345670' WHERE id <= {count}");
    execute(&bulk.setup.database(), &number(1_000));
    let told = bulk.post("/forget", json!({"number": "9812345670"})).await;
    assert_eq!((&told["counts"]["sends"], bulk.steps().0), (&json!(1_000), 0));
    let all = json!({"number": "9812345670", "yes": true});
    let (status, told) = bulk.ask("POST", "/forget", all.to_string()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 503 && detail.contains("800 were erased before: ask for the same again"), "{told}");
    let told = bulk.post("/forget", all).await;
    assert_eq!((&told["counts"]["sends"], &told["counts"]["events"]), (&json!(600), &json!(600)));
    assert_eq!(bulk.steps().1, ERASE_STEP);
    assert_eq!(bulk.query("SELECT count(*) FROM sends WHERE campaign = 'c' AND state = 10"), [["29000"]]);
}
