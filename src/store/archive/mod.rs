//! The SQL of what people ask for: lists, one whole, and what stands still. It only reads, on connections of its own.

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params_from_iter};

use super::states;
use crate::clock::Timestamp;
use crate::event::lookup::KeptEvent;
use crate::event::view::{
    EventStory, EventView, Filter, HoldView, KeptWhole, LearnedCampaign, Page, SendStory, SendView, Step,
    SuppressionView, shown,
};
use crate::event::{Priority, SendId};

/// How many are on a page, unless somebody says otherwise; and at most.
const PAGE: (usize, usize) = (50, 1_000);

/// The conditions of a filter with what they are bound to.
struct Where {
    sql: String,
    bound: Vec<Bound>,
}

impl Where {
    fn and(&mut self, condition: &str, value: impl Into<Bound>) {
        self.sql += if self.sql.is_empty() { " WHERE " } else { " AND " };
        self.bound.push(value.into());
        self.sql += &condition.replace('?', &format!("?{}", self.bound.len()));
    }

    fn text(&mut self, condition: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.and(condition, value.clone());
        }
    }

    fn time(&mut self, condition: &str, value: Option<&String>) {
        let moment = value.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        if let Some(moment) = moment {
            self.and(condition, moment.as_millisecond());
        }
    }
}

impl Where {
    /// The states that are asked for are numbers of ours.
    fn states(&mut self, before: &str, filter: &Filter, after: &str) {
        let Some(state) = filter.state else { return };
        self.sql += if self.sql.is_empty() { " WHERE " } else { " AND " };
        let states: Vec<String> = states::kept(state).iter().map(ToString::to_string).collect();
        self.sql.extend([before, " (", &states.join(", "), after]);
    }
}

fn limit_of(filter: &Filter) -> usize {
    filter.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1)
}

fn page<T>(mut items: Vec<T>, limit: usize, number: impl Fn(&T) -> i64) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| number(last).to_string());
    Page { items, next }
}

const SEND: &str = "SELECT s.id, (SELECT e.id FROM events e WHERE e.seq = s.event), s.event, s.route, s.rule, s.account, s.campaign, s.destination,
    s.state, s.why, s.due_at, s.reason, s.attempts, s.created_at, s.changed_at, s.priority, s.expires_at, s.key, s.message_id,
    (SELECT min(h.campaign) FROM holds h WHERE h.ended_at IS NULL AND h.account = s.account AND h.campaign IN ('', s.campaign)), s.payload, s.gone_at
    FROM sends s";

fn send(row: &Row<'_>) -> Result<SendView> {
    let (state, due): (i64, i64) = (row.get(8)?, row.get(10)?);
    let hold: Option<String> = row.get(19)?;
    let why: Option<String> = row.get(9)?;
    let (why, until) = match (state, hold) {
        (states::READY | states::BEHIND, Some(campaign)) if campaign.is_empty() => (Some("hold:account".into()), None),
        (states::READY | states::BEHIND, Some(_)) => (Some("hold:campaign".into()), None),
        (states::READY | states::BEHIND, None) => (Some("due".into()), None),
        (states::WAITING, _) => (why, Some(due)),
        _ => (None, None),
    };
    let at = |millis: i64| shown(Timestamp(millis));
    Ok(SendView {
        id: SendId(row.get(0)?),
        event: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
        event_number: row.get(2)?,
        route: row.get(3)?,
        rule: row.get(4)?,
        account: row.get(5)?,
        campaign: row.get(6)?,
        destination: row.get(7)?,
        state: states::shown(state),
        why,
        until: until.map(at),
        reason: row.get(11)?,
        attempts: row.get(12)?,
        created_at: at(row.get(13)?),
        changed_at: at(row.get(14)?),
        gone_at: row.get::<_, Option<i64>>(21)?.map(at),
        priority: match row.get(15)? {
            0 => Priority::Urgent,
            1 => Priority::Normal,
            _ => Priority::Bulk,
        },
        expires_at: row.get::<_, Option<i64>>(16)?.map(at),
        key: row.get(17)?,
        message_id: row.get(18)?,
    })
}

