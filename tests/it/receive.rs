//! What a sender sees.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use serde_json::json;
use serri_relay::clock::Clock;
use serri_relay::event::{Kept, NewEvent};
use serri_relay::listen::Reach;
use serri_relay::receive::{Bounds, Means, Receiver, router};
use serri_relay::serri::sandbox::Sandbox;
use serri_relay::store::{Intake, StoreError};
use tower::ServiceExt as _;

use crate::asked::{Ask as _, texts};
use crate::world::{ROUTE, Setup, World};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_event_is_accepted_and_delivered() {
    let world = World::hello().await;
    let (status, answer) = world.post("hello", r#"{"id":"e1","name":"Asha Rao","phone":"98123 45670"}"#).await;
    assert_eq!((status, answer), (200, json!({"status": "accepted", "events": [{"id": "e1", "sends": 1}]})));
    let message = &world.delivered(1).await[0];
    assert_eq!(
        (&message["campaignName"], &message["destination"], &message["userName"], &message["templateParams"]),
        (&json!("welcome"), &json!("+919812345670"), &json!("Asha Rao"), &json!(["Asha"]))
    );
    world.stop().await;
}

#[tokio::test]
async fn a_repeated_event_is_a_duplicate_and_sent_once() {
    let world = World::hello().await;
    let body = r#"{"id":"e1","phone":"9812345670"}"#;
    world.post("hello", body).await;
    let (status, answer) = world.post("hello", body).await;
    assert_eq!((status, answer), (200, json!({"status": "duplicate", "events": [{"id": "e1", "sends": 0}]})));
    world.delivered(1).await;
    world.until_sends("state=sent", 1).await;
    assert_eq!(world.sandbox.messages().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_event_without_id_is_known_by_its_body() {
    let world = World::hello().await;
    let body = r#"{"phone":"9812345670"}"#;
    let (_, first) = world.post("hello", body).await;
    assert!(first["events"][0]["id"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(world.post("hello", body).await.1["status"], "duplicate");
    assert_eq!(world.post("hello", r#"{"phone":"9812345671"}"#).await.1["status"], "accepted");
    world.stop().await;
}

#[tokio::test]
async fn an_event_that_no_rule_wants_is_ignored_and_kept() {
    let world = World::hello().await;
    let (status, answer) = world.post("hello", r#"{"id":"e1","skip":true}"#).await;
    assert_eq!((status, answer), (200, json!({"status": "ignored", "events": [{"id": "e1", "sends": 0}]})));
    assert_eq!(texts(&world.events().await, "id"), ["e1"]);
    world.stop().await;
}

#[tokio::test]
async fn each_entry_of_an_array_is_an_event_of_its_own() {
    let world = World::hello().await;
    world.post("hello", r#"{"id":"b","phone":"9812345671"}"#).await;
    let (_, answer) = world
        .post("hello", r#"[{"id":"a","phone":"9812345670"},{"id":"b","phone":"9812345671"},{"id":"c","skip":1}]"#)
        .await;
    let events = json!([{"id": "a", "sends": 1}, {"id": "b", "sends": 0}, {"id": "c", "sends": 0}]);
    assert_eq!(answer, json!({"status": "accepted", "events": events}));
    world.delivered(2).await;
    world.stop().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_mapped_is_kept_with_the_reason() {
    let world = World::hello().await;
    let (status, answer) = world.post("hello", r#"{"id":"e1","name":"Asha"}"#).await;
    assert_eq!((status, answer["events"][0]["sends"].clone()), (200, json!(0)));
    assert_eq!(world.states().await, ["failed"]);
    let kept = world.send(1).await;
    assert_eq!(kept["rule"], "welcome");
    assert_eq!(kept["reason"], "rule `welcome`, `destination`: `contact.phone` is not there, or empty");
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_is_answered_400_and_kept() {
    let world = World::hello().await;
    for body in ["{\"a\":", "", "[1,2]", "\"text\""] {
        let (status, problem) = world.post("hello", body).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(problem["title"], "Bad Request");
    }
    let kept = world.whole_events().await;
    assert_eq!((kept.len(), kept.iter().filter(|event| event.get("fault").is_some()).count()), (4, 4));
    assert_eq!(kept.iter().filter(|event| event["body"] == "{\"a\":").count(), 1, "as it was sent");
    world.stop().await;
}

#[tokio::test]
async fn refusals_tell_nothing_of_their_reason() {
    let world = World::hello().await;
    let body = r#"{"id":"e1","phone":"9812345670"}"#;
    let call = || world.http.post(world.url("hello")).header("content-type", "application/json").body(body);
    let missing = world.call(call()).await;
    let wrong = world.call(call().bearer_auth("wrong")).await;
    let malformed = world.call(call().header("authorization", "Nonsense")).await;
    assert_eq!(missing.0, 401);
    assert_eq!(missing, wrong);
    assert_eq!(missing, malformed);
    assert_eq!(world.events().await.len(), 0);
    let metrics = world.http.get(format!("{}/metrics", world.admin)).send().await.unwrap().text().await.unwrap();
    for reason in ["refused_missing", "refused_wrong", "refused_malformed"] {
        assert!(metrics.contains(&format!("outcome=\"{reason}\"}} 1")), "{reason}: {metrics}");
    }
    world.stop().await;
}

#[tokio::test]
async fn errors_are_problems_and_a_known_route_is_never_missing() {
    let world = World::hello().await;
    let response = world.http.post(world.url("nowhere")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
        (404, "application/problem+json")
    );
    let odd = world.http.post(format!("{}/webhooks/%ff", world.base)).send().await.unwrap();
    assert_eq!(odd.headers()["content-type"], "application/problem+json");
    assert_eq!(
        world.http.post(format!("{}/", world.url("hello"))).send().await.unwrap().status(),
        401,
        "a slash at the end"
    );
    let response = world.http.get(world.url("hello")).bearer_auth("s3cret-for-tests").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "POST, PUT"));
    let response = world
        .http
        .post(world.url("hello"))
        .bearer_auth("s3cret-for-tests")
        .header("content-type", "image/png")
        .body("x")
        .send()
        .await;
    assert_eq!(response.unwrap().status(), 415);
    world.stop().await;
}

#[tokio::test]
async fn a_request_id_is_kept_or_made() {
    let world = World::hello().await;
    let given = world.http.post(world.url("hello")).header("x-request-id", "mine-7").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "mine-7");
    let made = world.http.post(world.url("hello")).send().await.unwrap();
    assert_eq!(made.headers()["x-request-id"].len(), 36);
    for bad in ["+91 98123 45670", &"a".repeat(200), "a b", "{}"] {
        let replaced = world.http.post(world.url("hello")).header("x-request-id", bad).send().await.unwrap();
        assert_eq!(replaced.headers()["x-request-id"].len(), 36, "{bad}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_body_is_limited_before_and_after_unpacking() {
    let world = World::hello().await;
    let of = |size: usize| format!(r#"{{"skip":1,"pad":"{}"}}"#, "x".repeat(size - 19));
    assert_eq!(of(1 << 20).len(), 1 << 20);
    assert_eq!(world.post("hello", &of(1 << 20)).await.0, 200);
    assert_eq!(world.post("hello", &of((1 << 20) + 1)).await.0, 413);
    assert_eq!(world.post("hello", &of(4 << 20)).await.0, 413);
    let packed = |bytes: Vec<u8>| {
        let call = world
            .http
            .post(world.url("hello"))
            .bearer_auth("s3cret-for-tests")
            .header("content-type", "application/json");
        world.call(call.header("content-encoding", "gzip").body(bytes))
    };
    assert_eq!(packed(gzip(br#"{"id":"z","phone":"9812345670"}"#)).await.0, 200);
    assert_eq!(packed(gzip(of((1 << 20) + 1).as_bytes())).await.0, 413);
    assert_eq!(packed(b"no gzip at all".to_vec()).await.0, 400);
    let mut cut = gzip(br#"{"id":"y","phone":"9812345670"}"#);
    cut.truncate(cut.len() - 6);
    assert_eq!(packed(cut).await.0, 400);
    let brotli =
        world.http.post(world.url("hello")).bearer_auth("s3cret-for-tests").header("content-encoding", "br").body("x");
    assert_eq!(world.call(brotli).await.0, 415);
    world.stop().await;
}

#[tokio::test]
async fn secrets_and_numbers_are_not_stored_where_they_do_not_belong() {
    let route = ROUTE.replace("auth: bearer", "auth: { query: { name: key } }");
    let world = World::start(Setup::new().route("form", &route)).await;
    let url = format!("{}?key=s3cret-for-tests&utm=ad", world.url("form"));
    let (status, _) = world
        .call(
            world
                .http
                .post(url)
                .header("content-type", "application/json")
                .header("authorization", "Bearer other")
                .header("cookie", "c=1")
                .body(r#"{"phone":"9812345670"}"#),
        )
        .await;
    assert_eq!(status, 200);
    world.delivered(1).await;
    let envelope = &world.event("#1").await["envelope"];
    assert_eq!(envelope["query"], json!({"utm": "ad"}));
    assert!(envelope["headers"].get("authorization").is_none() && envelope["headers"].get("cookie").is_none());
    let setup = world.stop().await;
    let file = std::fs::read(setup.database()).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("welcome") && !holds("s3cret-for-tests") && !holds("key-of-the-test"));
}

#[tokio::test]
async fn ready_and_healthy_say_so() {
    let world = World::hello().await;
    for path in ["healthz", "readyz"] {
        assert_eq!(world.http.get(format!("{}/{path}", world.base)).send().await.unwrap().status(), 200);
    }
    world.stop().await;
}

/// A header that a browser sends for a page, or for a name, and what comes of it.
const PAGES_AND_NAMES: [(&str, &str, u16); 9] = [
    ("host", "localhost:8081", 200),
    ("host", "127.0.0.1", 200),
    ("host", "[::1]:8081", 200),
    ("host", "evil.example", 403),
    ("host", "localhost.evil.example:8081", 403),
    ("origin", "http://localhost:8081", 200),
    ("origin", "https://evil.example", 403),
    ("origin", "null", 403),
    ("sec-fetch-site", "cross-site", 403),
];

#[tokio::test]
async fn on_loopback_the_admin_listener_answers_to_this_computers_names_alone_with_a_token_as_without() {
    for token in ["", "t0ken"] {
        let world = World::start(Setup::new().route("hello", ROUTE).set(&format!("admin.token={token}"))).await;
        for (header, value, status) in PAGES_AND_NAMES {
            let request = world.http.get(format!("{}/metrics", world.admin)).header(header, value);
            let answered = request.bearer_auth(token).send().await.unwrap().status();
            assert_eq!(answered.as_u16(), status, "{header}: {value}, token `{token}`");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn the_sandbox_on_a_port_of_its_own_answers_to_no_other_name_and_no_foreign_page() {
    let sandbox = Sandbox::new(Clock::system());
    let served = crate::world::serve(sandbox.guarded(Reach::Loopback)).await;
    let http = reqwest::Client::new();
    for (header, value, status) in PAGES_AND_NAMES {
        for request in [http.get(format!("{}/messages", served.base)), http.delete(format!("{}/messages", served.base))]
        {
            let answered = request.header(header, value).send().await.unwrap().status().as_u16();
            assert_eq!(if answered == 204 { 200 } else { answered }, status, "{header}: {value}");
        }
    }
    // other computers call it by a name of their own, and their pages still get nothing
    let served = crate::world::serve(sandbox.guarded(Reach::Beyond)).await;
    let asked = http.get(format!("{}/messages", served.base)).header("host", "sandbox.internal:8090");
    assert_eq!(asked.send().await.unwrap().status(), 200);
    let asked = http.get(format!("{}/messages", served.base)).header("origin", "https://evil.example");
    assert_eq!(asked.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_secret_in_the_path_may_have_a_plus_and_a_slash_behind_it() {
    let route = ROUTE.replace("auth: bearer", "auth: path").replace("s3cret-for-tests", "abc+def0123456789012345");
    let world = World::start(Setup::new().route("hello", &route)).await;
    for (index, (step, status)) in [
        ("abc+def0123456789012345", 200),
        ("abc+def0123456789012345/", 200),
        ("abc%2Bdef0123456789012345/?a=1", 200),
        ("abc%20def0123456789012345", 401),
        ("abc+def0123456789012345=", 401),
        ("abc+def0123456789012345//", 401),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"id":"{index}","phone":"9812345670"}}"#);
        let request =
            world.http.post(format!("{}/{step}", world.url("hello"))).header("content-type", "application/json");
        assert_eq!(request.body(body).send().await.unwrap().status().as_u16(), status, "{step}");
    }
    world.delivered(3).await;
    world.stop().await;
}

#[tokio::test]
async fn the_admin_listener_asks_for_its_token() {
    let world = World::start(Setup::new().route("hello", ROUTE).set("admin.token=t0ken")).await;
    let url = format!("{}/metrics", world.admin);
    assert_eq!(world.http.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(world.http.get(&url).bearer_auth("wrong").send().await.unwrap().status(), 401);
    assert_eq!(world.http.get(&url).bearer_auth("t0ken").send().await.unwrap().status(), 200);
    world.stop().await;
}

/// A store whose thread has gone mad.
struct Panicking;

impl Intake for Panicking {
    fn append(&self, _: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Kept>, StoreError>> {
        panic!("the store panics")
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Err(StoreError::Closed) })
    }
}

#[tokio::test]
async fn a_panic_costs_one_call_and_a_store_that_is_gone_costs_readiness() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let receiver = Arc::new(Receiver {
        routes: Arc::new(setup.checked().routes),
        faulty: Arc::default(),
        in_use: None,
        lookup: Arc::default(),
        bounds: Bounds {
            body_limit: 1_000,
            body_memory: 1 << 20,
            request_timeout: Duration::from_secs(5),
            concurrency: 10,
        },
        means: Arc::new(Means::new(Arc::new(Panicking), Arc::default(), Clock::system(), Arc::default())),
    });
    receiver.take_over();
    let router = router(&receiver);
    let ask = |method: &str, path: &str| {
        let request =
            http::Request::builder().method(method).uri(path).header("authorization", "Bearer s3cret-for-tests");
        router.clone().oneshot(request.body(axum::body::Body::from("{}")).unwrap())
    };
    for _ in 0..3 {
        let response = ask("POST", "/webhooks/hello").await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
            (500, "application/problem+json")
        );
    }
    assert_eq!(ask("GET", "/readyz").await.unwrap().status(), 503);
    assert_eq!(ask("GET", "/healthz").await.unwrap().status(), 200);
}

#[tokio::test]
async fn json_inside_a_part_of_a_form_is_part_of_the_event() {
    let route = ROUTE.replace("source: generic", "source: generic\nbody: multipart\njson_field: rawRequest\ncontact: { phone: event.rawRequest.q5_phone, name: event.rawRequest.q3_name.first }");
    let world = World::start(Setup::new().route("jotform", &route)).await;
    let part =
        |name: &str, text: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    let body = |raw: &str| format!("{}{}--b--\r\n", part("submissionID", "58123"), part("rawRequest", raw));
    let post = |body: String| {
        world
            .http
            .post(world.url("jotform"))
            .bearer_auth("s3cret-for-tests")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body)
    };
    let (status, answer) =
        world.call(post(body(r#"{"q3_name":{"first":"Asha"},"q5_phone":{"area":"981","phone":"2345670"}}"#))).await;
    assert_eq!((status, &answer["status"]), (200, &json!("accepted")));
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    assert_eq!(world.call(post(body("{\"q3"))).await.0, 400);
    world.stop().await;
}

#[tokio::test]
async fn an_event_of_which_nothing_could_be_mapped_counts_when_it_comes_again() {
    let world = World::hello().await;
    let event = |phone: &str| json!({"id": "e1", "phone": phone}).to_string();
    assert_eq!(world.post("hello", &event("none")).await.1["events"][0]["sends"], 0);
    assert_eq!(world.post("hello", &event("9812345670")).await.1["status"], "accepted");
    assert_eq!(world.post("hello", &event("9812345670")).await.1["status"], "duplicate");
    world.delivered(1).await;
    world.stop().await;
}

#[tokio::test]
async fn an_event_that_came_to_nothing_counts_when_the_rule_is_fixed() {
    let wrong = ROUTE.replace("not event.skip", "event.kind == \"w\"");
    let world = World::start(Setup::new().route("hello", &wrong)).await;
    let body = r#"{"id": "57", "kind": "W", "phone": "+919812345670"}"#;
    assert_eq!(world.post("hello", body).await.1["status"], "ignored");
    let Setup { dir, .. } = world.stop().await;
    let world = World::start(Setup::in_dir(dir).route("hello", &wrong.replace("\"w\"", "\"W\""))).await;
    assert_eq!(world.post("hello", body).await.1["status"], "accepted");
    assert_eq!(world.post("hello", body).await.1["status"], "duplicate");
    world.delivered(1).await;
    world.stop().await;
}
