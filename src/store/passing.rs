//! The SQL of time that passed: what is due, what is over, and a clock that was set back.

use rusqlite::{Connection, Result, params};

use super::states::EXPIRED;
use super::turns::{self, Turn};
use super::{ClaimRequest, Latest, holds, lost};

/// How many waiting sends become ready in one transaction: the rest follow in the next.
const PROMOTE_LIMIT: i64 = 5_000;

/// What time has done since the last claim: leases that ran out, sends that are due, sends whose time is over.
pub fn prepare(db: &Connection, request: &ClaimRequest) -> Result<()> {
    lost::expire_leases(db, request)?;
    if let Some(latest) = request.latest {
        pull_in(db, latest)?;
    }
    db.prepare_cached(
        "UPDATE sends SET state = 0, why = NULL WHERE id IN
           (SELECT id FROM sends WHERE state = 1 AND due_at <= ?1 ORDER BY due_at LIMIT ?2)",
    )?
    .execute(params![request.now.0, PROMOTE_LIMIT])?;
    let mut over = db.prepare_cached(
        "SELECT id FROM sends INDEXED BY sends_expiring WHERE expires_at IS NOT NULL AND state IN (0, 1, 3) AND expires_at <= ?1 LIMIT ?2",
    )?;
    let ids: Vec<i64> =
        over.query_map(params![request.now.0, PROMOTE_LIMIT], |row| row.get(0))?.collect::<Result<_>>()?;
    for id in ids {
        turns::turn(db, id, request.now, Turn::end(EXPIRED, "its time was over before it could be sent"))?;
    }
    Ok(())
}

/// After the clock was set back nothing is tried later than it could have been without that.
fn pull_in(db: &Connection, latest: Latest) -> Result<()> {
    db.prepare_cached("UPDATE sends SET due_at = ?1 WHERE state = 1 AND due_at > ?1 AND why IN ('retry', 'once')")?
        .execute([latest.retry.0])?;
    db.prepare_cached("UPDATE lookups SET due_at = ?1 WHERE state = 1 AND due_at > ?1")?.execute([latest.retry.0])?;
    holds::pull_in(db, latest.probe)
}
