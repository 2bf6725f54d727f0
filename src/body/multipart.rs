//! `multipart/form-data` (RFC 7578): text parts become fields, files are left out.

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::{Map, Value};

use super::BodyError;

/// How many parts one body may have.
const PART_LIMIT: usize = 1_000;

/// Reads the text parts.
pub fn parse(body: &[u8], content_type: &str) -> Result<Value, BodyError> {
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let whole = Bytes::copy_from_slice(body);
    let stream = futures_util::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(whole)));
    // the whole body is at hand, so reading it never waits
    read(multer::Multipart::new(stream, boundary))
        .now_or_never()
        .unwrap_or_else(|| Err(BodyError::malformed("multipart form", "it ends early")))
}

async fn read(mut parts: multer::Multipart<'_>) -> Result<Value, BodyError> {
    let mut fields = Map::new();
    let mut seen = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        seen += 1;
        if seen > PART_LIMIT {
            return Err(BodyError::malformed("multipart form", "it has more than 1,000 parts"));
        }
        if part.file_name().is_some() {
            continue;
        }
        let Some(name) = part.name().map(ToOwned::to_owned) else { continue };
        let bytes = part.bytes().await.map_err(malformed)?;
        let text = String::from_utf8(bytes.into())
            .map_err(|_| BodyError::malformed("multipart form", format!("part `{name}` is not UTF-8")))?;
        fields.insert(name, Value::String(text));
    }
    Ok(Value::Object(fields))
}

fn malformed(error: multer::Error) -> BodyError {
    BodyError::malformed("multipart form", error.to_string())
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
    fn a_body_that_ends_early_is_refused() {
        assert!(
            parse(b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1", "multipart/form-data; boundary=x")
                .is_err()
        );
        assert!(parse(b"anything", "multipart/form-data").is_err());
    }
}
