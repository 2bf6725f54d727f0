//! A stand-in for the Serri API: it validates what Serri validates, gives every answer Serri is known to give, and
//! keeps what it got.
//!
//! It misbehaves on request, by reserved campaign names and numbers ([`CASES`]), as payment providers' test cards do.
//! It sends nothing to anybody.

mod cases;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::shape;
use crate::clock::Clock;
use crate::listen::{HangUp, Reach};
use cases::Behaviour;

pub use cases::{CASES, Case};

/// The path of the campaign API, as at Serri.
pub const PATH: &str = "/campaign/t1/api/v2";

/// The path at which campaigns are read, as at Serri.
const DETAILS: &str = "/campaign/t1/api/campaign-details";

/// The key that the in-process sandbox is called with.
pub const KEY: &str = "sandbox";

/// How many calls are kept; older ones are forgotten.
const KEPT: usize = 10_000;

/// How long a call that hangs is kept waiting.
const HANG: Duration = Duration::from_secs(120);

/// A sandbox and its inbox. Clones share both.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Mutex<Inbox>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Inbox {
    messages: VecDeque<Value>,
    refused: VecDeque<Value>,
    failed_once: HashSet<(String, String)>,
}

impl Sandbox {
    /// An empty one.
    pub fn new(clock: Clock) -> Self {
        Self { inner: Arc::default(), clock }
    }

    /// The campaign API and `GET /messages`.
    pub fn router(&self) -> Router {
        Router::new()
            .route(PATH, post(campaign))
            .route(DETAILS, post(details))
            .route("/messages", get(messages).delete(forget))
            .fallback(unknown)
            .with_state(self.clone())
    }

    /// The same for a listener of its own: no page of another site gets an answer.
    pub fn guarded(&self, reach: Reach) -> Router {
        self.router().layer(from_fn_with_state(reach, guard))
    }

    /// The accepted messages, oldest first.
    pub fn messages(&self) -> Vec<Value> {
        self.inbox_now().messages.iter().cloned().collect()
    }

    /// Forgets the calls for a number in E.164.
    pub fn forget(&self, number: &str) {
        let is_other = |call: &Value| call.get("destination").and_then(Value::as_str) != Some(number);
        let mut inbox = self.inbox_now();
        inbox.messages.retain(is_other);
        inbox.refused.retain(is_other);
        inbox.failed_once.retain(|(_, destination)| destination != number);
    }

    fn inbox_now(&self) -> std::sync::MutexGuard<'_, Inbox> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, call: &Map<String, Value>, status: u16, id: Option<&str>, said: &str) {
        let mut kept = call.clone();
        kept.remove("apiKey");
        kept.insert("received_at".into(), Value::from(self.clock.now().to_string()));
        let mut inbox = self.inbox_now();
        let list = match id {
            Some(id) => {
                kept.insert("submitted_message_id".into(), Value::from(id));
                &mut inbox.messages
            }
            None => {
                kept.insert("status".into(), Value::from(status));
                kept.insert("answer".into(), Value::from(said));
                &mut inbox.refused
            }
        };
        if list.len() == KEPT {
            list.pop_front();
        }
        list.push_back(Value::Object(kept));
    }
}

async fn guard(State(reach): State<Reach>, request: Request, next: Next) -> Response {
    let (call, body) = request.into_parts();
    if reach.allows(&call) {
        return next.run(Request::from_parts(call, body)).await;
    }
    let refusal = "the sandbox answers to no other name than localhost, and to no page of another site\n";
    (StatusCode::FORBIDDEN, refusal).into_response()
}

async fn messages(State(sandbox): State<Sandbox>) -> Json<Value> {
    let inbox = sandbox.inbox_now();
    Json(json!({ "messages": inbox.messages, "refused": inbox.refused }))
}

async fn forget(State(sandbox): State<Sandbox>) -> StatusCode {
    *sandbox.inbox_now() = Inbox::default();
    StatusCode::NO_CONTENT
}

async fn unknown() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "this is the Serri sandbox: POST /campaign/t1/api/v2, GET /messages\n")
}

