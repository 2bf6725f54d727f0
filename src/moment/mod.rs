//! Dates and times as people, forms and CRMs write them.
//!
//! What can be read in two ways is not guessed: a route says in which order day, month and year stand.

mod months;
mod tokens;
mod zones;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use thiserror::Error;

use crate::fold::plain_digits;
use crate::hours::Zone;
use tokens::{Token, tokens};

/// In which order day, month and year stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `26/11/2026`.
    DayMonthYear,
    /// `11/26/2026`.
    MonthDayYear,
    /// `2026/11/26`; of two digits, `26/11/26` as well.
    YearMonthDay,
}

/// What is known of the dates in a route's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dates {
    /// The order of dates in digits, where it is not plain.
    pub order: Option<Order>,
    /// The zone of those that say none.
    pub zone: Option<Zone>,
}

/// A moment as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What clocks show.
    at: DateTime,
    /// Whether a time of day was written.
    has_time: bool,
    /// Where they show it, if that was written.
    zone: Option<TimeZone>,
}

/// A text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoMoment {
    /// It is none, or an odd one.
    #[error(
        "`{0}` is not a date; write RFC 3339, as 2026-11-26T12:41:02Z, or 26 Nov 2026 18:11, or seconds since 1970"
    )]
    Unreadable(String),
    /// There is no such day or time.
    #[error("`{0}` names a day or a time that does not exist")]
    Nowhere(String),
    /// It can be read in several ways.
    #[error("`{text}` may be {one} or {other}: write `dates: dmy`, `dates: mdy` or `dates: ymd` in the route")]
    Ambiguous {
        /// What was written.
        text: String,
        /// One day.
        one: Date,
        /// Another.
        other: Date,
    },
    /// It can be read in several ways, and the order that the route names fits none of them.
    #[error(
        "`{text}` may be {one} or {other}, and its year does not come first as the route's `dates: ymd` says: write `dates: dmy` or `dates: mdy`"
    )]
    OtherOrder {
        /// What was written.
        text: String,
        /// One day.
        one: Date,
        /// Another.
        other: Date,
    },
}

/// How much of a text is repeated that is not a date, in characters.
const SHOWN_LIMIT: usize = 100;

/// No date is longer, in bytes.
const LONGEST: usize = 200;

impl Written {
    /// Reads a moment.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &str, order: Option<Order>) -> Result<Self, NoMoment> {
        if text.len() > LONGEST {
            return Err(NoMoment::Unreadable(text.chars().take(SHOWN_LIMIT).collect()));
        }
        let text = plain_digits(text);
        let text = text.trim();
        let shown = || text.chars().take(SHOWN_LIMIT).collect::<String>();
        if let Some(at) = since_1970(of_asp(text).unwrap_or(text)) {
            return Ok(Self::of(&at.to_zoned(TimeZone::UTC), true));
        }
        if let Some(at) = of_digits(text) {
            return Ok(Self { at, has_time: true, zone: None });
        }
        if let Ok(at) = text.parse::<Zoned>() {
            return Ok(Self::of(&at, true));
        }
        let Some(parts) = tokens(text).and_then(Parts::of) else { return Err(NoMoment::Unreadable(shown())) };
        let date = parts.date(order).map_err(|fault| match fault {
            Fault::Unreadable => NoMoment::Unreadable(shown()),
            Fault::Nowhere => NoMoment::Nowhere(shown()),
            Fault::Ambiguous(one, other) if order.is_some() => NoMoment::OtherOrder { text: shown(), one, other },
            Fault::Ambiguous(one, other) => NoMoment::Ambiguous { text: shown(), one, other },
        })?;
        let at = date.to_datetime(parts.time.unwrap_or(Time::midnight()));
        Ok(Self { at, has_time: parts.time.is_some(), zone: parts.zone })
    }

    fn of(at: &Zoned, has_time: bool) -> Self {
        Self { at: at.datetime(), has_time, zone: Some(at.time_zone().clone()) }
    }

    /// Whether a time of day was written.
    pub fn has_time(&self) -> bool {
        self.has_time
    }

    /// What clocks show, in the zone that was written, or else in this one.
    pub fn in_zone(&self, otherwise: &Zone) -> (DateTime, TimeZone) {
        (self.at, self.zone.clone().unwrap_or_else(|| otherwise.rules().clone()))
    }
}

/// Seconds, milliseconds or microseconds since 1970, from 2000 to 2100: any other number is something else, as the days of a
/// spreadsheet or the digits of a date.
fn since_1970(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    match number {
        946_684_800..4_102_444_800 => Timestamp::from_second(number).ok(),
        946_684_800_000..4_102_444_800_000 => Timestamp::from_millisecond(number).ok(),
        946_684_800_000_000..4_102_444_800_000_000 => Timestamp::from_microsecond(number).ok(),
        _ => None,
    }
}

/// The number in `/Date(1767085200000+0530)/`, as ASP.NET writes a moment; the offset behind it changes nothing.
fn of_asp(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    inside.split(['+', '-']).next()
}

