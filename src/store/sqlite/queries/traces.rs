//! Where something of a person is kept. Every row is looked at once, in bounded parts; what a text holds is decided by
//! [`Sought`], since no index knows in which spelling a number was sent.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, Row, params};

use crate::clock::Stopwatch;
use crate::clock::Timestamp;
use crate::event::SendId;
use crate::event::erasure::{Erased, ErasureView, Person, SearchCursor, Trace, Traces};
use crate::event::lookup::EventSeq;
use crate::event::view::shown;
use crate::mask::Sought;
use crate::store::sqlite::states::{SendState, sql};

/// How many rows one reading looks at, at most, and for how long: whoever reads keeps the log from being worked into the
/// file.
const SPAN: usize = 20_000;
const LOOKING: Duration = Duration::from_millis(300);

/// A table in which something of a person may be kept.
struct Part {
    /// Its key, texts that may name a number, and whether the row is theirs whatever those say. `?1` is the key of the last
    /// row that was looked at, `?2` the number.
    sql: &'static str,
    /// What is smaller than every key.
    first: &'static str,
    /// What a row with such a key is.
    trace: fn(Key) -> Trace,
}

/// The key of a row.
struct Key {
    text: String,
    /// The row is about the person, and does not only name them.
    is_theirs: bool,
}

impl Key {
    fn number(&self) -> i64 {
        self.text.parse().unwrap_or(0)
    }
}

/// What is smaller than every number of a row.
const NUMBERS: &str = "-1";

/// Sends and their history come first: what is erased of them takes their events along.
const PARTS: [Part; 9] = [
    Part {
        sql: "SELECT id, destination, payload, reason, key, guards, message_id, destination = ?2 FROM sends WHERE id > ?1 ORDER BY id",
        first: NUMBERS,
        trace: |key| {
            if key.is_theirs { Trace::Send(SendId(key.number())) } else { Trace::Mention(SendId(key.number())) }
        },
    },
    Part {
        sql: "SELECT send, reason, answer, ?2 IS NULL FROM attempts WHERE send > ?1 ORDER BY send",
        first: NUMBERS,
        trace: |key| Trace::Attempt(SendId(key.number())),
    },
    Part {
        sql: "SELECT rowid, reason, ?2 IS NULL FROM changes WHERE rowid > ?1 ORDER BY rowid",
        first: NUMBERS,
        trace: |key| Trace::Change(key.number()),
    },
    Part {
        sql: "SELECT seq, id, type, envelope, body, fault, l.reason, a.reason, a.answer,
                     EXISTS (SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = seq AND destination = ?2)
              FROM events LEFT JOIN lookups l ON l.event = seq LEFT JOIN lookup_attempts a ON a.event = seq
              WHERE seq > ?1 ORDER BY seq",
        first: NUMBERS,
        trace: |key| Trace::Event(EventSeq(key.number())),
    },
    Part {
        sql: "SELECT rowid, number, reason, ?2 IS NULL FROM suppression_changes WHERE rowid > ?1 ORDER BY rowid",
        first: NUMBERS,
        trace: |key| Trace::SuppressionChange(key.number()),
    },
    Part {
        sql: "SELECT number, reason, ?2 IS NULL FROM suppressions WHERE number > ?1 AND number <> ?2 ORDER BY number",
        first: "",
        trace: |key| Trace::Suppression(key.text),
    },
    Part {
        sql: "SELECT key, key, ?2 IS NULL FROM cancels WHERE key > ?1 ORDER BY key",
        first: "",
        trace: |key| Trace::Cancel(key.text),
    },
    Part {
        sql: "SELECT id, reason, refusal, ?2 IS NULL FROM holds WHERE id > ?1 ORDER BY id",
        first: NUMBERS,
        trace: |key| Trace::Hold(key.number()),
    },
    Part {
        sql: "SELECT send, text, ?2 IS NULL FROM refusals WHERE send > ?1 ORDER BY send",
        first: NUMBERS,
        trace: |key| Trace::Refusal(SendId(key.number())),
    },
];

/// What the next part of the store holds of a person.
pub fn traces(db: &Connection, person: &Person, cursor: &SearchCursor) -> Result<Traces> {
    let sought = Sought::new(&person.country_code, &person.national);
    let Some(part) = PARTS.get(cursor.part) else { return Ok(Traces::default()) };
    let mut traces = Traces::default();
    if *cursor == SearchCursor::default() {
        traces.counts.suppressions = suppressions(db, person)?;
    }
    let next_part = Some(cursor.part + 1).filter(|next| *next < PARTS.len());
    traces.next = next_part.map(|part| SearchCursor { part, after: None });
    let after = cursor.after.as_deref().unwrap_or(part.first);
    let watch = Stopwatch::start();
    let (mut looked, mut last) = (0, None);
    let mut select = db.prepare_cached(part.sql)?;
    let mut rows = select.query(params![after, person.number])?;
    while let Some(row) = rows.next()? {
        let text = key_of(row)?;
        // only between two keys: the rows of one belong together
        if last.as_ref().is_some_and(|last| *last != text) && (looked >= SPAN || watch.elapsed() > LOOKING) {
            traces.next = Some(SearchCursor { part: cursor.part, after: last });
            break;
        }
        looked += 1;
        last = Some(text.clone());
        let is_theirs = row.get(select_width(row) - 1)?;
        if is_theirs || is_named(row, &sought)? {
            let trace = (part.trace)(Key { text, is_theirs });
            if traces.found.last() != Some(&trace) {
                count(db, &trace, person, &mut traces.counts)?;
                traces.found.push(trace);
            }
        }
    }
    Ok(traces)
}

