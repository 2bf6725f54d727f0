//! The pieces of a written moment.

use jiff::civil::Time;
use jiff::tz::Offset;

use super::offset;

/// A piece.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A number of a date, and how many digits it has.
    Number(i64, usize),
    /// A word: a month, a day of the week.
    Word(String),
    /// A time of day.
    Time(Time),
    /// How far ahead of UTC.
    Offset(Offset),
    /// `Z`, `GMT`, `UTC`.
    Utc,
}

/// Cuts a text into its pieces; `None` if something in it is none.
pub fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    // a comment at the end, as in `GMT+0530 (India Standard Time)`
    let comment =
        text.split_once('(').filter(|(_, rest)| rest.trim_end().ends_with(')') && !rest.contains(char::is_numeric));
    let text = comment.map_or(text, |(text, _)| text);
    let mut rest = text.trim();
    let (mut follows_t, mut is_precise) = (false, false);
    while let Some(first) = rest.chars().next() {
        let has_time = tokens.iter().any(|token| matches!(token, Token::Time(_)));
        // after `10:00` a minus leads to the end of a slot
        let may_be_behind = is_precise || tokens.last() == Some(&Token::Utc) || rest.starts_with('+');
        rest = if let Some((time, after)) = if has_time { None } else { time(rest) } {
            let written = rest.strip_suffix(after).unwrap_or(rest);
            is_precise = written.matches(':').count() == 2 || written.starts_with(['T', 't']) || follows_t;
            tokens.push(Token::Time(time));
            after
        } else if let Some((offset, after)) = if has_time && may_be_behind { ahead_of_utc(rest) } else { None } {
            tokens.push(Token::Offset(offset));
            after
        } else if first.is_numeric() {
            let (digits, after) = split(rest, char::is_numeric);
            let digits: String =
                digits.chars().map(|c| c.to_digit(10).and_then(|d| char::from_digit(d, 10))).collect::<Option<_>>()?;
            tokens.push(Token::Number(digits.parse().ok()?, digits.len()));
            without_ordinal(after)
        } else if first.is_alphabetic() {
            let (word, after) = split(rest, |c| c.is_alphabetic() || is_mark(c));
            match word {
                // between a date and its time
                "T" | "t" if after.starts_with(|c: char| c.is_ascii_digit()) => follows_t = true,
                "Z" | "z" | "GMT" | "UTC" | "UT" | "gmt" | "utc" => tokens.push(Token::Utc),
                word => tokens.push(Token::Word(word.to_owned())),
            }
            after
        } else if first.is_whitespace() || matches!(first, '/' | '-' | '.' | ',' | '\u{2013}' | '\u{60c}' | 'º' | '°')
        {
            rest.strip_prefix(first)?
        } else {
            return None;
        };
    }
    Some(tokens)
}

fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// Vowel signs and the like, which belong to the letter before.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{97f}' | '\u{64b}'..='\u{65f}')
}

/// `1st`, `26th`, `1er`.
fn without_ordinal(text: &str) -> &str {
    let after = ["st", "nd", "rd", "th", "er"].iter().find_map(|end| text.strip_prefix(end));
    after.filter(|rest| !rest.starts_with(char::is_alphabetic)).unwrap_or(text)
}

/// `18:11`, `18:11:02.5`, `6:11 PM`, `6 pm`; a compact `T124102` after a date.
fn time(text: &str) -> Option<(Time, &str)> {
    if let Some(compact) = text.strip_prefix(['T', 't']) {
        let (digits, rest) = split(compact, |c| c.is_ascii_digit());
        if let (4 | 6, false) = (digits.len(), rest.starts_with(':')) {
            let two = |at: usize| digits.get(at..at + 2).map_or(Some(0), |text| text.parse().ok());
            return Some((Time::new(two(0)?, two(2)?, two(4)?, 0).ok()?, rest));
        }
    }
    let (hour, after) = split(text, |c| c.is_ascii_digit());
    let mut hour: i8 = hour.parse().ok().filter(|_| hour.len() <= 2)?;
    let (mut minute, mut second) = (0, 0);
    let mut rest = after;
    if let Some(after) = rest.strip_prefix(':') {
        (minute, rest) = two_digits(after)?;
        if let Some(after) = rest.strip_prefix(':') {
            (second, rest) = two_digits(after)?;
            if let Some(after) =
                rest.strip_prefix(['.', ',']).filter(|after| after.starts_with(|c: char| c.is_ascii_digit()))
            {
                rest = split(after, |c| c.is_ascii_digit()).1;
            }
        }
    }
    let (half, after) = half_of_day(rest.trim_start());
    match half {
        None if !text.get(..3).is_some_and(|start| start.contains(':')) => return None,
        None => {}
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(is_pm) => {
            hour = hour % 12 + if is_pm { 12 } else { 0 };
            rest = after;
        }
    }
    // a leap second is the one before it
    Some((Time::new(hour, minute, second.min(59), 0).ok()?, rest))
}

fn two_digits(text: &str) -> Option<(i8, &str)> {
    let (digits, rest) = split(text, |c| c.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| digits.len() == 2)?, rest))
}

/// Whether it is after noon, where that is said.
fn half_of_day(text: &str) -> (Option<bool>, &str) {
    for (written, is_pm) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        let start = text.get(..written.len()).filter(|start| start.eq_ignore_ascii_case(written));
        let rest = start.and_then(|start| text.strip_prefix(start));
        if let Some(rest) = rest.filter(|rest| !rest.starts_with(char::is_alphabetic)) {
            return (Some(is_pm), rest);
        }
    }
    (None, text)
}

/// `+05:30`, `-0800`, `+05`, also after `GMT`.
fn ahead_of_utc(text: &str) -> Option<(Offset, &str)> {
    let (text, sign) = match text.strip_prefix('+') {
        Some(rest) => (rest, 1),
        None => (text.strip_prefix(['-', '\u{2212}'])?, -1),
    };
    let (digits, rest) = split(text, |c| c.is_ascii_digit());
    let (hours, minutes, rest) = match digits.len() {
        1 | 2 => match rest.strip_prefix(':') {
            Some(after) => {
                let (minutes, rest) = two_digits(after)?;
                (digits.parse().ok()?, i32::from(minutes), rest)
            }
            None => (digits.parse().ok()?, 0, rest),
        },
        4 => (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?, rest),
        _ => return None,
    };
    let minutes = Some(minutes).filter(|minutes| *minutes < 60)?;
    let hours: i32 = hours;
    Some((offset(sign * (hours * 60 + minutes))?, rest))
}
