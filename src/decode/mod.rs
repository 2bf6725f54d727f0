//! From a proven call to its events' values, and what came with them.
//!
//! It takes an [`Authentic`] and nothing else, so that nothing unproven is ever read as an event. What an event *means*
//! is for [`crate::source`].

mod spread;

use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::authenticate::Authentic;
use crate::body::{self, BodyError, Parsed, Reading};
use crate::config::source::BodyFormat;
use crate::event::Envelope;
use spread::spread;

pub use spread::{CallLimit, Entry, Exceeded};

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
    /// The events, in order.
    pub entries: Vec<Entry>,
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
    /// An event is not a set of fields.
    #[error("event {position} of the body is {found}, not an object")]
    NoObject {
        /// Which, from 1.
        position: usize,
        /// What it is.
        found: &'static str,
    },
    /// One call brings more than a call may.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
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
/// A [`DecodeError`] if the body is not what the source sends, or brings more than one call may.
pub fn decode(authentic: &Authentic, packing: &Packing, limit: CallLimit) -> Result<Decoded, DecodeError> {
    let call = authentic.call();
    let Parsed { value, reading } =
        body::parse(packing.format, call.header(CONTENT_TYPE.as_str()), &call.body, call.query())?;
    let mut whole = unfold(value, packing.json_field.as_deref())?;
    let is_unpacked = packing.format == BodyFormat::Any && unpack(&mut whole);
    // how a secret is spelled in bytes that had to be repaired is not known
    let says_a_secret = is_unpacked || reading == Reading::Repaired || says_a_secret(authentic, packing);
    redact(&mut whole, authentic, packing);
    if says_a_secret {
        authentic.hidden().secrets.in_bodies.hide_in(&mut whole);
    }
    let one_by_bytes = !whole.is_array() && packing.each.is_none() && !call.body.is_empty();
    let bytes = one_by_bytes.then(|| call.body.clone());
    let json = bytes.clone().filter(|bytes| {
        reading == Reading::Exact && !is_unpacked && !says_a_secret && is_its_own_json(bytes, authentic, packing)
    });
    let entries = spread(whole, packing.each.as_deref(), limit)?;
    if let Some((index, entry)) = entries.iter().enumerate().find(|(_, entry)| !entry.own.is_object()) {
        return Err(DecodeError::NoObject { position: index + 1, found: kind(&entry.own) });
    }
    let envelope = envelope(authentic);
    // some senders say everything in the query of a POST whose body is always the same (Bitrix24's automation rules)
    let query =
        if envelope.query.is_empty() { String::new() } else { Value::Object(envelope.query.clone()).to_string() };
    Ok(Decoded { entries, json, hashing: Hashing { bytes, query }, envelope })
}

/// Whether a body is the JSON of its event as it stands: nothing was read out of it, and nothing must be taken out.
fn is_its_own_json(body: &Bytes, authentic: &Authentic, packing: &Packing) -> bool {
    packing.json_field.is_none()
        && packing.redact.is_empty()
        && authentic.hidden().fields.is_empty()
        && body.starts_with(b"{")
}

/// What came with a proven call, without its secrets.
pub fn envelope(authentic: &Authentic) -> Envelope {
    let (call, hidden) = (authentic.call(), authentic.hidden());
    let mut headers = Map::new();
    for name in call.headers.keys() {
        if !NEVER_KEPT.contains(&name.as_str()) && !hidden.headers.contains(name.as_str()) {
            let value = hidden.secrets.anywhere.hide(call.header(name.as_str()).unwrap_or(""));
            headers.insert(name.as_str().to_owned(), Value::from(value));
        }
    }
    let mut query = match body::parse_query(call.query()) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    query.retain(|name, _| !hidden.query.contains(name));
    hidden.secrets.anywhere.hide_in_map(&mut query);
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
        let parsed = body::parse(BodyFormat::Json, None, text.as_bytes(), "");
        // its places are those of the field's text, not of the body
        let reason = |error| match error {
            BodyError::Malformed { reason, .. } => format!("{reason} of its text"),
            BodyError::Empty => "it is empty".to_owned(),
            other @ BodyError::ContentType { .. } => other.to_string(),
        };
        *slot = parsed.map_err(|error| unreadable(reason(error)))?.value;
    }
    Ok(whole)
}

/// Where services put what they were told, as JSON text in a form or in other JSON.
const PACKED: [&str; 6] = ["payload", "data", "body", "json", "rawRequest", "event"];

/// Puts the JSON text of an object beside the other fields, where a source does not say that there is one: in a field of such a name, or
/// in the only one there is. Whether there was any.
fn unpack(whole: &mut Value) -> bool {
    let Some(fields) = whole.as_object_mut() else { return false };
    let is_alone = fields.len() == 1;
    let mut found = false;
    for (_, value) in fields.iter_mut().filter(|(name, _)| is_alone || PACKED.contains(&name.as_str())) {
        let text = value.as_str().filter(|text| text.trim_start().starts_with('{'));
        let within = text.and_then(|text| body::parse(BodyFormat::Json, None, text.as_bytes(), "").ok());
        if let Some(within) = within.map(|parsed| parsed.value).filter(Value::is_object) {
            *value = within;
            found = true;
        }
    }
    found
}

/// Takes out what must not be kept: fields that prove the call, and those that the source names.
fn redact(whole: &mut Value, authentic: &Authentic, packing: &Packing) {
    for path in authentic.hidden().fields.iter().chain(&packing.redact) {
        remove(whole, path);
    }
    // the event may be the query string, secret and all
    if reads_query(authentic, packing)
        && let Some(map) = whole.as_object_mut()
    {
        map.retain(|name, _| !authentic.hidden().query.contains(name));
    }
}

fn reads_query(authentic: &Authentic, packing: &Packing) -> bool {
    let call = authentic.call();
    body::reads_query(packing.format, call.header(CONTENT_TYPE.as_str()), &call.body, call.query())
}

/// Whether what becomes the event repeats a secret of the route, in whatever spelling.
fn says_a_secret(authentic: &Authentic, packing: &Packing) -> bool {
    let call = authentic.call();
    let said = if reads_query(authentic, packing) { call.query().as_bytes() } else { &call.body };
    authentic.hidden().secrets.in_bodies.are_in(said)
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
    fn what_must_not_be_kept_goes_wherever_it_stands() {
        let mut body =
            json!({"auth": {"access_token": "t", "domain": "d"}, "list": [{"token": 1, "a": 2}, {"token": 3}], "n": 1});
        for name in ["auth.access_token", "list.token", "n.x", "missing.x"] {
            remove(&mut body, &path(name));
        }
        assert_eq!(body, json!({"auth": {"domain": "d"}, "list": [{"a": 2}, {}], "n": 1}));
    }
}
