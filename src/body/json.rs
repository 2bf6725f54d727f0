//! JSON (RFC 8259), and what senders write who fill texts into a template or encode twice. Numbers keep all their digits.
//!
//! The strict reading comes first, and is the only one of what it reads.

use std::borrow::Cow;

use encoding_rs::Encoding;
use serde_json::Value;

use super::{BodyError, Parsed, Reading, charset, repeated};

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
    let error = match repeated::parse(body) {
        Ok((value, is_repeated)) => {
            return Ok(Parsed { value, reading: if is_repeated { Reading::Repaired } else { Reading::Exact } });
        }
        Err(error) => error,
    };
    let Some(sent) = charset::text(body, declared) else {
        let shown = String::from_utf8_lossy(body);
        return Err(BodyError::malformed("JSON", located(&error, body, &shown)));
    };
    let sent = match sent {
        // a text that C ended
        Cow::Borrowed(text) => Cow::Borrowed(without_zeros(text)),
        Cow::Owned(text) => Cow::Owned(without_zeros(&text).to_owned()),
    };
    let repaired = escaped(&sent);
    if sent.len() == body.len() && matches!((&sent, &repaired), (Cow::Borrowed(_), Cow::Borrowed(_))) {
        return Err(BodyError::malformed("JSON", located(&error, body, &sent)));
    }
    let (value, _) = repeated::parse(repaired.as_bytes())
        .map_err(|error| BodyError::malformed("JSON", located(&error, repaired.as_bytes(), &sent)))?;
    Ok(Parsed { value, reading: Reading::Repaired })
}

/// What is wrong with a text, and where that stands in the body as it was sent: its line, and which character of that line.
fn located(error: &serde_json::Error, read: &[u8], sent: &str) -> String {
    let (line, column) = (error.line(), error.column());
    let said = error.to_string();
    let Some(what) = said.strip_suffix(&format!(" at line {line} column {column}")) else { return said };
    let mut ends = read.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = line.checked_sub(2).map_or(Some(0), |before| ends.nth(before)).unwrap_or(read.len());
    let at = origin(sent, start + column);
    let before: &[u8] = sent.as_bytes().get(..at).unwrap_or(sent.as_bytes());
    let lines = before.split(|byte| *byte == b'\n');
    let is_first_byte = |byte: &&u8| **byte & 0xC0 != 0x80;
    let column = lines.clone().next_back().unwrap_or_default().iter().filter(is_first_byte).count();
    format!("{what} at line {} column {column}", lines.count())
}

/// Where in a text that stands which is at some place once the text is [`escaped`].
fn origin(text: &str, at: usize) -> usize {
    let mut longer = 0;
    for (place, escape) in escapes(text) {
        if place + longer >= at {
            break;
        }
        if place + longer + escape.len() >= at {
            return place + 1;
        }
        longer += escape.len() - 1;
    }
    at - longer
}

/// Without zero bytes at the end.
fn without_zeros(text: &str) -> &str {
    text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace())
}

/// JSON whose texts hold what must be escaped, or is escaped though it must not be, as JSON has it.
fn escaped(text: &str) -> Cow<'_, str> {
    let (mut out, mut from) = (String::new(), 0);
    for (at, escape) in escapes(text) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(&escape);
        from = at + 1;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where a text of JSON has a byte in whose place another, or several, should stand: a control character; the quotation mark of `\'`; the
