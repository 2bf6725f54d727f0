//! Answers that are not a single lead's fault, or that say nothing: what waits, what is left for a person, what goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use serri_relay::clock::Timestamp;
use serri_relay::event::{Attempt, Claimed, NextStep, Outcome, Probed, Settlement, UnknownRefusal, Verdict};
use serri_relay::store::Report;

use crate::database::query;
use crate::store;
use crate::world::{ROUTE, World, ok, quick, scripted};

fn said(status: u16, body: &'static str) -> Response {
    (http::StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// How a Serri answers: to the campaign and the number of a call.
type Mood = Box<dyn Fn(&str, &str) -> Response + Send>;

/// A Serri whose answers a test changes.
struct Moody {
    mood: Mutex<Mood>,
    calls: Mutex<Vec<String>>,
}

impl Moody {
    fn new(mood: impl Fn(&str, &str) -> Response + Send + 'static) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(Box::new(mood)), calls: Mutex::default() })
    }

    fn turns(&self, mood: impl Fn(&str, &str) -> Response + Send + 'static) {
        *self.mood.lock().unwrap() = Box::new(mood);
    }

    fn router(self: &Arc<Self>) -> Router {
        let moody = Arc::clone(self);
        scripted(move |call: Value| {
            let moody = Arc::clone(&moody);
            async move {
                let (campaign, number) =
                    (call["campaignName"].as_str().unwrap(), call["destination"].as_str().unwrap());
                moody.calls.lock().unwrap().push(number.to_owned());
                let mood = moody.mood.lock().unwrap();
                mood(campaign, number)
            }
        })
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

async fn post(world: &World, campaign: &str, people: std::ops::Range<usize>) {
    for person in people {
        let id = format!("{campaign}-{person}");
        let body = json!({"id": id, "campaign": campaign, "phone": format!("98123{person:05}")});
        assert_eq!(world.post("hello", &body.to_string()).await.0, 200);
    }
}

fn number(person: usize) -> String {
    format!("+9198123{person:05}")
}

async fn states(world: &World, state: &str, count: usize) {
    world.settles(&format!("SELECT count(*) FROM sends WHERE state = {state}"), &count.to_string()).await;
}

const HOLDS: &str = "SELECT account, campaign, ended_at IS NULL FROM holds ORDER BY id";

#[tokio::test]
async fn nobody_is_lost_to_a_wrong_endpoint() {
    for (status, body) in [(404, "Not Found"), (405, "{}"), (200, "<html>It works!</html>"), (204, ""), (200, "hi")] {
        let serri = Moody::new(move |_, _| said(status, body));
        let world = World::start_against(quick().set("delivery.concurrency=4"), serri.router()).await;
        post(&world, "welcome", 0..20).await;
        world.settles("SELECT count(*) FROM holds", "1").await;
        let hold = &world.query("SELECT campaign, reason FROM holds")[0];
        for part in ["the endpoint is wrong: 127.0.0.1", "`accounts.default.endpoint`", "https://backend.aisensy.com/"]
        {
            assert!(hold[1].contains(part), "{hold:?}");
        }
        assert_eq!(
            (hold[0].as_str(), world.query("SELECT count(*) FROM sends WHERE state >= 10")),
            ("", vec![vec!["0".to_owned()]])
        );
        serri.turns(|_, _| ok());
        states(&world, "10", 20).await;
        world.stop().await;
    }
}

#[tokio::test]
async fn a_success_that_says_nothing_costs_one_send_and_holds_the_account() {
    let serri = Moody::new(|_, _| said(200, r#"{"hello":"world"}"#));
    let slow =
        quick().set("delivery.concurrency=1").set("delivery.hold_probe.initial=1h").set("delivery.hold_probe.max=1h");
    let world = World::start_against(slow, serri.router()).await;
    post(&world, "welcome", 0..20).await;
    world.settles(HOLDS, "default").await;
    states(&world, "12", 1).await;
    states(&world, "0", 19).await;
    assert_eq!(serri.calls().len(), 1);
    let reason = world.query("SELECT reason FROM holds")[0][0].clone();
    assert!(
        reason.contains(r#"200: {"hello":"world"}"#) && reason.contains("accounts.default.confirm: any"),
        "{reason}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_message_that_was_taken_is_sent_though_its_answer_has_empty_fields_of_an_error() {
    let serri = Moody::new(|_, _| {
        said(200, r#"{"success":"true","submitted_message_id":"m-1","error":{},"errors":[],"errorCode":0}"#)
    });
    let world = World::start_against(quick(), serri.router()).await;
    post(&world, "welcome", 0..3).await;
    states(&world, "10", 3).await;
    assert_eq!(world.query("SELECT count(*) FROM holds"), [["0"]]);
    assert_eq!(serri.calls().len(), 3, "each is messaged once");
    world.stop().await;
}

#[tokio::test]
async fn the_hold_of_a_success_that_says_nothing_lasts_although_nothing_waits_yet() {
    let serri = Moody::new(|_, _| said(200, r#"{"ok":false}"#));
    let setup = quick().set("delivery.hold_probe.initial=10m").set("delivery.hold_probe.max=10m");
    let setup = setup.lists("alerts: [{ slack: 'http://127.0.0.1:9/' }]\n");
    let world = World::start_against(setup, serri.router()).await;
    for person in 0..5 {
        post(&world, "welcome", person..person + 1).await;
        states(&world, "12", 1).await;
        states(&world, "0", person).await;
    }
    assert_eq!(serri.calls().len(), 1);
    assert_eq!(world.query("SELECT count(*) FROM holds WHERE ended_at IS NULL"), [["1"]]);
    world.stop().await;
}

#[tokio::test]
async fn where_any_success_confirms_an_api_that_says_nothing_is_believed_and_a_page_is_not() {
    let serri = Moody::new(|_, number| match number {
        "+919812300000" => said(204, ""),
        "+919812300001" => said(200, "queued"),
        "+919812300002" => said(202, r#"{"hello":"world"}"#),
        "+919812300003" => said(200, r#"{"success":false,"message":"Invalid Number"}"#),
        _ => said(200, "<html>"),
    });
    let world = World::start_against(quick().set("accounts.default.confirm=any"), serri.router()).await;
    post(&world, "welcome", 0..4).await;
    states(&world, "10", 3).await;
    states(&world, "11", 1).await;
    assert_eq!(world.query("SELECT count(*) FROM holds"), [["0"]]);
    post(&world, "welcome", 4..5).await;
    world.settles("SELECT count(*) FROM holds", "1").await;
    world.stop().await;
}

#[tokio::test]
async fn the_third_person_who_is_refused_in_the_same_unknown_words_holds_the_campaign_and_nobody_has_failed() {
    let in_turn = AtomicUsize::new(0);
    let blocked = move |campaign: &str, number: &str| match campaign {
        "other" => ok(),
        _ => {
            let trace = in_turn.fetch_add(1, Ordering::SeqCst);
            let body = json!({"message": format!("Sender blocked for {number}, trace ab{trace}-9")}).to_string();
            (http::StatusCode::BAD_REQUEST, body).into_response()
        }
    };
    let serri = Moody::new(blocked);
    let world = World::start_against(quick(), serri.router()).await;
    post(&world, "welcome", 0..2).await;
    states(&world, "11", 2).await;
    post(&world, "other", 100..101).await;
    states(&world, "10", 1).await;
    // another campaign says nothing, and a restart forgets nothing; the third of a hundred that come at once
    let world = world.restart().await;
    post(&world, "welcome", 2..60).await;
    world.settles("SELECT campaign FROM holds", "welcome").await;
    world.settles("SELECT count(*) FROM sends WHERE state IN (0, 2) AND campaign = 'welcome'", "60").await;
    let reason = world.query("SELECT reason FROM holds")[0][0].clone();
    assert!(
        reason.contains("3 people in a row were refused in the same words") && reason.contains("sender blocked for #"),
        "{reason}"
    );
    assert!(!reason.contains("98123"), "{reason}");
    let number_of_calls = serri.calls().len();
    assert!(number_of_calls < 60 + 64, "{number_of_calls}");
    assert_eq!(world.query("SELECT count(*) FROM sends WHERE state = 11"), [["0"]]);
    post(&world, "other", 101..110).await;
    states(&world, "10", 10).await;
    serri.turns(|_, _| ok());
    states(&world, "10", 70).await;
    world.settles("SELECT count(*) FROM refusals", "0").await;
    world.stop().await;
}

#[tokio::test]
async fn a_long_refusal_that_names_each_person_is_the_same_refusal_for_all_of_them() {
    let serri = scripted(|call: Value| async move {
        let steps = "finish the review of the business profile in the security center, ".repeat(5);
        let message = format!("The request of {} cannot be taken: {steps}then try again", call["userName"]);
        (http::StatusCode::BAD_REQUEST, json!({ "message": message }).to_string()).into_response()
    });
    let world = World::start_against(quick(), serri).await;
    for person in 0..30_usize {
        let name = format!("A{}", "b".repeat(person + 2));
        let body = json!({"id": format!("e{person}"), "phone": format!("98123{person:05}"), "name": name});
        assert_eq!(world.post("hello", &body.to_string()).await.0, 200);
    }
    world.settles("SELECT count(*) FROM holds", "1").await;
    world.settles("SELECT count(*) FROM sends WHERE state IN (0, 2)", "30").await;
    world.stop().await;
}

#[tokio::test]
async fn two_campaigns_that_are_refused_alike_hold_the_account() {
    let serri = Moody::new(|campaign, _| match campaign {
        "fine" => ok(),
        _ => said(400, r#"{"success":false,"message":"not today"}"#),
    });
    let world = World::start_against(
        quick().set("delivery.hold_probe.max=10s").set("delivery.hold_probe.initial=10s"),
        serri.router(),
    )
    .await;
    post(&world, "one", 0..3).await;
    world.settles("SELECT count(*) FROM holds", "1").await;
    post(&world, "two", 10..13).await;
    world.settles("SELECT count(*) FROM holds", "3").await;
    assert_eq!(world.query(HOLDS), [["default", "one", "1"], ["default", "two", "1"], ["default", "", "1"]]);
    post(&world, "fine", 20..23).await;
    states(&world, "0", 9).await;
    world.stop().await;
}

#[tokio::test]
async fn bad_numbers_whose_words_are_unknown_fail_once_others_have_passed_often_enough() {
    let bad = |_: &str, number: &str| match number {
        "+919812300000" | "+919812300001" | "+919812300002" => said(400, r#"{"message":"cannot be reached"}"#),
        _ => ok(),
    };
    let serri = Moody::new(bad);
    let world = World::start_against(quick().set("delivery.concurrency=1"), serri.router()).await;
    post(&world, "welcome", 0..3).await;
    world.settles("SELECT count(*) FROM holds", "1").await;
    // as long as nobody else waits, nothing tells that they are at fault themselves
    post(&world, "welcome", 3..10).await;
    states(&world, "10", 7).await;
    states(&world, "11", 3).await;
    assert_eq!(world.query("SELECT count(*) FROM holds"), [["3"]], "each ended by somebody who was never refused");
    for person in 0..3 {
        let calls = serri.calls().iter().filter(|called| **called == number(person)).count();
        assert!(calls >= 4, "{person}: {calls}");
    }
    world.settles("SELECT count(*) FROM refusals", "0").await;
    world.stop().await;
}

#[tokio::test]
async fn where_a_place_is_free_only_now_and_then_nobody_fails_although_all_are_refused_again_and_again() {
    let room = Arc::new(AtomicUsize::new(0));
    let places = Arc::clone(&room);
    let serri = Moody::new(move |_, _| {
        let free = places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |places| places.checked_sub(1));
        if free.is_ok() { ok() } else { said(400, r#"{"message":"The tier of this sender is used up"}"#) }
    });
    let world = World::start_against(quick().set("delivery.concurrency=16"), serri.router()).await;
    post(&world, "welcome", 0..40).await;
    world.settles("SELECT count(*) FROM holds", "1").await;
    for taken in 1..=6 {
        room.store(1, Ordering::SeqCst);
        states(&world, "10", taken).await;
        // the same refusals begin the hold again, and nobody who was among them is lost
        world.settles("SELECT count(*) FROM holds", &(taken + 1).to_string()).await;
        world.settles("SELECT count(*) FROM sends WHERE state = 0", &(40 - taken).to_string()).await;
    }
    serri.turns(|_, _| ok());
    states(&world, "10", 40).await;
    world.settles("SELECT count(*) FROM refusals", "0").await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_taken_in_between_or_the_same_person_or_other_words_hold_nothing_up() {
    let serri = Moody::new(|_, number| match number {
        "+919812300000" | "+919812300001" | "+919812300003" => said(400, r#"{"message":"cannot be reached"}"#),
        "+919812300010" => said(400, r#"{"message":"one thing"}"#),
        "+919812300011" => said(400, r#"{"message":"another thing"}"#),
        "+919812300012" => said(400, r#"{"message":"a third thing"}"#),
        "+919812300020" => said(400, r#"{"message":"never"}"#),
        _ => ok(),
    });
    let world = World::start_against(quick().set("delivery.concurrency=1"), serri.router()).await;
    post(&world, "welcome", 0..4).await;
    states(&world, "11", 3).await;
    post(&world, "words", 10..13).await;
    states(&world, "11", 6).await;
    for id in ["a", "b", "c", "d"] {
        let body = json!({"id": id, "campaign": "person", "phone": "9812300020"});
        world.post("hello", &body.to_string()).await;
    }
    states(&world, "11", 10).await;
    assert_eq!(world.query("SELECT count(*) FROM holds"), [["0"]]);
    world.stop().await;
}

#[tokio::test]
async fn nobody_knows_at_most_as_often_as_the_nearest_says() {
    let tries = |route: &str, count: &str| format!("{count}{}", ROUTE.replace("welcome", route));
    let rule = ROUTE.replace("    when: not", "    uncertain_tries: 4\n    when: not");
    let setup = quick()
        .route("once", &tries("once", "uncertain_tries: 1"))
        .route("often", &tries("often", "uncertain_tries: 3"))
        .route("rule", &format!("uncertain_tries: 1{rule}"))
        .set("delivery.timeout=50ms");
    let world = World::start(setup).await;
    for (index, route) in ["hello", "once", "often", "rule"].iter().enumerate() {
        let body = json!({"id": route, "campaign": "sandbox_hang", "phone": format!("981234567{index}")});
        assert_eq!(world.post(route, &body.to_string()).await.0, 200);
    }
    states(&world, "12", 4).await;
    assert_eq!(
        world.query(
            "SELECT route, uncertain, (SELECT count(*) FROM attempts WHERE send = id) FROM sends ORDER BY route"
        ),
        [["hello", "2", "2"], ["often", "3", "3"], ["once", "1", "1"], ["rule", "4", "4"]]
    );
    world.stop().await;
}

#[tokio::test]
async fn an_account_says_how_often_nobody_may_know() {
    let setup = quick()
        .route("once", &format!("uncertain_tries: 1{ROUTE}"))
        .set("accounts.default.uncertain_tries=3")
        .set("delivery.timeout=50ms");
    let world = World::start(setup).await;
    for (index, route) in ["hello", "once"].iter().enumerate() {
        let body = json!({"id": route, "campaign": "sandbox_hang", "phone": format!("981234567{index}")});
        assert_eq!(world.post(route, &body.to_string()).await.0, 200);
    }
    states(&world, "12", 2).await;
    assert_eq!(world.query("SELECT route, uncertain FROM sends ORDER BY route"), [["hello", "3"], ["once", "1"]]);
    world.stop().await;
}

#[tokio::test]
async fn who_waits_goes_afresh_when_a_person_lifts_the_hold() {
    let serri = Moody::new(|_, _| said(400, r#"{"message":"cannot be reached"}"#));
    let slow = quick().set("delivery.hold_probe.max=1h").set("delivery.hold_probe.initial=1h");
    let world = World::start_against(slow, serri.router()).await;
    post(&world, "welcome", 0..3).await;
    for holds in 1..=3 {
        world.settles("SELECT count(*) FROM holds", &holds.to_string()).await;
        states(&world, "0", 3).await;
        assert_eq!(world.query("SELECT count(*) FROM sends WHERE state = 11"), [["0"]]);
        let hold = json!({"account": "default", "campaign": "welcome"});
        assert_eq!(world.admin("POST", "/holds/lift", Some(hold)).await.0, 200);
    }
    world.stop().await;
}

/// What follows from a call that began then: taken, or refused in the same words as ever.
fn settlement(send: &Claimed, at: i64, taken: Taken) -> Settlement {
    let (reason, text, later) = ("400: no".to_owned(), "#: no".to_owned(), Timestamp(at + 10));
    let (outcome, next_step, verdict) = match taken {
        Taken::Yes => (Outcome::Sent { message_id: None }, NextStep::Sent { message_id: None }, Verdict::Passed),
        Taken::No => (
            Outcome::Unknown { reason: reason.clone(), text: text.clone() },
            NextStep::Doubtful(UnknownRefusal { reason, text, probe_at: later, not_before: Timestamp(at - 1_000) }),
            Verdict::Unknown { lasts: later, unclear: Timestamp(at) },
        ),
    };
    let attempt =
        Attempt { at: Timestamp(at), took: Duration::ZERO, status: Some(400), answer: String::new(), outcome };
    let probed = send.probe.map(|probe| Probed { hold: probe.hold, verdict });
    Settlement { id: send.id, number: send.attempts + 1, attempt, next_step, probed, reached: true }
}

enum Taken {
    Yes,
    No,
}

#[tokio::test]
async fn what_was_under_way_when_the_hold_began_waits_with_it_and_three_who_are_refused_again_begin_it_again() {
    let (dir, store) = store::store();
    let settle = async |send: &Claimed, at, taken| {
        let report = Report { settlements: vec![settlement(send, at, taken)], ..Report::default() };
        store.settle(Arc::new(report), Timestamp(at)).await.unwrap();
    };
    let rows = |sql: &str| query(&dir.path().join("relay.db"), sql);
    let states = || rows("SELECT state FROM sends ORDER BY id").concat();
    store.append(vec![store::event(1, 0, &["+1", "+2", "+3", "+4", "+5"])]).await.unwrap();
    let sends = store.claim(store::request(0, 9)).await.unwrap().sends;
    for send in &sends[..2] {
        settle(send, 0, Taken::No).await;
    }
    assert_eq!(states(), ["11", "11", "2", "2", "2"]);
    for send in &sends[2..4] {
        settle(send, 0, Taken::No).await;
    }
    assert_eq!(states(), ["0", "0", "0", "0", "2"], "the third begins the hold, the fourth comes too late");
    // a probe at a time, and one that is refused in the same words is lost as little as the others
    let probes = store.claim(store::request(20, 9)).await.unwrap().sends;
    assert!(probes.len() == 1 && store.claim(store::request(20, 9)).await.unwrap().sends.is_empty());
    settle(&probes[0], 20, Taken::No).await;
    let probes = store.claim(store::request(40, 9)).await.unwrap().sends;
    settle(&probes[0], 40, Taken::Yes).await;
    assert_eq!(rows("SELECT ended_at, probes FROM holds"), [["40", "1"]]);
    settle(&sends[4], 0, Taken::No).await;
    assert_eq!(states().iter().filter(|state| **state == "0").count(), 4, "{:?}", states());
    // three who are refused once more begin the hold again, and what is under way waits with them
    let again = store.claim(store::request(60, 9)).await.unwrap().sends;
    assert_eq!(again.len(), 4);
    settle(&again[0], 60, Taken::No).await;
    settle(&again[1], 60, Taken::No).await;
    assert_eq!(states().iter().filter(|state| **state == "11").count(), 2, "{:?}", states());
    settle(&again[2], 60, Taken::No).await;
    settle(&again[3], 60, Taken::No).await;
    assert_eq!(states().iter().filter(|state| **state == "0").count(), 4, "{:?}", states());
    assert_eq!(rows("SELECT count(*) FROM holds"), [["2"]]);
    // two who are refused once more fail for good when somebody else is taken
    let probes = store.claim(store::request(80, 9)).await.unwrap().sends;
    settle(&probes[0], 80, Taken::Yes).await;
    let again = store.claim(store::request(90, 9)).await.unwrap().sends;
    assert_eq!(again.len(), 3);
    settle(&again[0], 90, Taken::No).await;
    settle(&again[1], 90, Taken::No).await;
    settle(&again[2], 90, Taken::Yes).await;
    assert_eq!(states().iter().filter(|state| **state == "11").count(), 2, "{:?}", states());
    assert_eq!(rows("SELECT count(*) FROM holds"), [["2"]]);
    assert_eq!(rows("SELECT count(*) FROM refusals"), [["0"]]);
}

#[tokio::test]
async fn who_was_refused_long_ago_does_not_count_with_who_is_refused_now() {
    let (dir, store) = store::store();
    let settle = async |send: &Claimed, at| {
        let report = Report { settlements: vec![settlement(send, at, Taken::No)], ..Report::default() };
        store.settle(Arc::new(report), Timestamp(at)).await.unwrap();
    };
    let states = || query(&dir.path().join("relay.db"), "SELECT state FROM sends ORDER BY id").concat();
    store.append(vec![store::event(1, 0, &["+1", "+2", "+3", "+4", "+5"])]).await.unwrap();
    let sends = store.claim(store::request(0, 9)).await.unwrap().sends;
    settle(&sends[0], 0).await;
    settle(&sends[1], 500).await;
    settle(&sends[2], 2_000).await;
    assert_eq!(states(), ["11", "11", "11", "2", "2"]);
    assert_eq!(query(&dir.path().join("relay.db"), "SELECT count(*) FROM refusals"), [["1"]]);
    settle(&sends[3], 2_500).await;
    settle(&sends[4], 3_000).await;
    assert_eq!(states(), ["11", "11", "0", "0", "0"], "the last three begin the hold, and the old two stay failed");
}
