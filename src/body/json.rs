//! JSON (RFC 8259). Of a key that stands twice the last counts; numbers keep all their digits.

use serde_json::Value;

use super::{BodyError, DEPTH_LIMIT};

/// Reads JSON text. A byte order mark, which some PHP senders write, is skipped.
pub fn parse(body: &[u8]) -> Result<Value, BodyError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let value: Value = serde_json::from_slice(body).map_err(|error| BodyError::malformed("JSON", error.to_string()))?;
    if depth_exceeds(&value, DEPTH_LIMIT) {
        return Err(BodyError::malformed("JSON", format!("nested deeper than {DEPTH_LIMIT}")));
    }
    Ok(value)
}

fn depth_exceeds(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(|item| depth_exceeds(item, limit - 1)),
        Value::Object(map) => limit == 0 || map.values().any(|item| depth_exceeds(item, limit - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let closed = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(parse(closed.as_bytes()).is_err_and(|e| e.to_string().contains("deeper than 64")));
        let fine = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(parse(fine.as_bytes()).is_ok());
    }

    #[test]
    fn truncated_text_nul_bytes_and_broken_utf8_are_refused() {
        for wrong in [&b"{\"a\":"[..], b"{\"a\":\"\0\"}", b"{\"a\":\"\xff\"}", b"{\"a\":1}x"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn of_a_repeated_key_the_last_counts() {
        assert_eq!(parse(br#"{"a":1,"a":2}"#), Ok(json!({"a": 2})));
    }
}
