//! E-mail addresses, and user names and passwords in URLs.

use std::borrow::Cow;

/// What stands for what is not shown.
const HIDDEN: &str = "***";

/// The spellings of the sign in the middle of an address.
const SIGNS: [&str; 3] = ["@", "%40", "\u{ff20}"];

/// A text in which no URL shows a user or password.
///
/// A password may hold anything where somebody forgot to escape it. So what stands before the last `@` of the word goes,
/// except in web addresses, whose paths may hold an `@`.
pub fn credentials(text: &str) -> Cow<'_, str> {
    if !text.contains("://") || !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut from = 0;
    let mut word = Word { end: 0, last_sign: None };
    while let Some(scheme_end) = part(from, text.len()).find("://").map(|at| from + at) {
        let start = scheme_end + 3;
        // what was found out about a word holds for all URLs in it
        if start > word.end {
            word = Word::at(text, start);
        }
        let Some(last_sign) = word.last_sign.filter(|sign| *sign >= start) else {
            out.push_str(part(from, word.end));
            from = word.end;
            continue;
        };
        let scheme = part(from, scheme_end).rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_web = ["http", "https", "ws", "wss"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        let sign = if is_web {
            let place = part(start, word.end).split(['/', '?', '#']).next().unwrap_or_default();
            place.rfind('@').map(|at| start + at)
        } else {
            Some(last_sign)
        };
        out.push_str(part(from, start));
        if sign.is_some() {
            out.push_str(HIDDEN);
        }
        from = sign.unwrap_or(start);
    }
    out.push_str(part(from, text.len()));
    Cow::Owned(out)
}

/// The word in which a URL stands.
struct Word {
    end: usize,
    last_sign: Option<usize>,
}

impl Word {
    fn at(text: &str, start: usize) -> Self {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let word = text.get(start..).and_then(|rest| rest.split(ends).next()).unwrap_or_default();
        Self { end: start + word.len(), last_sign: word.rfind('@').map(|at| start + at) }
    }
}

/// A text in which no e-mail address shows whose it is; its domain stays.
pub fn emails(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut rest, mut seen) = (text, 0);
    while let Some((at, sign)) = next_sign(rest, seen) {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + sign.len()..).unwrap_or_default());
        let has_place = after.starts_with(|c: char| c.is_alphanumeric() || c == '[');
        let name = || before.rsplit(|c: char| !may_name(c)).next().filter(|name| !name.is_empty());
        let Some(name) = has_place.then(name).flatten() else {
            seen = at + sign.len();
            continue;
        };
        out.push_str(before.strip_suffix(name).unwrap_or_default());
        out.push_str(HIDDEN);
        out.push_str(sign);
        (rest, seen) = (after, 0);
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn next_sign(text: &str, from: usize) -> Option<(usize, &'static str)> {
    let rest = text.get(from..)?;
    let begins = rest.match_indices(['@', '%', '\u{ff20}']).map(|(at, _)| at);
    let sign_at = |at: usize| SIGNS.into_iter().find(|sign| rest.get(at..).is_some_and(|rest| rest.starts_with(sign)));
    begins.into_iter().find_map(|at| Some((from + at, sign_at(at)?)))
}

fn may_name(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && !c.is_whitespace() || matches!(c, '.' | '_' | '+' | '-' | '%' | '\'' | '~')
}
