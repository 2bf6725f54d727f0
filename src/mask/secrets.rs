//! Secrets that are known, found in a text however they are spelled: as they are, with escapes, in base64.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::escape;
use crate::secret::Secret;

/// What stands for a secret.
const HIDDEN: &str = "(secret)";

/// The shortest text that is taken for a secret: shorter ones are parts of ordinary words.
const SHORTEST: usize = 4;

/// The shortest one that is looked for in what a sender says of people, and the shortest part in base64.
const SHORTEST_IN_BODY: usize = 8;

/// Texts that must not be kept or shown.
pub struct Secrets {
    spellings: Vec<Secret>,
    /// The first byte of each spelling with its place, sorted: few secrets are made anew for each answer.
    beginnings: Vec<(u8, usize)>,
    /// By a byte of a text: whether one may begin there, in whatever spelling.
    may_begin: Vec<bool>,
    shortest: usize,
}

impl Default for Secrets {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

impl Secrets {
    /// These, also in base64 (as part of `user:password`, or of a URL).
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut spellings = Vec::new();
        for text in texts.into_iter().map(str::trim).filter(|text| text.len() >= SHORTEST) {
            spellings.push(text.to_owned());
            spellings.extend(in_base64(text.as_bytes()));
        }
        Self::of(spellings)
    }

    /// These, as they are looked for in the body of a call: only those that no ordinary word is part of.
    pub fn in_bodies<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter().map(str::trim).filter(|text| text.len() >= SHORTEST_IN_BODY);
        Self::of(texts.map(ToOwned::to_owned).collect())
    }

    fn of(mut spellings: Vec<String>) -> Self {
        // the longest first: one may be part of another
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        let firsts = spellings.iter().enumerate().filter_map(|(index, text)| Some((*text.as_bytes().first()?, index)));
        let mut beginnings: Vec<(u8, usize)> = firsts.collect();
        beginnings.sort_unstable();
        let mut may_begin: Vec<bool> = (0..=u8::MAX).map(escape::may_begin).collect();
        for (first, _) in &beginnings {
            if let Some(may) = may_begin.get_mut(usize::from(*first)) {
                *may = true;
            }
        }
        let shortest = spellings.last().map_or(usize::MAX, String::len);
        Self { spellings: spellings.into_iter().map(Secret::new).collect(), beginnings, may_begin, shortest }
    }

    /// Themselves, for another set of them.
    pub fn exposed(&self) -> impl Iterator<Item = &str> {
        self.spellings.iter().map(Secret::expose)
    }

    /// These and others.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self::of(self.exposed().chain(others.exposed()).map(ToOwned::to_owned).collect())
    }

    /// Whether one of them is in a text.
    pub fn are_in(&self, text: &[u8]) -> bool {
        self.next(text, 0).is_some()
    }

    /// A text without them.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(mut found) = self.next(text.as_bytes(), 0) else { return Cow::Borrowed(text) };
        let (mut out, mut from) = (String::with_capacity(text.len()), 0);
        loop {
            out.push_str(text.get(from..found.start).unwrap_or_default());
            out.push_str(HIDDEN);
            from = found.end;
            match self.next(text.as_bytes(), from) {
                Some(next) => found = next,
                None => break,
            }
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// A value without them, names of fields included.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(hidden) = self.hide(text) {
                    *text = hidden;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(map) => self.hide_in_map(map),
            Value::Number(number) if self.are_in(number.as_str().as_bytes()) => *value = HIDDEN.into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The same for the fields of an object.
    pub fn hide_in_map(&self, map: &mut Map<String, Value>) {
        if map.keys().any(|name| self.are_in(name.as_bytes())) {
            *map =
                std::mem::take(map).into_iter().map(|(name, value)| (self.hide(&name).into_owned(), value)).collect();
        }
        map.values_mut().for_each(|value| self.hide_in(value));
    }

    /// The first place of one at or after `from`. Most bytes of a text begin none, so this walks over them in a tight loop.
    fn next(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let last = text.len().checked_sub(self.shortest)?;
        let mut at = from;
        while at <= last {
            let rest = text.get(at..)?;
            at += rest.iter().position(|byte| self.may_begin.get(usize::from(*byte)) == Some(&true))?;
            if let Some(length) = self.length_of_one(text.get(at..)?) {
                return Some(at..at + length);
            }
            at += 1;
        }
        None
    }

    /// The spellings with this first byte, the longest first.
    fn beginning_with(&self, byte: u8) -> impl Iterator<Item = &Secret> {
        let from = self.beginnings.partition_point(|(first, _)| *first < byte);
        let these = self.beginnings.iter().skip(from).take_while(move |(first, _)| *first == byte);
        these.filter_map(|(_, index)| self.spellings.get(*index))
    }

    /// How many bytes one takes at the beginning of a text, if one stands there.
    fn length_of_one(&self, text: &[u8]) -> Option<usize> {
        let first = *text.first()?;
        let meant = if escape::may_begin(first) { escape::read(text) } else { None };
        let meant = meant.and_then(|(unit, _)| unit.bytes().first().copied()).filter(|meant| *meant != first);
        let spellings = std::iter::once(first).chain(meant).flat_map(|byte| self.beginning_with(byte));
        spellings.map(|secret| secret.expose().as_bytes()).find_map(|secret| length(text, secret))
    }
}

