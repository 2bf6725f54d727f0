//! The listener for whoever runs the relay: the API, metrics, and in sandbox mode the sandbox's inbox.
//!
//! On anything but loopback it asks for a token; `check` sees to it that there is one. Without a token it answers calls to
//! this computer by name alone: a page in the same computer's browser must not read it under a name of its own (DNS
//! rebinding), nor post to it.

mod api;
mod desk;
mod input;
mod replay;
mod selection;
mod suppressions;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::uri::Authority;
use http::{StatusCode, header};

use crate::receive::Problem;
use crate::secret::Secret;
use crate::serri::sandbox::Sandbox;
use crate::telemetry::Metrics;

pub use desk::Desk;

/// The largest list of numbers that is taken.
const BODY_LIMIT: usize = 64 * 1_024 * 1_024;

/// The admin listener's router.
pub fn router(desk: Desk, metrics: Arc<Metrics>, sandbox: Option<&Sandbox>, token: Secret) -> Router {
    let api = api::router(Arc::new(desk)).layer(DefaultBodyLimit::max(BODY_LIMIT));
    let mut router = Router::new().route("/metrics", get(show_metrics).with_state(metrics)).nest("/api/v1", api);
    if let Some(sandbox) = sandbox {
        router = router.nest("/sandbox", sandbox.router());
    }
    router.fallback(nothing_here).layer(from_fn_with_state(Arc::new(token), guard))
}

async fn guard(State(token): State<Arc<Secret>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if token.is_empty() {
        return if is_local(&request) {
            next.run(request).await
        } else {
            let detail =
                "without SERRI_RELAY_ADMIN_TOKEN this listener answers to localhost and 127.0.0.1 alone".into();
            Problem { status: StatusCode::FORBIDDEN, detail }.into_response()
        };
    }
    if given.is_some_and(|given| token.matches(given.as_bytes())) {
        return next.run(request).await;
    }
    Problem { status: StatusCode::UNAUTHORIZED, detail: "send the admin token: Authorization: Bearer ...".into() }
        .into_response()
}

/// Whether a call names this computer as its host, and comes from no page of another.
fn is_local(request: &Request) -> bool {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let local = |authority: &str| {
        let host = authority.parse::<Authority>().map(|authority| authority.host().to_owned()).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    };
    let from = header(header::ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, authority)| authority));
    let site = request.headers().get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    site.is_none_or(|site| matches!(site, "same-origin" | "none"))
        && header(header::HOST).is_none_or(local)
        && from.is_none_or(local)
}

async fn show_metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.text())
        .into_response()
}

async fn nothing_here() -> Problem {
    Problem {
        status: StatusCode::NOT_FOUND,
        detail: "there is nothing here; there are /api/v1/sends, events, holds and suppressions, /metrics and, in sandbox mode, /sandbox/messages".into(),
    }
}
