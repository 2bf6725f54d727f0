//! The SQL of lanes: what is ready is kept by account and campaign, so that what is on hold costs nothing.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::holds::Active;
use super::states::sql;
use crate::store::Quota;

/// The campaigns of an account of which something is ready, without those on hold.
fn open(db: &Connection, account: &str, holds: &[Active]) -> Result<Vec<String>> {
    // from one lane to the next: what is in them is not walked through
    let mut next = db.prepare_cached(
        sql!("SELECT campaign FROM sends INDEXED BY sends_ready WHERE state = " ready " AND account = ?1 AND campaign > ?2
         ORDER BY campaign LIMIT 1"),
    )?;
    let (mut campaigns, mut after) = (Vec::new(), String::new());
    while let Some(campaign) = next.query_row([account, &after], |row| row.get::<_, String>(0)).optional()? {
        after.clone_from(&campaign);
        if !holds.iter().any(|hold| hold.account == account && hold.campaign == campaign) {
            campaigns.push(campaign);
        }
    }
    Ok(campaigns)
}

/// Whether anything is ready that might go.
pub fn is_anything_ready(db: &Connection, quota: &Quota, holds: &[Active]) -> Result<bool> {
    if !db
        .prepare_cached(sql!("SELECT 1 FROM sends WHERE state = " ready " AND account = ?1"))?
        .exists([&quota.account])?
    {
        return Ok(false);
    }
    Ok(open(db, &quota.account, holds)?.iter().any(|campaign| quota.capacity_of(campaign) > 0))
}

/// The numbers of what is first in the open lanes, urgent before normal before bulk, then in order of arrival.
pub fn first(db: &Connection, quota: &Quota, holds: &[Active]) -> Result<Vec<i64>> {
    let mut found: Vec<(i64, i64)> = Vec::new();
    for campaign in open(db, &quota.account, holds)? {
        found.extend(of_campaign(db, &quota.account, &campaign, quota.capacity_of(&campaign))?);
    }
    found.sort_unstable();
    found.truncate(quota.count);
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// The same of one lane, with their priorities.
pub fn of_campaign(db: &Connection, account: &str, campaign: &str, count: usize) -> Result<Vec<(i64, i64)>> {
    let mut select = db.prepare_cached(
        sql!("SELECT priority, id FROM sends INDEXED BY sends_ready WHERE state = " ready " AND account = ?1 AND campaign = ?2
         ORDER BY priority, id LIMIT ?3"),
    )?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    select.query_map(params![account, campaign, count], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
