//! Events as people ask for them.

use std::borrow::Cow;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::filter::{self, Listing, Numbered, Where};
use super::sends::{self, SEND, send};
use super::suppressions;
use crate::clock::{Stopwatch, Timestamp};
use crate::event::erasure::Person;
use crate::event::view::{Condition, EventStory, EventView, Filter, KeptWhole, Page, Rest, shown};
use crate::mask::{Phrase, Sought};
use crate::store::sqlite::origin::kept_event;
use crate::store::sqlite::states::{SendState, sql};

/// Of a rule that failed there is a send without a payload.
macro_rules! unmapped {
    () => {
        sql!("EXISTS (SELECT 1 FROM sends s WHERE s.event = e.seq AND s.state = " failed " AND s.payload = '' AND s.erased_at IS NULL)")
    };
}

const EVENT: &str = concat!(
    "SELECT e.seq, e.id, e.route, e.source, e.type, e.received_at, e.fault, e.test, e.erased_at, ",
    unmapped!(),
    " AS unmapped, (SELECT count(*) FROM sends s WHERE s.event = e.seq) AS sends, e.body, e.envelope,
     l.state AS lookup, l.reason AS lookup_reason
     FROM events e LEFT JOIN lookups l ON l.event = e.seq"
);

fn event(row: &Row<'_>) -> Result<EventView> {
    Ok(EventView {
        number: row.get("seq")?,
        id: row.get("id")?,
        route: row.get("route")?,
        source: row.get("source")?,
        kind: row.get("type")?,
        received_at: shown(Timestamp(row.get("received_at")?)),
        fault: row.get("fault")?,
        unmapped: row.get("unmapped")?,
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
    conditions.text(&format!("{of_event} s.rule = ?)"), filter.rule.as_ref());
    conditions.text(&format!("{of_event} s.campaign = ?)"), filter.campaign.as_ref());
    conditions.text(&format!("{of_event} s.account = ?)"), filter.account.as_ref());
    match filter.state {
        Some(Condition::Send(state)) => conditions.states(&format!("{of_event} s.state IN"), state, "))"),
        Some(Condition::Unmapped) => conditions.plain(unmapped!()),
        Some(Condition::Undecodable) => conditions.plain("e.fault IS NOT NULL"),
        None => {}
    }
    if let Some(wanted) = Wanted::of(filter) {
        return search(db, filter, conditions, &wanted);
    }
    let listing = Listing { select: EVENT, conditions, filter, numbered: NUMBERED };
    filter::list(db, listing, event, |event: &EventView| event.number)
}

/// What is looked for in what events hold: no index knows how it is written there.
struct Wanted<'a> {
    /// A number, and how it may be written; `None` where it is none of a country.
    person: Option<(&'a str, Option<Sought>)>,
    phrase: Option<Phrase>,
}

impl<'a> Wanted<'a> {
    fn of(filter: &'a Filter) -> Option<Self> {
        let person = filter.number.as_deref().map(|number| {
            (number, Person::of(number).map(|person| Sought::new(&person.country_code, &person.national)))
        });
        let phrase = filter.text.as_deref().map(Phrase::new);
        (person.is_some() || phrase.is_some()).then_some(Self { person, phrase })
    }

    /// Whether an event holds it; a number also if one of its sends goes there.
    fn is_in(&self, db: &Connection, seq: i64, row: &Row<'_>) -> Result<bool> {
        let mut texts = Vec::with_capacity(TEXTS);
        for column in 1..=TEXTS {
            texts.push(match row.get_ref(column)? {
                ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text),
                _ => Cow::Borrowed(""),
            });
        }
        // the headers of every call are alike
        let mut told = texts.iter().take(TEXTS - 1);
        if !self.phrase.as_ref().is_none_or(|phrase| told.any(|text| phrase.is_in(text))) {
            return Ok(false);
        }
        let Some((number, sought)) = &self.person else { return Ok(true) };
        if sought.as_ref().is_some_and(|sought| texts.iter().any(|text| sought.is_in(text))) {
            return Ok(true);
        }
        let sent = "SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = ?1 AND destination = ?2";
        db.prepare_cached(sent)?.exists(params![seq, number])
    }
}

/// How many texts of an event are looked through: id, type, body, fault, and last the envelope.
const TEXTS: usize = 5;

/// How long one reading looks at what events hold: whoever reads keeps the log from being worked into the file.
const LOOKING: Duration = Duration::from_millis(300);

/// A page of the events that hold what is wanted. It may end before it is full: then it says where to go on.
fn search(db: &Connection, filter: &Filter, mut conditions: Where, wanted: &Wanted<'_>) -> Result<Page<EventView>> {
    let limit = filter::limit(filter);
    let span = NUMBERED.span(db, filter)?;
    conditions.within(NUMBERED, span);
    let sql = format!(
        "SELECT e.seq, e.id, e.type, e.body, e.fault, e.envelope FROM events e{} ORDER BY e.seq DESC",
        conditions.sql()
    );
    let (mut select, mut read) = (db.prepare(&sql)?, db.prepare(&format!("{EVENT} WHERE e.seq = ?1"))?);
    let mut rows = select.query(conditions.bound())?;
    let (mut items, watch) = (Vec::new(), Stopwatch::start());
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        if wanted.is_in(db, seq, row)? {
            items.push(read.query_row([seq], event)?);
        }
        if items.len() >= limit || watch.elapsed() > LOOKING {
            let is_more = span.next.is_some() || rows.next()?.is_some();
            return Ok(Page { items, next: is_more.then(|| seq.to_string()) });
        }
    }
    Ok(Page { items, next: span.next.map(|number| number.to_string()) })
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

/// Events as they were kept, with their routes, why they could not be decoded, and what came of them.
pub fn kept(db: &Connection, numbers: &[i64]) -> Result<Vec<KeptWhole>> {
    let mut select = db.prepare(
        "SELECT id, type, received_at, body, envelope, route, fault, erased_at, (SELECT l.state FROM lookups l WHERE l.event = seq) AS lookup FROM events WHERE seq = ?1",
    )?;
    let mut made = db.prepare(&format!("{SEND} WHERE s.event = ?1 ORDER BY s.id"))?;
    let mut all = Vec::with_capacity(numbers.len());
    for number in numbers {
        let read = |row: &Row<'_>| {
            let lookup: Option<SendState> = row.get("lookup")?;
            Ok(KeptWhole {
                number: *number,
                event: kept_event(row)?,
                route: row.get("route")?,
                fault: row.get("fault")?,
                rest: lookup.map(|state| match state {
                    SendState::Sent => Rest::Found,
                    SendState::Failed => Rest::Failed,
                    _ => Rest::Waiting,
                }),
                erased_at: row.get::<_, Option<i64>>("erased_at")?.map(Timestamp),
                made: Vec::new(),
            })
        };
        let Some(mut kept) = select.query_row([number], read).optional()? else { continue };
        kept.made = made.query_map([number], send)?.collect::<Result<_>>()?;
        all.push(kept);
    }
    Ok(all)
}
