//! Senders that are broken, slow or mean.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::asked::Ask as _;
use crate::world::{PATIENCE, ROUTE, Setup, World, eventually, proven, scripted};

/// Sends raw bytes, then one byte at a time until cut off; gives what came back.
async fn drip(world: &World, head: &str, every: Duration) -> String {
    let mut stream = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let mut ticks = tokio::time::interval(every);
    let dripping = async {
        loop {
            ticks.tick().await;
            if writer.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let cut_off = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            _ = reader.read_to_end(&mut answer) => {}
            () = dripping => {}
        }
    });
    cut_off.await.expect("it is cut off");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_slow_sender_is_cut_off() {
    let setup =
        Setup::new().route("hello", ROUTE).set("server.header_timeout=300ms").set("server.request_timeout=600ms");
    let world = World::start(setup).await;
    let slow_head =
        drip(&world, "POST /webhooks/hello HTTP/1.1\r\nHost: x\r\nX-Slow: ", Duration::from_millis(50)).await;
    assert!(slow_head.starts_with("HTTP/1.1 408"), "{slow_head}");
    // one that says nothing at all takes a place no longer
    let mut idle = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
    let mut nothing = Vec::new();
    tokio::time::timeout(PATIENCE, idle.read_to_end(&mut nothing)).await.expect("it is closed").unwrap();
    let head = "POST /webhooks/hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret-for-tests\r\nContent-Length: 1000\r\n\r\n";
    let slow_body = drip(&world, head, Duration::from_millis(50)).await;
    assert!(slow_body.starts_with("HTTP/1.1 408") && slow_body.contains("application/problem+json"), "{slow_body}");
    assert_eq!(world.post("hello", r#"{"phone":"9812345670"}"#).await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn floods_of_headers_are_refused() {
    let world = World::hello().await;
    let mut many = world.http.post(world.url("hello"));
    for n in 0..500 {
        many = many.header(format!("x-h{n}"), "v");
    }
    assert_eq!(many.send().await.unwrap().status(), 431);
    let huge = world.http.post(world.url("hello")).header("x-huge", "v".repeat(1 << 20)).send().await;
    assert!(huge.is_err() || huge.unwrap().status() == 431);
    assert_eq!(world.post("hello", r#"{"phone":"9812345670"}"#).await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_cost_nobody_else() {
    let world = World::hello().await;
    let deep = "[".repeat(10_000);
    for body in [deep.as_str(), "{\"a\":\"\u{0}", "{\"a\":1,,}", "[[1]]", "nul\u{0}"] {
        assert_eq!(world.post("hello", body).await.0, 400, "{}", body.chars().take(20).collect::<String>());
    }
    let utf8 = world
        .http
        .post(world.url("hello"))
        .bearer_auth("s3cret-for-tests")
        .header("content-type", "application/json")
        .body(b"{\"\xe0\xa4\x86\xff\":1}".to_vec());
    assert_eq!(world.call(utf8).await.0, 400);
    let many = format!("[{}]", vec!["{}"; 1_001].join(","));
    assert_eq!(world.post("hello", &many).await.0, 413);
    // a key that says the same twice says it once
    let (_, answer) = world.post("hello", r#"{"id":"x","phone":"9812345670","phone":"9812345670"}"#).await;
    assert_eq!(answer["events"][0]["sends"], 1);
    let (_, answer) = world.post("hello", r#"{"id":"nul","name":"a\u0000b","phone":"9812345671"}"#).await;
    assert_eq!(answer["events"][0]["sends"], 1);
    let messages = world.delivered(2).await;
    assert!(messages.iter().any(|message| message["userName"] == "a b"), "{messages:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_at_once_are_all_answered() {
    let _ = rlimit::increase_nofile_limit(8_192);
    let world = World::start(Setup::new().route("hello", ROUTE).set("server.concurrency=100")).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let (client, url) = (reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(), world.url("hello"));
        calls.spawn(async move {
            let body = json!({"id": n.to_string(), "phone": format!("98123{:05}", n)}).to_string();
            let response = proven(&client, &url, body).send().await.unwrap();
            let retry = response.headers().contains_key("retry-after");
            (response.status().as_u16(), retry)
        });
    }
    let mut accepted = 0;
    while let Some(done) = calls.join_next().await {
        match done.unwrap() {
            (200, _) => accepted += 1,
            (status, retry) => assert_eq!((status, retry), (503, true)),
        }
    }
    assert!(accepted > 0);
    world.delivered(accepted).await;
    world.until_events(accepted).await;
    world.stop().await;
}

#[tokio::test]
async fn overload_is_told_in_the_senders_own_words() {
    let setup = Setup::new()
        .route("hello", ROUTE)
        .route("ghl", &format!("overload: 429\n{ROUTE}"))
        .route("hubspot", &format!("overload: {{ status: 429, retry_after: ms }}\n{ROUTE}"))
        .set("server.concurrency=1");
    let world = World::start(setup).await;
    // one call holds the only place: its body never ends
    let mut holder = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
    holder.write_all(b"POST /webhooks/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n").await.unwrap();
    eventually("the place is taken", async || world.post("hello", "{}").await.0 == 503).await;
    for (route, status, wait) in [("hello", 503, "5"), ("ghl", 429, "5"), ("hubspot", 429, "5000")] {
        let response = world.http.post(world.url(route)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (status, wait));
    }
    assert_eq!(world.http.get(format!("{}/healthz", world.base)).send().await.unwrap().status(), 200);
    drop(holder);
    world.stop().await;
}

#[tokio::test]
async fn a_slow_serri_does_not_slow_the_senders() {
    let world =
        World::start_against(Setup::new().route("hello", ROUTE), scripted(async |_| std::future::pending().await))
            .await;
    for n in 0..300 {
        let (status, _) =
            world.post("hello", &json!({"id": n.to_string(), "phone": format!("98123{n:05}")}).to_string()).await;
        assert_eq!(status, 200);
    }
    // the calls that hang are cut off by the end of the test, not waited for
    drop(world);
}
