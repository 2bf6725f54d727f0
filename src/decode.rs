//! From a proven call to its events' values, and what came with them.
//!
//! It takes an [`Authentic`] and nothing else, so that nothing unproven is ever read as an event. What an event *means*
//! is for [`crate::source`].

use aws_lc_rs::digest;
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
const NEVER_KEPT: [&str; 8] = [
    "referer",
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
}

/// What was in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The value of each event, in order.
    pub values: Vec<Value>,
    /// The SHA-256 of each event's bytes or value, for events without id.
    pub hashes: Vec<[u8; 32]>,
    /// What came with them.
    pub envelope: Envelope,
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
    let whole = unfold(whole, packing.json_field.as_deref())?;
    let several = whole.is_array();
    let mut values = match whole {
        Value::Array(items) => items,
        one => vec![one],
    };
    if values.len() > EVENT_LIMIT {
        return Err(DecodeError::TooMany(values.len()));
    }
    if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| !value.is_object()) {
        return Err(DecodeError::NoObject { position: index + 1, found: kind(value) });
    }
    let hashes = if several || call.body.is_empty() {
        values.iter().map(|value| hash(value.to_string().as_bytes())).collect()
    } else {
        vec![hash(&call.body)]
    };
    values.iter_mut().for_each(|value| redact(value, authentic));
    Ok(Decoded { values, hashes, envelope: envelope(authentic) })
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

fn redact(value: &mut Value, authentic: &Authentic) {
    for path in &authentic.hidden().fields {
        if let Some((last, steps)) = path.split_last()
            && let Some(parent) = steps.iter().try_fold(&mut *value, |value, step| value.get_mut(step))
            && let Some(map) = parent.as_object_mut()
        {
            map.remove(last);
        }
    }
    // without a body the event is the query string, secret and all
    if authentic.call().body.is_empty()
        && let Some(map) = value.as_object_mut()
    {
        map.retain(|name, _| !authentic.hidden().query.contains(name));
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
