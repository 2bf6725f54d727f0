//! The listener for whoever runs the relay: metrics, and in sandbox mode the sandbox's inbox.
//!
//! On anything but loopback it asks for a token; `check` sees to it that there is one.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{StatusCode, header};

use crate::receive::Problem;
use crate::secret::Secret;
use crate::serri::sandbox::Sandbox;
use crate::telemetry::Metrics;

/// The admin listener's router.
pub fn router(metrics: Arc<Metrics>, sandbox: Option<&Sandbox>, token: Secret) -> Router {
    let mut router = Router::new().route("/metrics", get(show_metrics).with_state(metrics));
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
    if token.is_empty() || given.is_some_and(|given| token.matches(given.as_bytes())) {
        return next.run(request).await;
    }
    Problem { status: StatusCode::UNAUTHORIZED, detail: "send the admin token: Authorization: Bearer ...".into() }
        .into_response()
}

async fn show_metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.text())
        .into_response()
}

async fn nothing_here() -> Problem {
    Problem {
        status: StatusCode::NOT_FOUND,
        detail: "there is nothing here; there are /metrics and, in sandbox mode, /sandbox/messages".into(),
    }
}