/// How many bytes a secret takes at the beginning of a text, if it stands there.
fn length(text: &[u8], secret: &[u8]) -> Option<usize> {
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    let is_plain = |byte: Option<&u8>| byte.is_some_and(|byte| !escape::may_begin(*byte) && *byte != b'+');
    // nearly always the second byte tells
    if is_plain(text.first()) && is_plain(text.get(1)) && text.get(1) != secret.get(1) {
        return None;
    }
    let (mut at, mut rest) = (0, secret);
    while let Some((first, following)) = rest.split_first() {
        let here = text.get(at..)?;
        let escaped = escape::read(here).and_then(|(unit, taken)| Some((rest.strip_prefix(unit.bytes())?, taken)));
        (rest, at) = match escaped {
            Some((rest, taken)) => (rest, at + taken),
            None if here.first() == Some(first) => (following, at + 1),
            None => return None,
        };
    }
    Some(at)
}

/// What a text looks like inside base64, wherever in it: those characters that hang on nothing but the text.
fn in_base64(text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for before in 0..3_usize {
        let padded = [vec![0; before], text.to_vec()].concat();
        let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let part = encoded.get(from..to).unwrap_or_default();
            if part.len() >= SHORTEST_IN_BODY {
                found.push(part.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let secrets = Secrets::new(["", " a/b+c é\"== ", "k-123", "abc"]);
        for spelled in [
            r#"a/b+c é"=="#,
            "a%2Fb%2Bc%20%C3%A9%22%3D%3D",
            "a%2fb%2bc+%c3%a9%22==",
            "a%252Fb%252Bc%2520%25C3%25A9%2522%253D%253D",
            r#"a\/b+c \u00e9\"=="#,
            r#"\u0061\u002Fb\u002bc\u0020\u00E9\"\u003d="#,
            r#"a\\/b+c \\u00e9\\\"=="#,
            "a&#47;b&#x2B;c &#233;&quot;==",
            "k-123",
            r"\u006b-123",
        ] {
            assert_eq!(secrets.hide(&format!("bad key {spelled}!")), "bad key (secret)!", "{spelled}");
        }
        assert_eq!(secrets.hide("abc, a/b+c é"), "abc, a/b+c é");
        assert_eq!(Secrets::new([r"0a\u"]).hide(r#"{"k":"0a\\u"}"#), r#"{"k":"(secret)"}"#);
    }

    #[test]
    fn a_secret_is_found_inside_base64_wherever_it_stands() {
        let secrets = Secrets::new(["s3cret-for-tests"]);
        for whole in ["s3cret-for-tests", "user:s3cret-for-tests", "u:s3cret-for-tests?", "me:s3cret-for-tests&x=1"] {
            let hidden = secrets.hide(&STANDARD.encode(whole)).into_owned();
            assert!(hidden.contains("(secret)"), "{whole}: {hidden}");
        }
    }

    #[test]
    fn a_value_loses_its_secrets_wherever_they_stand() {
        let secrets = Secrets::in_bodies(["s3cret-for-tests", "word", "84759302"]);
        let mut value = json!({
            "a s3cret-for-tests": 1, "b": ["x", {"c": "?k=s3cret%2Dfor-tests", "d": "a word"}], "n": 1, "m": 84_759_302,
        });
        secrets.hide_in(&mut value);
        assert_eq!(
            value,
            json!({"a (secret)": 1, "b": ["x", {"c": "?k=(secret)", "d": "a word"}], "n": 1, "m": "(secret)"})
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_no_secret_is_left(text in "\\PC{0,40}", secret in "\\PC{4,12}", more in "\\PC{0,40}") {
            let secrets = Secrets::new([secret.as_str()]);
            let secret = secret.trim();
            prop_assume!(secret.len() >= SHORTEST && !HIDDEN.contains(secret));
            let said = format!("{text}{secret}{more}");
            prop_assert!(secrets.are_in(said.as_bytes()));
            prop_assert!(secrets.hide(&said).contains(HIDDEN));
            let escaped = serde_json::to_string(&said).unwrap();
            prop_assert!(secrets.hide(&escaped).contains(HIDDEN), "{}", escaped);
        }
    }
}
