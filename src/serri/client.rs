//! The HTTP client for the campaign API: one call, one outcome.
//!
//! A call that certainly never reached the server is repeated at once, twice; everything else is for the durable
//! schedule of [`crate::deliver`]. The key joins the payload here, at the last moment.

use std::future::{Ready, ready};
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Request, Response, Url};
use thiserror::Error;
use tower::retry::Policy;
use tower::{Service as _, ServiceBuilder, ServiceExt as _};

use super::answer::{Answer, classify};
use crate::clock::Clock;
use crate::event::Outcome;
use crate::secret::Secret;

/// How often a call that never reached the server is repeated at once.
const IMMEDIATE_RETRIES: u8 = 2;

/// The most of an answer that is read: a page of a proxy may be long.
const ANSWER_LIMIT: usize = 64 * 1_024;

/// How much of an answer is kept.
const KEPT_LIMIT: usize = 2 * 1_024;

/// The bounds of calls.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a call may take in all.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How many connections are kept open.
    pub connections: usize,
}

/// A client, shared by all accounts.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    clock: Clock,
}

/// Why there is no client: in practice, because the system trusts nobody.
#[derive(Debug, Error)]
#[error(
    "the HTTP client cannot be made: {}; install the system's certificate authorities (Debian: ca-certificates), or name a file of them in SSL_CERT_FILE",
    root_cause(.0)
)]
pub struct ClientError(reqwest::Error);

/// What one call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The status, where an answer came.
    pub status: Option<u16>,
    /// The first 2 KiB of the answer, without the key.
    pub answer: String,
    /// What it means.
    pub outcome: Outcome,
}

impl Exchange {
    /// What comes of a send whose account is no longer configured: nothing was sent.
    pub fn without_account(account: &str) -> Self {
        Self {
            status: None,
            answer: String::new(),
            outcome: Outcome::Account { reason: format!("there is no account `{account}` any more") },
        }
    }
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the system gives no TLS roots.
    pub fn new(limits: Limits, clock: Clock) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("serri-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(limits.timeout)
            .connect_timeout(limits.connect_timeout)
            .pool_max_idle_per_host(limits.connections)
            // shorter than any server's keep-alive we know of, so that a closing connection is not reused
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(ClientError)?;
        Ok(Self { http, clock })
    }

    /// Sends a payload (a JSON object without the key) to an endpoint.
    pub async fn send(&self, endpoint: &Url, key: &Secret, payload: &str) -> Exchange {
        let mut request = Request::new(reqwest::Method::POST, endpoint.clone());
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(with_key(payload, key).into());
        let http = self.http.clone();
        let mut stack =
            ServiceBuilder::new().retry(Unreached(IMMEDIATE_RETRIES)).service_fn(move |request| http.execute(request));
        let answered = match stack.ready().await {
            Ok(ready) => ready.call(request).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(response) => self.read(response, key).await,
            Err(error) => Exchange { status: None, answer: String::new(), outcome: unanswered(&error) },
        }
    }

    async fn read(&self, mut response: Response, key: &Secret) -> Exchange {
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() < ANSWER_LIMIT => bytes.extend_from_slice(&chunk),
                Ok(_) => break,
                // the status says enough unless it is a success, which the body may take back
                Err(_) if !response.status().is_success() => break,
                Err(error) => {
                    let reason = format!("{status}, and the answer broke off: {}", root_cause(&error));
                    return Exchange {
                        status: Some(status),
                        answer: String::new(),
                        outcome: Outcome::Uncertain { reason },
                    };
                }
            }
        }
        let body = String::from_utf8_lossy(&bytes);
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let outcome = classify(Answer { status, retry_after, body: &body, now: self.clock.now() });
        Exchange { status: Some(status), answer: kept(&body, key), outcome }
    }
}

/// Repeats at once what certainly never reached the server.
#[derive(Debug, Clone)]
struct Unreached(u8);

impl Policy<Request, Response, reqwest::Error> for Unreached {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request, result: &mut Result<Response, reqwest::Error>) -> Option<Self::Future> {
        match result {
            Err(error) if error.is_connect() && self.0 > 0 => {
                self.0 -= 1;
                Some(ready(()))
            }
            _ => None,
        }
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request.try_clone()
    }
}

/// What a missing answer means: only a connection that never stood proves that nothing was sent.
fn unanswered(error: &reqwest::Error) -> Outcome {
    let cause = root_cause(error);
    if error.is_connect() {
        return Outcome::Transient { reason: format!("no connection: {cause}"), retry_after: None };
    }
    if error.is_builder() || error.is_request() && error.url().is_none() {
        return Outcome::Refused { reason: format!("the request cannot be made: {cause}") };
    }
    let reason = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        format!("the connection broke before the answer: {cause}")
    };
    Outcome::Uncertain { reason }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn with_key(payload: &str, key: &Secret) -> String {
    let key = serde_json::Value::from(key.expose());
    let rest = payload.trim_start().strip_prefix('{').unwrap_or("}");
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{{\"apiKey\":{key}{comma}{rest}")
}

fn kept(body: &str, key: &Secret) -> String {
    let end = (0..=KEPT_LIMIT.min(body.len())).rev().find(|end| body.is_char_boundary(*end)).unwrap_or(0);
    let shown = body.get(..end).unwrap_or("");
    if key.is_empty() { shown.to_owned() } else { shown.replace(key.expose(), "(key)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_joins_the_payload() {
        assert_eq!(with_key(r#"{"a":1}"#, &Secret::new("k\"")), r#"{"apiKey":"k\"","a":1}"#);
        assert_eq!(with_key("{}", &Secret::new("k")), r#"{"apiKey":"k"}"#);
    }

    #[test]
    fn an_answer_is_kept_in_part_and_without_the_key() {
        let long = "é".repeat(4_000);
        assert_eq!(kept(&long, &Secret::new("k")).len(), KEPT_LIMIT);
        assert_eq!(kept("bad key k-123!", &Secret::new("k-123")), "bad key (key)!");
    }
}
