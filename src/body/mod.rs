//! The formats that bodies come in, each turned into one JSON value.
//!
//! Pure: bytes in, a value or an error out, with limits on depth and number. Whether the bytes may be believed is not
//! known here; [`crate::authenticate`] and [`crate::decode`] decide that.

mod charset;
mod fields;
mod form;
mod json;
mod multipart;
mod repeated;
mod xml;

use std::borrow::Cow;

use serde_json::Value;
use thiserror::Error;

use crate::config::source::BodyFormat;

/// How deep values may be nested: no sender in the field goes beyond a dozen.
pub const DEPTH_LIMIT: usize = 64;

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is not in the format it should be in.
    #[error("the body is not readable {format}: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong with it, without the body's own text.
        reason: String,
    },
    /// Nothing was sent.
    #[error("the body is empty")]
    Empty,
    /// Its content type is not one that this route reads.
    #[error("content type `{given}` is not read here; send {expected}")]
    ContentType {
        /// What was sent.
        given: String,
        /// What would be read.
        expected: &'static str,
    },
}

impl BodyError {
    fn malformed(format: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { format, reason: reason.into() }
    }
}

/// What was read of a body, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// How it was read.
    pub reading: Reading,
}

/// How close a value is to the bytes that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The body is the value's JSON, which any reader reads the same.
    Exact,
    /// The body was in another format.
    Converted,
    /// The body was read after something about it was repaired: its charset, JSON's line breaks, a key that stood twice.
    Repaired,
}

/// Reads a body. `content_type` is the whole header; `query` stands for the body where the source sends none.
///
/// # Errors
///
/// A [`BodyError`] if it is empty, of another type, not in its format, or nested too deep.
pub fn parse(format: BodyFormat, content_type: Option<&str>, body: &[u8], query: &str) -> Result<Parsed, BodyError> {
    let format = format_of(format, content_type, body, query)?;
    let is_plain = || !body.contains(&0) && std::str::from_utf8(body).is_ok();
    let converted = |value| Parsed { value, reading: if is_plain() { Reading::Converted } else { Reading::Repaired } };
    if format == Format::Query {
        return form::parse(query.as_bytes(), None).map(converted);
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(BodyError::Empty);
    }
    let declared = content_type.and_then(charset::declared);
    match format {
        Format::Json => json::parse(body, declared),
        Format::Form => form::parse(body, declared).map(converted),
        Format::Multipart => multipart::parse(body, content_type.unwrap_or("")).map(converted),
        Format::Soap => xml::parse_soap(body, declared).map(converted),
        Format::Xml => xml::parse(body, declared).map(converted),
        Format::Query => Err(BodyError::Empty),
    }
}

/// Reads a query string.
///
/// # Errors
///
/// A [`BodyError`] if its escapes are not text, or it has too many fields.
pub fn parse_query(query: &str) -> Result<Value, BodyError> {
    form::parse(query.as_bytes(), None)
}

/// The text of a body, whichever charset it is in; `None` if its bytes are not text.
pub fn text<'a>(content_type: Option<&str>, body: &'a [u8]) -> Option<Cow<'a, str>> {
    charset::text(body, content_type.and_then(charset::declared))
}

/// Whether [`parse`] reads the query in the body's place.
pub fn reads_query(format: BodyFormat, content_type: Option<&str>, body: &[u8], query: &str) -> bool {
    format_of(format, content_type, body, query) == Ok(Format::Query)
}

