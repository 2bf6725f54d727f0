//! A listener and its connections: HTTP/1.1 with bounds on slow senders, and an orderly end.
//!
//! `axum::serve` has no limit on how long a request's head may take; hyper has. What is served is a router, nothing
//! here knows which.

mod places;
mod reach;
mod unread;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub use places::{Connections, SharedBy};
use places::{NoPlace, Place, Places};
pub use reach::{Reach, is_loopback};
use unread::Unread;

/// How long to wait before accepting again when the system is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much of a connection is read ahead, in bytes: the most that a head may take (more is answered 431), and what a body
/// may take besides its share of `server.body_memory`. Hyper's own bound is six times as large.
const READ_BUFFER: usize = 64 * 1_024;

/// What a sender hears whose head did not come in time; hyper itself would just hang up.
const HEAD_TIMEOUT_ANSWER: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: 71\r\n\r\n{\"type\":\"about:blank\",\"title\":\"the request took too long\",\"status\":408}";

/// What a sender hears for whose connection there is no place.
const NO_PLACE_ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: application/problem+json\r\ncontent-length: 74\r\n\r\n{\"type\":\"about:blank\",\"title\":\"too many connections at once\",\"status\":503}";

/// How long that may take to be sent and heard.
const NO_PLACE_TIMEOUT: Duration = Duration::from_millis(500);

/// The bounds on connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request's head may take; also how long a connection may be idle.
    pub header_timeout: Duration,
    /// How many connections there may be.
    pub connections: Connections,
    /// How long connections that are open at the end are given to ask once more: their answer then says that it is the last.
    pub farewell: Duration,
}

/// A mark on a response: the connection is reset instead of answered. For the sandbox.
#[derive(Debug, Clone, Copy)]
pub struct HangUp;

impl HangUp {
    /// A response that resets the connection.
    pub fn response() -> Response {
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Self);
        response
    }
}

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is to be reset")
    }
}

impl Error for HangUp {}

/// Serves a router to people, and to what they run, until told to stop: as many connections as there are.
pub async fn serve(listener: TcpListener, router: Router, header_timeout: Duration, stop: CancellationToken) {
    let limits = Limits { header_timeout, connections: Connections::UNLIMITED, farewell: Duration::ZERO };
    serve_within(listener, watch::channel(router).1, limits, stop).await;
}

/// Serves a router to anybody until told to stop, then finishes what is in flight. Each request is answered by the router of
/// that moment, also on a connection that was there before.
///
/// Who wants an end in any case puts a timeout around it.
pub async fn serve_within(
    listener: TcpListener,
    router: watch::Receiver<Router>,
    limits: Limits,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let places = Places::new(limits.connections);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip()) {
                Ok(place) => {
                    let served = connection((stream, peer), router.clone(), limits, stop.clone());
                    connections.spawn(keeping(place, served));
                }
                Err(reason) => turn_away(&connections, (stream, peer), reason),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn keeping(_place: Place, served: impl Future<Output = ()>) {
    served.await;
}

fn turn_away(connections: &TaskTracker, (mut stream, peer): (TcpStream, SocketAddr), reason: NoPlace) {
    if reason == NoPlace::ShareTaken {
        let address = peer.ip();
        tracing::warn!(%address, "a client address has as many connections as server.per_address allows; more are refused");
    }
    connections.spawn(async move {
        let answer = async {
            let _ = stream.write_all(NO_PLACE_ANSWER).await;
            let _ = stream.shutdown().await;
            // what was sent and not read would reset the connection, answer and all
            let mut unread = [0; 1_024];
            while stream.read(&mut unread).await.is_ok_and(|read| read > 0) {}
        };
        let _ = tokio::time::timeout(NO_PLACE_TIMEOUT, answer).await;
    });
}

async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    router: watch::Receiver<Router>,
    limits: Limits,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    // boxed, so that the connection can be taken apart again when it ends badly
    let ending = stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, ending) = (router.borrow().clone(), ending.clone());
        Box::pin(answer(router, request.map(Body::new), peer, ending))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(Unread::new(stream)), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => match tokio::time::timeout(limits.farewell, &mut connection).await {
            Ok(ended) => ended,
            Err(_) => {
                Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        }
    };
    let Err(error) = ended else { return };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    if error.source().is_some_and(<dyn Error>::is::<HangUp>) {
        let _ = stream.set_zero_linger();
    } else if error.is_timeout() && !parts.read_buf.is_empty() {
        let _ = stream.write_all(HEAD_TIMEOUT_ANSWER).await;
        let _ = stream.shutdown().await;
    }
}

async fn answer(
    router: Router,
    mut request: Request<Body>,
    peer: SocketAddr,
    ending: CancellationToken,
) -> Result<Response, HangUp> {
    request.extensions_mut().insert(peer);
    let mut response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
    if ending.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if response.extensions().get::<HangUp>().is_some() { Err(HangUp) } else { Ok(response) }
}
