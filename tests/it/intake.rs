//! What one call may cost, and what becomes of one whose sender does not wait: over real sockets where sockets matter.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use serri_relay::clock::{Clock, Timestamp};
use serri_relay::event::{Kept, NewEvent};
use serri_relay::listen;
use serri_relay::receive::{Bounds, Means, Receiver, router};
use serri_relay::store::{Intake, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::asked::{Ask as _, text, texts};
use crate::world::{PATIENCE, ROUTE, Setup, World, eventually};

/// As IndiaMART packs its leads.
const PACKED: &str = "event: { each: RESPONSE, id: event.id }\n";

/// A send for each of the event's people.
const EACH: &str = r#"
  - name: each
    for_each: event.people
    campaignName: group
    destination: "{{ item }}"
    userName: there
"#;

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap()
}

/// What the relay says to some bytes until it closes the connection.
async fn said_to(world: &World, bytes: &[u8]) -> String {
    let mut stream = connect(world).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn people(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("+9198123{n:05}")).collect()
}

#[tokio::test]
async fn a_call_that_brings_too_much_is_refused_and_nothing_of_it_is_kept() {
    let world = World::start(Setup::new().route("hello", &format!("{PACKED}{ROUTE}"))).await;
    let pad = "x".repeat(900_000);
    for (body, names) in [
        (json!({"PAD": pad, "RESPONSE": vec![json!({"skip": 1}); 1_000]}), "server.call_limit.stored"),
        (json!({"PAD": pad, "A": {}, "RESPONSE": [vec![json!({}); 500]]}), "server.call_limit.stored"),
        (json!({"RESPONSE": vec![json!({}); 160_000]}), "server.call_limit.events"),
        (json!(vec![json!({}); 160_000]), "server.call_limit.events"),
        (json!({"RESPONSE": vec![json!({"skip": 1}); 1_001]}), "server.call_limit.events"),
    ] {
        let (status, problem) = world.post("hello", &body.to_string()).await;
        assert_eq!((status, &problem["title"]), (413, &json!("Payload Too Large")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(names), "{problem}");
    }
    assert_eq!(world.events().await.len(), 0);
    // many headers are stored with each event, and count
    let headed = crate::world::proven(
        &world.http,
        &world.url("hello"),
        json!({"RESPONSE": vec![json!({"skip": 1}); 900]}).to_string(),
    )
    .header("x-large", "v".repeat(30_000));
    assert_eq!(world.call(headed).await.0, 413);
    let fits = json!({"RESPONSE": (0..1_000).map(|n| json!({"id": n, "skip": 1})).collect::<Vec<_>>()}).to_string();
    assert_eq!(world.post("hello", &fits).await.0, 200);
    assert_eq!(world.events().await.len(), 1000);
    assert!(world.metrics().await.contains("outcome=\"too_much\"} 6"));
    world.stop().await;
}

#[tokio::test]
async fn a_rule_that_makes_too_many_sends_of_an_event_makes_none_and_the_event_is_kept() {
    let route = format!("{ROUTE}{EACH}");
    let limited =
        |setup: Setup, sends: usize| setup.route("hello", &route).set(&format!("server.call_limit.sends={sends}"));
    let world = World::start(limited(Setup::new(), 5)).await;
    let event = |id: &str, count: usize| json!({"id": id, "phone": "9812399999", "people": people(count)});
    // two events that are each in order, and together too much
    let (status, problem) = world.post("hello", &json!([event("a", 3), event("b", 3)]).to_string()).await;
    assert_eq!(status, 413);
    assert!(problem["detail"].as_str().unwrap().contains("server.call_limit.sends"), "{problem}");
    assert_eq!(world.events().await.len(), 0);
    assert_eq!(world.post("hello", &event("c", 4).to_string()).await.1["events"][0]["sends"], 5);
    let (status, answer) = world.post("hello", &event("d", 5).to_string()).await;
    assert_eq!((status, &answer["events"][0]["sends"]), (200, &json!(1)));
    let failed = world.sends_of("event=d&state=failed").await;
    assert_eq!(texts(&failed, "rule"), ["each"]);
    assert!(text(&failed[0]["reason"]).contains("server.call_limit"), "{failed:?}");
    // what one event would make without end is counted, not built
    let huge = json!({"id": "e", "phone": "9812399999", "people": vec![1; 300_000]}).to_string();
    assert_eq!(world.post("hello", &huge).await.1["events"][0]["sends"], 1);
    world.delivered(5).await;
    // a replay has the same bound, and passes it when there is more room
    let replay = json!({"ids": ["d"], "yes": true});
    let (_, done) = world.admin("POST", "/events/replay", Some(replay.clone())).await;
    assert!(done["steps"].as_array().unwrap().iter().any(|step| step["does"] == "fail"), "{done}");
    let Setup { dir, .. } = world.stop().await;
    let world = World::start(limited(Setup::in_dir(dir), 10)).await;
    let (_, done) = world.admin("POST", "/events/replay", Some(replay)).await;
    assert_eq!(done["steps"].as_array().unwrap().iter().filter(|step| step["does"] == "send").count(), 5, "{done}");
    world.stop().await;
}

#[tokio::test]
async fn what_a_rule_makes_is_bounded_in_bytes_too() {
    let wide = EACH.replace("userName: there", "userName: there\n    attributes: { all: \"{{ event.text }}\" }");
    let setup = Setup::new()
        .route("hello", &format!("{ROUTE}{wide}"))
        .set("server.body_limit=100KiB")
        .set("server.call_limit.stored=1MiB");
    let world = World::start(setup).await;
    let event = json!({"id": "a", "phone": "9812399999", "text": "x".repeat(20_000), "people": people(100)});
    let (status, answer) = world.post("hello", &event.to_string()).await;
    assert_eq!((status, &answer["events"][0]["sends"]), (200, &json!(1)));
    let mut bytes = 0;
    for id in 1..=world.sends().await.len() {
        bytes += text(&world.send(id).await["payload"]).len();
    }
    assert!(bytes < 10_000, "{bytes}");
    world.stop().await;
}

#[tokio::test]
async fn gzip_that_costs_more_than_it_holds_is_refused_before_anything_is_proven() {
    let world = World::hello().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"").unwrap();
    let empty = encoder.finish().unwrap();
    let packed = world.http.post(world.url("hello")).header("content-encoding", "gzip").body(empty.repeat(50_000));
    let (status, problem) = world.call(packed).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().contains("members"), "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn large_bodies_share_memory_and_small_ones_are_taken_all_the_same() {
    let setup = Setup::new()
        .route("hello", ROUTE)
        .route("ghl", &format!("overload: 429\n{ROUTE}"))
        .set("server.body_memory=1MiB");
    let world = World::start(setup).await;
    let large = json!({"skip": 1, "pad": "x".repeat(500_000)}).to_string();
    let small = json!({"skip": 1}).to_string();
    // one sends most of a large body, and falls silent; should it find the memory taken by a probe, another one does
    let holder = within(async {
        loop {
            let mut holder = connect(&world).await;
            let head = b"POST /webhooks/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n";
            holder.write_all(head).await.unwrap();
            holder.write_all(&vec![b'x'; 800_000]).await.unwrap();
            // meanwhile what it sent is read
            for _ in 0..20 {
                assert_eq!(world.post("hello", &small).await.0, 200);
            }
            if world.post("hello", &large).await.0 == 503 {
                return holder;
            }
        }
    })
    .await;
    for (route, status) in [("hello", 503), ("ghl", 429)] {
        let call = crate::world::proven(&world.http, &world.url(route), large.clone());
        let response = call.send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (status, true));
    }
    assert_eq!(world.post("hello", r#"{"id":"small","phone":"9812345670"}"#).await.0, 200);
    drop(holder);
    eventually("it is given back", async || world.post("hello", &large).await.0 == 200).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_never_reads_an_answer_loses_the_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Notify::new());
    let larger_than_all_buffers = {
        let asked = Arc::clone(&asked);
        axum::routing::get(move || {
            asked.notify_one();
            std::future::ready("x".repeat(64 << 20))
        })
    };
    let (router, stop) = (axum::Router::new().route("/", larger_than_all_buffers), CancellationToken::new());
    let mut served = tokio::task::JoinSet::new();
    served.spawn(listen::serve(listener, router, Duration::from_secs(10), stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    asked.notified().await;
    // it waits for what is in flight, and nothing of that moves any more
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(600), served.join_next()).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn one_address_takes_its_share_of_the_connections_and_no_more() {
    let setup = Setup::new()
        .route("hello", ROUTE)
        .set("server.per_address.connections=3")
        .set("server.per_address.addresses=all");
    let world = World::start(setup).await;
    let mut idle = vec![connect(&world).await, connect(&world).await, connect(&world).await];
    // the test's own client may have one of the places
    let mut refused = connect(&world).await;
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, refused.read_to_string(&mut answer)).await.expect("it is refused").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 5"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    idle.clear();
    let post = || crate::world::proven(&world.http, &world.url("hello"), "{}".into());
    eventually("there is a place again", async || post().send().await.is_ok_and(|answer| answer.status() == 200)).await;
    world.stop().await;
}

#[tokio::test]
async fn a_body_whose_end_is_ambiguous_is_refused_or_ends_its_connection() {
    let world = World::hello().await;
    let head = "POST /webhooks/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer s3cret-for-tests\r\nContent-Type: application/json\r\n";
    let keep = head.replace("Connection: close\r\n", "");
    let chunked = "b\r\n{\"skip\":\"1\"\r\n1\r\n}\r\n0\r\n\r\n";
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (call, status) in [
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunked}"), 200),
        // what a sender would understand says nothing about its body
        (format!("{head}TE: gzip, chunked\r\nContent-Length: 12\r\n\r\n{{\"skip\":\"1\"}}"), 200),
        (format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n{chunked}"), 501),
        (format!("{head}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"), 501),
        (format!("{head}Transfer-Encoding: chunked, chunked\r\n\r\n{chunked}"), 501),
        (format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n{chunked}"), 400),
        (format!("{head}Transfer-Encoding: gzip\r\n\r\n{chunked}"), 400),
        (format!("{head}Content-Length: 12\r\nContent-Length: 13\r\n\r\n{{\"skip\":\"1\"}}"), 400),
        (format!("{head}Content-Length: +12\r\n\r\n{{\"skip\":\"1\"}}"), 400),
        (format!("{head}Content-Length: 12, 12\r\n\r\n{{\"skip\":\"1\"}}"), 400),
        // the chunks count, and what a proxy that went by the length would have left over is not a second call
        (format!("{keep}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}{smuggled}"), 200),
        (format!("{keep}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunked}{smuggled}"), 200),
        (format!("{}Transfer-Encoding: chunked\r\n\r\n{chunked}", head.replace("HTTP/1.1", "HTTP/1.0")), 400),
    ] {
        let answer = said_to(&world, call.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{call}\n{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{call}\n{answer}");
    }
    world.stop().await;
}

#[tokio::test]
async fn no_digit_of_an_id_is_lost() {
    let route = ROUTE.replace(
        "templateParams: [\"{{ contact.first_name | default('there') }}\"]",
        "templateParams: [\"{{ event.id }} {{ event.total }}\"]",
    );
    let world = World::start(Setup::new().route("hello", &route)).await;
    let body = |digits: &str, phone: &str| format!(r#"{{"id":{digits},"total":1499.50,"phone":{phone}}}"#);
    let ids = ["12345678901234567890123", "12345678901234567890124", "1234567890123456789012345678901234567890123"];
    for (n, digits) in ids.iter().enumerate() {
        let (_, answer) = world.post("hello", &body(digits, &format!("91981234567{n}.0"))).await;
        assert_eq!(answer, json!({"status": "accepted", "events": [{"id": digits, "sends": 1}]}));
    }
    let messages = world.delivered(3).await;
    for (n, digits) in ids.iter().enumerate() {
        let to = json!(format!("+91981234567{n}"));
        let message = messages.iter().find(|message| message["destination"] == to).unwrap();
        assert_eq!(message["templateParams"], json!([format!("{digits} 1499.5")]));
    }
    // where there is no id the bytes tell events apart, also those that come in one call
    let (_, answer) = world.post("hello", "[{\"skip\":1,\"n\":1e400},{\"skip\":1,\"n\":2e400},{\"skip\":1,\"n\":0.30000000000000000001},{\"skip\":1,\"n\":0.3}]").await;
    let given: std::collections::BTreeSet<String> =
        answer["events"].as_array().unwrap().iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(given.len(), 4, "{answer}");
    let kept = world.whole_events().await;
    assert_eq!(kept.iter().filter(|event| text(&event["body"]).contains("0.30000000000000000001")).count(), 1);
    // a replay reads the same digits
    let (_, event) = world.admin("GET", &format!("/events/{}", ids[1]), None).await;
    assert!(event.to_string().contains(ids[1]), "{event}");
    world.stop().await;
}

/// A store whose commits take as long as a test says.
#[derive(Default)]
struct Slow {
    kept: Mutex<Vec<NewEvent>>,
    asked: Notify,
    done: Notify,
}

impl Intake for Slow {
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Kept>, StoreError>> {
        self.asked.notify_one();
        Box::pin(async move {
            self.done.notified().await;
            let kept = vec![Kept::New; events.len()];
            self.kept.lock().unwrap().extend(events);
            Ok(kept)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

fn receiver_of(store: Arc<Slow>, request_timeout: Duration) -> Arc<Receiver> {
    let setup = Setup::new().route("hello", ROUTE).route("packed", &format!("{PACKED}{ROUTE}"));
    setup.write("http://127.0.0.1:9/");
    let receiver = Receiver {
        routes: Arc::new(setup.checked().routes),
        faulty: Arc::default(),
        in_use: None,
        lookup: Arc::default(),
        bounds: Bounds { body_limit: 1_000_000, body_memory: 1 << 20, request_timeout, concurrency: 10 },
        means: Arc::new(Means {
            working: Semaphore::new(1),
            ..Means::new(store, Arc::default(), Clock::system(), Arc::default())
        }),
    };
    receiver.take_over();
    Arc::new(receiver)
}

fn call() -> http::Request<axum::body::Body> {
    let request = http::Request::post("/webhooks/hello").header("authorization", "Bearer s3cret-for-tests");
    request.body(axum::body::Body::from(r#"{"phone":"9812345670"}"#)).unwrap()
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

#[tokio::test]
async fn what_was_stored_is_delivered_and_counted_although_its_sender_hung_up() {
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), PATIENCE);
    tokio::select! {
        response = router(&receiver).oneshot(call()) => panic!("{response:?}"),
        // the call is dropped here, as hyper does
        () = store.asked.notified() => {}
    }
    store.done.notify_one();
    within(receiver.means.wake.notified()).await;
    receiver.means.tasks.close();
    within(receiver.means.tasks.wait()).await;
    assert!(
        receiver.means.metrics.text(None, Timestamp(0)).contains("outcome=\"accepted\"} 1"),
        "{}",
        receiver.means.metrics.text(None, Timestamp(0))
    );
}

#[tokio::test]
async fn large_calls_wait_for_each_other_and_small_ones_for_none_of_them() {
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), PATIENCE);
    let another = receiver.means.large.acquire().await.unwrap();
    let mut large = call();
    *large.body_mut() =
        axum::body::Body::from(format!("{{\"phone\":\"9812345670\",\"pad\":\"{}\"}}", "x".repeat(200_000)));
    let mut large = std::pin::pin!(router(&receiver).oneshot(large));
    let small = async {
        store.done.notify_one();
        router(&receiver).oneshot(call()).await.unwrap().status()
    };
    tokio::select! {
        response = &mut large => panic!("{response:?}"),
        status = small => assert_eq!(status, 200),
    }
    drop(another);
    store.done.notify_one();
    assert_eq!(within(large).await.unwrap().status(), 200);
}

/// A call of which much more is stored than it brings.
fn wide() -> http::Request<axum::body::Body> {
    let mut call = call();
    let entries: Vec<Value> = (1..=20).map(|n| json!({"id": n, "phone": "9812345670"})).collect();
    *call.uri_mut() = "/webhooks/packed".parse().unwrap();
    *call.body_mut() = axum::body::Body::from(json!({"PAD": "x".repeat(5_000), "RESPONSE": entries}).to_string());
    call
}

#[tokio::test]
async fn what_waits_for_room_to_be_stored_keeps_nobody_else_waiting() {
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), PATIENCE);
    // more than there is in all: another call has it
    let another = receiver.means.storing.try_reserve(10 << 20).unwrap();
    let mut wide = std::pin::pin!(router(&receiver).oneshot(wide()));
    let small = async {
        store.done.notify_one();
        router(&receiver).oneshot(call()).await.unwrap().status()
    };
    tokio::select! {
        biased;
        response = &mut wide => panic!("{response:?}"),
        status = small => assert_eq!(status, 200),
    }
    drop(another);
    store.done.notify_one();
    let response = within(wide).await.unwrap();
    assert_eq!(response.status(), 200);
    let answer = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&answer["events"][0]["id"], &answer["events"][19]["id"]), (&json!("1"), &json!("20")));
    assert!(receiver.means.storing.try_reserve(10 << 20).is_ok(), "all of it is given back");
}

#[tokio::test]
async fn what_waited_for_room_is_mapped_by_the_rules_of_when_it_is_stored() {
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), PATIENCE);
    let another = receiver.means.storing.try_reserve(10 << 20).unwrap();
    let mut wide = std::pin::pin!(router(&receiver).oneshot(wide()));
    let small = async {
        store.done.notify_one();
        router(&receiver).oneshot(call()).await.unwrap()
    };
    tokio::select! {
        biased;
        response = &mut wide => panic!("{response:?}"),
        response = small => assert_eq!(response.status(), 200),
    }
    let setup = Setup::new().route("packed", &format!("{PACKED}{}", ROUTE.replace("'welcome'", "'second'")));
    setup.write("http://127.0.0.1:9/");
    let (faulty, lookup, means) = (Arc::default(), Arc::default(), Arc::clone(&receiver.means));
    let routes = Arc::new(setup.checked().routes);
    Receiver { routes, faulty, in_use: None, lookup, bounds: receiver.bounds, means }.take_over();
    drop(another);
    store.done.notify_one();
    assert_eq!(within(wide).await.unwrap().status(), 200);
    let kept = store.kept.lock().unwrap();
    let campaigns: Vec<&str> =
        kept.iter().flat_map(|event| &event.made.sends).map(|send| &*send.content.as_ref().unwrap().campaign).collect();
    assert_eq!(campaigns, [&["welcome"][..], &["second"; 20]].concat());
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_time_is_to_be_sent_again() {
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), Duration::from_secs(30));
    let _another = receiver.means.storing.try_reserve(10 << 20).unwrap();
    let response = router(&receiver).oneshot(wide()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    assert!(
        receiver.means.metrics.text(None, Timestamp(0)).contains("outcome=\"no_room\"} 1"),
        "{}",
        receiver.means.metrics.text(None, Timestamp(0))
    );
    assert!(tokio::time::timeout(Duration::ZERO, store.asked.notified()).await.is_err(), "nothing is stored");
}

#[tokio::test(start_paused = true)]
async fn what_timed_out_is_not_stored_and_what_is_stored_is_answered_so() {
    // the store was asked before the time was over: the sender hears what came of it
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), Duration::from_secs(30));
    let router_of = |receiver: &Arc<Receiver>| router(receiver);
    let slow = async {
        store.asked.notified().await;
        tokio::time::advance(Duration::from_secs(100)).await;
        store.done.notify_one();
    };
    let (response, ()) = tokio::join!(router_of(&receiver).oneshot(call()), slow);
    assert_eq!(response.unwrap().status(), 200);
    // the turn did not come in time
    let turn = receiver.means.working.acquire().await.unwrap();
    let response = router_of(&receiver).oneshot(call()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (408, &"application/problem+json".parse().unwrap())
    );
    drop(turn);
    assert!(tokio::time::timeout(Duration::from_secs(1), store.asked.notified()).await.is_err(), "nothing is stored");
    assert!(
        receiver.means.metrics.text(None, Timestamp(0)).contains("outcome=\"timed_out\"} 1"),
        "{}",
        receiver.means.metrics.text(None, Timestamp(0))
    );
}

