//! Moments as people type and read them: `yesterday`, `24h`, `2026-11-25T09:00`, in the time zone of this computer. The API
//! takes and gives RFC 3339 in UTC alone: what is meant is decided here.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp, Zoned};
use serde_json::Value;
use thiserror::Error;

use crate::clock::Clock;

/// A moment that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(Timestamp);

/// Why a text is not a moment.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum NoMoment {
    /// It has none of the forms.
    #[error(
        "write `today` or `yesterday` (from their first minute), `30m`, `24h` or `7d` (so long ago), 2026-11-25 or 2026-11-25T09:00 (in {0}), or in full 2026-11-25T09:00:00+05:30"
    )]
    Unknown(String),
    /// Clocks were set ahead over it.
    #[error(
        "it never comes, since the clocks of {zone} are set ahead over it: write an earlier or a later time, or one of {before} and {after}"
    )]
    Skipped {
        /// Where.
        zone: String,
        /// As if they had not been set.
        before: String,
        /// As if they had been set already.
        after: String,
    },
    /// Clocks were set back, and it came twice.
    #[error("it comes twice, since the clocks of {zone} are set back: write {first} or {second}")]
    Repeated {
        /// Where.
        zone: String,
        /// The first time.
        first: String,
        /// The second time.
        second: String,
    },
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        read(text, &now(TimeZone::system())).map(Self)
    }
}

impl Moment {
    /// As the API takes it.
    pub fn written(self) -> String {
        self.0.to_string()
    }
}

/// The moment now, in a time zone.
fn now(zone: TimeZone) -> Zoned {
    Timestamp::from_millisecond(Clock::system().now().0).unwrap_or_default().to_zoned(zone)
}

/// What a text means, said at this moment in this time zone.
fn read(text: &str, now: &Zoned) -> Result<Timestamp, NoMoment> {
    let (text, zone) = (text.trim(), now.time_zone());
    let named = match text.to_ascii_lowercase().as_str() {
        "today" => Some(now.date()),
        "yesterday" => now.date().yesterday().ok(),
        _ => None,
    };
    if let Some(day) = named {
        return begin_of(day, zone);
    }
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    // with a zone of its own: 2026-11-25T09:00[Asia/Kolkata]
    if let Ok(moment) = text.parse::<Zoned>() {
        return Ok(moment.timestamp());
    }
    if let Ok(time) = text.parse::<DateTime>() {
        // a day is written without `T`, space and colon
        let is_day = !text.contains([':', 'T', 't', ' ']);
        return if is_day { begin_of(time.date(), zone) } else { at(time, zone) };
    }
    // `m` is a minute; a day or longer ends at the same time of day, however many hours that is
    let ago = text.parse::<Span>().ok().and_then(|span| now.checked_sub(span.abs()).ok());
    ago.map(|moment| moment.timestamp()).ok_or_else(|| unknown(zone))
}

fn unknown(zone: &TimeZone) -> NoMoment {
    NoMoment::Unknown(name_of(zone))
}

/// A day begins at midnight, or later where clocks are set ahead over that.
fn begin_of(day: Date, zone: &TimeZone) -> Result<Timestamp, NoMoment> {
    zone.to_ambiguous_timestamp(day.to_datetime(jiff::civil::Time::midnight())).compatible().map_err(|_| unknown(zone))
}

/// A time that clocks show once; one that they show twice, or never, is not guessed.
fn at(time: DateTime, zone: &TimeZone) -> Result<Timestamp, NoMoment> {
    let meant = zone.to_ambiguous_timestamp(time);
    let with = |offset: Offset| {
        let moment = offset.to_timestamp(time).map(|moment| shown(moment, &TimeZone::fixed(offset), "%.f"));
        moment.unwrap_or_else(|_| time.to_string())
    };
    match meant.offset() {
        AmbiguousOffset::Unambiguous { .. } => meant.unambiguous().map_err(|_| unknown(zone)),
        AmbiguousOffset::Gap { before, after } => {
            Err(NoMoment::Skipped { zone: name_of(zone), before: with(before), after: with(after) })
        }
        AmbiguousOffset::Fold { before, after } => {
            Err(NoMoment::Repeated { zone: name_of(zone), first: with(before), second: with(after) })
        }
    }
}

/// A time zone as people know it.
fn name_of(zone: &TimeZone) -> String {
    match zone.iana_name() {
        // it says nothing of its zone
        Some("Etc/Unknown") => "UTC".to_owned(),
        Some(name) => name.to_owned(),
        None => "this computer's time zone".to_owned(),
    }
}

/// A moment with its offset in a time zone; `fraction` is how parts of a second are shown.
fn shown(at: Timestamp, zone: &TimeZone, fraction: &str) -> String {
    let at = at.to_zoned(zone.clone());
    let offset = if at.offset() == Offset::UTC { "Z" } else { "%:z" };
    at.strftime(&format!("%Y-%m-%dT%H:%M:%S{fraction}{offset}")).to_string()
}

/// In which times are shown: in that of this computer, unless UTC is asked for.
pub fn zone(is_utc: bool) -> TimeZone {
    if is_utc { TimeZone::UTC } else { TimeZone::system() }
}

/// What people or senders wrote, which is shown as it is.
const VERBATIM: [&str; 5] = ["body", "envelope", "payload", "payloads", "answer"];

/// Where the API says when, and texts in which it says when.
const TIMES: [&str; 14] = [
    "at",
    "not_before",
    "since",
    "until",
    "received_at",
    "created_at",
    "changed_at",
    "gone_at",
    "expires_at",
    "erased_at",
    "probe_at",
    "reason",
    "why",
    "lookup_reason",
];

