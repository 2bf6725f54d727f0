//! How many sends stand where, as they are counted.

use rusqlite::{Connection, Result, params};

use super::states::SendState;

/// The states in which a send waits, for whatever reason.
const UNSENT: [SendState; 3] = [SendState::Ready, SendState::Delayed, SendState::Blocked];

/// How many sends of a campaign stand there, or of a whole account if the campaign is empty.
pub fn count(db: &Connection, account: &str, campaign: &str, state: SendState) -> Result<i64> {
    let mut select = db.prepare_cached(
        "SELECT coalesce(sum(count), 0) FROM send_counts WHERE account = ?1 AND state = ?3 AND (?2 = '' OR campaign = ?2)",
    )?;
    select.query_row(params![account, campaign, state], |row| row.get(0))
}

/// How many are ready: what a hold keeps back.
pub fn ready(db: &Connection, account: &str, campaign: &str) -> Result<i64> {
    count(db, account, campaign, SendState::Ready)
}

/// How many wait, for whatever reason.
pub fn waiting(db: &Connection, account: &str, campaign: &str) -> Result<i64> {
    UNSENT.into_iter().map(|state| count(db, account, campaign, state)).sum()
}
