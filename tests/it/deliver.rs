//! What reaches Serri, when, and how often.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::response::IntoResponse;
use serde_json::{Value, json};
use serri_relay::serri::sandbox::PATH;
use tokio::sync::Semaphore;

use crate::asked::{Ask as _, millis, state, text, texts};
use crate::world::{PATIENCE, ROUTE, Setup, World, eventually, ok, scripted};

fn hello() -> Setup {
    let route = format!("account: default{ROUTE}");
    Setup::new().route("hello", &route).set("delivery.retry.initial=10ms").set("delivery.retry.max=50ms")
}

async fn post_to(world: &World, id: &str, campaign: &str, phone: &str) {
    let (status, _) = world.post("hello", &json!({"id": id, "campaign": campaign, "phone": phone}).to_string()).await;
    assert_eq!(status, 200);
}

/// What each call for a send came to.
async fn outcomes(world: &World, send: usize) -> Vec<String> {
    texts(&world.attempts(send).await, "what")
}

#[tokio::test]
async fn the_payload_arrives_with_the_key_and_the_answer_is_kept() {
    let got = Arc::new(Mutex::new(Value::Null));
    let seen = Arc::clone(&got);
    let world = World::start_against(
        hello(),
        scripted(move |call: Value| {
            let seen = Arc::clone(&seen);
            async move {
                *seen.lock().unwrap() = call;
                ok()
            }
        }),
    )
    .await;
    post_to(&world, "e1", "welcome", "9812345670").await;
    world.until_sends("state=sent", 1).await;
    assert_eq!(
        *got.lock().unwrap(),
        json!({"apiKey": "key-of-the-test", "campaignName": "welcome", "destination": "+919812345670", "userName": "there", "templateParams": ["there"]})
    );
    let send = world.send(1).await;
    assert_eq!((&send["message_id"], &send["attempts"]), (&json!("m-1"), &json!(1)));
    let attempts = world.attempts(1).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((&attempts[0]["what"], &attempts[0]["status"]), (&json!("sent"), &json!(200)));
    assert_eq!(attempts[0]["answer"], r#"{"success":"true","submitted_message_id":"m-1"}"#);
    world.stop().await;
}

#[tokio::test]
async fn every_misbehaviour_of_the_sandbox_is_understood() {
    let held = &["waiting due", "waiting hold:account", "waiting hold:campaign", "sending"][..];
    let again = &["waiting retry", "waiting due", "sending"][..];
    // campaign, what the first attempt is, the state in which it then rests or waits
    let cases = [
        ("sandbox_out_of_credits", "account", 402, held),
        ("sandbox_plan_lapsed", "account", 400, held),
        ("sandbox_bad_key", "account", 401, held),
        ("sandbox_missing", "campaign", 400, held),
        ("sandbox_not_live", "campaign", 400, held),
        ("sandbox_wrong_count", "campaign", 400, held),
        ("sandbox_invalid_number", "refused", 400, &["failed"]),
        ("sandbox_too_fast", "transient", 429, &["waiting retry", "waiting due", "sending", "sent"]),
        ("sandbox_down", "transient", 503, again),
        ("sandbox_bad_gateway", "transient", 502, again),
        ("sandbox_flaky", "transient", 503, &["sent"]),
        ("sandbox_hang", "uncertain", 0, &["uncertain"]),
        ("sandbox_reset", "uncertain", 0, &["uncertain"]),
        ("sandbox_error_in_200", "refused", 200, &["failed"]),
        ("sandbox_params_2", "campaign", 400, held),
        ("sandbox_not_found", "wrong_endpoint", 404, held),
        ("sandbox_web_page", "wrong_endpoint", 200, held),
        ("sandbox_redirect", "wrong_endpoint", 308, held),
        ("sandbox_silent", "wrong_endpoint", 204, held),
        ("sandbox_unconfirmed", "unconfirmed", 200, &["uncertain"]),
        ("sandbox_unknown", "unknown", 400, &["failed"]),
        ("sandbox_unknown_in_200", "unknown", 200, &["failed"]),
    ];
    // an account each: one that is on hold or down must not hide what the others are
    let mut setup = hello().set("delivery.timeout=300ms");
    for (campaign, ..) in cases {
        setup = setup.account(campaign).route(campaign, &format!("account: {campaign}{ROUTE}"));
    }
    let probed = setup.set("delivery.hold_probe.initial=10ms").set("delivery.hold_probe.max=20ms");
    let world = World::start(probed).await;
    for (index, (campaign, ..)) in cases.iter().enumerate() {
        let body = json!({"id": campaign, "campaign": campaign, "phone": format!("98123456{index:02}")});
        assert_eq!(world.post(campaign, &body.to_string()).await.0, 200);
    }
    for (index, (campaign, outcome, status, states)) in cases.iter().enumerate() {
        let send = index + 1;
        eventually(&format!("{campaign} is attempted"), async || !world.attempts(send).await.is_empty()).await;
        let first = &world.attempts(send).await[0];
        let answered = first.get("status").map_or(0, |status| status.as_u64().unwrap());
        assert_eq!((&first["what"], answered), (&json!(outcome), *status), "{campaign}: {first}");
        eventually(&format!("{campaign} comes to rest in {states:?}"), async || {
            states.contains(&state(&world.send(send).await).as_str())
        })
        .await;
    }
    // the account's and the campaign's faults cost nobody's lead, however long they last
    eventually("held sends are tried again", async || world.attempts(1).await.len() > 5).await;
    assert_eq!(world.sends_of("state=failed").await.len(), 4);
    world.stop().await;
}

#[tokio::test]
async fn a_failed_send_is_tried_again_until_it_is_taken() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let serri = scripted(move |_| {
        let counted = Arc::clone(&counted);
        async move {
            if counted.fetch_add(1, Ordering::SeqCst) < 3 {
                http::StatusCode::BAD_GATEWAY.into_response()
            } else {
                ok()
            }
        }
    });
    let world = World::start_against(hello(), serri).await;
    post_to(&world, "e1", "welcome", "9812345670").await;
    world.until_sends("state=sent", 1).await;
    assert_eq!(outcomes(&world, 1).await, ["transient", "transient", "transient", "sent"]);
    world.stop().await;
}