/// Sends, newest first.
pub fn sends(db: &Connection, filter: &Filter) -> Result<Page<SendView>> {
    let limit = limit_of(filter);
    let mut conditions = Where { sql: String::new(), bound: Vec::new() };
    conditions.text("s.route = ?", filter.route.as_ref());
    conditions.text("s.rule = ?", filter.rule.as_ref());
    conditions.text("s.campaign = ?", filter.campaign.as_ref());
    conditions.text("s.account = ?", filter.account.as_ref());
    conditions.text("s.destination = ?", filter.number.as_ref());
    conditions.text("s.event IN (SELECT seq FROM events WHERE id = ?)", filter.event.as_ref());
    conditions.time("s.created_at >= ?", filter.since.as_ref());
    conditions.time("s.created_at < ?", filter.until.as_ref());
    conditions.states("s.state IN", filter, ")");
    if let Some(before) = filter.cursor.as_ref().and_then(|cursor| cursor.parse::<i64>().ok()) {
        conditions.and("s.id < ?", before);
    }
    let sql = format!("{SEND}{} ORDER BY s.id DESC LIMIT {}", conditions.sql, limit + 1);
    let mut select = db.prepare(&sql)?;
    let rows = select.query_map(params_from_iter(conditions.bound), send)?.collect::<Result<Vec<_>>>()?;
    Ok(page(rows, limit, |send: &SendView| send.id.0))
}

/// A send, whole.
pub fn send_story(db: &Connection, id: SendId) -> Result<Option<SendStory>> {
    let read = |row: &Row<'_>| Ok((send(row)?, row.get::<_, String>(20)?));
    let found = db.query_row(&format!("{SEND} WHERE s.id = ?1"), [id.0], read).optional()?;
    let Some((send, payload)) = found else { return Ok(None) };
    let made = (created_at(db, id)?, step_made(&send.created_at));
    let mut steps = vec![made];
    let mut attempts =
        db.prepare("SELECT at, outcome, status, took_ms, reason, answer FROM attempts WHERE send = ?1")?;
    let attempt = |row: &Row<'_>| {
        let at: i64 = row.get(0)?;
        let step = Step {
            at: shown(Timestamp(at)),
            what: row.get(1)?,
            status: row.get(2)?,
            took_ms: row.get::<_, Option<i64>>(3)?.and_then(|ms| u64::try_from(ms).ok()),
            reason: filled(row.get(4)?),
            answer: filled(row.get(5)?),
            ..step_made("")
        };
        Ok((at, step))
    };
    steps.extend(attempts.query_map([id.0], attempt)?.collect::<Result<Vec<_>>>()?);
    let mut changes = db.prepare("SELECT at, state, why, until, reason FROM changes WHERE send = ?1 ORDER BY rowid")?;
    let change = |row: &Row<'_>| {
        let at: i64 = row.get(0)?;
        let step = Step {
            at: shown(Timestamp(at)),
            what: serde_json::to_value(states::shown(row.get(1)?))
                .ok()
                .and_then(|name| name.as_str().map(ToOwned::to_owned))
                .unwrap_or_default(),
            why: row.get(2)?,
            until: row.get::<_, Option<i64>>(3)?.map(|until| shown(Timestamp(until))),
            reason: row.get(4)?,
            ..step_made("")
        };
        Ok((at, step))
    };
    steps.extend(changes.query_map([id.0], change)?.collect::<Result<Vec<_>>>()?);
    steps.sort_by_key(|(at, _)| *at);
    let payload = serde_json::from_str(&payload).unwrap_or_default();
    Ok(Some(SendStory { send, payload, history: steps.into_iter().map(|(_, step)| step).collect() }))
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

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

const EVENT: &str = "SELECT e.seq, e.id, e.route, e.source, e.type, e.received_at, e.fault,
    (SELECT count(*) FROM sends s WHERE s.event = e.seq), e.body, e.envelope, (SELECT l.state FROM lookups l WHERE l.event = e.seq) FROM events e";

fn event(row: &Row<'_>) -> Result<EventView> {
    Ok(EventView {
        number: row.get(0)?,
        id: row.get(1)?,
        route: row.get(2)?,
        source: row.get(3)?,
        kind: row.get(4)?,
        received_at: shown(Timestamp(row.get(5)?)),
        fault: row.get(6)?,
        sends: row.get::<_, i64>(7).map(|count| u64::try_from(count).unwrap_or(0))?,
    })
}

