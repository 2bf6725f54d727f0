//! The SQL of counts: what there is now, and what happened by the hour. Rows of events and sends are not counted here.

use std::path::Path;

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params, params_from_iter};

use crate::clock::Timestamp;
use crate::event::stats::{Dimension, Levels, OldestDue, SendCount, Stat, StatsFilter, StoreSize};
use crate::event::view::shown;
use crate::store::sqlite::counts::{self, Outcome};
use crate::store::sqlite::states::{SendState, sql};

/// What there is now.
pub fn levels(db: &Connection, now: Timestamp) -> Result<Levels> {
    let counts = db
        .prepare_cached(
            "SELECT account, campaign, state, count FROM send_counts WHERE count <> 0 ORDER BY account, campaign",
        )?
        .query_map([], |row| {
            Ok((
                row.get("state")?,
                SendCount {
                    account: row.get("account")?,
                    campaign: row.get("campaign")?,
                    state: row.get::<_, SendState>("state")?.shown(),
                    count: unsigned(row.get("count")?),
                },
            ))
        })?
        .collect::<Result<Vec<(SendState, SendCount)>>>()?;
    let mut oldest_due: Vec<OldestDue> = Vec::new();
    for (state, SendCount { account, campaign, count, .. }) in &counts {
        if *state == SendState::Ready && *count > 0 {
            note_oldest(&mut oldest_due, oldest_ready(db, account, campaign)?);
        }
    }
    note_oldest(&mut oldest_due, oldest_delayed(db, now)?);
    let sends = counts.into_iter().map(|(_, count)| count).fold(Vec::new(), joined);
    Ok(Levels { sends, oldest_due, size: size(db)? })
}

/// States that people call the same are one count.
fn joined(mut sends: Vec<SendCount>, next: SendCount) -> Vec<SendCount> {
    // those of a campaign stand together
    let is_of_campaign = |known: &&mut SendCount| known.campaign == next.campaign && known.account == next.account;
    match sends.iter_mut().rev().take_while(is_of_campaign).find(|known| known.state == next.state) {
        Some(known) => known.count += next.count,
        None => sends.push(next),
    }
    sends
}

fn note_oldest(all: &mut Vec<OldestDue>, found: Option<OldestDue>) {
    let Some(found) = found else { return };
    match all.iter_mut().find(|known| known.account == found.account) {
        Some(known) => known.since = known.since.min(found.since),
        None => all.push(found),
    }
}

/// Of what is ready of a campaign, since when the first of each priority has been due: they stand in order of arrival.
fn oldest_ready(db: &Connection, account: &str, campaign: &str) -> Result<Option<OldestDue>> {
    let mut select = db.prepare_cached(sql!("SELECT max(created_at, due_at) FROM sends INDEXED BY sends_ready
         WHERE state = " ready " AND account = ?1 AND campaign = ?2 AND priority = ?3 ORDER BY id LIMIT 1"))?;
    let mut oldest: Option<i64> = None;
    for priority in 0..=2 {
        let first: Option<i64> = select.query_row(params![account, campaign, priority], |row| row.get(0)).optional()?;
        oldest = oldest.into_iter().chain(first).min();
    }
    Ok(oldest.map(|since| OldestDue { account: account.to_owned(), since: Timestamp(since) }))
}

/// What waited for a moment that has come, and was not made ready yet.
fn oldest_delayed(db: &Connection, now: Timestamp) -> Result<Option<OldestDue>> {
    let mut select = db.prepare_cached(sql!("SELECT account, due_at FROM sends INDEXED BY sends_waiting
         WHERE state = " delayed " AND due_at <= ?1 ORDER BY due_at LIMIT 1"))?;
    let read = |row: &Row<'_>| Ok(OldestDue { account: row.get("account")?, since: Timestamp(row.get("due_at")?) });
    select.query_row([now.0], read).optional()
}

/// The file, and its log beside it.
fn size(db: &Connection) -> Result<StoreSize> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(unsigned);
    let page = pragma("page_size")?;
    let log = db.path().map(|path| format!("{path}-wal")).and_then(|path| Path::new(&path).metadata().ok());
    let total = pragma("page_count")?.saturating_mul(page).saturating_add(log.map_or(0, |log| log.len()));
    Ok(StoreSize { total, free: pragma("freelist_count")?.saturating_mul(page) })
}

/// What happened, by the hour.
pub fn stats(db: &Connection, filter: &StatsFilter, most: usize) -> Result<Vec<Stat>> {
    let mut conditions = "hour >= ?1 AND hour < ?2".to_owned();
    // an hour that has begun is counted whole
    let until = counts::hour_of(Timestamp(filter.until.0.saturating_sub(1))).saturating_add(1);
    let mut bound: Vec<Bound> = vec![counts::hour_of(filter.since).into(), until.into()];
    let StatsFilter { route, rule, account, campaign, .. } = filter;
    for (column, value) in [("route", route), ("rule", rule), ("account", account), ("campaign", campaign)] {
        if let Some(value) = value {
            bound.push(value.clone().into());
            conditions.extend([" AND ", column, " = ?", &bound.len().to_string()]);
        }
    }
    let columns: Vec<&str> = filter.by.iter().copied().map(column_of).chain(["outcome"]).collect();
    let columns = columns.join(", ");
    // named by their place, since a name would stand for the column of the table
    let places: Vec<String> = (1..=filter.by.len() + 1).map(|place| place.to_string()).collect();
    let places = places.join(", ");
    let mut select = db.prepare(&format!(
        "SELECT {columns}, sum(count) AS count FROM hourly_counts WHERE {conditions} GROUP BY {places} ORDER BY {places} LIMIT {most}"
    ))?;
    let rows = select.query_map(params_from_iter(bound), |row| read(row, filter))?;
    rows.collect()
}

/// The column of a dimension: times as hours.
fn column_of(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Hour => "hour AS begins",
        Dimension::Day => "hour / 24 * 24 AS begins",
        Dimension::Route => "route",
        Dimension::Rule => "rule",
        Dimension::Account => "account",
        Dimension::Campaign => "campaign",
    }
}

fn read(row: &Row<'_>, filter: &StatsFilter) -> Result<Stat> {
    let text = |dimension: Dimension, column: &str| {
        filter.by.contains(&dimension).then(|| row.get::<_, String>(column)).transpose()
    };
    let is_dated = filter.by.contains(&Dimension::Hour) || filter.by.contains(&Dimension::Day);
    let begins: Option<i64> = is_dated.then(|| row.get("begins")).transpose()?;
    Ok(Stat {
        from: begins.map(|hour| shown(counts::start_of(hour))),
        route: text(Dimension::Route, "route")?,
        rule: text(Dimension::Rule, "rule")?,
        account: text(Dimension::Account, "account")?,
        campaign: text(Dimension::Campaign, "campaign")?,
        outcome: row.get::<_, Outcome>("outcome")?.0,
        count: unsigned(row.get("count")?),
    })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
