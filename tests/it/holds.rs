//! Faults and how far they reach: what is on hold, what goes on, and who is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use serri_relay::serri::sandbox::PATH;

use crate::alerts::Ops;
use crate::asked::{Ask as _, is_ready, state, states_of, text, texts};
use crate::world::{ROUTE, Setup, World, eventually, ok, quick, scripted};

const NO_CREDITS: &str = r#"{"message":"Insufficient WhatsApp Conversation Credits (WCC)!","errorCode":402}"#;

pub fn no_credits() -> Response {
    (http::StatusCode::PAYMENT_REQUIRED, NO_CREDITS).into_response()
}

/// A Serri whose answer is what a test sets, and that counts.
#[derive(Default)]
struct Moody {
    is_out: Mutex<bool>,
    calls: Mutex<Vec<Value>>,
}

impl Moody {
    fn router(self: &Arc<Self>) -> Router {
        let moody = Arc::clone(self);
        scripted(move |call: Value| {
            let moody = Arc::clone(&moody);
            async move {
                moody.calls.lock().unwrap().push(call);
                if *moody.is_out.lock().unwrap() { no_credits() } else { ok() }
            }
        })
    }

    fn run_out(&self) {
        *self.is_out.lock().unwrap() = true;
    }

    fn top_up(&self) {
        *self.is_out.lock().unwrap() = false;
    }

    fn calls(&self) -> Vec<Value> {
        self.calls.lock().unwrap().clone()
    }
}

pub async fn post_many(world: &World, from: usize, count: usize) {
    let events: Vec<Value> = (from..from + count)
        .map(|n| json!({"id": n.to_string(), "phone": format!("98{:08}", 12_000_000 + n)}))
        .collect();
    assert_eq!(world.post("hello", &Value::from(events).to_string()).await.0, 200);
}

#[tokio::test]
async fn an_account_without_credits_waits_as_a_whole_and_others_go_on() {
    let moody = Arc::new(Moody::default());
    moody.run_out();
    let other = crate::world::serve(scripted(async |_| ok())).await;
    let setup = quick()
        .account("other")
        .set(&format!("accounts.other.endpoint={}{PATH}", other.base))
        .route("hello", &format!("account: default{ROUTE}"))
        .route("other", &format!("account: other{ROUTE}"));
    let world = World::start_against(setup, moody.router()).await;
    post_many(&world, 0, 20).await;
    world.until_holds(1).await;
    for n in 0..20 {
        world.post("other", &json!({"id": n.to_string(), "phone": format!("981300{n:04}")}).to_string()).await;
    }
    world.until_sends("state=sent&account=other", 20).await;
    assert_eq!(world.sends_of("state=sent&account=default").await.len(), 0);
    let (_, sends) = world.admin("GET", "/sends?account=default&limit=1", None).await;
    assert_eq!(sends["sends"][0]["why"], "hold:account");
    world.stop().await;
}

