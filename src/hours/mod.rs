//! When people may be messaged: windows of the day in named time zones.
//!
//! Moments are UTC; only the question whether a window is open is asked in a zone, by the rules of that zone and day, so
//! that a change to or from summer time opens it neither twice nor never. The zones are IANA's
//! (<https://www.iana.org/time-zones>), by jiff.

mod written;

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use written::bit;

pub use written::{Closed, Unreadable, Window, Zone};

/// How many days ahead an opening is looked for.
const HORIZON: u32 = 400;

/// Where nothing ever opens, this far ahead is as good as never.
const NEVER: Duration = Duration::from_secs(400 * 86_400);

/// After this many days an opening for most of the zones is as good as one for all.
const PATIENCE: u32 = 8;

/// Windows of the week, days on which none opens, and where that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// When it is open.
    pub windows: Vec<Window>,
    /// When it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
    /// In which zones: open is what is open in all of them.
    pub zones: Vec<Zone>,
}

impl Hours {
    /// When it opens; `None` if it is open.
    ///
    /// Open is what is open in all zones. Where that is never so, since they lie too far apart, the first moment counts
    /// at which it is open in most of them.
    pub fn opening(&self, now: Timestamp) -> Option<Timestamp> {
        let zones: Vec<&TimeZone> = self.zones.iter().map(Zone::rules).collect();
        let open = |at: Timestamp| zones.iter().filter(|zone| self.is_open(zone, at)).count();
        let all = open(now);
        if all == zones.len() {
            return None;
        }
        let mut best = (0, now);
        for day in 0..HORIZON {
            let mut moments: Vec<Timestamp> =
                zones.iter().flat_map(|zone| self.openings(zone, now, day)).filter(|at| *at > now).collect();
            moments.sort_unstable();
            for at in moments {
                let count = open(at);
                if count == zones.len() {
                    return Some(at);
                }
                best = if count > best.0 { (count, at) } else { best };
            }
            if day >= PATIENCE && best.0 > 0 {
                break;
            }
        }
        match best {
            // one that is open at present in most zones is as open as it gets
            (count, _) if all >= count && all > 0 => None,
            (0, _) => Some(now.after(NEVER)),
            (_, at) => Some(at),
        }
    }

    /// Whether any window ever opens.
    pub fn ever_open(&self) -> bool {
        (0..HORIZON).any(|day| !self.openings(&TimeZone::UTC, Timestamp(0), day).is_empty())
    }

    fn is_open(&self, zone: &TimeZone, at: Timestamp) -> bool {
        let Some(local) = local(zone, at) else { return true };
        let minute = minutes(local.time());
        let yesterday = local.date().yesterday().ok();
        self.windows.iter().any(|window| {
            if window.from < window.to {
                (window.from..window.to).contains(&minute) && self.opens_on(*window, local.date())
            } else {
                (minute >= window.from && self.opens_on(*window, local.date()))
                    || (minute < window.to && yesterday.is_some_and(|day| self.opens_on(*window, day)))
            }
        })
    }

    fn opens_on(&self, window: Window, date: Date) -> bool {
        let closed = self.closed.iter().any(|closed| match closed {
            Closed::Day(day) => date.weekday() == *day,
            Closed::Date(day) => date == *day,
            Closed::Yearly { month, day } => (date.month(), date.day()) == (*month, *day),
        });
        !closed && window.days & bit(date.weekday()) != 0
    }

    /// The moments at which a window opens on a day, counted from today.
    fn openings(&self, zone: &TimeZone, now: Timestamp, day: u32) -> Vec<Timestamp> {
        let date = local(zone, now).and_then(|local| local.date().checked_add(jiff::Span::new().days(day)).ok());
        let Some(date) = date else { return Vec::new() };
        let opens = self.windows.iter().filter(|window| self.opens_on(**window, date));
        // a window that lasts over midnight into a closed day, or one after a closed day, opens at its own time only
        opens.filter_map(|window| moment(zone, date.to_datetime(window.starts()))).collect()
    }
}

fn local(zone: &TimeZone, at: Timestamp) -> Option<DateTime> {
    jiff::Timestamp::from_millisecond(at.0).ok().map(|at| zone.to_datetime(at))
}

/// The moment of a local time; of one that summer time leaves out, the moment of the change.
pub fn moment(zone: &TimeZone, at: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(at);
    let found = match ambiguous.offset() {
        AmbiguousOffset::Gap { after, .. } => {
            let before = after.to_timestamp(at).ok()?;
            zone.following(before).next().map(|change| change.timestamp())?
        }
        _ => ambiguous.earlier().ok()?,
    };
    Some(Timestamp(found.as_millisecond()))
}

