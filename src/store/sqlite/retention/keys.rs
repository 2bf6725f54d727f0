//! The keys by which repetitions of events are known, past their windows.
//!
//! They are walked through in the order of the table, a part in each pass: keys of one page go together. In the order of
//! their time each would be on a page of its own, and an index would be paid for by each event.

use std::time::Duration;

use rusqlite::{Connection, Result, params};

use super::cursor::{self, Kind};
use super::{Walk, is_full, limit};
use crate::store::sweep::{Removed, SweepRequest};

/// In how many parts: with a pass each hour all of them are seen once a day.
const PARTS: i64 = 24;

/// Cursors are the first 7 bytes of keys as numbers: below this.
const END: i64 = 1 << 56;

/// How long a key is left that no repetition can meet any more: the clock may have been somewhat ahead.
const GRACE: Duration = Duration::from_secs(86_400);

/// Removes what is over, up to the end of a part.
pub fn walk(db: &Connection, request: &SweepRequest, removed: &mut Removed) -> Result<Walk> {
    let from = cursor::read(db, Kind::DedupKeys)?.unwrap_or(0);
    let part = END / PARTS;
    let until = (from / part + 1).saturating_mul(part);
    let found: Vec<(Vec<u8>, i64)> = db
        .prepare_cached(
            "SELECT fingerprint, expires_at FROM dedup_keys WHERE fingerprint >= ?1 AND fingerprint < ?2 ORDER BY fingerprint LIMIT ?3",
        )?
        .query_map(params![first(from), end_of(until), limit(request)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    let over = request.now.before(GRACE).0;
    let mut remove = db.prepare_cached("DELETE FROM dedup_keys WHERE fingerprint = ?1")?;
    for (fingerprint, _) in found.iter().filter(|(_, expires_at)| *expires_at <= over) {
        removed.dedup_keys += super::count(remove.execute([fingerprint])?);
    }
    let last = found.last().filter(|_| is_full(request, found.len()));
    let upto = last.map_or(until, |(fingerprint, _)| number(fingerprint).saturating_add(1));
    cursor::write(db, Kind::DedupKeys, if upto >= END { 0 } else { upto })?;
    Ok(if upto < until && last.is_some() { Walk::GoesOn } else { Walk::Ended })
}

/// The smallest key of a number.
fn first(number: i64) -> [u8; 7] {
    let [_, rest @ ..] = number.to_be_bytes();
    rest
}

/// A key that is larger than all of smaller numbers.
fn end_of(number: i64) -> Vec<u8> {
    if number >= END { vec![0xff; 17] } else { first(number).to_vec() }
}

/// The number of a key.
fn number(key: &[u8]) -> i64 {
    key.iter().chain(&[0; 7]).take(7).fold(0, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_walked_through_in_their_order() {
        let keys = [[0; 16], [0x01; 16], [0x7f; 16], [0xff; 16]];
        for key in keys {
            let number = number(&key);
            assert!((0..END).contains(&number));
            assert!(first(number).as_slice() <= key.as_slice() && key.as_slice() < end_of(number + 1).as_slice());
        }
    }
}
