//! From a proven call to its events' values, and what came with them.
//!
//! It takes an [`Authentic`] and nothing else, so that nothing unproven is ever read as an event. What an event *means*
//! is for [`crate::source`].

use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::authenticate::Authentic;
use crate::body::{self, BodyError};
use crate::config::source::BodyFormat;
use crate::event::Envelope;

/// How many events one call may carry: HubSpot sends up to 100, Meta up to 1,000.
pub const EVENT_LIMIT: usize = 1_000;

/// Headers that carry secrets or are of no use to a template, whatever the source.
const NEVER_KEPT: [&str; 13] = [
    // the address, which may hold a secret, as a sender or a proxy repeats it
    "referer",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-envoy-original-path",
    "authorization",
    "proxy-authorization",
    "cookie",
    "connection",
    "content-length",
    "host",
    "accept-encoding",
];

/// How a source packs its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packing {
    /// The body's format.
    pub format: BodyFormat,
    /// A field that holds the event as JSON text.
    pub json_field: Option<String>,
    /// Where the events stand in the body.
    pub each: Option<Vec<String>>,
    /// Fields of the body that must not be kept.
    pub redact: Vec<Vec<String>>,
}

/// What was in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The value of each event, in order.
    pub values: Vec<Value>,
    /// The bytes of the one event there is, where they are its JSON with nothing to be left out of it.
    pub json: Option<Bytes>,
    /// For events without id.
    pub hashing: Hashing,
    /// What came with them.
    pub envelope: Envelope,
}

/// Makes the SHA-256 of events: of the body's bytes where it is one event, else of its value; and of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashing {
    bytes: Option<Bytes>,
    query: String,
}

impl Hashing {
    /// The hash of an event of the call.
    pub fn of(&self, event: &Value) -> [u8; 32] {
        match &self.bytes {
            Some(bytes) => hash(&[&bytes[..], self.query.as_bytes()].concat()),
            None => hash(format!("{event}{}", self.query).as_bytes()),
        }
    }
}

/// Why a proven body could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The body itself.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// An event is no set of fields.
    #[error("event {position} of the body is {found}, not an object")]
    NoObject {
        /// Which, from 1.
        position: usize,
        /// What it is.
        found: &'static str,
    },
    /// There are too many.
    #[error("the body carries {0} events; {EVENT_LIMIT} is the most")]
    TooMany(usize),
    /// The field that should hold JSON does not.
    #[error("the field `{field}` holds no readable JSON: {reason}")]
    JsonField {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the events of a proven call. An array gives an event for each entry.
///
/// # Errors
///
/// A [`DecodeError`] if the body is not what the source sends.
pub fn decode(authentic: &Authentic, packing: &Packing) -> Result<Decoded, DecodeError> {
    let call = authentic.call();
    let whole = body::parse(packing.format, call.header(CONTENT_TYPE.as_str()), &call.body, call.query())?;
    let mut whole = unfold(whole, packing.json_field.as_deref())?;
    redact(&mut whole, authentic, packing);
    let one_by_bytes = !whole.is_array() && packing.each.is_none() && !call.body.is_empty();
    let bytes = one_by_bytes.then(|| call.body.clone());
    let json = bytes.clone().filter(|bytes| is_its_own_json(bytes, authentic, packing));
    let values = spread(whole, packing.each.as_deref());
    if values.len() > EVENT_LIMIT {
        return Err(DecodeError::TooMany(values.len()));
    }
    if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| !value.is_object()) {
        return Err(DecodeError::NoObject { position: index + 1, found: kind(value) });
    }
    let envelope = envelope(authentic);
    // some senders say everything in the query of a POST whose body is always the same (Bitrix24's automation rules)
    let query =
        if envelope.query.is_empty() { String::new() } else { Value::Object(envelope.query.clone()).to_string() };
    Ok(Decoded { values, json, hashing: Hashing { bytes, query }, envelope })
}

/// Whether a body is the JSON of its event as it stands: nothing was read out of it, and nothing must be taken out.
fn is_its_own_json(body: &Bytes, authentic: &Authentic, packing: &Packing) -> bool {
    packing.json_field.is_none()
        && packing.redact.is_empty()
        && authentic.hidden().fields.is_empty()
        && body.starts_with(b"{")
        && body::is_json(packing.format, authentic.call().header(CONTENT_TYPE.as_str()), body)
}

/// The events of a body: the entries of an array; of each what stands at `path`, lists on the way spread. Where there is
/// no such field, the entry itself is the event (IndiaMART sends both forms).
///
/// An event keeps the plain values that stand around it (Meta's `field`, Keap's `event_key`), unless it has its own.
fn spread(whole: Value, path: Option<&[String]>) -> Vec<Value> {
    let entries = match whole {
        Value::Array(items) => items,
        one => vec![one],
    };
    let Some(path @ [first, ..]) = path else { return entries };
    let mut events = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.get(first).is_some() { gather(entry, path, "", &Map::new(), &mut events) } else { events.push(entry) }
    }
    events
}

