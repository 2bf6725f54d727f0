//! Unpacks gzip before anything is proven: within bounds on what comes out, on what it costs, and on members.

use std::io::{BufRead, Error, Read};
use std::time::Duration;

use bytes::Bytes;
use flate2::bufread::GzDecoder;

use super::memory::Reservation;
use super::problem::ReceiveError;
use crate::clock::Stopwatch;

/// How many members (RFC 1952) one body may have. Every sender in the field sends one.
const MEMBERS: usize = 16;

/// How much larger than what came out of it so far the packed body may be, in bytes, beyond twice its size. What is packed
/// to be sent is not larger; empty blocks and members are, and cost a processor for nothing.
const OVERHEAD: usize = 16 * 1_024;

/// How many bytes are unpacked before others have their turn.
const STEP: usize = 16 * 1_024;

/// How long unpacking may take in all. A body of 1 MiB takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// A packed body on its way through the decoder.
struct Packed<'a> {
    rest: &'a [u8],
    taken: usize,
    /// What came out so far, in bytes.
    unpacked: usize,
}

impl BufRead for Packed<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.taken > self.unpacked.saturating_mul(2).saturating_add(OVERHEAD) {
            return Err(Error::other("it is much larger than what it holds"));
        }
        Ok(self.rest.get(..STEP).unwrap_or(self.rest))
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
        self.rest = self.rest.get(amount..).unwrap_or_default();
    }
}

impl Read for Packed<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let amount = self.fill_buf()?.read(into)?;
        self.consume(amount);
        Ok(amount)
    }
}

/// Unpacks a body of at most `limit` bytes.
pub async fn unpack(packed: &[u8], limit: usize, reserved: &mut Reservation) -> Result<Bytes, ReceiveError> {
    let unreadable = |reason: &str| ReceiveError::Unreadable(format!("it is not gzip that can be read: {reason}"));
    let watch = Stopwatch::start();
    let mut body = Vec::new();
    let mut piece = vec![0; STEP];
    let mut rest = Packed { rest: packed, taken: 0, unpacked: 0 };
    for _ in 0..MEMBERS {
        let mut member = GzDecoder::new(rest);
        loop {
            let read = member.read(&mut piece).map_err(|error| unreadable(&error.to_string()))?;
            let Some(more) = piece.get(..read).filter(|more| !more.is_empty()) else { break };
            if body.len() + more.len() > limit {
                return Err(ReceiveError::TooLarge(limit));
            }
            reserved.grow_to(packed.len() + body.len() + more.len())?;
            body.extend_from_slice(more);
            member.get_mut().unpacked = body.len();
            if watch.elapsed() > PATIENCE {
                return Err(unreadable("unpacking takes too long"));
            }
            tokio::task::yield_now().await;
        }
        rest = member.into_inner();
        if rest.rest.is_empty() {
            return Ok(body.into());
        }
    }
    Err(unreadable(&format!("it has more than {MEMBERS} members")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::memory::BodyMemory;
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("a vector takes it");
        encoder.finish().expect("a vector takes it")
    }

    async fn unpacked(packed: &[u8], memory: usize) -> Result<Bytes, String> {
        let memory = Arc::new(BodyMemory::new(memory));
        unpack(packed, 1 << 20, &mut memory.reserve()).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_was_packed_comes_out() {
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
        let text = "name=Asha&".repeat(100_000).into_bytes();
        for body in [&b""[..], b"{}", &noise, &text] {
            assert_eq!(unpacked(&gzip(body), 8 << 20).await.as_deref(), Ok(body));
        }
        assert_eq!(unpacked(&[gzip(b"two "), gzip(b"members")].concat(), 0).await.as_deref(), Ok(&b"two members"[..]));
        // the memory that bodies share bounds what comes out as well
        assert!(unpacked(&gzip(&text), 1 << 19).await.is_err_and(|error| error.contains("memory")));
    }

    #[tokio::test]
    async fn what_costs_more_than_it_holds_is_refused() {
        // stored blocks of no length: 5 bytes each
        let empty_blocks = [&gzip(b"")[..10], &b"\x00\x00\x00\xff\xff".repeat(100_000)].concat();
        for (hostile, reason) in [
            (gzip(b"").repeat(50_000), "members"),
            (gzip(b"x").repeat(17), "members"),
            (empty_blocks, "much larger"),
            (gzip(&vec![0; (1 << 20) + 1]), "larger than 1048576 bytes"),
            ([gzip(b"{}"), b"and more".to_vec()].concat(), "not gzip"),
            (gzip(b"{\"a\":1}")[..15].to_vec(), "not gzip"),
            (b"not packed at all".to_vec(), "not gzip"),
        ] {
            let refused = unpacked(&hostile, 8 << 20).await.expect_err(reason);
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
