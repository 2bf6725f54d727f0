//! What browsers ask before a page of another site may call (CORS, Fetch 3.3), and what they are told with the answer.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Report;
use super::problem::ReceiveError;
use crate::route::Route;
use crate::route::cors::Cors;

/// For how long a browser need not ask again, in seconds: a day, of which most take two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// Answers `OPTIONS`, by which a browser asks whether a page may call.
pub fn preflight(route: &Route, headers: &HeaderMap) -> Response {
    let methods = methods(route);
    let allowed = match (&route.cors, headers.get(ORIGIN)) {
        (Cors::Off, _) => return ReceiveError::Preflight(methods).respond(Some(route)),
        (_, None) => false,
        (cors, Some(origin)) if cors.allowed(origin).is_none() => return ReceiveError::Origin.respond(Some(route)),
        (_, Some(_)) => true,
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(methods) = HeaderValue::from_str(&methods) {
        let name = if allowed { ACCESS_CONTROL_ALLOW_METHODS } else { ALLOW };
        response.headers_mut().insert(name, methods);
    }
    if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|_| allowed) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response.extensions_mut().insert(Report {
        route: Some(route.name.clone()),
        outcome: "preflight",
        ..Report::default()
    });
    response
}

/// Lets the page that called read the answer, if the route allows its origin.
pub fn share(route: &Route, origin: Option<&HeaderValue>, response: &mut Response) {
    if route.cors == Cors::Off {
        return;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    if let Some(allowed) = origin.and_then(|origin| route.cors.allowed(origin)) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
}

/// The methods that a route takes, as a header lists them.
pub fn methods(route: &Route) -> String {
    route.profile.methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ")
}
