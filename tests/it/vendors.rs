//! Stand-ins for the APIs that lookups read from. Each answers as its vendor's documents say, faults included, and keeps
//! what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};
use serri_relay::listen;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::PATIENCE;

/// The token, or the code in the URL, that all of them take.
pub const TOKEN: &str = "EAAGtheTokenOfTheTest";

/// What LeadSquared takes besides it, as its access keys look.
pub const ACCESS: &str = "u$r0123456789abcdef";

/// All of them on one port: `/meta`, `/hubspot`, `/pipedrive`, `/keap`, `/bitrix/CODE`, `/leadsquared`.
#[derive(Clone, Default)]
pub struct Vendors {
    /// Records by id.
    pub records: Arc<Mutex<BTreeMap<String, Value>>>,
    /// What is answered first, whatever is asked: status, `Retry-After`, body.
    pub faults: Arc<Mutex<VecDeque<(u16, Option<&'static str>, Value)>>>,
    /// Paths that begin so are refused for want of a permission.
    pub refused: Arc<Mutex<Option<String>>>,
    /// Paths that begin so are never answered.
    pub hanging: Arc<Mutex<Option<String>>>,
    /// Path and query of each call.
    pub calls: Arc<Mutex<Vec<String>>>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Vendors {
    /// Starts them; gives the URL before `/meta`.
    pub async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        // until the test ends, and its tasks are dropped
        self.tasks.lock().unwrap().spawn(listen::serve(listener, router, PATIENCE, CancellationToken::new()));
        base
    }

    pub fn keep(&self, id: &str, record: Value) {
        self.records.lock().unwrap().insert(id.to_owned(), record);
    }

    /// So many times this is answered.
    pub fn fail(&self, times: usize, status: u16, retry_after: Option<&'static str>, body: &Value) {
        let mut faults = self.faults.lock().unwrap();
        (0..times).for_each(|_| faults.push_back((status, retry_after, body.clone())));
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

async fn answer(State(vendors): State<Vendors>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or("").as_bytes();
    let query: BTreeMap<String, String> = form_urlencoded::parse(query).into_owned().collect();
    vendors.calls.lock().unwrap().push(request.uri().to_string());
    let hangs = vendors.hanging.lock().unwrap().as_ref().is_some_and(|path| request.uri().path().starts_with(path));
    if hangs {
        std::future::pending::<()>().await;
    }
    let refused = vendors.refused.lock().unwrap().as_ref().is_some_and(|path| request.uri().path().starts_with(path));
    if refused {
        let body = json!({"error": {"message": "Requires leads_retrieval", "type": "OAuthException", "code": 200}});
        return (StatusCode::FORBIDDEN, axum::Json(body)).into_response();
    }
    if let Some((status, retry_after, body)) = vendors.faults.lock().unwrap().pop_front() {
        let mut response = (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
        if let Some(wait) = retry_after {
            response.headers_mut().insert("retry-after", wait.parse().unwrap());
        }
        return response;
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let bearer = header("authorization");
    let path = request.uri().path();
    let records = vendors.records.lock().unwrap();
    let (status, body) = match path.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["meta", id] => meta(query.get("access_token"), records.get(*id), id),
        // another portal on the same host: who asks decides who is there
        ["portals", "crm", "v3", "objects", "contacts", id] => {
            let portal = bearer.trim_start_matches("Bearer ");
            records.get(&format!("{portal}/{id}")).map_or((404, json!({})), |contact| (200, contact.clone()))
        }
        ["hubspot", "crm", "v3", "objects", "contacts", id] => hubspot(bearer, records.get(*id), &query),
        ["bitrix", code, method] => {
            bitrix(code, method, query.get("id").and_then(|id| records.get(&format!("{method}/{id}"))))
        }
        ["pipedrive", "persons", id] => pipedrive(header("x-api-token"), records.get(&format!("persons/{id}"))),
        ["leadsquared", "LeadManagement.svc", "Leads.GetById"] => {
            leadsquared(&query, query.get("id").and_then(|id| records.get(id)))
        }
        ["keap", "contacts", id] => keap(header("x-keap-api-key"), records.get(*id)),
        _ => (404, json!({ "message": format!("no such path: {path}") })),
    };
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

/// Graph API: every fault is an `error` with a code.
fn meta(token: Option<&String>, lead: Option<&Value>, id: &str) -> (u16, Value) {
    let fault = |code: u16, kind: &str, message: &str| json!({"error": {"message": message, "type": kind, "code": code, "fbtrace_id": "AbC"}});
    match (token, lead) {
        (Some(token), Some(lead)) if token == TOKEN => (200, lead.clone()),
        (Some(token), None) if token == TOKEN => {
            let message = format!(
                "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation."
            );
            let mut body = fault(100, "GraphMethodException", &message);
            body["error"]["error_subcode"] = json!(33);
            (400, body)
        }
        _ => (400, fault(190, "OAuthException", "Error validating access token: Session has expired")),
    }
}

/// CRM v3: the properties that were asked for, and those it always adds.
fn hubspot(bearer: &str, contact: Option<&Value>, query: &BTreeMap<String, String>) -> (u16, Value) {
    let fault = |category: &str, message: &str| json!({"status": "error", "message": message, "correlationId": "5a4b", "category": category});
    if bearer != format!("Bearer {TOKEN}") {
        return (401, fault("INVALID_AUTHENTICATION", "Authentication credentials not found."));
    }
    let Some(contact) = contact else { return (404, fault("OBJECT_NOT_FOUND", "Object not found")) };
    let wanted: Vec<&str> = query.get("properties").map(|names| names.split(',').collect()).unwrap_or_default();
    let mut contact = contact.clone();
    let asked =
        |name: &String| wanted.contains(&name.as_str()) || ["createdate", "hs_object_id"].contains(&name.as_str());
    contact["properties"].as_object_mut().unwrap().retain(|name, _| asked(name));
    (200, contact)
}

/// API v2.
fn pipedrive(token: &str, person: Option<&Value>) -> (u16, Value) {
    let fault =
        |error: &str| json!({"success": false, "error": error, "error_info": "Please check developers.pipedrive.com"});
    match person {
        _ if token != TOKEN => (401, fault("unauthorized access")),
        Some(person) => (200, person.clone()),
        None => (404, fault("Person not found")),
    }
}

/// API v2: a list of the leads of this id.
fn leadsquared(query: &BTreeMap<String, String>, lead: Option<&Value>) -> (u16, Value) {
    let fault =
        |kind: &str, message: &str| json!({"Status": "Error", "ExceptionType": kind, "ExceptionMessage": message});
    let shown = |name: &str, value: &str| query.get(name).is_some_and(|shown| shown == value);
    if !shown("accessKey", ACCESS) || !shown("secretKey", TOKEN) {
        return (401, fault("MXUnAuthorizedAccessException", &format!("no access with {:?}", query.get("secretKey"))));
    }
    (200, lead.map_or_else(|| json!([]), |lead| json!([lead])))
}

fn keap(key: &str, contact: Option<&Value>) -> (u16, Value) {
    match contact {
        _ if key != TOKEN => (401, json!({"message": "Unauthorized"})),
        Some(contact) => (200, contact.clone()),
        None => (404, json!({"message": "No contact with that id was found"})),
    }
}

fn bitrix(code: &str, method: &str, record: Option<&Value>) -> (u16, Value) {
    let fault = |code: &str, description: &str| json!({"error": code, "error_description": description});
    match (code == TOKEN, method, record) {
        (false, _, _) => (401, fault("INVALID_CREDENTIALS", "Invalid request credentials")),
        (_, "crm.lead.get" | "crm.contact.get", Some(record)) => (200, record.clone()),
        (_, "crm.lead.get" | "crm.contact.get", None) => (400, fault("", "Not found")),
        _ => (404, fault("ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}
