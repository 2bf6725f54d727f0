//! A sender with a wrong secret is seen: in the log, by `health`, in metrics, and by an alert.

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::alerts::Ops;
use crate::asked::texts;
use crate::crash::{Process, serving};
use crate::world::{ROUTE, Setup, World, eventually, proven, quick};

async fn wrong(world: &World, route: &str) -> u16 {
    let request = world.http.post(world.url(route)).bearer_auth("not-the-secret").body("{}");
    request.send().await.unwrap().status().as_u16()
}

async fn fares(world: &World, name: &str) -> Value {
    let (_, told) = world.admin("GET", "/routes", None).await;
    told["routes"].as_array().unwrap().iter().find(|route| route["route"] == name).cloned().unwrap()
}

#[tokio::test]
async fn a_route_tells_when_it_last_accepted_and_refused_a_call_and_why() {
    let world = World::hello().await;
    let fresh = fares(&world, "hello").await;
    assert_eq!(
        (&fresh["last_accepted"], &fresh["last_refused"], &fresh["problem"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    for _ in 0..3 {
        assert_eq!(wrong(&world, "hello").await, 401);
    }
    let refused = fares(&world, "hello").await;
    assert_eq!(refused["refused_in_a_row"], 3);
    let reason = refused["last_refused"]["reason"].as_str().unwrap();
    assert_eq!(reason, "the signature or secret is wrong; expected: `Authorization: Bearer` with the route's secret");
    assert!(refused["problem"].as_str().unwrap().starts_with("refused 3 call(s) and accepted none since 20"));
    let metrics = world.metrics().await;
    for line in [
        "serri_relay_route_refused_in_a_row{route=\"hello\"} 3",
        "serri_relay_route_last_refused_timestamp_seconds{route=\"hello\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("serri_relay_route_last_accepted_timestamp_seconds{"), "{metrics}");
    assert_eq!(world.post("hello", r#"{"phone":"9812345670"}"#).await.0, 200);
    let well = fares(&world, "hello").await;
    assert_eq!((&well["refused_in_a_row"], &well["problem"]), (&json!(0), &Value::Null));
    assert!(well["last_accepted"].is_string() && well["last_refused"]["at"].is_string(), "{well}");
    world.stop().await;
}

/// Each scheme with what its refusals name.
#[tokio::test]
async fn the_reason_names_the_scheme_and_the_header_and_no_secret() {
    let hmac = "{ hmac: { header: X-Sign, digest: sha256, encoding: base64, over: [body] } }";
    let schemes = [
        ("bearer", "bearer", "`Authorization: Bearer`"),
        ("basic", "{ basic: { user: shop } }", "`Authorization: Basic` with user `shop`"),
        ("header", "{ header: { name: X-Key } }", "header `X-Key`"),
        ("query", "{ query: { name: key } }", "query parameter `key`"),
        ("field", "{ field: { path: auth.token } }", "field `auth.token` of the body"),
        ("path", "path", "/webhooks/path/SECRET"),
        ("jwt", "{ jwt: { header: X-Jwt } }", "a JSON Web Token (HS256) in header `X-Jwt`"),
        ("hmac", hmac, "header `X-Sign` with an HMAC-SHA256 by the route's secret, base64"),
        ("both", &format!("[bearer, {hmac}]"), "`Authorization: Bearer` with the route's secret, or header `X-Sign`"),
    ];
    let route = |auth: &str| ROUTE.replace("auth: bearer", &format!("auth: {auth}"));
    let setup = schemes.iter().fold(Setup::new(), |setup, (name, auth, _)| setup.route(name, &route(auth)));
    let world = World::start(setup).await;
    for (name, _, expected) in schemes {
        assert_eq!(wrong(&world, name).await, 401, "{name}");
        let told = fares(&world, name).await.to_string();
        let told = told.replace("\\\"", "\"");
        assert!(told.contains(expected) && !told.contains("s3cret-for-tests"), "{name}: {told}");
    }
    world.stop().await;
}

#[tokio::test]
async fn whoever_wants_to_know_hears_of_a_route_that_accepts_nothing_once_and_of_its_end() {
    let ops = Arc::new(Ops::default());
    let served = ops.serve().await;
    let setup = quick().lists(&format!("alerts: [{{ webhook: '{}/hook' }}]", served.base)).set("delivery.remind=50ms");
    let world = World::start(setup).await;
    for _ in 0..12 {
        wrong(&world, "hello").await;
    }
    eventually("they hear of it", async || !ops.by("hook").is_empty()).await;
    let told = ops.by("hook");
    let told = &told[0].body;
    assert_eq!((&told["type"], &told["data"]["route"]), (&json!("route.refuses"), &json!("hello")));
    assert!(told["data"]["calls"].as_u64().unwrap() >= 5, "{told}");
    assert!(told["data"]["reason"].as_str().unwrap().contains("Authorization: Bearer"), "{told}");
    // a restart forgets the calls, not that people know
    let world = world.restart().await;
    for _ in 0..12 {
        wrong(&world, "hello").await;
    }
    world.post("hello", r#"{"phone":"9812345670"}"#).await;
    eventually("they hear of the end", async || ops.kinds("hook").contains(&"route.accepts".to_owned())).await;
    // what was under way at the restart may come again, as it was
    let mut heard: Vec<Value> = ops.by("hook").into_iter().map(|heard| heard.body).collect();
    heard.dedup();
    assert_eq!(texts(&heard, "type"), ["route.refuses", "route.accepts"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_what_is_wrong_and_the_log_the_address_that_leads_nowhere() {
    let setup = Setup::new().route("shop", ROUTE).route("broken", "source: generic\nsends: 7\n");
    setup.write("http://127.0.0.1:9/");
    let process = Process::start(&mut serving(&setup));
    let http = reqwest::Client::new();
    let post = async |path: &str, secret: &str| {
        let url = format!("{}{path}", process.base);
        let sent = http.post(url).bearer_auth(secret).body("{}").send().await.unwrap();
        sent.status().as_u16()
    };
    assert_eq!(post("/webhooks/shop", "not-the-secret").await, 401);
    // the settings name port 0, so both listeners are named
    let mut settings: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(setup.config().join("relay.yaml")).unwrap()).unwrap();
    settings["admin"]["listen"] = json!(process.admin.trim_start_matches("http://"));
    std::fs::write(setup.config().join("relay.yaml"), settings.to_string()).unwrap();
    let health = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
        let output =
            command.arg("--config").arg(setup.config()).args(["health", "--url", &process.base]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = health();
    assert_eq!(code, Some(0));
    assert!(said.starts_with("ready\n"), "{said}");
    assert!(said.contains("route broken has faults (serves nothing): ") && said.contains("broken.yaml:2:8"), "{said}");
    assert!(said.contains("route shop refused 1 call(s) and accepted none since "), "{said}");

    assert_eq!(post("/webhooks/shp/a-secret-in-the-address?key=another-secret", "x").await, 404);
    assert_eq!(post("/webhook/shop", "x").await, 404);
    let logged = |text: &str| process.log.lock().unwrap().contains(text);
    eventually("both are in the log", async || {
        logged("there is no route for POST /webhooks/shp/...; did its sender mean `shop`?")
            && logged("POST /webhook/shop")
    })
    .await;
    assert!(!logged("a-secret-in-the-address") && !logged("another-secret"));
    let sent =
        proven(&http, &format!("{}/webhooks/shop", process.base), r#"{"phone":"9812345670"}"#.into()).send().await;
    assert_eq!(sent.unwrap().status(), 200);
    assert!(!health().1.contains("route shop"), "it accepts calls");
}
