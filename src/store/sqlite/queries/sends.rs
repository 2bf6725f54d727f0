//! Sends as people ask for them.

use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use super::filled;
use super::filter::{self, Listing, Numbered, Where};
use crate::clock::Timestamp;
use crate::event::view::{Condition, Filter, Page, SendStory, SendView, Step, Tally, shown};
use crate::event::{Priority, SendGuards, SendId};
use crate::store::sqlite::states::{SendState, sql};

/// A send as lists show it.
pub const SEND: &str = "SELECT s.id, (SELECT e.id FROM events e WHERE e.seq = s.event) AS event_id, s.event, s.route, s.rule, s.account, s.campaign, s.destination,
    s.state, s.why, s.due_at, s.reason, s.attempts, s.created_at, s.changed_at, s.priority, s.expires_at, s.key, s.message_id,
    (SELECT min(h.campaign) FROM holds h WHERE h.ended_at IS NULL AND h.account = s.account AND h.campaign IN ('', s.campaign)) AS hold, s.payload, s.reached_at, s.guards, s.item, s.erased_at
    FROM sends s";

/// Reads a row of [`SEND`].
pub fn send(row: &Row<'_>) -> Result<SendView> {
    let (state, due): (SendState, i64) = (row.get("state")?, row.get("due_at")?);
    let hold: Option<String> = row.get("hold")?;
    let why: Option<String> = row.get("why")?;
    let (why, until) = match (state, hold) {
        (SendState::Ready | SendState::Blocked, Some(campaign)) if campaign.is_empty() => {
            (Some("hold:account".into()), None)
        }
        (SendState::Ready | SendState::Blocked, Some(_)) => (Some("hold:campaign".into()), None),
        (SendState::Ready, None) => (Some("due".into()), None),
        (SendState::Blocked, None) => (Some("recipient".into()), None),
        (SendState::Delayed, _) => (why, Some(due)),
        _ => (None, None),
    };
    let at = |millis: i64| shown(Timestamp(millis));
    Ok(SendView {
        id: SendId(row.get("id")?),
        event: row.get::<_, Option<String>>("event_id")?.unwrap_or_default(),
        event_number: row.get("event")?,
        route: row.get("route")?,
        rule: row.get("rule")?,
        item: row.get("item")?,
        account: row.get("account")?,
        campaign: row.get("campaign")?,
        destination: row.get("destination")?,
        state: state.shown(),
        why,
        until: until.map(at),
        reason: row.get("reason")?,
        attempts: row.get("attempts")?,
        created_at: at(row.get("created_at")?),
        changed_at: at(row.get("changed_at")?),
        reached_at: row.get::<_, Option<i64>>("reached_at")?.map(at),
        priority: match row.get("priority")? {
            0 => Priority::Urgent,
            1 => Priority::Normal,
            _ => Priority::Bulk,
        },
        expires_at: row.get::<_, Option<i64>>("expires_at")?.map(at),
        key: row.get("key")?,
        detour: detour_of(&SendGuards::read(row.get::<_, Option<String>>("guards")?.as_deref())),
        message_id: row.get("message_id")?,
        erased_at: row.get::<_, Option<i64>>("erased_at")?.map(at),
    })
}

fn detour_of(guards: &SendGuards) -> Option<String> {
    if guards.dry_run { Some("dry_run".into()) } else { guards.redirect_to.clone() }
}

/// How sends are numbered.
const NUMBERED: Numbered = Numbered { column: "s.id", table: "sends", key: "id" };

/// Sends, newest first.
pub fn sends(db: &Connection, filter: &Filter) -> Result<Page<SendView>> {
    let listing = Listing { select: SEND, conditions: conditions(filter), filter, numbered: NUMBERED };
    filter::list(db, listing, send, |send: &SendView| send.id.0)
}

/// How many a filter finds in the part of history that one reading looks at; no more than its limit says.
pub fn tally(db: &Connection, filter: &Filter) -> Result<Tally> {
    let span = NUMBERED.span(db, filter)?;
    let mut conditions = conditions(filter);
    conditions.within(NUMBERED, span);
    let limit = filter.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX);
    let sql = format!(
        sql!("SELECT count(*) AS found, coalesce(sum(state IN (" unsent ")), 0) AS waiting, min(id) AS oldest FROM
           (SELECT s.id, s.state FROM sends s{} ORDER BY s.id DESC LIMIT {})"),
        conditions.sql(),
        limit
    );
    let count = |row: &Row<'_>, column: &str| row.get(column).map(|count: i64| u64::try_from(count).unwrap_or(0));
    db.query_row(&sql, conditions.bound(), |row| {
        Ok(Tally {
            found: count(row, "found")?,
            waiting: count(row, "waiting")?,
            oldest: row.get::<_, Option<i64>>("oldest")?.map(SendId),
            before: span.before,
            next: span.next,
        })
    })
}

