//! Phone numbers in a text; what counts as one is written in the parent module.

use std::borrow::Cow;

use super::NUMBER;

const UUID_LENGTH: usize = 36;

/// The most that may stand between two digits of one number: ` - `, `) (`.
const GAP: usize = 3;

/// The shortest hash in hexadecimal digits (MD5), and how many letters it has at least.
const HASH: (usize, usize) = (32, 4);

/// A text in which numbers show so many digits at their ends only.
pub fn masked(text: &str, ends: usize) -> Cow<'_, str> {
    if text.chars().filter(|c| c.is_numeric()).count() < NUMBER {
        return Cow::Borrowed(text);
    }
    let chars = unescaped(text);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if let Some(length) = exempt(&chars, at) {
            out.extend(chars.iter().skip(at).take(length));
            at += length;
        } else if c.is_numeric() {
            at += write_run(&chars, at, ends, &mut out);
        } else {
            let escape = escape(&chars, at).unwrap_or(1);
            out.extend(chars.iter().skip(at).take(escape));
            at += escape;
        }
    }
    Cow::Owned(out)
}

/// Writes the run of digits that begins here, its ends shown; returns how many characters it has.
fn write_run(chars: &[char], start: usize, ends: usize, out: &mut String) -> usize {
    let places = run(chars, start);
    let (count, end) = (places.len(), places.last().map_or(start, |last| last + 1));
    let hidden = if count < NUMBER { &[] } else { places.get(ends..count - ends).unwrap_or_default() };
    let shown = |(at, c): (usize, &char)| if hidden.binary_search(&at).is_ok() { '*' } else { *c };
    out.extend(chars.iter().enumerate().take(end).skip(start).map(shown));
    end - start
}

/// The runs of digits in a text, each with the place of every digit. What is certainly not a phone number is left out.
pub fn runs(chars: &[char]) -> impl Iterator<Item = Vec<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(c) = chars.get(at) {
            if let Some(length) = exempt(chars, at) {
                at += length;
            } else if c.is_numeric() {
                let places = run(chars, at);
                at = places.last().map_or(at, |last| last + 1);
                return Some(places);
            } else {
                at += escape(chars, at).unwrap_or(1);
            }
        }
        None
    })
}

/// The places of the digits of the run that begins here.
fn run(chars: &[char], start: usize) -> Vec<usize> {
    let mut places = vec![start];
    let mut next = start + 1;
    while let Some(place) = next_digit(chars, next) {
        places.push(place);
        next = place + 1;
    }
    places
}

/// Where the next digit of a number stands, after what people write between digits.
fn next_digit(chars: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..=GAP {
        let c = *chars.get(at)?;
        if c.is_numeric() {
            // a date or an id after a space is not part of the number
            let is_another = at > from && exempt(chars, at).is_some() && ip_address(chars, at).is_none();
            return (!is_another).then_some(at);
        }
        // spaces, however many, are one step
        let spaces = chars.iter().skip(at).take_while(|c| c.is_whitespace()).count();
        at += escape(chars, at).or_else(|| joins(c).then_some(spaces.max(1)))?;
    }
    None
}

fn joins(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '(' | ')' | '/' | '_' | '+' | '\u{ad}' | '\u{2212}' | '\u{2060}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}' | '\u{202a}'..='\u{202e}' | '\u{ff0d}')
}

/// What may stand between digits in another spelling: `%20`, and `\/`, `\t`, `\n`, `\r` of JSON, as often as it was escaped.
fn escape(chars: &[char], at: usize) -> Option<usize> {
    let is_hex = |offset| chars.get(at + offset).is_some_and(char::is_ascii_hexdigit);
    if chars.get(at) == Some(&'%') && is_hex(1) && is_hex(2) {
        return Some(3);
    }
    let slashes = backslashes(chars, at);
    (slashes > 0 && matches!(chars.get(at + slashes), Some('/' | 't' | 'n' | 'r'))).then_some(slashes + 1)
}

/// How often a text is escaped at most.
const NESTED: usize = 16;

fn backslashes(chars: &[char], at: usize) -> usize {
    chars.iter().skip(at).take(NESTED).take_while(|c| **c == '\\').count()
}

/// The characters of a text, where digits and what stands between them may be spelled `\u00a0` (JSON) or `\u{a0}` (Rust).
pub fn unescaped(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    if !text.contains("\\u") {
        return chars;
    }
    let (mut plain, mut at) = (Vec::with_capacity(chars.len()), 0);
    while let Some(&c) = chars.get(at) {
        match unicode_escape(&chars, at).filter(|(meant, _)| meant.is_numeric() || joins(*meant)) {
            Some((meant, length)) => {
                plain.push(meant);
                at += length;
            }
            None => {
                plain.push(c);
                at += 1;
            }
        }
    }
    plain
}

/// The character that an escape stands for, and the escape's length.
fn unicode_escape(chars: &[char], at: usize) -> Option<(char, usize)> {
    let slashes = backslashes(chars, at);
    if slashes == 0 || chars.get(at + slashes) != Some(&'u') {
        return None;
    }
    let start = at + slashes + 1;
    let (first, most, closes) = if chars.get(start) == Some(&'{') { (start + 1, 6, 1) } else { (start, 4, 0) };
    let hex: String = chars.iter().skip(first).take(most).take_while(|c| c.is_ascii_hexdigit()).collect();
    let is_whole = if closes == 1 { chars.get(first + hex.len()) == Some(&'}') } else { hex.len() == most };
    let meant = char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?;
    is_whole.then_some((meant, first + hex.len() + closes - at))
}