fn format_of(format: BodyFormat, content_type: Option<&str>, body: &[u8], query: &str) -> Result<Format, BodyError> {
    // a POST without a body that says everything in its query, whatever type it claims
    let says_nothing = body.iter().all(u8::is_ascii_whitespace) && !query.is_empty();
    if format == BodyFormat::Any && says_nothing { Ok(Format::Query) } else { resolve(format, content_type, body) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Form,
    Multipart,
    Soap,
    Xml,
    Query,
}

fn resolve(wanted: BodyFormat, content_type: Option<&str>, body: &[u8]) -> Result<Format, BodyError> {
    let essence = content_type.map(|whole| whole.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    let essence = essence.as_deref().filter(|essence| !essence.is_empty());
    let looks_like_json = || looks_like_json(body);
    let found = match essence {
        // curl and many a script send JSON and forget to say so
        Some("application/x-www-form-urlencoded") if wanted == BodyFormat::Any && looks_like_json() => {
            Some(Format::Json)
        }
        Some("application/x-www-form-urlencoded") => Some(Format::Form),
        Some("multipart/form-data") => Some(Format::Multipart),
        Some("application/xml" | "text/xml" | "application/soap+xml") => Some(Format::Xml),
        // what a program sends that says nothing of it, or no more than that it is text
        Some("text/plain" | "text/html") | None if wanted == BodyFormat::Any => Some(format_by_look(body)),
        // LeadSquared and others send JSON as text/plain
        Some("application/json" | "text/json" | "text/plain" | "application/csp-report") | None => Some(Format::Json),
        Some(other) if other.ends_with("+json") => Some(Format::Json),
        Some(_) => None,
    };
    let unexpected = |expected| Err(BodyError::ContentType { given: essence.unwrap_or("none").to_owned(), expected });
    match (wanted, found) {
        (BodyFormat::Query, _) => Ok(Format::Query),
        (BodyFormat::Any, Some(Format::Json)) if body.is_empty() && essence.is_none() => Ok(Format::Query),
        (BodyFormat::Any, Some(found)) => Ok(found),
        (BodyFormat::Any, None) if looks_like_json() => Ok(Format::Json),
        (BodyFormat::Any, None) => unexpected("application/json, a form, or XML"),
        (BodyFormat::Json, Some(Format::Json)) => Ok(Format::Json),
        // some senders let people choose the type, and the body is JSON all the same
        (BodyFormat::Json, _) if looks_like_json() => Ok(Format::Json),
        (BodyFormat::Json, _) => unexpected("application/json"),
        // a form is one in either encoding
        (BodyFormat::Form | BodyFormat::Multipart, Some(found @ (Format::Form | Format::Multipart))) => Ok(found),
        (BodyFormat::Form, _) => unexpected("application/x-www-form-urlencoded"),
        (BodyFormat::Multipart, _) => unexpected("multipart/form-data"),
        (BodyFormat::Soap, Some(Format::Xml)) => Ok(Format::Soap),
        (BodyFormat::Xml, Some(Format::Xml)) => Ok(Format::Xml),
        (BodyFormat::Soap | BodyFormat::Xml, _) => unexpected("text/xml"),
    }
}

/// What a body is that does not say it: XML, a form of which the first key has no space, or else JSON.
fn format_by_look(body: &[u8]) -> Format {
    let first = begin(body).next();
    let key = body.split(|byte| *byte == b'=').next().unwrap_or_default();
    let is_form = key.len() < body.len() && !key.is_empty() && !key.iter().any(u8::is_ascii_whitespace);
    match first {
        Some(b'<') => Format::Xml,
        Some(b'{' | b'[' | b'"') => Format::Json,
        _ if is_form => Format::Form,
        _ => Format::Json,
    }
}

/// Whether a body begins as JSON does: with an object or a list, be it as a text.
fn looks_like_json(body: &[u8]) -> bool {
    let mut begin = begin(body);
    match begin.next() {
        Some(b'{' | b'[') => true,
        Some(b'"') => begin.find(|byte| !matches!(byte, b'"' | b'\\')).is_some_and(|byte| matches!(byte, b'{' | b'[')),
        _ => false,
    }
}

/// How many bytes of a body's beginning are looked at.
const BEGINNING: usize = 64;

/// What a body begins with, without byte order marks, UTF-16's zero bytes and white space.
fn begin(body: &[u8]) -> impl Iterator<Item = u8> {
    let body = charset::without_marks(body.trim_ascii_start());
    let skipped = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0 | 0xFE | 0xFF);
    body.iter().take(BEGINNING).filter(move |byte| !skipped(byte)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(format: BodyFormat, content_type: Option<&str>, body: &[u8], query: &str) -> Result<Value, BodyError> {
        super::parse(format, content_type, body, query).map(|parsed| parsed.value)
    }

    #[test]
    fn the_content_type_decides_where_the_source_leaves_it_open() {
        let any = |content_type, body: &str| parse(BodyFormat::Any, content_type, body.as_bytes(), "q=1");
        assert_eq!(any(Some("application/json; charset=utf-8"), r#"{"a":1}"#), Ok(json!({"a": 1})));
        assert_eq!(any(Some("text/plain"), r#"{"a":1}"#), Ok(json!({"a": 1})));
        assert_eq!(any(Some("application/vnd.api+json"), "[1]"), Ok(json!([1])));
        assert_eq!(any(Some("application/x-www-form-urlencoded"), "a=1"), Ok(json!({"a": "1"})));
        assert_eq!(any(Some("application/x-www-form-urlencoded"), r#"{"a":1}"#), Ok(json!({"a": 1})));
        assert_eq!(any(None, ""), Ok(json!({"q": "1"})));
        for content_type in [None, Some("text/plain"), Some("text/html; charset=utf-8")] {
            assert_eq!(any(content_type, "a=1&b=x+y"), Ok(json!({"a": "1", "b": "x y"})), "{content_type:?}");
            assert_eq!(any(content_type, " <lead><a>1</a></lead>"), Ok(json!({"a": "1"})), "{content_type:?}");
            assert_eq!(any(content_type, r#"{"a":"b=1"}"#), Ok(json!({"a": "b=1"})), "{content_type:?}");
            assert!(matches!(any(content_type, "no form = 1"), Err(BodyError::Malformed { .. })), "{content_type:?}");
        }
        let urlencoded = Some("application/x-www-form-urlencoded");
        assert_eq!(parse(BodyFormat::Multipart, urlencoded, b"a=1", ""), Ok(json!({"a": "1"})));
        assert_eq!(any(Some("application/x-www-form-urlencoded"), ""), Ok(json!({"q": "1"})));
        assert!(matches!(any(Some("image/png"), "x"), Err(BodyError::ContentType { .. })));
    }

    #[test]
    fn a_zero_byte_at_the_end_is_no_part_of_a_body() {
        for (content_type, body) in [
            ("application/json", "{\"a\":\"1\"}\0\n"),
            ("application/x-www-form-urlencoded", "a=1\0"),
            ("text/xml", "<r><a>1</a></r>\0\0"),
        ] {
            let parsed = super::parse(BodyFormat::Any, Some(content_type), body.as_bytes(), "");
            assert_eq!(parsed, Ok(Parsed { value: json!({"a": "1"}), reading: Reading::Repaired }), "{content_type}");
        }
    }

    #[test]
    fn another_type_than_the_source_sends_is_refused() {
        let form = parse(BodyFormat::Json, Some("application/x-www-form-urlencoded"), b"a=1", "");
        assert!(matches!(form, Err(BodyError::ContentType { .. })));
        assert_eq!(parse(BodyFormat::Json, Some("application/json"), b" \n", ""), Err(BodyError::Empty));
    }

    proptest! {
        #[test]
        fn no_body_makes_a_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..400), format in 0..4_usize) {
            let types = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/xml"];
            let content_type = types.get(format).copied();
            let _ = parse(BodyFormat::Any, content_type, &body, "");
        }
    }
}
