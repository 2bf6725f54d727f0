//! Taking the configuration anew: whoever asks hears what was taken, and what was not and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;
use tokio::sync::oneshot;

use super::state::{AdminState, Answer, problem};
use crate::receive::Problem;
use crate::route::reload::{ReloadRequest, Reloaded};

/// Takes it anew.
pub async fn reload(State(admin): State<Arc<AdminState>>) -> Answer<Response> {
    let gone = || problem(StatusCode::SERVICE_UNAVAILABLE, "the relay stops, and takes nothing anew");
    let (answer, answered) = oneshot::channel();
    admin.reload.send(ReloadRequest { by: "the API", answer: Some(answer) }).map_err(|_| gone())?;
    let reloaded = answered.await.map_err(|_| gone())?;
    if reloaded.taken {
        return Ok(Json(reloaded).into_response());
    }
    let Reloaded { faults, warnings, .. } = reloaded;
    let detail = "the configuration has faults; everything runs as before".to_owned();
    let problem = Problem { status: StatusCode::UNPROCESSABLE_ENTITY, detail };
    Ok(problem.with([("faults", json!(faults)), ("warnings", json!(warnings))]))
}
