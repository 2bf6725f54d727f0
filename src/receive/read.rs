//! Reads a call in full, before anything about it is proven: within bounds on size, memory and patience.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body_util::BodyExt as _;

use super::gzip::unpack;
use super::memory::{BodyMemory, Full, Reservation};
use super::problem::ReceiveError;
use crate::call::Call;
use crate::clock::Stopwatch;

/// How much beyond the limit is still read, so that the sender finishes and hears the answer instead of a broken line.
const DRAIN: usize = 1 << 20;

/// How long a sender may be slower than [`SLOWEST`] before it is cut off.
const GRACE: Duration = Duration::from_secs(5);

/// The slowest a body may come on average, in bytes a second.
const SLOWEST: u32 = 1_024;

/// How much of an unknown coding's name is repeated, in characters.
const SHOWN: usize = 40;

/// How much is allocated for a body at first, whatever its sender announces.
const FIRST: usize = 16 * 1_024;

/// Reads a request; what it takes in memory is reserved for as long as the second value is.
pub async fn call(
    request: Request,
    limit: usize,
    memory: &Arc<BodyMemory>,
) -> Result<(Call, Reservation), ReceiveError> {
    let (parts, body) = request.into_parts();
    check_transfer_encoding(&parts.headers)?;
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > limit.saturating_add(DRAIN)) {
        return Err(ReceiveError::TooLarge(limit));
    }
    let mut reserved = memory.reserve();
    let sent = collect(body, (limit, announced.unwrap_or(0)), &mut reserved).await?;
    let (body, packed) = match parts
        .headers
        .get(CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase())
    {
        None => (sent, None),
        Some(encoding) if encoding.is_empty() || encoding == "identity" => (sent, None),
        Some(encoding) if encoding == "gzip" || encoding == "x-gzip" => {
            (unpack(&sent, limit, &mut reserved).await?, Some(sent))
        }
        Some(encoding) => return Err(ReceiveError::Encoding(encoding.chars().take(SHOWN).collect())),
    };
    Ok((Call { method: parts.method, uri: parts.uri, headers: parts.headers, body, packed }, reserved))
}

/// A body that is coded in another way than in chunks would be taken for something it is not. Hyper has refused what does
/// not end in `chunked`, and takes `Content-Length` beside it for nothing, closing the connection.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), ReceiveError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(ReceiveError::TransferEncoding),
    }
}

