//! Answers that are not a single lead's fault, or that say nothing: what waits, what is left for a person, what goes on.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::asked::{Ask as _, is_over, text, texts};
use crate::world::{ROUTE, World, ok, quick, scripted};

pub fn said(status: u16, body: &'static str) -> Response {
    (http::StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// How a Serri answers: to the campaign and the number of a call.
type Mood = Box<dyn Fn(&str, &str) -> Response + Send>;

/// A Serri whose answers a test changes.
pub struct Moody {
    mood: Mutex<Mood>,
    calls: Mutex<Vec<String>>,
}

impl Moody {
    pub fn new(mood: impl Fn(&str, &str) -> Response + Send + 'static) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(Box::new(mood)), calls: Mutex::default() })
    }

    pub fn turns(&self, mood: impl Fn(&str, &str) -> Response + Send + 'static) {
        *self.mood.lock().unwrap() = Box::new(mood);
    }

    pub fn router(self: &Arc<Self>) -> Router {
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

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

pub async fn post(world: &World, campaign: &str, people: std::ops::Range<usize>) {
    for person in people {
        let id = format!("{campaign}-{person}");
        let body = json!({"id": id, "campaign": campaign, "phone": format!("98123{person:05}")});
        assert_eq!(world.post("hello", &body.to_string()).await.0, 200);
    }
}

pub fn number(person: usize) -> String {
    format!("+9198123{person:05}")
}

pub async fn states(world: &World, state: &str, count: usize) {
    match state {
        "ready" => world.until_ready("", count).await,
        over => world.until_sends(&format!("state={over}"), count).await,
    }
}

#[tokio::test]
async fn nobody_is_lost_to_a_wrong_endpoint() {
    for (status, body) in [(404, "Not Found"), (405, "{}"), (200, "<html>It works!</html>"), (204, ""), (200, "hi")] {
        let serri = Moody::new(move |_, _| said(status, body));
        let world = World::start_against(quick().set("delivery.concurrency=4"), serri.router()).await;
        post(&world, "welcome", 0..20).await;
        world.until_holds(1).await;
        let hold = &world.holds().await[0];
        for part in ["the endpoint is wrong: 127.0.0.1", "`accounts.default.endpoint`", "https://backend.aisensy.com/"]
        {
            assert!(text(&hold["reason"]).contains(part), "{hold}");
        }
        assert!(hold["campaign"].is_null(), "{hold}");
        assert!(!world.sends().await.iter().any(is_over));
        serri.turns(|_, _| ok());
        states(&world, "sent", 20).await;
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
    world.until_holds(1).await;
    assert_eq!(world.holds().await[0]["account"], "default");
    states(&world, "uncertain", 1).await;
    states(&world, "ready", 19).await;
    assert_eq!(serri.calls().len(), 1);
    let reason = text(&world.holds().await[0]["reason"]);
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
    states(&world, "sent", 3).await;
    assert_eq!(world.hold_turns("began").await, 0);
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
        states(&world, "uncertain", 1).await;
        states(&world, "ready", person).await;
    }
    assert_eq!(serri.calls().len(), 1);
    assert_eq!(world.holds().await.len(), 1);
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
    states(&world, "sent", 3).await;
    states(&world, "failed", 1).await;
    assert_eq!(world.hold_turns("began").await, 0);
    post(&world, "welcome", 4..5).await;
    world.until_hold_turns("began", 1).await;
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
    world.until_hold_turns("began", 1).await;
    world.until_ready("", 30).await;
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
    world.until_hold_turns("began", 1).await;
    post(&world, "two", 10..13).await;
    world.until_holds(3).await;
    assert_eq!(texts(&world.holds().await, "campaign"), ["", "one", "two"]);
    post(&world, "fine", 20..23).await;
    states(&world, "ready", 9).await;
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
    states(&world, "failed", 3).await;
    post(&world, "words", 10..13).await;
    states(&world, "failed", 6).await;
    for id in ["a", "b", "c", "d"] {
        let body = json!({"id": id, "campaign": "person", "phone": "9812300020"});
        world.post("hello", &body.to_string()).await;
    }
    states(&world, "failed", 10).await;
    assert_eq!(world.hold_turns("began").await, 0);
    world.stop().await;
}

/// What the calls for a route's one send came to, for each of some routes.
async fn outcomes(world: &World, routes: &[&str]) -> Vec<Vec<String>> {
    let mut outcomes = Vec::new();
    for (index, send) in world.sends().await.iter().enumerate() {
        assert_eq!(send["route"], routes[index]);
        outcomes.push(texts(&world.attempts(index + 1).await, "what"));
    }
    outcomes
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
    states(&world, "uncertain", 4).await;
    assert_eq!(outcomes(&world, &["hello", "once", "often", "rule"]).await, [2, 1, 3, 4].map(|n| vec!["uncertain"; n]));
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
    states(&world, "uncertain", 2).await;
    assert_eq!(outcomes(&world, &["hello", "once"]).await, [3, 1].map(|n| vec!["uncertain"; n]));
    world.stop().await;
}

#[tokio::test]
async fn who_waits_goes_afresh_when_a_person_lifts_the_hold() {
    let serri = Moody::new(|_, _| said(400, r#"{"message":"cannot be reached"}"#));
    let slow = quick().set("delivery.hold_probe.max=1h").set("delivery.hold_probe.initial=1h");
    let world = World::start_against(slow, serri.router()).await;
    post(&world, "welcome", 0..3).await;
    for holds in 1..=3 {
        world.until_hold_turns("began", holds).await;
        states(&world, "ready", 3).await;
        assert_eq!(world.sends_of("state=failed").await.len(), 0);
        let hold = json!({"account": "default", "campaign": "welcome"});
        assert_eq!(world.admin("POST", "/holds/lift", Some(hold)).await.0, 200);
    }
    world.stop().await;
}
