//! The layers around the webhooks: what is begun is finished; request id, span and log line, number, panics.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::ORIGIN;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::Span;

use super::cors::share;
use super::finish::finish;
use super::memory::Full;
use super::problem::{SOON, as_problem, later, overload};
use super::{Problem, Receiver, Report, called, webhook};
use crate::telemetry::CallLabels;

/// The header that carries the request id.
const REQUEST_ID: &str = "x-request-id";

/// The webhook listener's router.
pub fn router(receiver: &Arc<Receiver>) -> Router {
    let observer = Arc::clone(receiver);
    let layers = ServiceBuilder::new()
        .map_request(sound_request_id)
        .layer(SetRequestIdLayer::x_request_id(RandomId))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(move |response: &Response, took: Duration, _: &Span| observe(&observer, response, took))
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::x_request_id())
        .map_response(IntoResponse::into_response)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(receiver), bounded));
    let webhooks = Router::new()
        .route("/webhooks/{route}", any(webhook))
        .route("/webhooks/{route}/", any(webhook))
        // a secret may hold slashes
        .route("/webhooks/{route}/{*secret}", any(webhook))
        .layer(layers)
        .layer(from_fn_with_state(Arc::clone(receiver), finish));
    let health = Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).fallback(nothing_here);
    let health = health.layer(map_response(as_problem));
    webhooks.merge(health).with_state(Arc::clone(receiver))
}

/// Makes request ids for senders that send none: random UUIDs, but not from the kernel's generator, which would cost a
/// system call for each. They name a call in the log and guard nothing.
#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())).ok().map(RequestId::new)
    }
}

/// A sender's request id is kept if it is one: what stands in every log line must not be anything it likes.
fn sound_request_id<B>(mut request: Request<B>) -> Request<B> {
    let is_sound = |id: &HeaderValue| {
        let text = id.as_bytes();
        let plain =
            text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'='));
        !text.is_empty() && text.len() <= 128 && plain
    };
    if request.headers().get(REQUEST_ID).is_some_and(|id| !is_sound(id)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

fn span<B>(request: &Request<B>) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or("");
    // every line says the id itself; the span is for those who look closer
    tracing::debug_span!("request", id)
}

fn observe(receiver: &Receiver, response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let unreported = Report { outcome: unreported(response.status()), ..Report::default() };
    let report = response.extensions().get::<Report>().unwrap_or(&unreported);
    let route = report.route.as_deref().unwrap_or("-");
    receiver.means.metrics.calls.get_or_create(&CallLabels { route: route.into(), outcome: report.outcome }).inc();
    receiver.means.metrics.call_seconds.observe(took.as_secs_f64());
    if let Some(route) = &report.route {
        receiver.note(route, report, response.status());
    }
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let Report { outcome, event, events, sends, unmapped, reason, .. } = report;
    let event = event.as_deref();
    let request_id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let reason = reason.as_deref();
    if status >= 500 || *unmapped > 0 {
        tracing::error!(
            request_id,
            route,
            status,
            outcome,
            event,
            events,
            sends,
            unmapped,
            reason,
            took_ms,
            "webhook received"
        );
    } else if status >= 400 {
        tracing::warn!(request_id, route, status, outcome, event, events, sends, reason, took_ms, "webhook received");
    } else {
        tracing::info!(request_id, route, status, outcome, event, events, sends, took_ms, "webhook received");
    }
}

impl Receiver {
    /// How the route fares. Questions of browsers and handshakes tell nothing of that, nor does what was too much.
    fn note(&self, route: &str, report: &Report, status: StatusCode) {
        let (calls, now) = (&self.means.metrics.calls_by_route, self.means.clock.now());
        if matches!(report.outcome, "handshake" | "preflight") || status == StatusCode::TOO_MANY_REQUESTS {
            return;
        }
        if status.is_success() {
            calls.accepted(route, now);
        } else if status.is_client_error() {
            calls.refused(route, report.reason.as_deref().unwrap_or(report.outcome), now);
        }
    }
}

fn unreported(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "overloaded",
        StatusCode::INTERNAL_SERVER_ERROR => "panicked",
        _ => "other",
    }
}

/// Lets so many calls in at once as `server.concurrency` says, those counted that an older configuration began.
async fn bounded(State(receiver): State<Arc<Receiver>>, request: axum::extract::Request, next: Next) -> Response {
    match receiver.means.calls.one_of(receiver.bounds.concurrency) {
        Ok(_share) => next.run(request).await,
        Err(Full) => overloaded(&receiver, request.uri(), request.headers().get(ORIGIN)),
    }
}

fn overloaded(receiver: &Receiver, uri: &Uri, origin: Option<&HeaderValue>) -> Response {
    let route = receiver.route_of(uri);
    let mut response =
        later(overload(route.map(Arc::as_ref)), SOON, "too many calls at once; send it again later".into());
    if let Some(route) = route {
        share(route, origin, &mut response);
    }
    response
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem { status: StatusCode::INTERNAL_SERVER_ERROR, detail: "the relay failed; send it again later".into() }
        .into_response()
}

async fn nothing_here(method: Method, uri: Uri) -> Problem {
    // browsers and crawlers ask for whatever comes to their minds; what posts here is mostly meant for a route
    if method == Method::GET || method == Method::HEAD {
        tracing::debug!(called = called(&method, &uri, 1), "there is nothing at this address");
    } else {
        let next = "correct the address at the sender: webhooks come to /webhooks/{route}";
        tracing::warn!(called = called(&method, &uri, 1), next, "a call went to an address that leads nowhere");
    }
    Problem {
        status: StatusCode::NOT_FOUND,
        detail: "there is nothing here; webhooks come to /webhooks/{route}".into(),
    }
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: the configuration is loaded, or there would be no listener, and the store can be written to. Anybody may ask; the
/// store sees to it that asking costs little, and answers in bounded time.
async fn ready(State(receiver): State<Arc<Receiver>>) -> Response {
    match receiver.means.store.probe().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => Problem { status: StatusCode::SERVICE_UNAVAILABLE, detail: error.to_string() }.into_response(),
    }
}