async fn collect(
    mut body: Body,
    (limit, announced): (usize, usize),
    reserved: &mut Reservation,
) -> Result<Bytes, ReceiveError> {
    let mut whole = BytesMut::new();
    let mut pace = Pace { credit: GRACE };
    let (mut refused, mut drained) = (None, 0);
    while let Some(frame) = pace.wait(body.frame()).await? {
        let frame = frame.map_err(|error| ReceiveError::Unreadable(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        pace.received(data.len());
        if refused.is_none() {
            let taken = take(&mut whole, &data, (limit, announced), reserved);
            refused = taken.err();
        }
        if refused.is_some() {
            whole = BytesMut::new();
            drained += data.len();
            if drained > DRAIN {
                break;
            }
        }
    }
    refused.map_or_else(|| Ok(whole.freeze()), Err)
}

/// Adds to a body. Its memory grows with what has come, not with what was announced, and is reserved before.
fn take(
    whole: &mut BytesMut,
    data: &[u8],
    (limit, announced): (usize, usize),
    reserved: &mut Reservation,
) -> Result<(), ReceiveError> {
    let size = whole.len() + data.len();
    if size > limit {
        return Err(ReceiveError::TooLarge(limit));
    }
    if size > whole.capacity() {
        let doubled = size.max(FIRST).max(whole.capacity() * 2);
        let capacity = if announced >= size { doubled.min(announced) } else { doubled };
        reserved.grow_to(capacity)?;
        whole.reserve(capacity - whole.len());
    }
    whole.extend_from_slice(data);
    Ok(())
}

/// How long a sender may still be waited for: what it sends earns more, up to [`GRACE`].
struct Pace {
    credit: Duration,
}

impl Pace {
    async fn wait<T>(&mut self, next: impl Future<Output = T>) -> Result<T, ReceiveError> {
        let watch = Stopwatch::start();
        let came = tokio::time::timeout(self.credit, next).await.map_err(|_| ReceiveError::TooSlow)?;
        self.credit = self.credit.saturating_sub(watch.elapsed());
        Ok(came)
    }

    fn received(&mut self, bytes: usize) {
        let earned = (Duration::from_secs(1) / SLOWEST).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.credit = self.credit.saturating_add(earned).min(GRACE);
    }
}

impl From<Full> for ReceiveError {
    fn from(Full: Full) -> Self {
        Self::NoMemory
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::unfold;

    use super::*;

    const MEMORY: usize = 64 << 20;

    /// A body of so many pieces of so many bytes, each after a pause.
    fn dripping(pieces: usize, size: usize, pause: Duration) -> Body {
        Body::from_stream(unfold(0, move |sent| async move {
            tokio::time::sleep(pause).await;
            (sent < pieces).then(|| (Ok::<_, std::convert::Infallible>(vec![b'x'; size]), sent + 1))
        }))
    }

    async fn read(body: Body, memory: &Arc<BodyMemory>) -> Result<usize, String> {
        let request = http::Request::post("/webhooks/hello").body(body).expect("a request");
        call(request, 1 << 20, memory).await.map(|(call, _)| call.body.len()).map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_too_slowly_is_cut_off_and_a_slow_one_is_not() {
        let memory = Arc::new(BodyMemory::new(MEMORY));
        let second = Duration::from_secs(1);
        for (body, read_as) in [
            (dripping(100, 1_100, second), Ok(110_000)),
            (dripping(3, 1, second), Ok(3)),
            (dripping(1_000, 900, second), Err("slow")),
            (dripping(1_000, 1, second), Err("slow")),
            // what came fast at first does not earn a longer silence
            (dripping(3, 300_000, 6 * second), Err("slow")),
            (dripping(3, 300_000, 4 * second), Ok(900_000)),
        ] {
            let watch = Stopwatch::start();
            match (read(body, &memory).await, read_as) {
                (Ok(size), Ok(expected)) => assert_eq!(size, expected),
                (Err(error), Err(part)) => {
                    assert!(error.contains(part), "{error}");
                    assert!(watch.elapsed() < 60 * second, "{:?}", watch.elapsed());
                }
                (other, expected) => panic!("{other:?} instead of {expected:?}"),
            }
        }
    }

    #[tokio::test]
    async fn memory_is_reserved_for_what_came_and_given_back() {
        let memory = Arc::new(BodyMemory::new(500_000));
        let large = || dripping(9, 100_000, Duration::ZERO);
        assert!(read(large(), &memory).await.is_err_and(|error| error.contains("memory")));
        let small = http::Request::post("/").header(CONTENT_LENGTH, "1000000").body(Body::from("{}")).expect("request");
        let reserved = call(small, 1 << 20, &memory).await.expect("what is announced takes nothing");
        assert_eq!(read(dripping(4, 100_000, Duration::ZERO), &memory).await, Ok(400_000));
        drop(reserved);
        assert_eq!(read(dripping(4, 100_000, Duration::ZERO), &memory).await, Ok(400_000));
    }

    #[tokio::test]
    async fn only_chunks_are_understood_as_a_transfer_coding() {
        let memory = Arc::new(BodyMemory::new(MEMORY));
        for (values, understood) in [
            (&["chunked"][..], true),
            (&["Chunked "], true),
            (&["gzip, chunked"], false),
            (&["gzip", "chunked"], false),
            (&["chunked, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["xchunked"], false),
        ] {
            let mut request = http::Request::post("/").body(Body::from("{}")).expect("a request");
            for value in values {
                request.headers_mut().append(TRANSFER_ENCODING, value.parse().expect("a header"));
            }
            assert_eq!(call(request, 100, &memory).await.is_ok(), understood, "{values:?}");
        }
    }
}
