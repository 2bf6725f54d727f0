//! `multipart/form-data` (RFC 7578): text parts become fields as those of any form do, files are left out.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::Encoding;
use futures_util::FutureExt as _;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::Value;

use super::fields::Fields;
use super::{BodyError, charset};

/// How many parts one body may have.
const PART_LIMIT: usize = 1_000;

/// A text part, as its bytes stand there.
struct Part {
    name: Bytes,
    value: Bytes,
    charset: Option<&'static Encoding>,
}

/// Reads the text parts.
pub fn parse(body: &[u8], content_type: &str) -> Result<Value, BodyError> {
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let declared = charset::declared(content_type);
    let whole = if charset::wide(body, declared).is_some() {
        Bytes::from(charset::text(body, declared).ok_or_else(|| wrong("it is not UTF-16"))?.into_owned())
    } else {
        Bytes::copy_from_slice(charset::without_marks(body))
    };
    // scripts that write a body themselves end lines as their system does
    let whole = if whole.contains(&b'\r') { whole } else { with_line_ends(&whole) };
    let stream = futures_util::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(whole)));
    // the whole body is at hand, so reading it never waits
    let parts =
        read(multer::Multipart::new(stream, boundary)).now_or_never().unwrap_or_else(|| Err(wrong("it ends early")))?;
    fields(&parts, declared)
}

async fn read(mut multipart: multer::Multipart<'_>) -> Result<Vec<Part>, BodyError> {
    let mut parts = Vec::new();
    let mut seen = 0;
    while let Some(part) = multipart.next_field().await.map_err(malformed)? {
        seen += 1;
        if seen > PART_LIMIT {
            return Err(wrong("it has more than 1,000 parts"));
        }
        let disposition = part.headers().get(CONTENT_DISPOSITION).map(HeaderValue::as_bytes).unwrap_or_default();
        if part.file_name().is_some() || parameter(disposition, b"filename").is_some() {
            continue;
        }
        let name = part.name().map(|name| Bytes::copy_from_slice(name.as_bytes()));
        // one that is not UTF-8 is not found by the library
        let name = name.or_else(|| parameter(disposition, b"name").map(Bytes::copy_from_slice));
        let Some(name) = name else { continue };
        let content_type = part.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let charset = content_type.and_then(charset::declared);
        parts.push(Part { name, value: part.bytes().await.map_err(malformed)?, charset });
    }
    Ok(parts)
}

/// A quoted parameter of a header, as its bytes stand there.
fn parameter<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    header.split(|byte| *byte == b';').skip(1).find_map(|parameter| {
        let value = parameter.trim_ascii().strip_prefix(name)?.strip_prefix(b"=\"")?;
        value.split(|byte| *byte == b'"').next()
    })
}

/// The charset of what declares none is one for all parts: a lossy reading would change a name for good.
fn fields(parts: &[Part], declared: Option<&'static Encoding>) -> Result<Value, BodyError> {
    let undeclared = |part: &Part| match part.charset {
        None => [&part.name[..], &part.value[..]].concat(),
        Some(_) => part.name.to_vec(),
    };
    let usual = charset::narrow(&parts.iter().flat_map(undeclared).collect::<Vec<u8>>(), declared);
    let decoded = |bytes| usual.and_then(|usual| charset::decode(bytes, usual)).map(Cow::into_owned);
    let mut fields = Fields::default();
    for part in parts {
        let name = decoded(&part.name).ok_or_else(|| wrong("the name of a part is not UTF-8"))?;
        let value = match part.charset {
            Some(charset) => charset::text(&part.value, Some(charset)).map(Cow::into_owned),
            None => decoded(&part.value),
        };
        let unreadable = || wrong(&format!("part `{name}` is not {}", part.charset.map_or("UTF-8", Encoding::name)));
        if !fields.add(&name, value.ok_or_else(unreadable)?) {
            return Err(wrong("the names of its parts are nested too deep"));
        }
    }
    Ok(fields.into_value())
}

/// With the line ends that the format asks for.
fn with_line_ends(body: &[u8]) -> Bytes {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..]).into()
}