fn gather(value: Value, path: &[String], name: &str, around: &Map<String, Value>, events: &mut Vec<Value>) {
    match (value, path) {
        (Value::Array(items), path) => items.into_iter().for_each(|item| gather(item, path, name, around, events)),
        (Value::Object(mut event), []) => {
            for (key, value) in around {
                event.entry(key.as_str()).or_insert_with(|| value.clone());
            }
            events.push(Value::Object(event));
        }
        // a list of bare ids, as Zoho sends it
        (plain, []) => {
            let mut event = around.clone();
            event.insert(name.to_owned(), plain);
            events.push(Value::Object(event));
        }
        (Value::Object(mut map), [first, rest @ ..]) => {
            let Some(inner) = map.remove(first) else { return };
            let mut around = around.clone();
            around.extend(map.into_iter().filter(|(_, value)| !value.is_object() && !value.is_array()));
            gather(inner, rest, first, &around, events);
        }
        _ => {}
    }
}

/// What came with a proven call, without its secrets.
pub fn envelope(authentic: &Authentic) -> Envelope {
    let (call, hidden) = (authentic.call(), authentic.hidden());
    let mut headers = Map::new();
    for name in call.headers.keys() {
        if !NEVER_KEPT.contains(&name.as_str()) && !hidden.headers.contains(name.as_str()) {
            headers.insert(name.as_str().to_owned(), Value::from(call.header(name.as_str()).unwrap_or("")));
        }
    }
    let mut query = match body::parse_form(call.query().as_bytes()) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    query.retain(|name, _| !hidden.query.contains(name));
    Envelope { headers, query }
}

/// The SHA-256 of some bytes.
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Puts the JSON text in a field beside the other fields: `rawRequest` becomes an object.
fn unfold(mut whole: Value, field: Option<&str>) -> Result<Value, DecodeError> {
    if let Some(field) = field
        && let Some(slot) = whole.get_mut(field)
        && let Some(text) = slot.as_str()
    {
        let unreadable = |reason: String| DecodeError::JsonField { field: field.to_owned(), reason };
        *slot =
            body::parse(BodyFormat::Json, None, text.as_bytes(), "").map_err(|error| unreadable(error.to_string()))?;
    }
    Ok(whole)
}

/// Takes out what must not be kept: fields that prove the call, and those that the source names.
fn redact(whole: &mut Value, authentic: &Authentic, packing: &Packing) {
    for path in authentic.hidden().fields.iter().chain(&packing.redact) {
        remove(whole, path);
    }
    // without a body the event is the query string, secret and all
    if authentic.call().body.is_empty()
        && let Some(map) = whole.as_object_mut()
    {
        map.retain(|name, _| !authentic.hidden().query.contains(name));
    }
}

fn remove(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Array(items), path) => items.iter_mut().for_each(|item| remove(item, path)),
        (Value::Object(map), [last]) => drop(map.remove(last)),
        (Value::Object(map), [first, rest @ ..]) => {
            if let Some(inner) = map.get_mut(first) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn events_are_found_wherever_they_stand() {
        let meta = json!({"object": "page", "entry": [
            {"id": 1, "changes": [{"value": {"leadgen_id": "1"}}, {"value": {"leadgen_id": "2"}}]},
            {"id": 2},
            {"id": 3, "changes": [{"value": {"leadgen_id": "3"}}]},
        ]});
        let ids: Vec<Value> =
            spread(meta, Some(&path("entry.changes.value"))).iter().map(|e| e["leadgen_id"].clone()).collect();
        assert_eq!(ids, ["1", "2", "3"]);
        // IndiaMART's three shapes
        let response = path("RESPONSE");
        for (body, expected) in [
            (json!({"CODE": 200, "RESPONSE": {"ID": 1}}), 1),
            (json!({"CODE": 200, "RESPONSE": [{"ID": 1}, {"ID": 1}]}), 2),
            (json!({"ID": 1}), 1),
        ] {
            let events = spread(body, Some(&response));
            assert_eq!((events.len(), &events[0]["ID"]), (expected, &json!(1)));
        }
        assert_eq!(spread(json!([{"a": 1}, {"a": 2}]), None).len(), 2);
        let keap = json!({"event_key": "contact.add", "id": 0, "more": [], "keys": [{"id": 4}, {"id": 5}]});
        assert_eq!(
            spread(keap, Some(&path("keys"))),
            [json!({"id": 4, "event_key": "contact.add"}), json!({"id": 5, "event_key": "contact.add"})]
        );
    }

    #[test]
    fn what_must_not_be_kept_goes_wherever_it_stands() {
        let mut body =
            json!({"auth": {"access_token": "t", "domain": "d"}, "list": [{"token": 1, "a": 2}, {"token": 3}], "n": 1});
        for name in ["auth.access_token", "list.token", "n.x", "missing.x"] {
            remove(&mut body, &path(name));
        }
        assert_eq!(body, json!({"auth": {"domain": "d"}, "list": [{"a": 2}, {}], "n": 1}));
    }
}