#[tokio::test]
async fn what_took_too_long_to_map_is_not_stored() {
    // no time at all: mapping, which nothing interrupts, always takes longer
    let store = Arc::new(Slow::default());
    let receiver = receiver_of(Arc::clone(&store), Duration::ZERO);
    let response = within(router(&receiver).oneshot(call())).await.unwrap();
    assert_eq!(response.status(), 408);
    let asked = tokio::time::timeout(Duration::ZERO, store.asked.notified());
    assert!(asked.await.is_err(), "nothing is stored");
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let world = World::hello().await;
    for (method, url, status) in [
        ("POST", format!("{}/healthz", world.base), 405),
        ("DELETE", format!("{}/readyz", world.base), 405),
        ("GET", format!("{}/nowhere", world.base), 404),
        ("DELETE", format!("{}/api/v1/sends", world.admin), 405),
        ("GET", format!("{}/api/v1/sends/%ff", world.admin), 400),
    ] {
        let response = world.http.request(method.parse().unwrap(), &url).send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!((response.status().as_u16(), kind.as_str()), (status, "application/problem+json"), "{method} {url}");
        let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(
            problem["status"] == status && problem["detail"].as_str().is_some_and(|text| !text.is_empty()),
            "{problem}"
        );
    }
    world.stop().await;
}
