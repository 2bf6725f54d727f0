//! Calls to other servers: one HTTP client for all of them, bounded in time and size.
//!
//! A call that certainly never reached its server is repeated at once, twice; everything else is for the durable schedule
//! of [`crate::deliver`]. What an answer *means* is for whoever knows that server.

mod allowance;
mod proxy;

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::RETRY_AFTER;
use reqwest::{Request, Response};
use serde_json::Value;
use thiserror::Error;

use crate::clock::{Clock, Timestamp};
use crate::mask::Secrets;
use crate::secret::Secret;

pub use allowance::Allowance;
pub use proxy::{Proxy, client_for};

/// How often a call that never reached the server is repeated at once.
const IMMEDIATE_RETRIES: u8 = 2;

/// The most of a call's time that connecting may take.
const CONNECT_SHARE: f64 = 0.8;

/// What is said of a call that took too long.
const TOO_LATE: &str = "no answer in time";

/// How much of an answer is kept.
const KEPT_LIMIT: usize = 2 * 1_024;

/// The most of what a server said that becomes a reason, in characters, its status and all.
const REASON_LIMIT: usize = 200;

/// The bounds of calls.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a call may take in all, counted while this process runs.
    pub timeout: Duration,
    /// How long connecting may take; always less than the call as a whole, so that a call that never connected is known
    /// as such.
    pub connect_timeout: Duration,
    /// How many connections are kept open.
    pub connections: usize,
}

/// The client.
#[derive(Debug, Clone)]
pub struct Outbound {
    http: reqwest::Client,
    /// For calls to this computer.
    direct: reqwest::Client,
    timeout: Duration,
    clock: Clock,
}

/// Why there is no client: in practice, because the system trusts nobody.
#[derive(Debug, Error)]
#[error(
    "the HTTP client cannot be made: {}; install the system's certificate authorities (Debian: ca-certificates), or name a file of them in SSL_CERT_FILE",
    root_cause(.0)
)]
pub struct ClientError(reqwest::Error);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// The body as text, as much of it as came and was wanted.
    pub body: String,
    /// Why it broke off, if it did.
    pub broken: Option<String>,
    /// Whether there was more than was wanted.
    pub cut: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unanswered {
    /// The request certainly never reached the server.
    #[error("no connection: {0}")]
    Unreached(String),
    /// There is no such request.
    #[error("the request cannot be made: {0}")]
    Unmade(String),
    /// It went out, and nobody knows what became of it.
    #[error("{0}")]
    Lost(String),
}

/// What makes calls to senders' APIs.
pub trait Fetch: Send + Sync + 'static {
    /// Makes a call, and reads at most `limit` bytes of the answer: a page of a proxy may be long.
    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Answered, Unanswered>>;
}

impl Fetch for Outbound {
    fn fetch(&self, request: Request, limit: usize) -> BoxFuture<'_, Result<Answered, Unanswered>> {
        Box::pin(self.call(request, limit))
    }
}

impl Outbound {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the system gives no TLS roots.
    pub fn new(limits: Limits, proxy: &Proxy, clock: Clock) -> Result<Self, ClientError> {
        let client = |proxy: &Proxy| proxy.apply(builder(limits))?.build();
        let direct = client(&Proxy::Direct).map_err(ClientError)?;
        let http = match proxy {
            Proxy::Direct => direct.clone(),
            other => client(other).map_err(ClientError)?,
        };
        Ok(Self { http, direct, timeout: limits.timeout, clock })
    }

    /// Makes a call, and reads at most `limit` bytes of the answer: a page of a proxy may be long.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] if no answer came.
    pub async fn call(&self, request: Request, limit: usize) -> Result<Answered, Unanswered> {
        let (response, allowance) = self.answered(request).await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| wait_of(text, self.clock.now()));
        let (bytes, broken) = read(response, allowance, limit).await;
        let cut = bytes.len() > limit;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answered { status, retry_after, body, broken, cut })
    }

    /// Waits for the head of an answer. What certainly never reached the server is repeated at once.
    async fn answered(&self, mut request: Request) -> Result<(Response, Allowance), Unanswered> {
        let http = if proxy::is_local(request.url()) { &self.direct } else { &self.http };
        let mut retries = IMMEDIATE_RETRIES;
        loop {
            let again = request.try_clone();
            let mut allowance = Allowance::new(self.timeout);
            match (allowance.wait(http.execute(request)).await, again) {
                (None, _) => return Err(Unanswered::Lost(TOO_LATE.to_owned())),
                (Some(Ok(response)), _) => return Ok((response, allowance)),
                (Some(Err(error)), Some(again)) if error.is_connect() && retries > 0 => {
                    retries -= 1;
                    request = again;
                }
                (Some(Err(error)), _) => return Err(unanswered(error)),
            }
        }
    }
}

fn builder(limits: Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("serri-relay/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // the time of the call as a whole is an `Allowance`: a timer of the client's would expire before an answer is read
        .connect_timeout(limits.connect_timeout.min(limits.timeout.mul_f64(CONNECT_SHARE)))
        .pool_max_idle_per_host(limits.connections)
        // shorter than any server's keep-alive we know of, so that a closing connection is not reused
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
}

/// Reads until there is more than `limit`.
async fn read(mut response: Response, mut allowance: Allowance, limit: usize) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    let broken = loop {
        match allowance.wait(response.chunk()).await {
            Some(Ok(Some(chunk))) if bytes.len() <= limit => bytes.extend_from_slice(&chunk),
            Some(Ok(_)) => break None,
            Some(Err(error)) => break Some(root_cause(&error.without_url())),
            None => break Some(TOO_LATE.to_owned()),
        }
    };
    (bytes, broken)
}

