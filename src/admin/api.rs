//! The API under `/api/v1`: lists, one whole, holds, and what is no longer wanted.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Body, Params};
use super::selection::{FIRST_PAGE, Selection};
use super::state::{AdminState, Answer, LONGEST, half_done, page, problem, unusable};
use super::{forget, import, reload, replay, routes, stats, suppressions};
use crate::event::act::Action;
use crate::event::view::{Filter, SendView};
use crate::event::{BY_HAND, SendId, State as SendState};

/// The routes of the API.
pub fn router(admin: Arc<AdminState>) -> Router {
    Router::new()
        .route("/sends", get(sends))
        .route("/sends/{id}", get(send))
        .route("/sends/cancel", post(cancel))
        .route("/sends/replay", post(replay::sends))
        .route("/events", get(events))
        .route("/events/{id}", get(event))
        .route("/events/replay", post(replay::events))
        .route("/holds", get(holds).post(set_hold))
        .route("/holds/lift", post(lift_hold))
        .route("/suppressions", get(suppressions::list).post(suppressions::change))
        .route("/suppressions/{number}", get(suppressions::story))
        .route("/suppressions.csv", get(suppressions::export).post(import::import))
        .route("/routes", get(routes::list))
        .route("/reload", post(reload::reload))
        .route("/stats", get(stats::show))
        .route("/forget", get(forget::list).post(forget::forget))
        .with_state(admin)
}

async fn sends(State(admin): State<Arc<AdminState>>, Params(filter): Params<Filter>) -> Answer<Json<Value>> {
    let page = page(admin.filter(filter)?, |part| admin.archive.sends(part)).await?;
    Ok(Json(json!({ "sends": page.items, "next": page.next })))
}

async fn send(State(admin): State<Arc<AdminState>>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let missing = || problem(StatusCode::NOT_FOUND, format!("there is no send {id}"));
    let number = id.parse().map_err(|_| missing())?;
    let story = admin.archive.send(SendId(number)).await.map_err(unusable)?.ok_or_else(missing)?;
    Ok(Json(serde_json::to_value(story).unwrap_or_default()))
}

async fn events(State(admin): State<Arc<AdminState>>, Params(filter): Params<Filter>) -> Answer<Json<Value>> {
    let page = page(admin.filter_of_events(filter)?, |part| admin.archive.events(part)).await?;
    Ok(Json(json!({ "events": page.items, "next": page.next })))
}

async fn event(State(admin): State<Arc<AdminState>>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let story = admin.archive.event(id.clone()).await.map_err(unusable)?;
    let story = story.ok_or_else(|| problem(StatusCode::NOT_FOUND, format!("there is no event `{id}`")))?;
    Ok(Json(serde_json::to_value(story).unwrap_or_default()))
}

async fn cancel(State(admin): State<Arc<AdminState>>, Body(selection): Body<Selection>) -> Answer<Json<Value>> {
    let mut selected = selection.select(&admin, Some(SendState::Waiting)).await?;
    let reason = selection.reason.unwrap_or_else(|| "cancelled by hand".into());
    let (mut shown, mut cancelled) = (Vec::<SendView>::new(), 0);
    while let Some(mut sends) = selected.next(&admin).await.map_err(|wrong| half_done(wrong, cancelled, "cancelled"))? {
        sends.retain(|send| send.state == SendState::Waiting);
        if selection.yes && !sends.is_empty() {
            let ids = sends.iter().map(|send| send.id).collect();
            let cancel = Action::Cancel { ids, filter: selected.filter.clone(), reason: reason.clone() };
            let acted = admin.act(cancel).await.map_err(|wrong| half_done(wrong, cancelled, "cancelled"))?;
            cancelled += acted.changed;
        }
        sends.truncate(FIRST_PAGE.saturating_sub(shown.len()));
        shown.extend(sends);
        if !selection.yes && shown.len() >= FIRST_PAGE {
            break;
        }
    }
    let not_waiting = selected.found.saturating_sub(selected.waiting);
    Ok(Json(json!({ "count": selected.waiting, "sends": shown, "not_waiting": not_waiting, "cancelled": cancelled })))
}

async fn holds(State(admin): State<Arc<AdminState>>) -> Answer<Json<Value>> {
    let holds = admin.archive.holds().await.map_err(unusable)?;
    Ok(Json(json!({ "holds": holds, "next": null })))
}

/// A hold as people name it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    account: String,
    #[serde(default)]
    campaign: String,
    #[serde(default)]
    reason: Option<String>,
}

async fn set_hold(State(admin): State<Arc<AdminState>>, Body(named): Body<Named>) -> Answer<Json<Value>> {
    let account = admin.account(&named.account)?;
    let reason = named.reason.unwrap_or_else(|| BY_HAND.into());
    if named.campaign.chars().count() > LONGEST || reason.chars().count() > LONGEST {
        return Err(problem(
            StatusCode::BAD_REQUEST,
            format!("a campaign's name or a reason has at most {LONGEST} characters"),
        ));
    }
    admin.act(Action::SetHold { account, campaign: named.campaign, reason }).await?;
    holds(State(admin)).await
}

async fn lift_hold(State(admin): State<Arc<AdminState>>, Body(named): Body<Named>) -> Answer<Json<Value>> {
    // one of an account that is gone can be lifted, too
    let account = admin.account(&named.account).unwrap_or_else(|_| named.account.clone());
    let acted = admin.act(Action::LiftHold { account, campaign: named.campaign.clone() }).await?;
    if acted.changed == 0 {
        let whose = if named.campaign.is_empty() { String::new() } else { format!(", campaign `{}`", named.campaign) };
        let detail =
            format!("there is no hold of account `{}`{whose}; `serri-relay holds list` shows all", named.account);
        return Err(problem(StatusCode::NOT_FOUND, detail));
    }
    holds(State(admin)).await
}