/// An answer of the API with its times as they are in a time zone.
pub fn in_zone(json: &mut Value, zone: &TimeZone) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| in_zone(item, zone)),
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut().filter(|(key, _)| !VERBATIM.contains(&key.as_str())) {
                match value {
                    Value::String(text) if TIMES.contains(&key.as_str()) => *text = text_in_zone(text, zone),
                    value => in_zone(value, zone),
                }
            }
        }
        _ => {}
    }
}

/// A text in which each moment in UTC is written as it is in a time zone: `it expired at 2026-11-25T09:00:00.000Z, ...`.
fn text_in_zone(text: &str, zone: &TimeZone) -> String {
    let word_in_zone = |word: &str| {
        let bare = word.trim_end_matches([',', ';', '.', ':', ')', ' ']);
        let rest = word.strip_prefix(bare).unwrap_or_default();
        let moment = bare.parse::<Timestamp>().ok().filter(|_| bare.ends_with('Z'));
        moment.map_or_else(|| word.to_owned(), |at| shown(at, zone, "%.3f") + rest)
    };
    text.split_inclusive(' ').map(word_in_zone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(now: &str) -> Zoned {
        now.parse::<Timestamp>().unwrap().to_zoned(TimeZone::get("Europe/Berlin").unwrap())
    }

    fn meant(text: &str, now: &str) -> String {
        read(text, &berlin(now)).map_or_else(|error| error.to_string(), |moment| moment.to_string())
    }

    #[test]
    fn moments_are_read_as_people_type_them() {
        for (text, moment) in [
            ("today", "2026-11-24T23:00:00Z"),
            (" Yesterday", "2026-11-23T23:00:00Z"),
            ("30m", "2026-11-25T08:30:00Z"),
            ("24h", "2026-11-24T09:00:00Z"),
            ("7d", "2026-11-18T09:00:00Z"),
            ("2 weeks ago", "2026-11-11T09:00:00Z"),
            ("2026-11-25", "2026-11-24T23:00:00Z"),
            ("2026-11-25T09:00", "2026-11-25T08:00:00Z"),
            ("2026-11-25 09:00:30", "2026-11-25T08:00:30Z"),
            ("2026-11-25T09:00:00Z", "2026-11-25T09:00:00Z"),
            ("2026-11-25T09:00+05:30", "2026-11-25T03:30:00Z"),
            ("2026-11-25T09:00[Asia/Kolkata]", "2026-11-25T03:30:00Z"),
        ] {
            assert_eq!(meant(text, "2026-11-25T09:00:00Z"), moment, "{text}");
        }
        for text in ["", "noon", "7", "25.11.2026", "2026-13-01", "2026-11-25T25:00", "99999999d"] {
            let said = meant(text, "2026-11-25T09:00:00Z");
            assert!(said.contains("`yesterday`") && said.contains("(in Europe/Berlin)"), "{text}: {said}");
        }
    }

    #[test]
    fn a_day_is_as_long_as_its_clocks_say() {
        for (now, yesterday, today) in [
            ("2026-10-26T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-03-30T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ] {
            assert_eq!((meant("yesterday", now), meant("today", now)), (yesterday.to_owned(), today.to_owned()));
        }
        // a day ends at the same time of day, 24 hours do not
        assert_eq!(meant("1d", "2026-10-25T12:00:00Z"), "2026-10-24T11:00:00Z");
        assert_eq!(meant("24h", "2026-10-25T12:00:00Z"), "2026-10-24T12:00:00Z");
        // where clocks are set ahead at midnight, the day begins at one
        let cairo =
            "2026-04-25T09:00:00Z".parse::<Timestamp>().unwrap().to_zoned(TimeZone::get("Africa/Cairo").unwrap());
        assert_eq!(read("yesterday", &cairo).unwrap().to_string(), "2026-04-23T22:00:00Z");
    }

    #[test]
    fn a_time_that_clocks_show_twice_or_never_is_not_guessed() {
        let now = "2026-11-25T09:00:00Z";
        assert_eq!(
            meant("2026-10-25T02:30", now),
            "it comes twice, since the clocks of Europe/Berlin are set back: write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"
        );
        let said = meant("2026-03-29T02:30", now);
        assert!(said.contains("set ahead") && said.contains("2026-03-29T02:30:00+01:00"), "{said}");
        assert_eq!(meant("2026-10-25T02:30:00+01:00", now), "2026-10-25T01:30:00Z");
    }

    #[test]
    fn an_answer_says_when_in_the_zone_of_whoever_asked() {
        let answer = || {
            serde_json::json!({
                "created_at": "2026-07-01T09:00:00.000Z",
                "event": "2026-07-01T09:00:00.000Z",
                "payload": { "at": "2026-07-01T09:00:00.000Z" },
                "history": [{ "at": "2026-12-01T09:00:00.123Z", "reason": "it expired at 2026-07-01T09:00:00.000Z, before it could be sent" }],
            })
        };
        let (mut local, mut utc) = (answer(), answer());
        in_zone(&mut local, &TimeZone::get("Europe/Berlin").unwrap());
        in_zone(&mut utc, &TimeZone::UTC);
        assert_eq!(utc, answer());
        assert_eq!(local["created_at"], "2026-07-01T11:00:00.000+02:00");
        assert_eq!(local["history"][0]["at"], "2026-12-01T10:00:00.123+01:00");
        assert_eq!(
            local["history"][0]["reason"],
            "it expired at 2026-07-01T11:00:00.000+02:00, before it could be sent"
        );
        for verbatim in [&local["event"], &local["payload"]["at"]] {
            assert_eq!(verbatim, "2026-07-01T09:00:00.000Z", "what a sender wrote stays");
        }
    }
}
