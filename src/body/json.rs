//! JSON (RFC 8259), and what senders write who fill texts into a template or encode twice. Numbers keep all their digits.
//!
//! The strict reading comes first and is the only one of what it reads, except where a key stands twice in an object: it
//! would drop all but the last.

use std::borrow::Cow;

use encoding_rs::Encoding;
use serde_json::Value;

use super::{BodyError, DEPTH_LIMIT, Parsed, Reading, charset, repeated};

/// How often JSON may stand as a text in JSON.
const ENCODED: usize = 3;

/// Reads JSON text.
pub fn parse(body: &[u8], declared: Option<&'static Encoding>) -> Result<Parsed, BodyError> {
    let mut parsed = read(body, declared)?;
    for _ in 0..ENCODED {
        let Value::String(text) = &parsed.value else { break };
        if !text.trim_start().starts_with(['{', '[', '"']) {
            break;
        }
        let Ok(within) = read(text.as_bytes(), None) else { break };
        parsed = Parsed { value: within.value, reading: Reading::Repaired };
    }
    Ok(parsed)
}

/// Strictly, or else with its charset and its raw line breaks repaired.
fn read(body: &[u8], declared: Option<&'static Encoding>) -> Result<Parsed, BodyError> {
    let error = match serde_json::from_slice(body) {
        Ok(value) => return whole(body, value),
        Err(error) => error,
    };
    let repaired = charset::text(body, declared).map(|text| match escaped(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(escaped) => Cow::Owned(escaped),
    });
    let Some(text) = repaired.filter(|text| text.len() != body.len() || matches!(text, Cow::Owned(_))) else {
        return Err(BodyError::malformed("JSON", error.to_string()));
    };
    let value = serde_json::from_str(&text).map_err(|error| BodyError::malformed("JSON", error.to_string()))?;
    Ok(Parsed { reading: Reading::Repaired, ..whole(text.as_bytes(), value)? })
}

/// A value that was read strictly, unless it is nested too deep or a key stood twice.
fn whole(text: &[u8], value: Value) -> Result<Parsed, BodyError> {
    let keys = keys(&value, DEPTH_LIMIT)
        .ok_or_else(|| BodyError::malformed("JSON", format!("nested deeper than {DEPTH_LIMIT}")))?;
    if keys >= repeated::marks(text) {
        return Ok(Parsed { value, reading: Reading::Exact });
    }
    let all = repeated::parse(text).map_err(|error| BodyError::malformed("JSON", error.to_string()))?;
    let reading = if all == value { Reading::Exact } else { Reading::Repaired };
    Ok(Parsed { value: all, reading })
}

/// How many keys all objects of a value have; `None` if it is nested deeper than the limit.
fn keys(value: &Value, limit: usize) -> Option<usize> {
    match value {
        Value::Array(items) => {
            let limit = limit.checked_sub(1)?;
            items.iter().try_fold(0, |sum, item| Some(sum + keys(item, limit)?))
        }
        Value::Object(map) => {
            let limit = limit.checked_sub(1)?;
            map.values().try_fold(map.len(), |sum, item| Some(sum + keys(item, limit)?))
        }
        _ => Some(0),
    }
}