/// The length of what begins here and is certainly not a phone number.
fn exempt(chars: &[char], at: usize) -> Option<usize> {
    let is_start = at.checked_sub(1).and_then(|before| chars.get(before)).is_none_or(|c| !c.is_alphanumeric());
    if !is_start || !chars.get(at)?.is_ascii_hexdigit() {
        return None;
    }
    uuid(chars, at)
        .or_else(|| hash(chars, at))
        .or_else(|| moment(chars, at))
        .or_else(|| duration(chars, at))
        .or_else(|| ip_address(chars, at))
}

fn ends_word(chars: &[char], at: usize) -> bool {
    chars.get(at).is_none_or(|c| !c.is_alphanumeric())
}

/// Whether a text is a UUID and nothing else.
pub fn is_uuid(text: &[u8]) -> bool {
    text.len() == UUID_LENGTH && looks_like_uuid(text.iter().map(|byte| char::from(*byte)))
}

fn looks_like_uuid(chars: impl Iterator<Item = char> + Clone) -> bool {
    let fits = |(index, c): (usize, char)| {
        if [8, 13, 18, 23].contains(&index) { c == '-' } else { c.is_ascii_hexdigit() }
    };
    chars.clone().enumerate().all(fits) && chars.filter(char::is_ascii_alphabetic).count() > 1
}

fn uuid(chars: &[char], at: usize) -> Option<usize> {
    let text = chars.get(at..at + UUID_LENGTH)?;
    (ends_word(chars, at + UUID_LENGTH) && looks_like_uuid(text.iter().copied())).then_some(UUID_LENGTH)
}

fn hash(chars: &[char], at: usize) -> Option<usize> {
    let word = || chars.iter().skip(at).take_while(|c| c.is_alphanumeric());
    let (shortest, letters) = HASH;
    let length = word().count();
    let is_hash = length >= shortest
        && word().all(char::is_ascii_hexdigit)
        && word().filter(|c| c.is_ascii_alphabetic()).count() >= letters;
    is_hash.then_some(length)
}

/// Whether the characters are those of a pattern, in which `0` is any digit.
fn follows(chars: &[char], at: usize, pattern: &str) -> bool {
    pattern.chars().enumerate().all(|(offset, wanted)| {
        let c = chars.get(at + offset).copied();
        if wanted == '0' { c.is_some_and(|c| c.is_ascii_digit()) } else { c == Some(wanted) }
    })
}

fn digits(chars: &[char], at: usize) -> usize {
    chars.iter().skip(at).take_while(|c| c.is_ascii_digit()).count()
}

/// A date of these centuries, with its time.
fn moment(chars: &[char], at: usize) -> Option<usize> {
    let is_digit = |at| chars.get(at).is_some_and(char::is_ascii_digit);
    let is_century = matches!((chars.get(at), chars.get(at + 1)), (Some('1'), Some('9')) | (Some('2'), Some('0')));
    let month_and_day = matches!(chars.get(at + 5), Some('0' | '1')) && matches!(chars.get(at + 8), Some('0'..='3'));
    if !follows(chars, at, "0000-00-00") || is_digit(at + 10) || !is_century || !month_and_day {
        return None;
    }
    let clock = at + 11;
    if !matches!(chars.get(at + 10), Some('T' | ' ')) || !follows(chars, clock, "00:00") {
        return Some(10);
    }
    let seconds = if follows(chars, clock + 5, ":00") { 3 } else { 0 };
    let fraction = clock + 5 + seconds;
    let fraction = match chars.get(fraction) {
        Some('.') if (1..=9).contains(&digits(chars, fraction + 1)) => 1 + digits(chars, fraction + 1),
        _ => 0,
    };
    Some(16 + seconds + fraction)
}

/// `1.234567s`, as durations are printed; `98.12.345s` is not one, nor does one begin within it.
fn duration(chars: &[char], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    if before.is_some_and(|c| matches!(c, '-' | '.' | '/' | '_' | '+')) {
        return None;
    }
    let whole = digits(chars, at);
    let fraction = digits(chars, at + whole + 1);
    let unit_at = at + whole + 1 + fraction;
    let unit: String = chars.iter().skip(unit_at).take_while(|c| c.is_alphanumeric()).collect();
    let is_unit = ["s", "ms", "us", "µs", "ns"].contains(&unit.as_str());
    let fits = (1..=4).contains(&whole) && fraction > 0 && chars.get(at + whole) == Some(&'.');
    (fits && is_unit).then_some(whole + 1 + fraction)
}

/// Four groups of at most three digits; where all have two it may be a phone number as they are written in Denmark.
fn ip_address(chars: &[char], at: usize) -> Option<usize> {
    let (mut end, mut pairs) = (at, 0);
    for group in 0..4 {
        if group > 0 {
            if chars.get(end) != Some(&'.') {
                return None;
            }
            end += 1;
        }
        let length = digits(chars, end);
        let value: String = chars.iter().skip(end).take(length).collect();
        if !(1..=3).contains(&length) || value.parse::<u8>().is_err() {
            return None;
        }
        pairs += usize::from(length == 2);
        end += length;
    }
    let goes_on = chars.get(end) == Some(&'.') && digits(chars, end + 1) > 0;
    (pairs < 4 && !goes_on && ends_word(chars, end)).then_some(end - at)
}