fn wrong(reason: &str) -> BodyError {
    BodyError::malformed("multipart form", reason)
}

fn malformed(error: multer::Error) -> BodyError {
    wrong(&error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_parts_become_fields_and_files_are_left_out() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"formID\"\r\n\r\n2403\r\n--x\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"cv.pdf\"\r\n\r\nPDF\r\n--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nआशा\r\n--x--\r\n";
        assert_eq!(
            parse(body.as_bytes(), "multipart/form-data; boundary=x"),
            Ok(json!({"formID": "2403", "name": "आशा"}))
        );
    }

    #[test]
    fn lines_may_end_without_a_carriage_return() {
        let body = "--x\nContent-Disposition: form-data; name=\"name\"\n\nAsha\n--x--\n";
        assert_eq!(parse(body.as_bytes(), "multipart/form-data; boundary=x"), Ok(json!({"name": "Asha"})));
    }

    fn form(parts: &[(&str, &[u8])], content_type: &str) -> Result<Value, BodyError> {
        let part = |(head, value): &(&str, &[u8])| {
            let head = format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n");
            // what stands for a letter of another charset in these tests
            let head = head.bytes().map(|byte| if byte == b'~' { 0xE9 } else { byte });
            head.chain(value.iter().copied()).chain(*b"\r\n").collect::<Vec<u8>>()
        };
        let body: Vec<u8> = parts.iter().flat_map(part).chain(*b"--x--\r\n").collect();
        parse(&body, content_type)
    }

    #[test]
    fn brackets_and_keys_that_stand_twice_are_as_in_any_form() {
        let parts: [(&str, &[u8]); 7] = [
            ("name=\"contact[name]\"", b"Asha Rao"),
            ("name=\"contact[phone]\"", b"98123 45670"),
            ("name=\"days[]\"", b"Mon"),
            ("name=\"days[]\"", b"Tue"),
            ("name=\"a\"", b"1"),
            ("name=\"a\"", b"1"),
            ("name=\"a\"", b"2"),
        ];
        assert_eq!(
            form(&parts, "multipart/form-data; boundary=x"),
            Ok(
                json!({"contact": {"name": "Asha Rao", "phone": "98123 45670"}, "days": ["Mon", "Tue"], "a": ["1", "2"]})
            )
        );
    }

    #[test]
    fn other_charsets_are_read_declared_or_not() {
        let expected = Ok(json!({"pr\u{e9}nom": "Jos\u{e9}"}));
        let undeclared: [(&str, &[u8]); 2] =
            [("name=\"pr~nom\"", b"Jos\xE9"), ("name=\"cv\"; filename=\"r~sum~.pdf\"", b"\xff\x00")];
        for content_type in ["multipart/form-data; boundary=x", "multipart/form-data; charset=ISO-8859-1; boundary=x"] {
            assert_eq!(form(&undeclared, content_type), expected, "{content_type}");
        }
        let latin = "name=\"a\"\r\nContent-Type: text/plain; charset=iso-8859-2";
        let parts: [(&str, &[u8]); 2] = [(latin, b"\xB1"), ("name=\"b\"", "\u{906}".as_bytes())];
        assert_eq!(form(&parts, "multipart/form-data; boundary=x"), Ok(json!({"a": "\u{105}", "b": "\u{906}"})));
        let damaged: [(&str, &[u8]); 1] = [("name=\"a\"", b"\xE0\xA4\x86\xE0\xA4")];
        assert!(form(&damaged, "multipart/form-data; boundary=x").is_err());
    }

    #[test]
    fn byte_order_marks_are_skipped() {
        let plain = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n";
        let marked = format!("\u{feff}{plain}");
        let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for body in [plain.as_bytes(), marked.as_bytes(), &wide] {
            assert_eq!(parse(body, "multipart/form-data; boundary=x"), Ok(json!({"a": "1"})));
        }
    }

    #[test]
    fn a_body_that_ends_early_is_refused() {
        assert!(
            parse(b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", "multipart/form-data; boundary=x")
                .is_err()
        );
        assert!(parse(b"anything", "multipart/form-data").is_err());
    }
}
