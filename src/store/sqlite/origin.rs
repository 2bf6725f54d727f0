//! What sends come of.

use rusqlite::{Result, Row};

use crate::clock::Timestamp;
use crate::event::lookup::KeptEvent;

/// The event that sends come of.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub seq: i64,
    pub id: &'a str,
    pub route: &'a str,
    /// When its sends are made.
    pub at: Timestamp,
}

/// Reads `id`, `type`, `received_at`, `body` and `envelope` of an event.
pub fn kept_event(row: &Row<'_>) -> Result<KeptEvent> {
    Ok(KeptEvent {
        id: row.get("id")?,
        kind: row.get("type")?,
        received_at: Timestamp(row.get("received_at")?),
        body: row.get("body")?,
        envelope: row.get("envelope")?,
    })
}