#[tokio::test]
async fn a_send_is_given_up_after_its_time() {
    let serri = scripted(async |_| http::StatusCode::SERVICE_UNAVAILABLE.into_response());
    let world = World::start_against(hello().set("delivery.retry.give_up_after=100ms"), serri).await;
    post_to(&world, "e1", "welcome", "9812345670").await;
    world.until_sends("state=failed", 1).await;
    assert!(text(&world.send(1).await["reason"]).starts_with("given up after "));
    world.stop().await;
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let serri = scripted(async |_| (http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]).into_response());
    let world = World::start_against(hello().set("delivery.retry.max=2h"), serri).await;
    post_to(&world, "e1", "welcome", "9812345670").await;
    world.until_state(1, "waiting retry").await;
    let send = world.send(1).await;
    let wait = millis(&send["until"]) - millis(&send["changed_at"]);
    assert!((3_600_000..=3_601_000).contains(&wait), "{wait}");
    world.stop().await;
}

#[tokio::test]
async fn a_person_never_has_two_calls_at_once_and_gets_them_in_order() {
    let (gate, seen) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new((HashSet::new(), Vec::new(), false))));
    let (held, noted) = (Arc::clone(&gate), Arc::clone(&seen));
    let serri = scripted(move |call: Value| {
        let noted = Arc::clone(&noted);
        let held = Arc::clone(&held);
        async move {
            let to = call["destination"].as_str().unwrap().to_owned();
            {
                let mut seen = noted.lock().unwrap();
                seen.2 |= !seen.0.insert(to.clone());
                seen.1.push(format!("{to} {}", call["campaignName"].as_str().unwrap()));
            }
            held.acquire().await.unwrap().forget();
            noted.lock().unwrap().0.remove(&to);
            ok()
        }
    });
    let world = World::start_against(hello(), serri).await;
    for n in 0..20 {
        post_to(&world, &format!("e{n}"), &format!("c{n:02}"), if n % 4 == 3 { "9812345671" } else { "9812345670" })
            .await;
    }
    eventually("both persons are being called", async || seen.lock().unwrap().1.len() == 2).await;
    gate.add_permits(1_000);
    world.until_sends("state=sent", 20).await;
    let (_, calls, twice) = seen.lock().unwrap().clone();
    assert!(!twice, "two calls at once to one person: {calls:?}");
    for person in ["+919812345670", "+919812345671"] {
        let order: Vec<&String> = calls.iter().filter(|call| call.starts_with(person)).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_is_down_costs_nothing_but_time() {
    let setup = hello().set("accounts.default.endpoint=http://127.0.0.1:1/campaign/t1/api/v2");
    let world = World::start(setup).await;
    post_to(&world, "e1", "welcome", "9812345670").await;
    eventually("it is tried again", async || world.attempts(1).await.len() > 2).await;
    let attempts = world.attempts(1).await;
    let has_failed = |one: &Value| one["what"] == "transient" && text(&one["reason"]).starts_with("no connection");
    assert!(attempts.iter().all(has_failed), "{attempts:?}");
    world.stop().await;
}

#[tokio::test]
async fn what_nobody_knows_can_be_held_for_a_person() {
    let setup = hello().set("delivery.on_uncertain=hold").set("delivery.timeout=100ms");
    let world = World::start(setup).await;
    post_to(&world, "e1", "sandbox_hang", "9812345670").await;
    world.until_sends("state=uncertain", 1).await;
    let attempts = world.attempts(1).await;
    assert_eq!((attempts.len(), attempts[0].get("status")), (1, None));
    assert_eq!((&attempts[0]["what"], &attempts[0]["reason"]), (&json!("uncertain"), &json!("no answer in time")));
    world.stop().await;
}

#[tokio::test]
async fn the_accounts_rate_is_kept() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let serri = scripted(move |_| {
        let noted = Arc::clone(&noted);
        async move {
            noted.lock().unwrap().push(serri_relay::clock::Clock::system().now());
            ok()
        }
    });
    let world = World::start_against(hello().set("accounts.default.rate=50/s"), serri).await;
    let events: Vec<Value> =
        (0..60).map(|n| json!({"id": n.to_string(), "phone": format!("98123456{n:02}")})).collect();
    world.post("hello", &Value::from(events).to_string()).await;
    world.until_sends("state=sent", 60).await;
    let times = times.lock().unwrap().clone();
    let took = times[59].since(times[0]);
    // 60 sends at 50 a second, 5 of them at once: 1.1 s; late is not the fault of the rate
    assert!(took >= Duration::from_millis(1_000), "{took:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_stopping_relay_lets_calls_end_and_keeps_the_rest() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, started) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&started);
    let serri = scripted(move |_| {
        let counted = Arc::clone(&counted);
        let held = Arc::clone(&held);
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            held.acquire().await.unwrap().forget();
            ok()
        }
    });
    let world = World::start_against(hello().set("delivery.concurrency=1"), serri).await;
    for n in 0..3 {
        post_to(&world, &format!("e{n}"), "welcome", &format!("981234567{n}")).await;
    }
    eventually("a call is under way", async || started.load(Ordering::SeqCst) == 1).await;
    world.until_sends("state=sending", 2).await;
    let stopping = world.stop();
    gate.add_permits(1);
    let setup = stopping.await;
    assert_eq!(setup.store().states().await, ["sent", "waiting due", "waiting due"]);
    assert_eq!(started.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_sent_in_the_sandbox_never_goes_to_serri() {
    let setup = hello().set("accounts.default.api_key=");
    let world = World::start(setup).await;
    post_to(&world, "e1", "sandbox_down", "9812345670").await;
    eventually("the in-process sandbox is asked", async || !world.attempts(1).await.is_empty()).await;
    assert!(world.sandbox.messages().is_empty(), "the account's own endpoint is not");
    let Setup { dir, .. } = world.stop().await;
    // the same store, now with a key
    let world = World::start(Setup::in_dir(dir)).await;
    post_to(&world, "e2", "welcome", "9812345670").await;
    let messages = world.delivered(1).await;
    assert_eq!((messages.len(), &messages[0]["campaignName"]), (1, &json!("welcome")));
    let kept = world.send(1).await;
    assert_eq!(kept["account"], "default (sandbox)");
    assert!(["waiting", "sending"].contains(&kept["state"].as_str().unwrap()), "{kept}");
    world.stop().await;
}

#[tokio::test]
async fn an_idle_account_does_not_hold_up_a_paced_one() {
    let setup =
        hello().set("accounts.default.rate=50/s").set("accounts.idle.api_key=other").set("accounts.idle.rate=50/s");
    let world = World::start(setup).await;
    let events: Vec<Value> =
        (0..100).map(|n| json!({"id": n.to_string(), "phone": format!("98123456{n:02}")})).collect();
    world.post("hello", &Value::from(events).to_string()).await;
    // two seconds at its rate, and minutes if it waited for the safety net each time
    world.delivered(100).await;
    world.stop().await;
}

#[tokio::test]
async fn a_person_is_one_person_whatever_the_account() {
    let (gate, calls) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (held, counted) = (Arc::clone(&gate), Arc::clone(&calls));
    let serri = scripted(move |_| {
        let (held, counted) = (Arc::clone(&held), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            held.acquire().await.unwrap().forget();
            ok()
        }
    });
    let setup = hello().route("other", &format!("account: other\n{ROUTE}")).set("accounts.other.api_key=k");
    let setup = setup.set("delivery.retry.initial=10ms");
    let world = World::start_against(setup, serri).await;
    // both accounts call the same Serri here
    post_to(&world, "e1", "welcome", "9812345670").await;
    eventually("the first is called", async || calls.load(Ordering::SeqCst) == 1).await;
    assert_eq!(world.post("other", &json!({"id": "e2", "phone": "9812345670"}).to_string()).await.0, 200);
    world.until_state(2, "waiting recipient").await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    gate.add_permits(10);
    world.until_state(1, "sent").await;
    drop(world);
}

/// A Serri on a thread of its own: says when a call comes, and answers it when it is told to.
fn serri_elsewhere(came: mpsc::Sender<()>, go: mpsc::Receiver<()>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}{PATH}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let go = Arc::new(Mutex::new(go));
    let router = scripted(move |_| {
        let (came, go) = (came.clone(), Arc::clone(&go));
        async move {
            came.send(()).unwrap();
            // false: the test is over
            let _ = tokio::task::spawn_blocking(move || go.lock().unwrap().recv().is_ok()).await;
            ok()
        }
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    endpoint
}

#[tokio::test]
async fn deliveries_go_on_while_the_threads_that_take_webhooks_are_busy() {
    let ((came, calls), (go, told)) = (mpsc::channel(), mpsc::channel());
    let world = World::start_towards(hello(), &serri_elsewhere(came, told)).await;
    for id in ["first", "second"] {
        // to one person: the second is claimed when the first is known to have gone
        post_to(&world, id, "welcome", "+919812345670").await;
    }
    // webhooks are taken on this very thread, which is blocked from here on
    calls.recv_timeout(PATIENCE).expect("the first call comes");
    go.send(()).unwrap();
    calls.recv_timeout(PATIENCE).expect("the second call comes, although this thread does nothing");
    go.send(()).unwrap();
    world.until_sends("state=sent", 2).await;
}