/// `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3). Some servers write parts of a second, and a date that is
/// beyond all calendars means that they want a long wait.
fn wait_of(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(whole) && is_number(part) {
        // whoever hears it has a longest wait of their own
        let up = u64::from(part.bytes().any(|byte| byte != b'0'));
        return Some(Duration::from_secs(whole.parse().unwrap_or(u64::MAX).saturating_add(up)));
    }
    let Ok(at) = jiff::fmt::rfc2822::parse(text) else {
        let is_last_year = text.contains(" 9999 ") && text.ends_with("GMT");
        return is_last_year.then_some(Duration::from_secs(u64::MAX));
    };
    Some(Timestamp(at.timestamp().as_millisecond()).since(now))
}

/// What a missing answer means: only a connection that never stood proves that nothing was sent.
fn unanswered(error: reqwest::Error) -> Unanswered {
    let has_url = error.url().is_some();
    // a URL may be a secret itself: that of a chat's incoming webhook
    let error = error.without_url();
    let cause = root_cause(&error);
    if error.is_connect() {
        return Unanswered::Unreached(cause);
    }
    if error.is_builder() || error.is_request() && !has_url {
        return Unanswered::Unmade(cause);
    }
    Unanswered::Lost(if error.is_timeout() {
        TOO_LATE.to_owned()
    } else {
        format!("the connection broke before the answer: {cause}")
    })
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What the server said, with its status: in full, since what is still to be compared or masked must not be cut first.
pub fn said(status: u16, body: &str, json: Option<&Value>) -> String {
    let words = words(body, json);
    if words.is_empty() { status.to_string() } else { format!("{status}: {words}") }
}

/// The server's own words, on one line: the text that APIs put under one of some names, or the whole body. Empty where it
/// had none.
pub fn words(body: &str, json: Option<&Value>) -> String {
    let said = json.and_then(|json| {
        ["message", "errorMessage", "error_description", "error", "errors"]
            .iter()
            .find_map(|key| json.get(key).filter(|value| !is_blank(value) && **value != Value::Bool(true)))
    });
    let said = match said {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(map)) if map.get("message").is_some_and(Value::is_string) => {
            map.get("message").and_then(Value::as_str).unwrap_or("").to_owned()
        }
        Some(other) => other.to_string(),
        None if body.trim_start().starts_with('<') => "a page instead of an answer".into(),
        None => body.trim().to_owned(),
    };
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As much of what a server said as becomes a reason.
pub fn shortened(said: &str) -> String {
    said.chars().take(REASON_LIMIT).collect()
}

/// Whether a field says nothing although it is there: `null`, `false`, 0, an empty text, list or object, or a list or
/// object of such. Some servers send every field of an error with every answer.
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.trim(), "" | "0") || text.trim().eq_ignore_ascii_case("false"),
        Value::Array(items) => items.iter().all(is_blank),
        Value::Object(map) => map.values().all(is_blank),
    }
}

/// A text without what proved the caller, in whatever spelling: some servers repeat it, and what they say is logged and
/// kept.
pub fn without(text: String, secret: &Secret) -> String {
    // most answers are shorter than the key
    if text.len() < secret.expose().trim().len() {
        return text;
    }
    match Secrets::new([secret.expose()]).hide(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(hidden) => hidden,
    }
}

/// As much of an answer as is kept.
pub fn kept(body: &str) -> String {
    let end = (0..=KEPT_LIMIT.min(body.len())).rev().find(|end| body.is_char_boundary(*end)).unwrap_or(0);
    body.get(..end).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_in_part_and_without_the_key() {
        let long = "é".repeat(4_000);
        assert_eq!(kept(&long).len(), KEPT_LIMIT);
        assert_eq!(without("bad key k-123!".into(), &Secret::new(" k-123")), "bad key (secret)!");
        assert_eq!(without("bad key!".into(), &Secret::new("")), "bad key!");
        let said = r"a/b+c== a%2Fb%2Bc%3D%3D a\/b+c== \u0061\/b\u002bc==";
        assert_eq!(without(said.into(), &Secret::new("a/b+c==")), "(secret) (secret) (secret) (secret)");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |text| wait_of(text, Timestamp(784_111_777_000));
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert!(wait("Fri, 01 Jan 2100 00:00:00 GMT") > Some(Duration::from_secs(86_400 * 365)));
        assert_eq!(wait("1.5"), Some(Duration::from_secs(2)));
        assert_eq!(wait("60.0"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(Duration::from_secs(u64::MAX)));
        for none in ["soon", "", "-5", "1.", ".5", "1.5.2", "0x10", "+7"] {
            assert_eq!(wait(none), None, "{none}");
        }
    }

    #[test]
    fn what_a_server_said_is_found_and_shortened() {
        let said = |body: &str| shortened(&said(400, body, serde_json::from_str(body).ok().as_ref()));
        assert_eq!(said(r#"{"message":"Invalid\nNumber"}"#), "400: Invalid Number");
        assert_eq!(said(r#"{"error":{"message":"Session has expired","code":190}}"#), "400: Session has expired");
        assert_eq!(said(r#"{"error":"","error_description":"Not found"}"#), "400: Not found");
        assert_eq!(said(r#"{"message":"","error":[],"errors":["Not found"]}"#), r#"400: ["Not found"]"#);
        assert_eq!(said(&format!(r#"{{"message":"{}"}}"#, "é".repeat(4_000))).chars().count(), REASON_LIMIT);
        assert_eq!(said("<html>"), "400: a page instead of an answer");
        assert_eq!(said(""), "400");
    }
}
