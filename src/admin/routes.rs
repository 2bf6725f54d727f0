//! The routes: which there are, and whether they take calls.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::state::AdminState;
use crate::route::reload::{FaultyView, view};

/// All of them, those with faults too.
pub async fn list(State(admin): State<Arc<AdminState>>) -> Json<Value> {
    let calls = |name: &String| admin.metrics.calls_by_route.of(name);
    let sound = admin.routes.iter().map(|(name, route)| {
        let faulty = admin.faulty.get(name).map(|faulty| view(name, faulty));
        json!({
            "route": name,
            "source": route.source,
            "path": format!("/webhooks/{name}"),
            "serves": faulty.as_ref().map_or("current", |faulty| faulty.serves),
            "last_accepted": calls(name).accepted_at.map(|at| at.to_string()),
            "last_refused": calls(name).last_refused.map(|(at, reason)| json!({ "at": at.to_string(), "reason": reason })),
            "refused_in_a_row": calls(name).refused.map_or(0, |refused| refused.calls),
            "problem": calls(name).problem(),
            "faults": faulty.map(|faulty| faulty.faults).unwrap_or_default(),
        })
    });
    let absent = admin.faulty.iter().filter(|(name, _)| !admin.routes.contains_key(*name)).map(|(name, faulty)| {
        let FaultyView { serves, faults, .. } = view(name, faulty);
        json!({ "route": name, "source": null, "path": format!("/webhooks/{name}"), "serves": serves, "faults": faults })
    });
    let routes: Vec<Value> = sound.chain(absent).collect();
    Json(json!({ "routes": routes, "next": null }))
}
