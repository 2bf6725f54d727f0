//! The listener for whoever runs the relay: the API, metrics, and in sandbox mode the sandbox's inbox.
//!
//! On anything but loopback it asks for a token; `check` sees to it that there is one. On loopback, or without a token, it
//! answers only calls that name this computer as their host, and that come from no other page ([`Reach`]).

mod api;
mod chosen;
mod state;
mod forget;
mod import;
mod input;
mod plan;
mod reload;
mod replay;
mod routes;
mod rows;
mod selection;
mod stats;
mod step;
mod suppressions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{StatusCode, header};

use crate::listen::Reach;
use crate::receive::{Problem, as_problem};
use crate::secret::Secret;
use crate::telemetry::Metrics;

pub use state::AdminState;

/// The largest list of numbers that is taken.
const BODY_LIMIT: usize = 64 * 1_024 * 1_024;

/// Who may call the admin listener.
#[derive(Debug)]
pub struct Access {
    /// What callers have to show; empty: nothing.
    pub token: Secret,
    /// From where it can be called.
    pub reach: Reach,
}

/// The admin listener's router.
pub fn router(admin: AdminState, metrics: Arc<Metrics>, access: Access) -> Router {
    let sandbox = admin.sandbox.clone();
    let admin = Arc::new(admin);
    let scraped = Scraped { admin: Arc::clone(&admin), metrics };
    let api = api::router(admin).layer(DefaultBodyLimit::max(BODY_LIMIT)).layer(map_response(as_problem));
    let mut router =
        Router::new().route("/metrics", get(show_metrics).with_state(Arc::new(scraped))).nest("/api/v1", api);
    if let Some(sandbox) = sandbox {
        router = router.nest("/sandbox", sandbox.router());
    }
    router.fallback(nothing_here).layer(from_fn_with_state(Arc::new(access), guard))
}

async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let refuse = |status, detail: &str| Problem { status, detail: detail.to_owned() }.into_response();
    let (call, body) = request.into_parts();
    let token = &access.token;
    // with a token, other computers may call it by whatever name they know it by
    let reach = if token.is_empty() { Reach::Loopback } else { access.reach };
    if reach == Reach::Loopback && !reach.allows(&call) {
        let detail = "this listener answers to localhost and 127.0.0.1 alone, and to no page of another site; a proxy in front of it has to say `Host: localhost`";
        return refuse(StatusCode::FORBIDDEN, detail);
    }
    let given = call.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    if !token.is_empty() && !given.is_some_and(|given| token.matches(given.as_bytes())) {
        return refuse(StatusCode::UNAUTHORIZED, "send the admin token: Authorization: Bearer ...");
    }
    next.run(Request::from_parts(call, body)).await
}

/// What a scrape reads: what was counted in this process, and what the store holds.
struct Scraped {
    admin: Arc<AdminState>,
    metrics: Arc<Metrics>,
}

async fn show_metrics(State(scraped): State<Arc<Scraped>>) -> Response {
    let Scraped { admin, metrics } = &*scraped;
    let now = admin.clock.now();
    let levels = admin.archive.levels(now).await.ok();
    let text = metrics.text(levels.as_ref(), now);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn nothing_here() -> Problem {
    Problem {
        status: StatusCode::NOT_FOUND,
        detail: "there is nothing here; there are /api/v1/sends, events, holds, suppressions, routes, stats, forget and reload, /metrics and, in sandbox mode, /sandbox/messages".into(),
    }
}