/// digits of half a character, which are those of U+FFFD then.
fn escapes(text: &str) -> impl Iterator<Item = (usize, Cow<'static, str>)> {
    let (mut in_text, mut after_backslash) = (false, false);
    let (mut lone, mut paired_at) = ("", None);
    text.bytes().enumerate().filter_map(move |(at, byte)| {
        if let Some((digit, others)) = lone.split_at_checked(1) {
            lone = others;
            return Some((at, digit.into()));
        }
        if !in_text {
            in_text = byte == b'"';
            return None;
        }
        let was_after_backslash = after_backslash;
        after_backslash = byte == b'\\' && !was_after_backslash;
        if byte < b' ' {
            let escape = escape(byte);
            // before a line break a backslash is one that was typed
            return Some((at, if was_after_backslash { format!("\\{escape}").into() } else { escape }));
        }
        if was_after_backslash && byte == b'\'' {
            return Some((at, "u0027".into()));
        }
        if was_after_backslash && byte == b'u' {
            let half = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
            let follows = text.get(at + 5..at + 7) == Some("\\u");
            match half(at + 1) {
                Some(0xD800..0xDC00) if follows && matches!(half(at + 7), Some(0xDC00..0xE000)) => {
                    paired_at = Some(at + 6);
                }
                Some(0xDC00..0xE000) if paired_at == Some(at) => {}
                Some(0xD800..0xE000) => lone = "fffd",
                _ => {}
            }
        }
        in_text = byte != b'"' || was_after_backslash;
        None
    })
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
    fn half_a_character_and_an_escaped_quotation_mark_are_read() {
        for (body, read) in [
            (r#"{"a":"Sale \ud83c"}"#, "Sale \u{fffd}"),
            (r#"{"a":"\ud83c\udf89 \udf89\ud83c"}"#, "\u{1f389} \u{fffd}\u{fffd}"),
            (r#"{"a":"\\ud83c \ud83cx"}"#, "\\ud83c \u{fffd}x"),
            (r#"{"a":"D\'Souza \\'"}"#, "D'Souza \\'"),
        ] {
            assert_eq!(parse(body.as_bytes()), Ok(json!({ "a": read })), "{body}");
        }
        assert_eq!(parse(b"{\"a\":1}\0\n\0"), Ok(json!({"a": 1})));
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

    /// How a text becomes bytes, and what its content type declares.
    type Sent = (fn(&str) -> Vec<u8>, &'static str);

    #[test]
    fn a_fault_is_where_it_stands_in_the_body_that_was_sent() {
        fn wide(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        }
        let latin: fn(&str) -> Vec<u8> = |text| text.chars().filter_map(|c| u8::try_from(c).ok()).collect();
        let sent: [Sent; 8] = [
            (|text| text.into(), ""),
            (|text| format!("\u{feff}{text}").into(), ""),
            (|text| format!("\u{feff}\u{feff}{text}").into(), ""),
            (|text| wide(&format!("\u{feff}{text}"), u16::to_le_bytes), ""),
            (|text| wide(text, u16::to_be_bytes), ""),
            (|text| wide(text, u16::to_le_bytes), "text/plain; charset=utf-16le"),
            (latin, "text/plain; charset=iso-8859-1"),
            (latin, ""),
        ];
        // the fault is the exclamation mark
        for text in [
            r#"{"a":1,"b":!}"#,
            r#"{"é":"José", "b":!}"#,
            "{\n  \"a\": \"é\",\n  \"b\": !\n}",
            "{\"a\":\"é one\ntwo\",\"b\":!}",
            "{\"a\":\"one\r\n\ttwo\u{1}\\\n\",\n\"b\":\t!}",
            "{\"a\":\"\t\t\t\",\"é\":!}",
            "[\"\n\n\n\",\n\"é\" !",
            "!\"é\"",
        ] {
            let before = text.split('!').next().unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            for (index, (bytes, declared)) in sent.iter().enumerate() {
                let error = super::parse(&bytes(text), charset::declared(declared)).expect_err(text).to_string();
                assert!(error.ends_with(&format!(" at line {line} column {column}")), "{index}: {text:?}: {error}");
            }
        }
        // what is not text at all is counted as it would be shown
        let error = parse(b"{\"a\":\"\xE0\xA4\x86\xE0\xA4\",\n!}").expect_err("cut").to_string();
        assert!(error.contains(" at line 1 column "), "{error}");
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
        fn what_is_escaped_is_found_where_it_stood(text in "[\"\\\\a\n\t\u{1}é]{0,30}") {
            let (escaped, mut at) = (escaped(&text), 0);
            let unescaped = |text: &str| text.chars().filter(|c| *c == 'a' || *c == 'é').count();
            for c in escaped.chars() {
                at += c.len_utf8();
                let prefix = text.get(..origin(&text, at)).unwrap_or_default();
                prop_assert_eq!(unescaped(prefix), unescaped(escaped.get(..at).unwrap_or_default()));
            }
        }

        #[test]
        fn what_is_read_strictly_is_read_the_same(text in "[\\[\\]{}:,\" \n\\\\anue1\u{e9}]{0,30}") {
            if let Ok(strict) = serde_json::from_str::<Value>(&text)
                && !strict.is_string()
                && repeated::parse(text.as_bytes()).is_ok_and(|(all, _)| all == strict)
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