/// `20261126181102`, as payment services write it.
fn of_digits(text: &str) -> Option<DateTime> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let is_it = text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit());
    let year = text.get(..4)?.parse().ok().filter(|year| is_it && (1900..2100).contains(year))?;
    DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, part(12, 14)?, 0).ok()
}

/// What a written moment is made of.
#[derive(Debug)]
struct Parts {
    /// The numbers of the date in their order, with how many digits they had.
    numbers: Vec<(i64, usize)>,
    month: Option<i8>,
    /// How many numbers came before the month's name.
    before_month: usize,
    time: Option<Time>,
    zone: Option<TimeZone>,
}

enum Fault {
    Unreadable,
    Nowhere,
    Ambiguous(Date, Date),
}

impl Parts {
    fn of(tokens: Vec<Token>) -> Option<Self> {
        let mut parts = Self { numbers: Vec::new(), month: None, before_month: 0, time: None, zone: None };
        let mut named = None;
        for token in tokens {
            match token {
                Token::Number(number, digits) => parts.numbers.push((number, digits)),
                Token::Time(time) if parts.time.is_none() => parts.time = Some(time),
                Token::Offset(offset) if parts.time.is_some() => parts.zone = Some(TimeZone::fixed(offset)),
                Token::Utc => parts.zone = parts.zone.or(Some(TimeZone::UTC)),
                Token::Word(word) if months::is_filler(&word) => {}
                Token::Word(word) if named.is_none() && zones::offset_of(&word).is_some() => {
                    named = zones::offset_of(&word);
                }
                Token::Word(word) => {
                    let month = months::month_of(&word).filter(|_| parts.month.is_none())?;
                    (parts.month, parts.before_month) = (Some(month), parts.numbers.len());
                }
                Token::Time(_) | Token::Offset(_) => return None,
            }
        }
        // `+0530 IST` says the same twice
        match (named.map(TimeZone::fixed), &parts.zone) {
            (None, _) => Some(parts),
            (Some(zone), None) if parts.time.is_some() => Some(Self { zone: Some(zone), ..parts }),
            (Some(zone), Some(written)) if zone == *written => Some(parts),
            _ => None,
        }
    }

    fn date(&self, order: Option<Order>) -> Result<Date, Fault> {
        let date = |year: (i64, usize), month: i64, day: i64| {
            let year = match year {
                // as POSIX reads them
                (year, 1..=2) => {
                    if year < 69 {
                        2_000 + year
                    } else {
                        1_900 + year
                    }
                }
                (year, _) => year,
            };
            let part = |number: i64| i8::try_from(number).unwrap_or(-1);
            Date::new(i16::try_from(year).unwrap_or(-1), part(month), part(day)).map_err(|_| Fault::Nowhere)
        };
        match (self.month, self.numbers.as_slice()) {
            (Some(month), [one, other]) => {
                // 2026 Nov 26; else the day comes first, before or after the month's name
                let (day, year) = if one.1 == 4 { (other, one) } else { (one, other) };
                if year.1 == 3 || year.1 > 4 || day.1 > 2 {
                    Err(Fault::Unreadable)
                } else {
                    date(*year, month.into(), day.0)
                }
            }
            (None, [(number, 8)]) => date((number / 10_000, 4), number / 100 % 100, number % 100),
            (None, [year @ (_, 4), month, day]) => date(*year, month.0, day.0),
            (None, [one, two, year]) if one.1 <= 2 && two.1 <= 2 && matches!(year.1, 2 | 4) => {
                let read = |order: Order| match order {
                    Order::DayMonthYear => date(*year, two.0, one.0),
                    Order::MonthDayYear => date(*year, one.0, two.0),
                    Order::YearMonthDay if year.1 == 2 => date(*one, two.0, year.0),
                    Order::YearMonthDay => Err(Fault::Nowhere),
                };
                match order {
                    // a year of four digits at the end leaves no place for one in front
                    Some(Order::YearMonthDay) if year.1 == 4 => in_any_order(&read),
                    Some(order) => read(order),
                    None => in_any_order(&read),
                }
            }
            _ => Err(Fault::Unreadable),
        }
    }
}

/// The day that a date says in whatever order, if there is one.
fn in_any_order(read: &impl Fn(Order) -> Result<Date, Fault>) -> Result<Date, Fault> {
    let orders = [Order::DayMonthYear, Order::MonthDayYear, Order::YearMonthDay];
    let mut days: Vec<Date> = orders.into_iter().filter_map(|order| read(order).ok()).collect();
    days.dedup();
    match days.as_slice() {
        [] => Err(Fault::Nowhere),
        [day] => Ok(*day),
        [one, other, ..] => Err(Fault::Ambiguous(*one, *other)),
    }
}

/// An offset from UTC, in minutes.
fn offset(minutes: i32) -> Option<Offset> {
    Offset::from_seconds(minutes.checked_mul(60)?).ok()
}

#[cfg(test)]
mod tests;