/// JSON whose texts hold control characters as they are, with escapes in their place.
fn escaped(text: &str) -> Cow<'_, str> {
    let (mut out, mut from) = (String::new(), 0);
    let (mut in_text, mut after_backslash) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        if !in_text {
            in_text = byte == b'"';
        } else if byte < b' ' {
            out.push_str(text.get(from..at).unwrap_or_default());
            // before a line break a backslash is one that was typed
            out.push_str(if after_backslash { "\\" } else { "" });
            out.push_str(&escape(byte));
            (from, after_backslash) = (at + 1, false);
        } else if after_backslash {
            after_backslash = false;
        } else {
            after_backslash = byte == b'\\';
            in_text = byte != b'"';
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

fn escape(control: u8) -> Cow<'static, str> {
    match control {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        other => format!("\\u{other:04x}").into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(body: &[u8]) -> Result<Value, BodyError> {
        super::parse(body, None).map(|parsed| parsed.value)
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        let text = br#"{"a":9223372036854775807,"b":18446744073709551615,"c":-9223372036854775808}"#;
        assert_eq!(parse(text), Ok(json!({"a": i64::MAX, "b": u64::MAX, "c": i64::MIN})));
        let text = "[12345678901234567890123,1e+400,919812345670.0,0.10,-0]";
        assert_eq!(parse(text.as_bytes()).map(|value| value.to_string()).as_deref(), Ok(text));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(10_000);
        assert!(parse(deep.as_bytes()).is_err());
        let nested = |depth: usize, tail: &str| format!("{}{tail}{}", "[".repeat(depth), "]".repeat(depth));
        for tail in ["", "\"\n\"", r#"{"a":1,"a":2}"#] {
            let closed = parse(nested(65, tail).as_bytes());
            assert!(closed.is_err_and(|e| e.to_string().contains("deeper than 64")), "{tail:?}");
            assert!(parse(nested(63, tail).as_bytes()).is_ok(), "{tail:?}");
        }
        assert!(parse(nested(64, "").as_bytes()).is_ok());
    }

    #[test]
    fn truncated_text_and_binary_bytes_are_refused() {
        for wrong in [&b"{\"a\":"[..], b"{\"a\":\"\0", b"{\"a\":\"\xff\x01\"}", b"{\"a\":1}x", b"\xEF\xBB\xBF", b"\0\0"]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn line_breaks_and_tabs_in_texts_are_read() {
        let body = "{\n\t\"note\": \"call\tme\r\nafter \\\"six\\\"\n\",\n\"b\": \"c:\\\\\n\" }";
        assert_eq!(parse(body.as_bytes()), Ok(json!({"note": "call\tme\r\nafter \"six\"\n", "b": "c:\\\n"})));
        assert_eq!(parse(b"{\"a\x0b\":\"\0\x1f\"}"), Ok(json!({"a\u{b}": "\0\u{1f}"})));
        assert_eq!(parse(b"{\"a\":\"1\\\n2\"}"), Ok(json!({"a": "1\\\n2"})));
        let error = parse(b"{\"a\":\"1\n2\",\"b\":}").expect_err("no value");
        assert!(error.to_string().contains("expected value"), "{error}");
    }

    #[test]
    fn what_is_encoded_twice_is_read() {
        let inner = json!({"a": "x\"y", "b": [1, {"c": null}]});
        let mut body = inner.to_string();
        for _ in 0..ENCODED {
            body = Value::from(body).to_string();
            assert_eq!(parse(body.as_bytes()), Ok(inner.clone()));
        }
        assert_eq!(parse(b"\"[1]\""), Ok(json!([1])));
        assert_eq!(parse(b"\" {\\\"a\\\":\\\"1\\n2\\\"}\""), Ok(json!({"a": "1\n2"})));
        for text in ["Asha", "{no json", "919812345670"] {
            assert_eq!(parse(json!(text).to_string().as_bytes()), Ok(json!(text)));
        }
        // a text within an object stays a text
        assert_eq!(parse(br#"{"a":"{\"b\":1}"}"#), Ok(json!({"a": r#"{"b":1}"#})));
    }

    #[test]
    fn other_charsets_and_byte_order_marks_are_read() {
        let expected = Ok(json!({"n": "José"}));
        for body in [&b"{\"n\":\"Jos\xE9\"}"[..], b"\xEF\xBB\xBF\xEF\xBB\xBF {\"n\":\"Jos\xC3\xA9\"}"] {
            assert_eq!(parse(body), expected);
        }
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide: Vec<u8> = "\u{feff}{\"n\":\"José\"}".encode_utf16().flat_map(order).collect();
            assert_eq!(parse(&wide), expected);
        }
    }

    #[test]
    fn only_what_any_reader_reads_the_same_is_exact() {
        for (body, reading) in [
            (&br#"{"a":"x\":y","b" : {"c":": "}}"#[..], Reading::Exact),
            (br#"{"a":1,"a":1}"#, Reading::Exact),
            (br#"{"a":1,"a":2}"#, Reading::Repaired),
            (b"{\"a\":\"\n\"}", Reading::Repaired),
            (b"{\"a\":\"\xE9\"}", Reading::Repaired),
            (b"\xEF\xBB\xBF{\"a\":1}", Reading::Repaired),
            (br#""{\"a\":1}""#, Reading::Repaired),
        ] {
            assert_eq!(super::parse(body, None).expect("JSON").reading, reading, "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_strictly_is_read_the_same(text in "[\\[\\]{}:,\" \n\\\\anue1\u{e9}]{0,30}") {
            if let Ok(strict) = serde_json::from_str::<Value>(&text)
                && !strict.is_string()
                && repeated::parse(text.as_bytes()).is_ok_and(|all| all == strict)
            {
                prop_assert_eq!(parse(text.as_bytes()), Ok(strict));
            }
        }

        #[test]
        fn a_value_survives_a_sender_who_escapes_no_control_character(value in "[\u{0}-\u{20}a\"\\\\é]{0,20}") {
            let body = json!({"a": value, "b": 1}).to_string();
            let raw = [("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t")].iter().fold(body.replace("\\\\", "\u{1}\u{2}"), |body, (from, to)| {
                body.replace(from, to)
            });
            prop_assert_eq!(parse(raw.replace("\u{1}\u{2}", "\\\\").as_bytes()), Ok(json!({"a": value, "b": 1})));
        }
    }
}