/// Events, newest first.
pub fn events(db: &Connection, filter: &Filter) -> Result<Page<EventView>> {
    let limit = limit_of(filter);
    let mut conditions = Where { sql: String::new(), bound: Vec::new() };
    conditions.text("e.route = ?", filter.route.as_ref());
    conditions.text("e.id = ?", filter.event.as_ref());
    conditions.time("e.received_at >= ?", filter.since.as_ref());
    conditions.time("e.received_at < ?", filter.until.as_ref());
    conditions.text("e.seq IN (SELECT event FROM sends WHERE destination = ?)", filter.number.as_ref());
    conditions.text("e.seq IN (SELECT event FROM sends WHERE rule = ?)", filter.rule.as_ref());
    conditions.text("e.seq IN (SELECT event FROM sends WHERE campaign = ?)", filter.campaign.as_ref());
    conditions.text("e.seq IN (SELECT event FROM sends WHERE account = ?)", filter.account.as_ref());
    conditions.states("e.seq IN (SELECT event FROM sends WHERE state IN", filter, "))");
    if let Some(before) = filter.cursor.as_ref().and_then(|cursor| cursor.parse::<i64>().ok()) {
        conditions.and("e.seq < ?", before);
    }
    let sql = format!("{EVENT}{} ORDER BY e.seq DESC LIMIT {}", conditions.sql, limit + 1);
    let mut select = db.prepare(&sql)?;
    let rows = select.query_map(params_from_iter(conditions.bound), event)?.collect::<Result<Vec<_>>>()?;
    Ok(page(rows, limit, |event: &EventView| event.number))
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
        let (body, envelope): (Vec<u8>, String) = (row.get(8)?, row.get(9)?);
        let text = || serde_json::Value::from(String::from_utf8_lossy(&body).into_owned());
        let event = event(row)?;
        let lookup: Option<i64> = row.get(10)?;
        Ok(EventStory {
            body: serde_json::from_slice(&body).ok().filter(|_| event.fault.is_none()).unwrap_or_else(text),
            envelope: serde_json::from_str(&envelope).unwrap_or_default(),
            event,
            made: Vec::new(),
            lookup: lookup.map(|state| {
                if state == states::FAILED {
                    "failed"
                } else if state < 10 {
                    "waiting"
                } else {
                    "found"
                }
                .to_owned()
            }),
        })
    };
    let found = db.query_row(&format!("{EVENT} WHERE e.seq = ?1"), [number], read).optional()?;
    let Some(mut story) = found else { return Ok(None) };
    let mut made = db.prepare(&format!("{SEND} WHERE s.event = ?1 ORDER BY s.id"))?;
    story.made = made.query_map([number], send)?.collect::<Result<_>>()?;
    Ok(Some(story))
}

/// The holds that last.
pub fn holds(db: &Connection) -> Result<Vec<HoldView>> {
    let mut select = db.prepare(
        "SELECT account, campaign, reason, by, since, probes, probe_at FROM holds WHERE ended_at IS NULL ORDER BY account, campaign",
    )?;
    let rows = select.query_map([], |row| {
        let (account, campaign): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(HoldView {
            waiting: u64::try_from(super::holds::waiting(db, &account, &campaign)?).unwrap_or(0),
            account,
            campaign: filled(campaign),
            reason: row.get(2)?,
            by: row.get(3)?,
            since: shown(Timestamp(row.get(4)?)),
            probes: row.get(5)?,
            probe_at: row.get::<_, Option<i64>>(6)?.map(|at| shown(Timestamp(at))),
        })
    })?;
    rows.collect()
}

/// The numbers that must not be messaged, in their order, after a number and an account.
pub fn suppressions(db: &Connection, after: (&str, &str), limit: usize) -> Result<Vec<SuppressionView>> {
    let mut select = db.prepare(
        "SELECT number, account, reason, at FROM suppressions WHERE (number, account) > (?1, ?2) ORDER BY number, account LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = select.query_map(rusqlite::params![after.0, after.1, limit], |row| {
        Ok(SuppressionView {
            number: row.get(0)?,
            account: row.get(1)?,
            reason: row.get(2)?,
            since: shown(Timestamp(row.get(3)?)),
        })
    })?;
    rows.collect()
}

/// An event as it was kept, with its route and why it could not be decoded.
pub fn kept(db: &Connection, number: i64) -> Result<Option<KeptWhole>> {
    let read = |row: &Row<'_>| {
        let event = KeptEvent {
            id: row.get(0)?,
            kind: row.get(1)?,
            received_at: Timestamp(row.get(2)?),
            body: row.get(3)?,
            envelope: row.get(4)?,
        };
        let lookup: Option<i64> = row.get(7)?;
        Ok(KeptWhole {
            number,
            event,
            route: row.get(5)?,
            fault: row.get(6)?,
            is_unread: lookup.is_some_and(|state| state != 10),
        })
    };
    db.query_row(
        "SELECT id, type, received_at, body, envelope, route, fault, (SELECT l.state FROM lookups l WHERE l.event = seq) FROM events WHERE seq = ?1",
        [number],
        read,
    )
    .optional()
}

/// What was accepted so far, each campaign once.
pub fn learned(db: &Connection) -> Result<Vec<LearnedCampaign>> {
    let mut select = db.prepare(
        "SELECT account, campaign, payload, max(id) FROM sends WHERE state = 10 AND gone_at IS NOT NULL GROUP BY account, campaign ORDER BY account, campaign",
    )?;
    let rows = select
        .query_map([], |row| Ok(LearnedCampaign { account: row.get(0)?, name: row.get(1)?, payload: row.get(2)? }))?;
    rows.collect()
}
