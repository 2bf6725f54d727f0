//! Hours and days as people write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// From when to when on which days: `09:00-21:00`, `mon-fri 09:00-18:30`, `22:00-02:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Monday is the first bit.
    pub(super) days: u8,
    /// In minutes of the day.
    pub(super) from: u16,
    /// In minutes of the day, up to 1,440; no later than `from`: of the next day.
    pub(super) to: u16,
}

/// A day on which no window opens: `sun`, `2026-12-25`, `12-25` of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Every week.
    Day(Weekday),
    /// Once.
    Date(Date),
    /// Every year.
    Yearly {
        /// From 1.
        month: i8,
        /// From 1.
        day: i8,
    },
}

/// A time zone by its IANA name: `Asia/Kolkata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// A window.
    #[error("`{0}` is not a range of hours")]
    Hours(String),
    /// A day without windows.
    #[error("`{0}` is not a day")]
    Day(String),
    /// A time zone.
    #[error("`{0}` is not a time zone")]
    Zone(String),
}

impl Unreadable {
    /// How it is written.
    pub fn how(&self) -> &'static str {
        match self {
            Self::Hours(_) => "write 09:00-21:00, or mon-sat 09:00-21:00",
            Self::Day(_) => "write sun, 2026-12-25, or 12-25 for every year",
            Self::Zone(_) => "write recipient, or a name as Asia/Kolkata or America/New_York",
        }
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A day's place in a window's days.
pub fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

impl Window {
    pub(super) fn starts(self) -> Time {
        let part = |number: u16| i8::try_from(number).unwrap_or(0);
        jiff::civil::time(part(self.from / 60), part(self.from % 60), 0, 0)
    }
}

fn day(text: &str) -> Option<Weekday> {
    let lower = text.trim().to_lowercase();
    DAYS.iter().find(|(name, _)| lower.len() >= 3 && long_name(name).starts_with(&lower)).map(|(_, day)| *day)
}

fn long_name(short: &str) -> &'static str {
    match short {
        "mon" => "monday",
        "tue" => "tuesday",
        "wed" => "wednesday",
        "thu" => "thursday",
        "fri" => "friday",
        "sat" => "saturday",
        _ => "sunday",
    }
}

impl FromStr for Window {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let fault = || Unreadable::Hours(text.to_owned());
        // days come first, and have no digits
        let split = text.find(|c: char| c.is_ascii_digit()).ok_or_else(fault)?;
        let (days, times) = text.split_at_checked(split).ok_or_else(fault)?;
        let days = if days.trim().is_empty() { 0b111_1111 } else { days_of(days).ok_or_else(fault)? };
        let (from, to) = times.split_once(['-', '–']).ok_or_else(fault)?;
        let (from, to) = (minute_of_day(from).ok_or_else(fault)?, minute_of_day(to).ok_or_else(fault)?);
        if from == 1_440 || from == to {
            return Err(fault());
        }
        Ok(Self { days, from, to })
    }
}

/// `mon-fri`, `sat`, `mon,wed,fri`.
fn days_of(text: &str) -> Option<u8> {
    let mut days = 0;
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days |= bit(at);
        while at != last {
            at = at.next();
            days |= bit(at);
        }
    }
    Some(days).filter(|days| *days != 0)
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != 0b111_1111 {
            let names: Vec<&str> =
                DAYS.iter().filter(|(_, day)| self.days & bit(*day) != 0).map(|(name, _)| *name).collect();
            write!(f, "{} ", names.join(","))?;
        }
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.to / 60, self.to % 60)
    }
}

impl FromStr for Closed {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let fault = || Unreadable::Day(text.to_owned());
        if let Some(day) = day(text) {
            return Ok(Self::Day(day));
        }
        if let Ok(date) = text.trim().parse::<Date>() {
            return Ok(Self::Date(date));
        }
        let (month, day) = text.trim().split_once('-').ok_or_else(fault)?;
        let (month, day) = (month.parse().map_err(|_| fault())?, day.parse().map_err(|_| fault())?);
        // a leap year has all days
        Date::new(2_024, month, day).map_err(|_| fault())?;
        Ok(Self::Yearly { month, day })
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => {
                let name = DAYS.iter().find(|(_, known)| known == day).map_or("", |(name, _)| name);
                f.write_str(name)
            }
            Self::Date(date) => date.fmt(f),
            Self::Yearly { month, day } => write!(f, "{month:02}-{day:02}"),
        }
    }
}

impl Zone {
    /// Where clocks show UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// What jiff reckons with.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }
}

impl FromStr for Zone {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        TimeZone::get(text).map(Self).map_err(|_| Unreadable::Zone(text.to_owned()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

/// Kept as people write them.
macro_rules! kept_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

kept_as_text!(Window);
kept_as_text!(Closed);
kept_as_text!(Zone);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_refused_with_the_way_to_write_it() {
        for wrong in ["09:00", "25:00-26:00", "funday 09:00-10:00", "09:00-09:00", "24:00-09:00"] {
            assert!(wrong.parse::<Window>().is_err_and(|error| error.how().contains("09:00-21:00")), "{wrong}");
        }
        for good in ["09:00-21:00", "mon,wed,fri 09:00-12:00", "22:00-02:00", "00:00-24:00"] {
            assert_eq!(good.parse::<Window>().map(|window| window.to_string()), Ok(good.to_owned()));
        }
        assert_eq!(
            "Mon-Wed 9:00 - 21:00".parse::<Window>().map(|w| w.to_string()),
            Ok("mon,tue,wed 09:00-21:00".into())
        );
        for wrong in ["02-30", "christmas", "2026-13-01"] {
            assert!(wrong.parse::<Closed>().is_err(), "{wrong}");
        }
    }
}
