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
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let word = after.split(ends).next().unwrap_or_default();
        let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_web = ["http", "https", "ws", "wss"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        let place = if is_web { word.split(['/', '?', '#']).next().unwrap_or_default() } else { word };
        out.push_str(before);
        out.push_str("://");
        rest = match place.rsplit_once('@') {
            Some((hidden, _)) => {
                out.push_str(HIDDEN);
                after.get(hidden.len()..).unwrap_or_default()
            }
            None => after,
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A text in which no e-mail address shows whose it is; its domain stays.
pub fn emails(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut rest, mut seen) = (text, 0);
    while let Some((at, sign)) = next_sign(rest, seen) {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + sign.len()..).unwrap_or_default());
        let name = before.rsplit(|c: char| !may_name(c)).next().unwrap_or_default();
        if name.is_empty() || !after.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
            seen = at + sign.len();
            continue;
        }
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
    let found = SIGNS.iter().filter_map(|sign| rest.find(sign).map(|at| (from + at, *sign)));
    found.min_by_key(|(at, _)| *at)
}

fn may_name(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && !c.is_whitespace() || matches!(c, '.' | '_' | '+' | '-' | '%' | '\'' | '~')
}
