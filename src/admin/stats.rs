//! What happened, by the hour: counted when it happened, never from what is still kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::Params;
use super::state::{AdminState, Answer, problem, unusable};
use crate::clock::Timestamp;
use crate::event::stats::{Dimension, StatsFilter};

/// How far back counts go where nobody says from when.
const DAY_MS: i64 = 86_400_000;

/// How many counts are told at once.
const MOST: usize = 20_000;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    since: Option<String>,
    until: Option<String>,
    route: Option<String>,
    rule: Option<String>,
    account: Option<String>,
    campaign: Option<String>,
    by: Option<String>,
}

/// The counts of whole hours, UTC.
pub async fn show(State(admin): State<Arc<AdminState>>, Params(asked): Params<Asked>) -> Answer<Json<Value>> {
    let now = admin.clock.now();
    let until = moment("until", asked.until.as_deref())?.unwrap_or(now);
    let since = moment("since", asked.since.as_deref())?.unwrap_or(Timestamp(until.0 - DAY_MS));
    let filter = StatsFilter {
        since,
        until,
        route: asked.route,
        rule: asked.rule,
        account: asked.account.map(|account| admin.account(&account)).transpose()?,
        campaign: asked.campaign,
        by: dimensions(asked.by.as_deref().unwrap_or("hour"))?,
    };
    let mut stats = admin.archive.stats(filter, MOST + 1).await.map_err(unusable)?;
    let is_cut = stats.len() > MOST;
    stats.truncate(MOST);
    Ok(Json(json!({ "stats": stats, "truncated": is_cut })))
}

fn moment(key: &str, text: Option<&str>) -> Answer<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let read = text.parse::<jiff::Timestamp>().map_err(|_| {
        let detail = format!("`{key}`: `{text}` is not a moment; write it as 2026-12-01T09:00:00Z");
        problem(StatusCode::BAD_REQUEST, detail)
    })?;
    Ok(Some(Timestamp(read.as_millisecond())))
}

/// Reads `hour,route`.
fn dimensions(text: &str) -> Answer<Vec<Dimension>> {
    let mut dimensions = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let dimension = Dimension::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name))
            .map_err(|_| {
                let known = "hour, day, route, rule, account and campaign";
                problem(
                    StatusCode::BAD_REQUEST,
                    format!("`by`: `{name}` is unknown; there are {known}, joined by commas"),
                )
            })?;
        if !dimensions.contains(&dimension) {
            dimensions.push(dimension);
        }
    }
    if dimensions.contains(&Dimension::Hour) && dimensions.contains(&Dimension::Day) {
        return Err(problem(StatusCode::BAD_REQUEST, "`by`: write either hour or day"));
    }
    Ok(dimensions)
}