#[tokio::test]
async fn a_hold_uses_nothing_up_survives_a_restart_and_drains_when_it_ends() {
    let moody = Arc::new(Moody::default());
    moody.run_out();
    let ops = Arc::new(Ops::default());
    let served = ops.serve().await;
    let setup =
        quick().set("delivery.concurrency=4").lists(&format!("alerts: [{{ webhook: '{}/hook' }}]", served.base));
    let world = World::start_against(setup, moody.router()).await;
    post_many(&world, 0, 100).await;
    eventually("the hold is there and was tried", async || {
        world.holds().await.iter().any(|hold| hold["campaign"].is_null() && hold["probes"].as_u64() > Some(2))
    })
    .await;
    let before = moody.calls().len();
    assert!(before < 40, "{before} calls for a hundred sends");
    let waiting = world.sends().await;
    assert_eq!((waiting.len(), waiting.iter().all(is_ready)), (100, true), "none waits for a retry");
    let log = world.metrics().await;
    assert!(log.contains(r#"serri_relay_holds{account="default",campaign=""} 1"#), "{log}");

    let world = world.restart().await;
    assert!(world.metrics().await.contains(r#"serri_relay_holds{account="default",campaign=""} 1"#));
    let probes = async || world.holds().await[0]["probes"].as_u64().unwrap();
    let then = probes().await;
    eventually("it is tried again", async || probes().await > then + 1).await;
    assert!(moody.calls().len() < before + 40, "a restart makes no burst");
    moody.top_up();
    world.until_sends("state=sent", 100).await;
    world.until_hold_turns("ended", 1).await;
    assert_eq!((world.holds().await.len(), world.hold_turns("began").await), (0, 0), "it was the same hold to its end");
    eventually("its end is told", async || ops.kinds("hook").last().is_some_and(|kind| kind == "hold.ended")).await;
    let waited = ops.by("hook").last().unwrap().body["data"]["waiting"].as_u64().unwrap();
    assert!((95..=100).contains(&waited), "{waited}");
    assert!(world.sends().await.iter().all(|send| send.get("reason").is_none()));
    world.stop().await;
}

#[tokio::test]
async fn urgent_ones_go_first_when_a_hold_ends() {
    let moody = Arc::new(Moody::default());
    moody.run_out();
    let route = |priority: &str| format!("priority: {priority}{ROUTE}");
    let setup = quick()
        .route("bulk", &route("bulk"))
        .route("urgent", &route("urgent"))
        .set("delivery.concurrency=1")
        .set("accounts.default.rate=200/s");
    let world = World::start_against(setup, moody.router()).await;
    for (route, from) in [("bulk", 0), ("hello", 20), ("urgent", 40)] {
        let events: Vec<Value> = (from..from + 20)
            .map(|n| json!({"id": n.to_string(), "phone": format!("98{:08}", 12_000_000 + n), "campaign": route}))
            .collect();
        world.post(route, &Value::from(events).to_string()).await;
    }
    world.until_holds(1).await;
    world.until_ready("", 60).await;
    let before = moody.calls().len();
    moody.top_up();
    world.until_sends("state=sent", 60).await;
    let order: Vec<String> =
        moody.calls()[before..].iter().map(|call| call["campaignName"].as_str().unwrap().to_owned()).collect();
    let last = |name: &str| order.iter().rposition(|campaign| campaign == name).unwrap();
    // what was under way as the probe came first, whatever it was
    assert!(last("urgent") < 25 && last("urgent") < last("hello") && last("hello") < last("bulk"), "{order:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_campaign_that_is_missing_stops_itself_alone() {
    let world = World::start(quick()).await;
    for n in 0..10 {
        let body = |campaign: &str| json!({"id": format!("{campaign}{n}"), "campaign": campaign, "phone": format!("981200{n:04}")});
        world.post("hello", &body("sandbox_missing").to_string()).await;
        world.post("hello", &body("welcome").to_string()).await;
    }
    world.until_sends("state=sent", 10).await;
    let missing = world.sends_of("campaign=sandbox_missing").await;
    assert_eq!((missing.len(), missing.iter().all(is_ready)), (10, true), "{:?}", states_of(&missing));
    let holds = world.holds().await;
    assert_eq!(holds.len(), 1, "{holds:?}");
    assert_eq!((&holds[0]["account"], &holds[0]["campaign"]), (&json!("default"), &json!("sandbox_missing")));
    let (_, sends) = world.admin("GET", "/sends?campaign=sandbox_missing&limit=1", None).await;
    assert_eq!((&sends["sends"][0]["state"], &sends["sends"][0]["why"]), (&json!("waiting"), &json!("hold:campaign")));
    world.stop().await;
}

#[tokio::test]
async fn a_route_that_moves_to_another_account_takes_what_waits_with_it() {
    let route = |account: &str| format!("account: {account}{ROUTE}");
    let setup = quick().account("clinic").route("hello", &route("default")).route("shop", &route("default"));
    let world = World::start(setup).await;
    assert_eq!(world.admin("POST", "/holds", Some(json!({"account": "default", "reason": "it moves"}))).await.0, 200);
    post_many(&world, 0, 3).await;
    assert_eq!(world.post("shop", r#"{"id":"stays","phone":"9812399999"}"#).await.0, 200);
    let setup = world.stop().await;
    let world = World::start(setup.route("hello", &route("clinic"))).await;
    world.delivered(3).await;
    world.until_sends("state=sent", 3).await;
    let moved = world.sends_of("route=hello").await;
    assert_eq!(
        (texts(&moved, "account"), states_of(&moved)),
        (vec!["clinic".to_owned(); 3], vec!["sent".to_owned(); 3])
    );
    let stays = world.sends_of("route=shop").await;
    assert_eq!(
        (texts(&stays, "account"), states_of(&stays)),
        (vec!["default".to_owned()], vec!["waiting hold:account".to_owned()])
    );
    world.stop().await;
}

#[tokio::test]
async fn several_sends_to_one_person_stay_several_when_their_rule_is_changed() {
    let each = |list: &str| {
        format!(
            "auth: none\nsource: generic\nsends:\n  - name: each\n    for_each: {list}\n    campaignName: about_{{{{ item }}}}\n    destination: \"{{{{ event.phone }}}}\"\n    userName: A\n    templateParams: [\"{{{{ item }}}}\"]\n"
        )
    };
    let world = World::start(quick().route("hello", &each("event.bought"))).await;
    assert_eq!(world.admin("POST", "/holds", Some(json!({"account": "default"}))).await.0, 200);
    let bought =
        json!({"id": "o1", "phone": "9812345670", "bought": ["rice", "salt", "tea"], "other": ["oil", "rice"]});
    assert_eq!(world.post("hello", &bought.to_string()).await.0, 200);
    world.until_sends("", 3).await;
    // the first does not stand in the list any more, so the places of the others move
    let setup = world.stop().await.route("hello", &each("event.bought[1:]"));
    let world = World::start(setup).await;
    world.until_sends("state=cancelled", 1).await;
    let campaigns = async |world: &World| {
        let mut waiting = world.sends_of("state=waiting").await;
        assert!(waiting.iter().all(|send| state(send) == "waiting hold:account"), "{:?}", states_of(&waiting));
        waiting.sort_by_key(|send| send["item"].as_u64());
        (texts(&waiting, "campaign"), texts(&waiting, "item"))
    };
    let expected =
        |first: &str, second: &str| (vec![first.to_owned(), second.to_owned()], vec!["0".to_owned(), "1".to_owned()]);
    assert_eq!(campaigns(&world).await, expected("about_salt", "about_tea"));
    // and back again, with more than there are
    let world = World::start(world.stop().await.route("hello", &each("event.other"))).await;
    world.until_sends("campaign=about_oil", 1).await;
    assert_eq!(campaigns(&world).await, expected("about_oil", "about_rice"));
    world.admin("POST", "/holds/lift", Some(json!({"account": "default"}))).await;
    world.delivered(2).await;
    world.stop().await;
}

#[tokio::test]
async fn a_corrected_rule_maps_what_waits_of_it_again() {
    // two parameters are wanted, and one comes; then the name is wrong as well
    let wrong = ROUTE.replace("{{ event.campaign | default('welcome') }}", "sandbox_params_2");
    let world = World::start(quick().route("hello", &wrong)).await;
    post_many(&world, 0, 20).await;
    world.until_holds(1).await;
    let setup = world.stop().await;
    let right = wrong.replace("templateParams: [", "templateParams: [\"{{ event.id }}\", ");
    let world = World::start(setup.route("hello", &right)).await;
    let messages = world.delivered(20).await;
    assert!(messages.iter().all(|message| message["templateParams"].as_array().unwrap().len() == 2));
    assert_eq!(world.sends().await.len(), 20);
    let (_, story) = world.admin("GET", "/sends/20", None).await;
    let mapped = |step: &serde_json::Value| {
        step["reason"].as_str().is_some_and(|reason| reason.contains("mapped again from its event"))
    };
    assert!(story["history"].as_array().unwrap().iter().any(mapped), "{story}");
    world.until_holds(0).await;

    let setup = world.stop().await;
    let misspelt = right.replace("sandbox_params_2", "sandbox_missing");
    let world = World::start(setup.route("hello", &misspelt)).await;
    post_many(&world, 100, 5).await;
    world.until_holds(1).await;
    let setup = world.stop().await;
    let world = World::start(setup.route("hello", &right)).await;
    world.delivered(5).await;
    world.until_holds(0).await;
    // a rule that is gone leaves what it made as it was
    world.stop().await;
}

#[tokio::test]
async fn an_outage_is_not_hammered_and_ends() {
    let (calls, down) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(true)));
    let (counted, is_down) = (Arc::clone(&calls), Arc::clone(&down));
    let serri = scripted(move |_| {
        let (counted, is_down) = (Arc::clone(&counted), Arc::clone(&is_down));
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            if *is_down.lock().unwrap() { http::StatusCode::BAD_GATEWAY.into_response() } else { ok() }
        }
    });
    let setup = quick().set("delivery.concurrency=4").set("delivery.retry.initial=200ms").set("delivery.retry.max=1s");
    let world = World::start_against(setup, serri).await;
    post_many(&world, 0, 200).await;
    eventually("it is noticed", async || world.metrics().await.contains(r#"turn="unreachable"} 1"#)).await;
    let noticed = calls.load(Ordering::SeqCst);
    assert!(noticed <= 12, "{noticed} calls before it was noticed");
    *down.lock().unwrap() = false;
    world.until_sends("state=sent", 200).await;
    assert!(world.metrics().await.contains(r#"turn="reachable"} 1"#));
    world.stop().await;
}

#[tokio::test]
async fn what_nobody_knows_is_repeated_or_held_as_the_nearest_says() {
    let setup = Setup::new()
        .route("hello", ROUTE)
        .route("careful", &format!("on_uncertain: hold{ROUTE}"))
        .route(
            "bold",
            &format!("on_uncertain: hold{}", ROUTE.replace("    when: not", "    on_uncertain: retry\n    when: not")),
        )
        .set("delivery.timeout=100ms");
    let world = World::start(setup).await;
    for (route, phone) in [("hello", "9812345670"), ("careful", "9812345671"), ("bold", "9812345672")] {
        let body = json!({"id": route, "campaign": "sandbox_hang", "phone": phone});
        world.post(route, &body.to_string()).await;
    }
    world.until_sends("route=careful&state=uncertain", 1).await;
    for route in ["hello", "bold"] {
        let called_again = async || world.sends_of(&format!("route={route}")).await[0]["attempts"].as_u64() > Some(1);
        eventually("it is repeated", called_again).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_new_kind_of_answer_is_failed_and_counted_under_its_text() {
    let serri = scripted(async |_| {
        (http::StatusCode::BAD_REQUEST, r#"{"message":"Quota of 3 reached for 919812345670"}"#).into_response()
    });
    let world = World::start_against(quick(), serri).await;
    post_many(&world, 0, 2).await;
    world.until_sends("state=failed", 2).await;
    let metrics = world.metrics().await;
    let line = r#"serri_relay_unknown_answers_total{text="400: Quota of 3 reached for ************"} 2"#;
    assert!(metrics.contains(line), "{metrics}");
    world.stop().await;
}

#[tokio::test]
async fn too_fast_slows_the_account_down() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let serri = scripted(move |_| {
        let noted = Arc::clone(&noted);
        async move {
            let mut times = noted.lock().unwrap();
            times.push(serri_relay::clock::Clock::system().now());
            if times.len() == 1 {
                (http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response()
            } else {
                ok()
            }
        }
    });
    let world = World::start_against(quick().set("delivery.concurrency=1").set("delivery.retry.max=2s"), serri).await;
    post_many(&world, 0, 10).await;
    world.until_sends("state=sent", 10).await;
    let times = times.lock().unwrap().clone();
    // what was claimed already goes; then nobody for a second, and twenty a second after that
    let gaps: Vec<u128> = times.windows(2).map(|pair| pair[1].since(pair[0]).as_millis()).collect();
    assert!(gaps.iter().any(|gap| *gap >= 900), "{gaps:?}");
    world.stop().await;
}

#[tokio::test]
async fn an_account_that_works_again_is_not_hammered_by_a_campaign_that_does_not() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let serri = scripted(move |_| {
        let counted = Arc::clone(&counted);
        async move {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                no_credits()
            } else {
                (http::StatusCode::BAD_REQUEST, r#"{"message":"Campaign does not exist."}"#).into_response()
            }
        }
    });
    let setup = quick().set("delivery.hold_probe.initial=100ms").set("delivery.hold_probe.max=1h");
    let world = World::start_against(setup, serri).await;
    post_many(&world, 0, 1).await;
    eventually("the probes are counted", async || {
        world.holds().await.iter().any(|hold| hold["campaign"].is_null() && hold["probes"].as_u64() >= Some(3))
    })
    .await;
    assert!(calls.load(Ordering::SeqCst) <= 7, "{}", calls.load(Ordering::SeqCst));
    world.stop().await;
}

#[tokio::test]
async fn what_is_cancelled_or_held_by_hand_while_a_call_is_under_way_stays_so() {
    let (gate, calls) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (held, counted) = (Arc::clone(&gate), Arc::clone(&calls));
    let serri = scripted(move |call: Value| {
        let (held, counted) = (Arc::clone(&held), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            held.acquire().await.unwrap().forget();
            if call["campaignName"] == "cart" { http::StatusCode::BAD_GATEWAY.into_response() } else { ok() }
        }
    });
    let cart = ROUTE.replace(
        "campaignName: \"{{ event.campaign | default('welcome') }}\"",
        "key: \"{{ event.key }}\"\n    cancel_on: event.order\n    campaignName: cart",
    );
    let cart = cart.replace("when: not event.skip", "when: not event.order");
    let world = World::start_against(quick().route("cart", &cart), serri).await;
    world.post("cart", &json!({"id": "e1", "key": "k", "phone": "9812345670"}).to_string()).await;
    eventually("it is called", async || calls.load(Ordering::SeqCst) == 1).await;
    world.post("cart", &json!({"id": "e2", "key": "k", "order": true, "phone": "9812345670"}).to_string()).await;
    gate.add_permits(100);
    world.until_state(1, "cancelled").await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_code_goes_before_what_waits_for_the_same_person() {
    let (gate, seen) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (held, noted) = (Arc::clone(&gate), Arc::clone(&seen));
    let serri = scripted(move |call: Value| {
        let (held, noted) = (Arc::clone(&held), Arc::clone(&noted));
        async move {
            noted.lock().unwrap().push(call["campaignName"].as_str().unwrap().to_owned());
            held.acquire().await.unwrap().forget();
            ok()
        }
    });
    let setup =
        quick().route("bulk", &format!("priority: bulk{ROUTE}")).route("urgent", &format!("priority: urgent{ROUTE}"));
    let world = World::start_against(setup, serri).await;
    let send = |route: &'static str, campaign: &str| {
        let body = json!({"id": campaign, "campaign": campaign, "phone": "9812345670"}).to_string();
        let world = &world;
        async move { assert_eq!(world.post(route, &body).await.0, 200) }
    };
    send("hello", "first").await;
    eventually("it is called", async || seen.lock().unwrap().len() == 1).await;
    for n in 0..4 {
        send("bulk", &format!("bulk{n}")).await;
    }
    send("urgent", "code").await;
    world.until_states(&[&["sending"][..], &["waiting recipient"; 5]].concat()).await;
    gate.add_permits(100);
    world.until_sends("state=sent", 6).await;
    assert_eq!(*seen.lock().unwrap(), ["first", "code", "bulk0", "bulk1", "bulk2", "bulk3"]);
    world.stop().await;
}

#[tokio::test]
async fn a_send_that_is_to_be_repeated_and_stands_still_holds_nobody_up() {
    let serri = scripted(|call: Value| async move {
        if call["campaignName"] == "broken" { http::StatusCode::BAD_GATEWAY.into_response() } else { ok() }
    });
    let setup = quick().set("delivery.retry.initial=1h").set("delivery.retry.max=1h");
    let world = World::start_against(setup, serri).await;
    let event = |id: &str, campaign: &str| json!({"id": id, "campaign": campaign, "phone": "9812345670"}).to_string();
    world.post("hello", &event("e1", "broken")).await;
    world.until_state(1, "waiting retry").await;
    world.post("hello", &event("e2", "other")).await;
    world.until_state(2, "waiting recipient").await;
    let (status, _) = world.admin("POST", "/holds", Some(json!({"account": "default", "campaign": "broken"}))).await;
    assert_eq!(status, 200);
    world.until_state(2, "sent").await;
    world.post("hello", &event("e3", "other")).await;
    world.until_state(3, "sent").await;
    world.stop().await;
}

#[tokio::test]
async fn holds_of_campaigns_whose_names_are_masked_alike_are_counted_each() {
    let world = World::hello().await;
    let hold =
        |campaign: &str| Some(serde_json::json!({"account": "default", "campaign": campaign, "reason": "a test"}));
    for campaign in ["offer_20261101", "offer_20261201"] {
        assert_eq!(world.admin("POST", "/holds", hold(campaign)).await.0, 200);
    }
    let lasts = |count: u8| format!(r#"serri_relay_holds{{account="default",campaign="offer_20****01"}} {count}"#);
    eventually("both are counted", async || world.metrics().await.contains(&lasts(2))).await;
    assert_eq!(world.admin("POST", "/holds/lift", hold("offer_20261101")).await.0, 200);
    eventually("one ended", async || world.metrics().await.contains(&lasts(1))).await;
    world.stop().await;
}

#[tokio::test]
async fn a_hold_whose_cause_changes_names_the_one_that_lasts() {
    let answer = Arc::new(Mutex::new((402, NO_CREDITS)));
    let said = Arc::clone(&answer);
    let serri = scripted(move |_| {
        let (status, body) = *said.lock().unwrap();
        async move { (http::StatusCode::from_u16(status).unwrap(), body).into_response() }
    });
    let world = World::start_against(quick(), serri).await;
    post_many(&world, 0, 3).await;
    let says = async |part: &str| world.holds().await.iter().any(|hold| text(&hold["reason"]).contains(part));
    eventually("the hold says why", async || says("402: Insufficient").await).await;
    *answer.lock().unwrap() = (404, "Not Found");
    eventually("the hold names the cause that lasts", async || says("the endpoint is wrong").await).await;
    // what is wrong with a campaign is not a cause of the account's hold
    *answer.lock().unwrap() = (400, "Campaign is Not Live");
    world.until_holds(2).await;
    let holds = world.holds().await;
    assert_eq!(texts(&holds, "campaign"), ["", "welcome"]);
    let names_endpoint = |hold: &Value| text(&hold["reason"]).contains("the endpoint is wrong");
    assert_eq!((names_endpoint(&holds[0]), names_endpoint(&holds[1])), (true, false), "{holds:?}");
    world.stop().await;
}
