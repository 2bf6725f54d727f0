//! Lists as CSV (RFC 4180): all that the API says of each entry, and all of them, a page at a time.

use std::io::{ErrorKind, Write as _};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::moment::in_zone;
use crate::cell;

/// What is known of a send.
pub const SENDS: [&str; 23] = [
    "id",
    "event",
    "event_number",
    "route",
    "rule",
    "item",
    "account",
    "campaign",
    "destination",
    "state",
    "why",
    "until",
    "reason",
    "attempts",
    "created_at",
    "changed_at",
    "gone_at",
    "priority",
    "expires_at",
    "key",
    "detour",
    "message_id",
    "erased_at",
];

/// What is known of an event besides what it held.
pub const EVENTS: [&str; 11] =
    ["number", "id", "route", "source", "type", "received_at", "sends", "unmapped", "test", "fault", "erased_at"];

/// A list being written to standard output.
pub struct Csv<'a> {
    columns: &'a [&'a str],
    zone: &'a TimeZone,
}

/// Whether anybody reads what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Reads,
    /// It went away, as `head` does.
    Gone,
}

impl<'a> Csv<'a> {
    /// Begins a list: the line of the columns' names.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn begin(columns: &'a [&'a str], zone: &'a TimeZone) -> anyhow::Result<(Self, Reader)> {
        let names = columns.iter().map(|name| (*name).to_owned()).collect();
        Ok((Self { columns, zone }, print(&[names])?))
    }

    /// Writes a page of it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn page(&self, mut entries: Vec<Value>) -> anyhow::Result<Reader> {
        entries.iter_mut().for_each(|entry| in_zone(entry, self.zone));
        let row = |entry: &Value| self.columns.iter().map(|key| cell_of(entry.get(*key))).collect();
        print(&entries.iter().map(row).collect::<Vec<_>>())
    }
}

/// A value as a cell. What a sender wrote must neither be a formula nor move a terminal's cursor.
fn cell_of(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let plain: String =
        text.chars().map(|c| if is_plain(c) { String::from(c) } else { c.escape_default().collect() }).collect();
    cell::exported(&plain).into_owned()
}

fn print(rows: &[Vec<String>]) -> anyhow::Result<Reader> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.write_record(row))?;
    let mut out = std::io::stdout().lock();
    match out.write_all(&writer.into_inner()?).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        written => Ok(written.map(|()| Reader::Reads)?),
    }
}
