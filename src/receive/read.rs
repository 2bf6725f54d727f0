//! Reads a call in full, within bounds; unpacks gzip.

use std::io::Read as _;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt as _;

use super::problem::ReceiveError;
use crate::call::Call;

/// How much beyond the limit is still read, so that the sender finishes and hears the answer instead of a broken line.
const DRAIN: usize = 1 << 20;

/// Reads a request.
pub async fn call(request: Request, limit: usize) -> Result<Call, ReceiveError> {
    let (head, body) = request.into_parts();
    let announced = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > limit.saturating_add(DRAIN)) {
        return Err(ReceiveError::TooLarge(limit));
    }
    let sent = collect(body, limit, announced.unwrap_or(0).min(limit)).await?;
    let (body, packed) =
        match head.headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase())
        {
            None => (sent, None),
            Some(encoding) if encoding.is_empty() || encoding == "identity" => (sent, None),
            Some(encoding) if encoding == "gzip" || encoding == "x-gzip" => (unpack(&sent, limit)?, Some(sent)),
            Some(encoding) => return Err(ReceiveError::Encoding(encoding)),
        };
    Ok(Call { method: head.method, uri: head.uri, headers: head.headers, body, packed })
}

async fn collect(mut body: axum::body::Body, limit: usize, announced: usize) -> Result<Bytes, ReceiveError> {
    let mut whole = BytesMut::with_capacity(announced);
    let mut beyond = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ReceiveError::Unreadable(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if beyond > 0 || whole.len() + data.len() > limit {
            beyond += data.len();
            if beyond > DRAIN {
                break;
            }
        } else {
            whole.extend_from_slice(&data);
        }
    }
    if beyond > 0 { Err(ReceiveError::TooLarge(limit)) } else { Ok(whole.freeze()) }
}

fn unpack(packed: &[u8], limit: usize) -> Result<Bytes, ReceiveError> {
    let mut body = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed)
        .take(most)
        .read_to_end(&mut body)
        .map_err(|error| ReceiveError::Unreadable(format!("it is no gzip: {error}")))?;
    if body.len() > limit { Err(ReceiveError::TooLarge(limit)) } else { Ok(body.into()) }
}
