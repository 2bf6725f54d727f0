//! Events as people ask for them.

use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use super::filter::{self, Listing, Numbered, Where};
use super::sends::{self, SEND, send};
use super::suppressions;
use crate::clock::Timestamp;
use crate::event::view::{EventStory, EventView, Filter, KeptWhole, Page, Rest, shown};
use crate::store::sqlite::origin::kept_event;
use crate::store::sqlite::states::SendState;

const EVENT: &str = "SELECT e.seq, e.id, e.route, e.source, e.type, e.received_at, e.fault, e.test, e.erased_at,
    (SELECT count(*) FROM sends s WHERE s.event = e.seq) AS sends, e.body, e.envelope, l.state AS lookup, l.reason AS lookup_reason
    FROM events e LEFT JOIN lookups l ON l.event = e.seq";

fn event(row: &Row<'_>) -> Result<EventView> {
    Ok(EventView {
        number: row.get("seq")?,
        id: row.get("id")?,
        route: row.get("route")?,
        source: row.get("source")?,
        kind: row.get("type")?,
        received_at: shown(Timestamp(row.get("received_at")?)),
        fault: row.get("fault")?,
        test: row.get("test")?,
        sends: row.get::<_, i64>("sends").map(|count| u64::try_from(count).unwrap_or(0))?,
        erased_at: row.get::<_, Option<i64>>("erased_at")?.map(|at| shown(Timestamp(at))),
    })
}

/// How events are numbered.
const NUMBERED: Numbered = Numbered { column: "e.seq", table: "events", key: "seq" };

/// Events, newest first: those of which a filter holds, or that made a send of which it does.
pub fn events(db: &Connection, filter: &Filter) -> Result<Page<EventView>> {
    let mut conditions = Where::default();
    conditions.text("e.route = ?", filter.route.as_ref());
    conditions.text("e.id = ?", filter.event.as_ref());
    conditions.time("e.received_at >= ?", filter.since.as_ref());
    conditions.time("e.received_at < ?", filter.until.as_ref());
    // each looks at the sends of one event: what it costs does not depend on how many sends there are
    let of_event = "EXISTS (SELECT 1 FROM sends s WHERE s.event = e.seq AND";
    conditions.text(&format!("{of_event} s.destination = ?)"), filter.number.as_ref());
    conditions.text(&format!("{of_event} s.rule = ?)"), filter.rule.as_ref());
    conditions.text(&format!("{of_event} s.campaign = ?)"), filter.campaign.as_ref());
    conditions.text(&format!("{of_event} s.account = ?)"), filter.account.as_ref());
    conditions.states(&format!("{of_event} s.state IN"), filter, "))");
    let listing = Listing { select: EVENT, conditions, filter, numbered: NUMBERED };
    filter::list(db, listing, event, |event: &EventView| event.number)
}

/// An event, whole: by the sender's id (the newest of that id), or by its number, which `#` makes sure of.
pub fn event_story(db: &Connection, name: &str) -> Result<Option<EventStory>> {
    let number = name.strip_prefix('#').and_then(|number| number.parse().ok());
    let by_id = || {
        db.query_row("SELECT seq FROM events WHERE id = ?1 ORDER BY seq DESC LIMIT 1", [name], |row| {
            row.get::<_, i64>(0)
        })
        .optional()
    };
    let number = if number.is_some() { number } else { by_id()?.or_else(|| name.parse().ok()) };
    let Some(number) = number else { return Ok(None) };
    let read = |row: &Row<'_>| {
        let (body, envelope): (Vec<u8>, String) = (row.get("body")?, row.get("envelope")?);
        let text = || serde_json::Value::from(String::from_utf8_lossy(&body).into_owned());
        let event = event(row)?;
        let lookup: Option<SendState> = row.get("lookup")?;
        Ok(EventStory {
            body: serde_json::from_slice(&body).ok().filter(|_| event.fault.is_none()).unwrap_or_else(text),
            envelope: serde_json::from_str(&envelope).unwrap_or_default(),
            event,
            made: Vec::new(),
            suppressions: Vec::new(),
            lookup: lookup.map(|state| {
                match state {
                    SendState::Failed => "failed",
                    state if state.is_over() => "found",
                    _ => "waiting",
                }
                .to_owned()
            }),
            lookup_reason: row.get("lookup_reason")?,
            lookup_attempts: Vec::new(),
        })
    };
    let found = db.query_row(&format!("{EVENT} WHERE e.seq = ?1"), [number], read).optional()?;
    let Some(mut story) = found else { return Ok(None) };
    let mut made = db.prepare(&format!("{SEND} WHERE s.event = ?1 ORDER BY s.id"))?;
    story.made = made.query_map([number], send)?.collect::<Result<_>>()?;
    let attempts =
        "SELECT at, outcome, status, took_ms, reason, answer FROM lookup_attempts WHERE event = ?1 ORDER BY number";
    story.lookup_attempts = sends::attempts(db, attempts, number)?.into_iter().map(|(_, step)| step).collect();
    story.suppressions = suppressions::changes(db, "event = ?1", number)?;
    Ok(Some(story))
}

/// The number of the event that was last kept by this fingerprint.
pub fn seen(db: &Connection, fingerprint: [u8; 16]) -> Result<Option<i64>> {
    db.query_row("SELECT event FROM dedup_keys WHERE fingerprint = ?1", [fingerprint], |row| row.get(0)).optional()
}

/// An event as it was kept, with its route and why it could not be decoded.
pub fn kept(db: &Connection, number: i64) -> Result<Option<KeptWhole>> {
    let read = |row: &Row<'_>| {
        let event = kept_event(row)?;
        let lookup: Option<SendState> = row.get("lookup")?;
        Ok(KeptWhole {
            number,
            event,
            route: row.get("route")?,
            fault: row.get("fault")?,
            rest: lookup.map(|state| match state {
                SendState::Sent => Rest::Found,
                SendState::Failed => Rest::Failed,
                _ => Rest::Waiting,
            }),
            erased_at: row.get::<_, Option<i64>>("erased_at")?.map(Timestamp),
        })
    };
    db.query_row(
        "SELECT id, type, received_at, body, envelope, route, fault, erased_at, (SELECT l.state FROM lookups l WHERE l.event = seq) AS lookup FROM events WHERE seq = ?1",
        [number],
        read,
    )
    .optional()
}
