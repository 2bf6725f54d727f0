//! What can go wrong with a call, and what its sender hears: `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use thiserror::Error;

use super::Report;
use crate::authenticate::Refusal;
use crate::body::BodyError;
use crate::config::source::RetryAfterUnit;
use crate::decode::{DecodeError, Exceeded};
use crate::route::Route;
use crate::store::StoreError;

/// When a sender that was turned away may come again.
#[derive(Debug, Clone, Copy)]
pub struct RetryAfter {
    seconds: &'static str,
    millis: &'static str,
}

/// When what is too much for the moment has passed.
pub const SOON: RetryAfter = RetryAfter { seconds: "5", millis: "5000" };

/// When somebody may have corrected a file.
const AFTER_A_CORRECTION: RetryAfter = RetryAfter { seconds: "60", millis: "60000" };

/// Why a call was not taken.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The address leads nowhere.
    #[error("there is no route for {called}{}", .meant.as_ref().map(|meant| format!("; did its sender mean `{meant}`?")).unwrap_or_default())]
    NoSuchRoute {
        /// Method and address.
        called: String,
        /// The route that may be meant.
        meant: Option<String>,
    },
    /// The route's file has faults, and nothing runs in its place.
    #[error("the file of route `{route}` has faults: {faults}")]
    FaultyRoute {
        /// The route.
        route: String,
        /// What is wrong.
        faults: String,
        /// How its source's senders are told to try again.
        manner: (StatusCode, RetryAfterUnit),
    },
    /// The source does not call with this method.
    #[error("this route takes {0}")]
    Method(String),
    /// A browser asks whether a page may call, and the route has no `cors`.
    #[error(
        "OPTIONS is a browser asking whether a page of another site may call (CORS preflight); `cors:` in the route's file says which may. This route takes {0}"
    )]
    Preflight(String),
    /// A browser asks for a page that may not call.
    #[error("the origin of this page is not among those that `cors:` in the route's file allows")]
    Origin,
    /// The body is too large.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body's packing is not known.
    #[error("content encoding `{0}` is not read here; send the body as it is, or as gzip")]
    Encoding(String),
    /// The body is coded for its transfer in a way that is not understood.
    #[error("transfer codings other than `chunked` are not understood here; name a packed body in Content-Encoding")]
    TransferEncoding,
    /// The body comes too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// The time for the whole request is over; nothing of it is kept.
    #[error("the request took too long; nothing of it is kept, send it again")]
    TimedOut,
    /// Other bodies take all the memory that there is for them.
    #[error("the bodies of other calls take all the memory that there is for them; send it again later")]
    NoMemory,
    /// What other calls brought takes all the memory that there is for what waits to be stored.
    #[error("what other calls brought takes all the memory that there is until it is stored; send it again later")]
    NoRoom,
    /// One call brings more than a call may; nothing of it is kept.
    #[error(transparent)]
    Exceeded(Exceeded),
    /// The body broke off or cannot be unpacked.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
    /// It could not be proven who sent it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was proven and could not be decoded; it is kept.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error as a sender sees it.
#[derive(Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// What is wrong.
    pub detail: String,
}