/// Whether a filter holds of a send. Where a page begins and how long it is does not matter.
pub fn is_found(db: &Connection, filter: &Filter, id: SendId) -> Result<bool> {
    let mut conditions = conditions(filter);
    conditions.text("s.id = ?", Some(&id.0));
    let sql = format!("SELECT 1 FROM sends s{}", conditions.sql());
    db.prepare_cached(&sql)?.exists(conditions.bound())
}

fn conditions(filter: &Filter) -> Where {
    let mut conditions = Where::default();
    conditions.text("s.route = ?", filter.route.as_ref());
    conditions.text("s.rule = ?", filter.rule.as_ref());
    conditions.text("s.campaign = ?", filter.campaign.as_ref());
    conditions.text("s.account = ?", filter.account.as_ref());
    conditions.text("s.destination = ?", filter.number.as_ref());
    // asked of each send: there is no index of the senders' ids
    conditions.text("EXISTS (SELECT 1 FROM events e WHERE e.seq = s.event AND e.id = ?)", filter.event.as_ref());
    conditions.time("s.created_at >= ?", filter.since.as_ref());
    conditions.time("s.created_at < ?", filter.until.as_ref());
    match filter.state {
        Some(Condition::Send(state)) => conditions.states("s.state IN", state, ")"),
        // no send is in a condition of events
        Some(Condition::Unmapped | Condition::Undecodable) => conditions.plain("0"),
        None => {}
    }
    conditions
}

/// A send, whole.
pub fn send_story(db: &Connection, id: SendId) -> Result<Option<SendStory>> {
    let read = |row: &Row<'_>| Ok((send(row)?, row.get::<_, String>("payload")?));
    let found = db.query_row(&format!("{SEND} WHERE s.id = ?1"), [id.0], read).optional()?;
    let Some((send, payload)) = found else { return Ok(None) };
    let made = (created_at(db, id)?, step_made(&send.created_at));
    let mut steps = vec![made];
    steps.extend(attempts(
        db,
        "SELECT at, outcome, status, took_ms, reason, answer FROM attempts WHERE send = ?1",
        id.0,
    )?);
    let mut changes = db.prepare("SELECT at, state, why, until, reason FROM changes WHERE send = ?1 ORDER BY rowid")?;
    let change = |row: &Row<'_>| {
        let at: i64 = row.get("at")?;
        let step = Step {
            at: shown(Timestamp(at)),
            what: serde_json::to_value(row.get::<_, SendState>("state")?.shown())
                .ok()
                .and_then(|name| name.as_str().map(ToOwned::to_owned))
                .unwrap_or_default(),
            why: row.get("why")?,
            until: row.get::<_, Option<i64>>("until")?.map(|until| shown(Timestamp(until))),
            reason: row.get("reason")?,
            ..step_made("")
        };
        Ok((at, step))
    };
    steps.extend(changes.query_map([id.0], change)?.collect::<Result<Vec<_>>>()?);
    steps.sort_by_key(|(at, _)| *at);
    let payload = serde_json::from_str(&payload).unwrap_or_default();
    Ok(Some(SendStory { send, payload, history: steps.into_iter().map(|(_, step)| step).collect() }))
}

/// Calls that were made for a send or for a lookup, with their times.
pub fn attempts(db: &Connection, sql: &str, of: i64) -> Result<Vec<(i64, Step)>> {
    let attempt = |row: &Row<'_>| {
        let at: i64 = row.get("at")?;
        let step = Step {
            at: shown(Timestamp(at)),
            what: row.get("outcome")?,
            status: row.get("status")?,
            took_ms: row.get::<_, Option<i64>>("took_ms")?.and_then(|ms| u64::try_from(ms).ok()),
            reason: filled(row.get("reason")?),
            answer: filled(row.get("answer")?),
            ..step_made("")
        };
        Ok((at, step))
    };
    db.prepare(sql)?.query_map([of], attempt)?.collect()
}

fn created_at(db: &Connection, id: SendId) -> Result<i64> {
    db.query_row("SELECT created_at FROM sends WHERE id = ?1", [id.0], |row| row.get(0))
}

fn step_made(at: &str) -> Step {
    Step {
        at: at.to_owned(),
        what: "made".into(),
        why: None,
        until: None,
        status: None,
        took_ms: None,
        reason: None,
        answer: None,
    }
}