fn select_width(row: &Row<'_>) -> usize {
    row.as_ref().column_count()
}

fn key_of(row: &Row<'_>) -> Result<String> {
    Ok(match row.get_ref(0)? {
        ValueRef::Integer(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    })
}

/// Whether a text of a row names the number.
fn is_named(row: &Row<'_>, sought: &Sought) -> Result<bool> {
    for column in 1..select_width(row) {
        if let ValueRef::Text(text) | ValueRef::Blob(text) = row.get_ref(column)?
            && sought.is_in(&String::from_utf8_lossy(text))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a trace would take away.
fn count(db: &Connection, trace: &Trace, person: &Person, counts: &mut Erased) -> Result<()> {
    match trace {
        Trace::Send(id) => count_send(db, id.0, counts),
        Trace::Mention(id) => {
            let waits = sql!("SELECT 1 FROM sends WHERE id = ?1 AND state < " sent);
            counts.others_waiting += u64::from(db.prepare_cached(waits)?.exists([id.0])?);
            Ok(())
        }
        Trace::Event(seq) => count_event(db, seq.0, person, counts),
        _ => Ok(()),
    }
}

/// Counts a send with its attempts.
pub fn count_send(db: &Connection, id: i64, counts: &mut Erased) -> Result<()> {
    let (state, attempts): (SendState, i64) = db
        .prepare_cached(
            "SELECT state, (SELECT count(*) FROM attempts WHERE send = sends.id) AS attempts FROM sends WHERE id = ?1",
        )?
        .query_row([id], |row| Ok((row.get("state")?, row.get("attempts")?)))?;
    counts.sends += 1;
    counts.under_way += u64::from(state == SendState::Sending);
    counts.attempts += u64::try_from(attempts).unwrap_or(0);
    Ok(())
}

/// Counts an event with its lookup, and the sends whose rules failed before they named anybody. One that was erased before
/// does not count.
pub fn count_event(db: &Connection, seq: i64, person: &Person, counts: &mut Erased) -> Result<()> {
    if !db.prepare_cached("SELECT 1 FROM events WHERE seq = ?1 AND erased_at IS NULL")?.exists([seq])? {
        return Ok(());
    }
    counts.events += 1;
    let number = |sql: &str| -> Result<u64> {
        let count: i64 = db.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    counts.lookups += number("SELECT count(*) FROM lookups WHERE event = ?1")?;
    counts.attempts += number("SELECT count(*) FROM lookup_attempts WHERE event = ?1")?;
    if is_shared(db, seq, person)? {
        counts.blanked += 1;
    } else {
        counts.sends += number(
            "SELECT count(*) FROM sends INDEXED BY sends_of_event WHERE event = ?1 AND destination = '' AND erased_at IS NULL",
        )?;
    }
    Ok(())
}

/// Whether sends to other people came of an event.
pub fn is_shared(db: &Connection, seq: i64, person: &Person) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM sends INDEXED BY sends_of_event WHERE event = ?1 AND destination NOT IN ('', ?2)")?
        .exists(params![seq, person.number])
}

fn suppressions(db: &Connection, person: &Person) -> Result<u64> {
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM suppressions WHERE number = ?1")?
        .query_row([&person.number], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many erasures a list shows.
const ERASURES: usize = 1_000;

/// The last erasures, newest first.
pub fn erasures(db: &Connection) -> Result<Vec<ErasureView>> {
    let mut select = db.prepare(&format!("SELECT * FROM erasures ORDER BY id DESC LIMIT {ERASURES}"))?;
    let rows = select.query_map([], |row| {
        let count = |column| row.get(column).map(|count: i64| u64::try_from(count).unwrap_or(0));
        let erased = Erased {
            events: count("events")?,
            blanked: count("blanked")?,
            sends: count("sends")?,
            under_way: count("under_way")?,
            attempts: count("attempts")?,
            lookups: count("lookups")?,
            suppressions: count("suppressions")?,
            others_waiting: count("others_waiting")?,
        };
        Ok(ErasureView { at: shown(Timestamp(row.get("at")?)), erased })
    })?;
    rows.collect()
}
