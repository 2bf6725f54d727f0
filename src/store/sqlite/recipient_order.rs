//! The SQL of the recipient's order: a person's sends go one at a time and in the order of their events, and what ends
//! unblocks the next.

use std::collections::BTreeSet;

use rusqlite::{Connection, Result, params};

use super::states::{SendState, sql};
use crate::clock::Timestamp;

/// Where a send stands in its person's line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub destination: &'a str,
    pub account: &'a str,
    pub campaign: &'a str,
    pub priority: i64,
    /// Its number: what has a smaller one came earlier.
    pub before: i64,
}

/// Whether somebody is being sent to, or an earlier send of the same kind is still to be tried again. What waits for an
/// option of its own (hours, delay, cap) holds nobody up, and what waits in a campaign on hold holds up that campaign alone:
/// a probe of its hold, or of its account's, must not overtake it.
pub fn is_taken(db: &Connection, line: Line<'_>, now: Timestamp) -> Result<bool> {
    if db
        .prepare_cached(
            sql!("SELECT 1 FROM sends INDEXED BY sends_sending WHERE state = " sending " AND destination = ?1"),
        )?
        .exists([line.destination])?
    {
        return Ok(true);
    }
    db.prepare_cached(
        sql!("SELECT 1 FROM sends INDEXED BY sends_delayed WHERE state = " delayed " AND destination = ?1 AND id < ?2 AND account = ?3
         AND priority = ?4 AND (why = 'retry' OR due_at <= ?5)
         AND NOT EXISTS (SELECT 1 FROM holds WHERE ended_at IS NULL AND holds.account = sends.account AND holds.campaign = sends.campaign
                         AND holds.campaign <> ?6)"),
    )?
    .exists(params![line.destination, line.before, line.account, line.priority, now.0, line.campaign])
}

/// Of sends in their order, the first to each person.
pub fn first_of_each(db: &Connection, ids: &[i64]) -> Result<Vec<i64>> {
    let mut person = db.prepare_cached("SELECT destination FROM sends WHERE id = ?1")?;
    let (mut seen, mut first) = (BTreeSet::new(), Vec::new());
    for id in ids {
        if seen.insert(person.query_row([id], |row| row.get::<_, String>(0))?) {
            first.push(*id);
        }
    }
    Ok(first)
}

/// How many of a person's line are looked at when somebody may go.
const LINE: i64 = 256;

/// The next sends to a person whose send came to an end are ready again: the first of each lane and priority, since one of
/// them may be on hold, and the urgent one goes first. Those that must wait once more step behind again.
pub fn unblock_next(db: &Connection, destination: &str) -> Result<()> {
    db.prepare_cached(sql!("UPDATE sends SET state = " ready " WHERE id IN
           (SELECT min(id) FROM (SELECT id, account, campaign, priority FROM sends INDEXED BY sends_behind
                                 WHERE state = " blocked " AND destination = ?1 ORDER BY id LIMIT ?2)
            GROUP BY account, campaign, priority)"))?
        .execute(params![destination, LINE])
        .map(drop)
}

/// A send is to be tried again: those behind it that are of another kind need not wait for it.
pub fn unblock_others(db: &Connection, line: Line<'_>) -> Result<()> {
    db.prepare_cached(sql!("UPDATE sends INDEXED BY sends_behind SET state = " ready " WHERE state = " blocked " AND destination = ?1 AND (account <> ?2 OR priority <> ?3 OR id < ?4)"))?
        .execute(params![line.destination, line.account, line.priority, line.before])
        .map(drop)
}

/// A lane is on hold: nobody waits behind what is in it.
pub fn unblock_all(db: &Connection, destination: &str) -> Result<()> {
    db.prepare_cached(sql!("UPDATE sends INDEXED BY sends_behind SET state = " ready " WHERE state = " blocked " AND destination = ?1"))?
        .execute([destination])
        .map(drop)
}

/// Steps aside until whoever is being sent to is done.
pub fn block(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("UPDATE sends SET state = ?2, due_at = 0 WHERE id = ?1")?
        .execute(params![id, SendState::Blocked])
        .map(drop)
}