fn minutes(time: Time) -> u16 {
    u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(windows: &[&str], closed: &[&str], zones: &[&str]) -> Hours {
        Hours {
            windows: windows.iter().map(|text| text.parse().expect("hours")).collect(),
            closed: closed.iter().map(|text| text.parse().expect("a day")).collect(),
            zones: zones.iter().map(|zone| zone.parse().expect("a zone")).collect(),
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond())
    }

    /// When it opens, in local time of its first zone; `open` if it is.
    fn opens(hours: &Hours, now: &str) -> String {
        match hours.opening(at(now)) {
            None => "open".into(),
            Some(moment) => {
                assert_eq!(hours.opening(moment), None, "what opens is open");
                let zone = hours.zones[0].rules().clone();
                jiff::Timestamp::from_millisecond(moment.0).expect("moment").to_zoned(zone).to_string()
            }
        }
    }

    #[test]
    fn outside_the_window_it_waits_for_the_opening() {
        let kolkata = hours(&["09:00-21:00"], &[], &["Asia/Kolkata"]);
        assert_eq!(opens(&kolkata, "2026-11-24T03:29:59.999Z"), "2026-11-24T09:00:00+05:30[Asia/Kolkata]");
        assert_eq!(opens(&kolkata, "2026-11-24T03:30:00Z"), "open");
        assert_eq!(opens(&kolkata, "2026-11-24T15:29:59.999Z"), "open");
        assert_eq!(opens(&kolkata, "2026-11-24T15:30:00Z"), "2026-11-25T09:00:00+05:30[Asia/Kolkata]");
        let lord_howe = hours(&["09:00-21:00"], &[], &["Australia/Lord_Howe"]);
        assert_eq!(opens(&lord_howe, "2026-07-01T12:00:00Z"), "2026-07-02T09:00:00+10:30[Australia/Lord_Howe]");
        let kathmandu = hours(&["09:00-21:00"], &[], &["Asia/Kathmandu"]);
        assert_eq!(opens(&kathmandu, "2026-07-01T03:14:00Z"), "2026-07-01T09:00:00+05:45[Asia/Kathmandu]");
    }

    #[test]
    fn summer_time_opens_neither_twice_nor_never() {
        for (zone, window, before, opening) in [
            // the clock goes forward, from 02:00 to 03:00, and 02:30 does not exist
            ("America/New_York", "02:30-04:00", "2026-03-08T06:59:00Z", "2026-03-08T03:00:00-04:00[America/New_York]"),
            // it goes back, and 01:30 comes twice: the first counts
            ("America/New_York", "01:30-04:00", "2026-11-01T05:00:00Z", "2026-11-01T01:30:00-04:00[America/New_York]"),
            ("America/New_York", "09:00-21:00", "2026-03-08T05:00:00Z", "2026-03-08T09:00:00-04:00[America/New_York]"),
            ("Europe/London", "01:30-04:00", "2026-03-29T00:59:00Z", "2026-03-29T02:00:00+01:00[Europe/London]"),
            ("Europe/London", "09:00-21:00", "2026-10-25T00:30:00Z", "2026-10-25T09:00:00+00:00[Europe/London]"),
            ("Australia/Sydney", "09:00-21:00", "2026-10-03T15:59:00Z", "2026-10-04T09:00:00+11:00[Australia/Sydney]"),
            ("Australia/Sydney", "09:00-21:00", "2026-04-04T15:59:00Z", "2026-04-05T09:00:00+10:00[Australia/Sydney]"),
        ] {
            assert_eq!(opens(&hours(&[window], &[], &[zone]), before), opening, "{zone} {window}");
        }
        // open all along the hour that comes twice
        let york = hours(&["01:30-04:00"], &[], &["America/New_York"]);
        for minute in 30..60 {
            assert_eq!(opens(&york, &format!("2026-11-01T06:{minute}:00Z")), "open");
        }
    }

    #[test]
    fn days_and_dates_are_left_out() {
        let work = hours(&["mon-fri 09:00-18:00", "sat 10:00-14:00"], &["2026-12-25", "01-01"], &["Europe/London"]);
        assert_eq!(opens(&work, "2026-12-24T18:00:00Z"), "2026-12-26T10:00:00+00:00[Europe/London]");
        assert_eq!(opens(&work, "2026-12-26T14:00:00Z"), "2026-12-28T09:00:00+00:00[Europe/London]");
        assert_eq!(opens(&work, "2026-12-31T23:00:00Z"), "2027-01-02T10:00:00+00:00[Europe/London]");
        let no_sundays = hours(&["09:00-21:00"], &["sunday"], &["Asia/Kolkata"]);
        assert_eq!(opens(&no_sundays, "2026-11-28T16:00:00Z"), "2026-11-30T09:00:00+05:30[Asia/Kolkata]");
    }

    #[test]
    fn what_never_opens_lets_nobody_through() {
        let never = hours(&["mon-tue 09:00-21:00"], &["mon", "tue"], &["Asia/Kolkata"]);
        assert!(!never.ever_open());
        assert!(never.opening(at("2026-11-24T06:00:00Z")).is_some_and(|opens| opens > at("2027-11-24T06:00:00Z")));
        assert!(hours(&["sun 09:00-21:00"], &[], &["Asia/Kolkata"]).ever_open());
    }

    #[test]
    fn a_window_may_last_over_midnight() {
        let night = hours(&["fri 22:00-02:00"], &[], &["Asia/Dubai"]);
        assert_eq!(opens(&night, "2026-11-27T21:59:00Z"), "open", "01:59 on Saturday belongs to Friday");
        assert_eq!(opens(&night, "2026-11-27T22:00:00Z"), "2026-12-04T22:00:00+04:00[Asia/Dubai]");
    }

    #[test]
    fn of_several_zones_all_must_be_open_if_ever_they_are() {
        let america = hours(&["09:00-21:00"], &[], &["America/New_York", "America/Los_Angeles"]);
        assert_eq!(opens(&america, "2026-07-01T13:30:00Z"), "2026-07-01T12:00:00-04:00[America/New_York]");
        let apart = hours(&["09:00-12:00"], &[], &["Asia/Tokyo", "America/New_York", "America/Toronto"]);
        assert_eq!(opens(&apart, "2026-07-01T00:30:00Z"), "2026-07-01T22:00:00+09:00[Asia/Tokyo]");
    }
}
