//! What can go wrong with a call, and what its sender hears: `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use thiserror::Error;

use super::Report;
use crate::authenticate::Refusal;
use crate::body::BodyError;
use crate::config::source::RetryAfterUnit;
use crate::decode::DecodeError;
use crate::route::Route;
use crate::store::StoreError;

/// When a sender that was turned away may come again, in seconds and in milliseconds.
const RETRY_AFTER: (&str, &str) = ("5", "5000");

/// Why a call was not taken.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The address leads nowhere.
    #[error("there is no such route")]
    NoSuchRoute,
    /// The source does not call with this method.
    #[error("this route takes {0}")]
    Method(String),
    /// The body is too large.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body's packing is not known.
    #[error("content encoding `{0}` is not read here; send the body as it is, or as gzip")]
    Encoding(String),
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body =
            json!({ "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail });
        let mut response = (self.status, body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER.0));
        }
        response
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
            other => other.to_string(),
        };
        let mut response = match &self {
            Self::Store(_) => later(route, detail),
            _ => Problem { status, detail }.into_response(),
        };
        if let Self::Method(allowed) = &self
            && let Ok(allowed) = HeaderValue::from_str(allowed)
        {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        let report = Report {
            route: route.map(|route| route.name.clone()),
            outcome: self.name(),
            reason: Some(self.to_string()),
            ..Report::default()
        };
        response.extensions_mut().insert(report);
        response
    }

    fn status(&self, route: Option<&Route>) -> StatusCode {
        match self {
            Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding(_) | Self::Undecodable(DecodeError::Body(BodyError::ContentType { .. })) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::Unreadable(_) | Self::Undecodable(_) => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Store(_) => overload(route).0,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::NoSuchRoute => "no_such_route",
            Self::Method(_) => "wrong_method",
            Self::TooLarge(_) => "too_large",
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

/// The answer that makes a route's sender try again later, in its own words.
pub fn later(route: Option<&Route>, detail: String) -> Response {
    let (status, unit) = overload(route);
    let mut response = Problem { status, detail }.into_response();
    if unit == RetryAfterUnit::Ms {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER.1));
    }
    response
}

fn overload(route: Option<&Route>) -> (StatusCode, RetryAfterUnit) {
    route.map_or((StatusCode::SERVICE_UNAVAILABLE, RetryAfterUnit::S), |route| route.knowledge.overload)
}
