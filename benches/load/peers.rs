//! What the relay is measured beside: a sink that answers at once, and the least relay there can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// Serves a router for ever, on as many threads as there are processors, or on one.
pub fn serve(address: &str, router: Router, threads: Threads) {
    let mut builder = match threads {
        Threads::All => tokio::runtime::Builder::new_multi_thread(),
        Threads::One => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build().expect("runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.expect("address");
        axum::serve(listener, router).await.expect("serve");
    });
}

/// How many threads a peer works with.
pub enum Threads {
    All,
    One,
}

/// How long the sink takes to answer a call.
#[derive(Clone, Copy)]
pub enum Latency {
    None,
    /// Anything in between, in milliseconds.
    Between(u64, u64),
}

impl Latency {
    async fn pass(self) {
        if let Self::Between(least, most) = self {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(least..=most))).await;
        }
    }
}

/// Answers as Serri does, and counts: `GET /count`.
pub fn sink(latency: Latency) -> Router {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    Router::new()
        .route(
            "/campaign/t1/api/v2",
            post(move |_: bytes::Bytes| async move {
                latency.pass().await;
                counted.fetch_add(1, Ordering::Relaxed);
                ([("content-type", "application/json")], ANSWER)
            }),
        )
        .route("/count", get(move || async move { count.load(Ordering::Relaxed).to_string() }))
}

const ANSWER: &str = r#"{"success":"true","submitted_message_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6"}"#;

/// Parses, maps in Rust, forwards, answers: no signature, no store, no retry, no log.
pub fn bare(sink: &str) -> Router {
    Router::new().route("/webhooks/bench", post(forward)).with_state((reqwest::Client::new(), sink.to_owned()))
}

async fn forward(State((client, sink)): State<(reqwest::Client, String)>, Json(event): Json<Value>) -> Json<Value> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
    let payload = json!({
        "apiKey": "bench",
        "campaignName": "order_confirmation",
        "destination": text("/customer/phone"),
        "userName": format!("{} {}", text("/customer/first_name"), text("/customer/last_name")),
        "source": "Shopify",
        "templateParams": [text("/customer/first_name"), text("/name"), text("/total_price"), text("/shipping_address/city")],
        "tags": ["customer", text("/financial_status")],
        "attributes": { "city": text("/shipping_address/city") },
    });
    let answered = client.post(sink).header("content-type", "application/json").body(payload.to_string()).send().await;
    if let Ok(response) = answered {
        let _ = response.bytes().await;
    }
    Json(json!({ "status": "accepted" }))
}
