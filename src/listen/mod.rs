//! A listener and its connections: HTTP/1.1 with bounds on slow senders, and an orderly end.
//!
//! `axum::serve` has no limit on how long a request's head may take; hyper has. What is served is a router, nothing
//! here knows which.

mod reach;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub use reach::{Reach, is_loopback};

/// How long to wait before accepting again when the system is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a sender hears whose head did not come in time; hyper itself would just hang up.
const HEAD_TIMEOUT_ANSWER: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: 71\r\n\r\n{\"type\":\"about:blank\",\"title\":\"the request took too long\",\"status\":408}";

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

/// Serves a router until told to stop, then finishes what is in flight.
///
/// Who wants an end in any case puts a timeout around it.
pub async fn serve(listener: TcpListener, router: Router, header_timeout: Duration, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer, router.clone(), header_timeout, stop.clone()));
            }
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    // boxed, so that the connection can be taken apart again when it ends badly
    let service =
        service_fn(move |request: Request<Incoming>| Box::pin(answer(router.clone(), request.map(Body::new), peer)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = ended else { return };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    if error.source().is_some_and(<dyn Error>::is::<HangUp>) {
        let _ = stream.set_zero_linger();
    } else if error.is_timeout() && !parts.read_buf.is_empty() {
        let _ = stream.write_all(HEAD_TIMEOUT_ANSWER).await;
        let _ = stream.shutdown().await;
    }
}

async fn answer(router: Router, mut request: Request<Body>, peer: SocketAddr) -> Result<Response, HangUp> {
    request.extensions_mut().insert(peer);
    let response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<HangUp>().is_some() { Err(HangUp) } else { Ok(response) }
}
