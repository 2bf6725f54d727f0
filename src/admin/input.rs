//! What callers of the API send: parameters and bodies, with a clear answer where they cannot be read.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::state::problem;
use crate::receive::Problem;

/// Query parameters.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value)).map_err(|error| {
            let text = error.body_text();
            // which library says so helps nobody
            let detail = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            problem(StatusCode::BAD_REQUEST, format!("parameters: {detail}"))
        })
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(value)| Self(value)).map_err(|error| problem(error.status(), error.body_text()))
    }
}