impl Problem {
    /// The answer with members of its own, as RFC 9457 (3.2) allows them.
    pub fn with(self, members: impl IntoIterator<Item = (&'static str, Value)>) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body =
            json!({ "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail });
        if let Value::Object(body) = &mut body {
            body.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        let mut response = (self.status, body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(SOON.seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.with([])
    }
}

impl ReceiveError {
    /// The answer. A refusal says nothing of its reason, and a known route never answers 404 or 410: some senders
    /// switch a webhook off for that.
    pub fn respond(self, route: Option<&Route>) -> Response {
        let status = self.status(route);
        let detail = match &self {
            Self::Refused(_) => "the call could not be authenticated".to_owned(),
            Self::Store(_) => "the event could not be stored; send it again later".to_owned(),
            Self::NoSuchRoute { .. } => "there is no such route".to_owned(),
            Self::FaultyRoute { .. } => "this route is not available at present; send it again later".to_owned(),
            other => other.to_string(),
        };
        let mut response = match &self {
            Self::Store(_) | Self::NoMemory | Self::NoRoom => later(overload(route), SOON, detail),
            Self::FaultyRoute { manner, .. } => later(*manner, AFTER_A_CORRECTION, detail),
            _ => Problem { status, detail }.into_response(),
        };
        if let Self::Method(allowed) | Self::Preflight(allowed) = &self
            && let Ok(allowed) = HeaderValue::from_str(allowed)
        {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        let report = Report {
            route: route.map(|route| route.name.clone()).or_else(|| self.faulty_route()),
            outcome: self.name(),
            reason: Some(self.reason(route)),
            ..Report::default()
        };
        response.extensions_mut().insert(report);
        response
    }

    /// Why, for whoever runs the relay.
    fn reason(&self, route: Option<&Route>) -> String {
        match (self, route) {
            (Self::Refused(refusal), Some(route)) => {
                format!("{refusal}; expected: {}", route.authentication.expected())
            }
            _ => self.to_string(),
        }
    }

    fn faulty_route(&self) -> Option<String> {
        if let Self::FaultyRoute { route, .. } = self { Some(route.clone()) } else { None }
    }

    fn status(&self, route: Option<&Route>) -> StatusCode {
        match self {
            Self::NoSuchRoute { .. } => StatusCode::NOT_FOUND,
            Self::FaultyRoute { manner: (status, _), .. } => *status,
            Self::Method(_) | Self::Preflight(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::TooLarge(_) | Self::Exceeded(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::TooSlow | Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Encoding(_) | Self::Undecodable(DecodeError::Body(BodyError::ContentType { .. })) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::Unreadable(_) | Self::Undecodable(_) => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Store(_) | Self::NoMemory | Self::NoRoom => overload(route).0,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::NoSuchRoute { .. } => "no_such_route",
            Self::FaultyRoute { .. } => "faulty_route",
            Self::Method(_) | Self::Preflight(_) => "wrong_method",
            Self::Origin => "wrong_origin",
            Self::TooLarge(_) => "too_large",
            Self::Exceeded(_) => "too_much",
            Self::TransferEncoding => "wrong_transfer_encoding",
            Self::TooSlow => "too_slow",
            Self::TimedOut => "timed_out",
            Self::NoMemory => "no_memory",
            Self::NoRoom => "no_room",
            Self::Encoding(_) => "wrong_encoding",
            Self::Unreadable(_) => "unreadable",
            Self::Refused(Refusal::Missing) => "refused_missing",
            Self::Refused(Refusal::Malformed) => "refused_malformed",
            Self::Refused(Refusal::Wrong) => "refused_wrong",
            Self::Refused(Refusal::NoTimestamp) => "refused_no_timestamp",
            Self::Refused(Refusal::NoExpiry) => "refused_no_expiry",
            Self::Refused(Refusal::Stale) => "refused_stale",
            Self::Refused(Refusal::NoPublicUrl) => "refused_no_public_url",
            Self::Undecodable(_) => "undecodable",
            Self::Store(_) => "not_stored",
        }
    }
}

/// How much of a refusal's text is read.
const DETAIL_LIMIT: usize = 4 * 1_024;

/// A refusal that the framework makes, which is plain text or nothing, as a problem.
pub async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_plain = kind.is_none_or(|kind| kind.starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, DETAIL_LIMIT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = match (text.trim(), status) {
        ("", StatusCode::METHOD_NOT_ALLOWED) => "this address takes other methods; the Allow header has them",
        ("", _) => status.canonical_reason().unwrap_or("it was refused"),
        (text, _) => text,
    };
    let mut problem = Problem { status, detail: detail.to_owned() }.into_response();
    let framing = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
    problem.headers_mut().extend(head.headers.into_iter().filter_map(|(name, value)| {
        let name = name.filter(|name| !framing.contains(name))?;
        Some((name, value))
    }));
    problem
}

/// The answer that makes a sender try again later, in its own words.
pub fn later((status, unit): (StatusCode, RetryAfterUnit), after: RetryAfter, detail: String) -> Response {
    let mut response = Problem { status, detail }.into_response();
    let value = match unit {
        RetryAfterUnit::S => after.seconds,
        RetryAfterUnit::Ms => after.millis,
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(value));
    response
}

/// How a route's sender is told to try again later.
pub fn overload(route: Option<&Route>) -> (StatusCode, RetryAfterUnit) {
    route.map_or((StatusCode::SERVICE_UNAVAILABLE, RetryAfterUnit::S), |route| route.profile.overload)
}