async fn campaign(State(sandbox): State<Sandbox>, body: bytes::Bytes) -> Response {
    let Ok(Value::Object(call)) = serde_json::from_slice(&body) else {
        return raw(400, r#"{"message":"Invalid request body"}"#);
    };
    if let Err((status, said)) = validate(&call) {
        sandbox.keep(&call, status, None, &said);
        return raw(status, &json!({ "message": said }).to_string());
    }
    let text = |key: &str| call.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (campaign, number) = (text("campaignName"), text("destination"));
    let case = CASES.iter().find(|case| case.campaign == campaign || case.number == Some(number.as_str()));
    let first_time = || sandbox.inbox_now().failed_once.insert((campaign.clone(), number.clone()));
    match case.map(|case| case.behaviour) {
        Some(Behaviour::Answer(status, said)) => {
            sandbox.keep(&call, status, None, said);
            raw(status, said)
        }
        Some(Behaviour::TooFast) if first_time() => {
            sandbox.keep(&call, 429, None, "too fast");
            ([(http::header::RETRY_AFTER, "2")], raw(429, r#"{"message":"Too many requests"}"#)).into_response()
        }
        Some(Behaviour::FailsOnce) if first_time() => {
            sandbox.keep(&call, 503, None, "failed once");
            raw(503, "")
        }
        Some(Behaviour::Hang) => {
            sandbox.keep(&call, 0, None, "no answer");
            tokio::time::sleep(HANG).await;
            HangUp::response()
        }
        Some(Behaviour::Reset) => {
            sandbox.keep(&call, 0, None, "connection reset");
            HangUp::response()
        }
        Some(Behaviour::TooFast | Behaviour::FailsOnce) | None => {
            let id = uuid::Uuid::new_v4().to_string();
            sandbox.keep(&call, 200, Some(&id), "");
            raw(200, &json!({ "success": "true", "submitted_message_id": id }).to_string())
        }
    }
}

/// What a campaign is: every name is one, but for those that the cases say are not.
async fn details(body: bytes::Bytes) -> Response {
    let Ok(Value::Object(call)) = serde_json::from_slice(&body) else {
        return raw(400, r#"{"message":"Invalid request body"}"#);
    };
    let text = |key: &str| call.get(key).and_then(Value::as_str).unwrap_or("").trim().to_owned();
    let name = text("campaignName");
    if text("apiKey").is_empty() {
        return raw(401, r#"{"message":"Invalid API key"}"#);
    }
    let case = CASES.iter().find(|case| case.campaign == name).map(|case| case.behaviour);
    let status = match case {
        // what is wrong with an account or an address is wrong here as well; what is about one message is not
        Some(Behaviour::Answer(400 | 200, "Campaign is Not Live")) => "PAUSED",
        Some(Behaviour::Answer(status, said))
            if status != 200 && !said.contains("params") && !said.contains("Number") =>
        {
            return raw(status, said);
        }
        _ => "LIVE",
    };
    // the others take any call, so that there is nothing to say of theirs
    let example = wanted_params(&name).map(|count| {
        let params: Vec<String> = (1..=count).map(|number| format!("parameter {number}")).collect();
        json!({ "templateParams": params })
    });
    let campaign = json!({ "name": name, "status": status, "type": "API" });
    raw(200, &json!({ "success": true, "requestBody": example, "campaign": campaign }).to_string())
}

/// How many parameters a `sandbox_params_N` campaign wants.
fn wanted_params(campaign: &str) -> Option<usize> {
    campaign.strip_prefix("sandbox_params_").and_then(|count| count.parse().ok())
}

fn raw(status: u16, body: &str) -> Response {
    let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(http::header::CONTENT_TYPE, kind)], body.to_owned()).into_response()
}

/// What Serri's reference demands of a call.
fn validate(call: &Map<String, Value>) -> Result<(), (u16, String)> {
    let wrong = |said: String| Err((400, said));
    let is_text = |key: &str| call.get(key).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    if !is_text("apiKey") {
        return Err((401, "Invalid API key".into()));
    }
    for key in ["campaignName", "destination", "userName"] {
        if !is_text(key) {
            return wrong(format!("{key} is required"));
        }
    }
    let digits =
        call.get("destination").and_then(Value::as_str).unwrap_or("").chars().filter(char::is_ascii_digit).count();
    if !(7..=15).contains(&digits) {
        return wrong("Invalid Number".into());
    }
    let texts = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    for key in ["templateParams", "tags"] {
        if call.get(key).is_some_and(|value| !texts(value)) {
            return wrong(format!("{key} must be an array of strings"));
        }
    }
    for key in ["attributes", "paramsFallbackValue"] {
        if call.get(key).is_some_and(|value| !value.as_object().is_some_and(|map| map.values().all(Value::is_string))) {
            return wrong(format!("{key} must be an object with string values"));
        }
    }
    check_params(call)?;
    let is_empty = |value: &Value| {
        value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
    };
    for key in ["media", "location", "buttons", "carouselCards"] {
        // senders commonly pass empty ones, and Serri takes that
        let given = call.get(key).filter(|value| !is_empty(value));
        if let Some(wrong_part) = given.and_then(|value| shape::check(key, value).into_iter().next()) {
            return wrong(format!("{}: {}", wrong_part.place(key), wrong_part.message));
        }
    }
    let url = call.get("media").and_then(|media| media.get("url")).and_then(Value::as_str);
    if url.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return wrong("media.url is not reachable".into());
    }
    Ok(())
}

/// WhatsApp's rules for parameters, and the count that a `sandbox_params_N` campaign wants.
fn check_params(call: &Map<String, Value>) -> Result<(), (u16, String)> {
    let params: Vec<&str> =
        call.get("templateParams").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if params.iter().any(|text| {
        text.trim().is_empty() || text.contains(['\n', '\t']) || text.contains("     ") || text.chars().count() > 1_024
    }) {
        return Err((
            400,
            "Param text cannot be empty, have new-line/tab characters or more than 4 consecutive spaces".into(),
        ));
    }
    let wanted = call.get("campaignName").and_then(Value::as_str).and_then(wanted_params);
    if wanted.is_some_and(|wanted| wanted != params.len()) {
        return Err((400, "Template params does not match the campaign".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{self, Country};

    #[test]
    fn reserved_numbers_are_numbers_a_rule_may_send_to() {
        for number in CASES.iter().filter_map(|case| case.number) {
            assert_eq!(phone::normalise(number, Some(Country::INDIA)).as_deref(), Ok(number));
        }
    }

    #[test]
    fn calls_are_validated_as_serri_does() {
        let call = |json: Value| validate(json.as_object().expect("object")).map_err(|(status, _)| status);
        let good = json!({"apiKey": "k", "campaignName": "c", "destination": "+919812345670", "userName": "Asha", "templateParams": ["a"], "attributes": {"a": "b"}, "media": {}});
        assert_eq!(call(good.clone()), Ok(()));
        for (key, value) in [
            ("apiKey", json!("")),
            ("userName", json!(null)),
            ("templateParams", json!(["a", 1])),
            ("templateParams", json!(["a\nb"])),
            ("attributes", json!({"a": 1})),
            ("media", json!({"url": "x"})),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(call(bad).is_err(), "{key}");
        }
        let mut counted = good;
        counted["campaignName"] = json!("sandbox_params_2");
        assert_eq!(call(counted), Err(400));
    }
}
