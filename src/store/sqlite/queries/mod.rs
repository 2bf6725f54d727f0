//! The SQL of what people ask for: lists, one whole, and what is on hold. It only reads, on connections of its own.

mod events;
mod filter;
mod sends;
mod stats;
mod suppressions;
mod traces;

use rusqlite::{Connection, Result};

use super::{backlog, route_alerts};
use crate::clock::Timestamp;
use crate::event::view::{HoldView, LearnedCampaign, shown};
use crate::store::sqlite::states::sql;

pub use events::{event_story, events, kept, seen};
pub use sends::{is_found, send_story, sends, tally};
pub use stats::{levels, stats};
pub use suppressions::{suppression_story, suppressions};
pub use traces::{count_event, count_send, erasures, is_shared, traces};

/// The holds that last.
pub fn holds(db: &Connection) -> Result<Vec<HoldView>> {
    let mut select = db.prepare(
        "SELECT account, campaign, reason, by, since, probes, probe_at FROM holds WHERE ended_at IS NULL ORDER BY account, campaign",
    )?;
    let rows = select.query_map([], |row| {
        let (account, campaign): (String, String) = (row.get("account")?, row.get("campaign")?);
        Ok(HoldView {
            waiting: u64::try_from(backlog::ready(db, &account, &campaign)?).unwrap_or(0),
            account,
            route: None,
            campaign: filled(campaign),
            reason: row.get("reason")?,
            by: row.get("by")?,
            since: shown(Timestamp(row.get("since")?)),
            probes: row.get("probes")?,
            probe_at: row.get::<_, Option<i64>>("probe_at")?.map(|at| shown(Timestamp(at))),
        })
    })?;
    let mut holds: Vec<HoldView> = rows.collect::<Result<_>>()?;
    holds.extend(route_alerts::held(db)?);
    Ok(holds)
}

/// What was accepted so far, each campaign once.
pub fn learned(db: &Connection) -> Result<Vec<LearnedCampaign>> {
    let mut select = db.prepare(
        sql!("SELECT account, campaign, payload, max(id) FROM sends WHERE state = " sent " AND reached_at IS NOT NULL AND erased_at IS NULL GROUP BY account, campaign ORDER BY account, campaign"),
    )?;
    let rows = select.query_map([], |row| {
        Ok(LearnedCampaign { account: row.get("account")?, name: row.get("campaign")?, payload: row.get("payload")? })
    })?;
    rows.collect()
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
