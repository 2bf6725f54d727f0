//! What the fields of forms are called: one list for all sources.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::words::{self, Beside};
use crate::config::contact::ContactPart;
use crate::fold::fold;

/// The list; its head says how it is written.
const TABLE: &str = include_str!("names.tsv");

/// A longer one is a question, or no name, in bytes.
const LONGEST: usize = 200;

/// Its place in the list: the lower, the sooner it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// After all that are known by name.
    is_by_type: bool,
    line: usize,
    place: usize,
}

impl Rank {
    /// That of a field which only its type tells.
    #[must_use]
    pub fn by_type(self) -> Self {
        Self { is_by_type: true, ..self }
    }
}

static NAMES: LazyLock<HashMap<String, (ContactPart, Rank)>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    for (line, text) in lines.enumerate() {
        let mut columns = text.split('\t');
        let part = columns.next().and_then(|key| ContactPart::ALL.into_iter().find(|part| part.key() == key));
        let (Some(part), Some(written)) = (part, columns.nth(1)) else { continue };
        for (place, name) in written.split('|').enumerate() {
            names.entry(fold(name)).or_insert((part, Rank { is_by_type: false, line, place }));
        }
    }
    names
});

/// What a field of this name holds, as far as names tell.
pub fn part_of(name: &str) -> Option<(ContactPart, Rank)> {
    if name.len() > LONGEST {
        return None;
    }
    known(&fold(name)).or_else(|| {
        let whole = words(name);
        if words::is(Beside::Other, &whole.concat()) || words::are_in(Beside::Else, &whole) {
            return None;
        }
        without_brackets(name).and_then(|name| among_words(&words(name))).or_else(|| of_pieces(name))
    })
}

/// What words say without those that may stand around a name: `Your phone number`, `Name of the student`.
fn among_words(words: &[String]) -> Option<(ContactPart, Rank)> {
    // whose it is stands behind it
    let of = words.iter().position(|word| word == "of").filter(|of| *of > 0);
    let is_own_of = |of: &usize| words.iter().skip(of + 1).all(|word| words::is(Beside::Before, word));
    let end = of.filter(is_own_of).unwrap_or(words.len());
    let leading = (0..end).take_while(|index| may_stand_before(*index, words)).count();
    (0..=leading).find_map(|start| {
        let is_whole = start == 0 && end == words.len();
        known(&words.get(start..end)?.concat())
            .filter(|(part, _)| is_whole || is_own(*part, words.get(..start).unwrap_or_default()))
    })
}

/// What a label in two languages says, or one of two words for the same: `नाम / Name`, `Tel. (Handy)`. All must say the same, beside
/// such as `DDD`.
fn of_pieces(name: &str) -> Option<(ContactPart, Rank)> {
    let pieces = name.split(['(', ')', '/', '|', '+', '\u{ff08}', '\u{ff09}', '\u{ff0f}']);
    let mut found: Option<(ContactPart, Rank)> = None;
    for piece in pieces.map(words).filter(|piece| !piece.is_empty()) {
        match known(&piece.concat()).or_else(|| among_words(&piece)) {
            Some((part, rank)) if found.is_none_or(|(other, _)| other == part) => {
                found = Some((part, found.map_or(rank, |(_, other)| other.min(rank))));
            }
            None if piece.iter().all(|word| is_plain(word)) => {}
            _ => return None,
        }
    }
    found
}

/// Whether a field says that it is about somebody else than the person who fills in the form: their father, their company.
pub fn is_of_somebody_else(name: &str) -> bool {
    name.len() <= LONGEST && words::are_in(Beside::Else, &words(name))
}

/// A country that people ask for, or prefer, is not that of their number; and the name of a form is not that of a person.
fn is_own(part: ContactPart, before: &[String]) -> bool {
    match part {
        ContactPart::Country | ContactPart::State => before.first().is_some_and(|word| words::is(Beside::Own, word)),
        ContactPart::Name => !before.last().is_some_and(|word| matches!(word.as_str(), "form" | "popup" | "booking")),
        _ => true,
    }
}

/// Whether a field of this name has the calling code of the number in a field of that name: `whatsapp_code` and `WhatsApp no.`.
pub fn is_code_of(code: &str, phone: &str) -> bool {
    let own = |name: &str| {
        let words = words(name);
        (0..words.len()).find(|index| !may_stand_before(*index, &words)).and_then(|index| words.get(index).cloned())
    };
    own(code).is_some_and(|word| Some(word) == own(phone))
}

/// The name of the field that a path ends in: `event["Phone Number"]`.
pub fn last_of_path(path: &str) -> &str {
    path.trim_end_matches(['"', '\'', ']', ')']).rsplit(['.', '"', '\'']).next().unwrap_or(path)
}

/// The path of the object that a path's field stands in: `event.billing` of `event.billing.phone`.
pub fn object_of_path(path: &str) -> Option<&str> {
    let name = last_of_path(path);
    let before = path.strip_suffix(name).and_then(|before| before.strip_suffix('.'));
    let in_brackets = || {
        let before = path.strip_suffix(']')?.strip_suffix(['"', '\''])?.strip_suffix(name)?;
        before.strip_suffix(['"', '\''])?.strip_suffix('[')
    };
    before.or_else(in_brackets).filter(|path| !path.is_empty())
}

/// Whether a field of this name holds the address of the person who fills in the form.
pub fn is_address(name: &str) -> bool {
    let is_one = || words(name).last().is_some_and(|word| words::is(Beside::Address, word));
    name.len() <= LONGEST && is_one() && !is_of_somebody_else(name)
}

/// A name without brackets that leave it what it is; `None` for others: `Mobile (Father)` is another person's.
fn without_brackets(name: &str) -> Option<&str> {
    let Some((before, inside)) = name.split_once('(') else { return Some(name) };
    words(inside).iter().all(|word| is_plain(word)).then_some(before)
}

fn is_plain(word: &str) -> bool {
    words::is(Beside::Brackets, word) || word.chars().all(|c| c.is_ascii_digit())
}

/// What it holds if a prefix of the form's own is taken off, and that prefix.
pub fn behind_prefix(name: &str) -> Option<(String, ContactPart, Rank)> {
    let words = if name.len() > LONGEST { Vec::new() } else { words(name) };
    (1..words.len()).find_map(|start| {
        let (prefix, rest) = words.split_at_checked(start)?;
        known(&rest.concat()).map(|(part, rank)| (prefix.concat(), part, rank))
    })
}

fn known(folded: &str) -> Option<(ContactPart, Rank)> {
    NAMES.get(folded).or_else(|| NAMES.get(folded.trim_end_matches(|c: char| c.is_ascii_digit()))).copied()
}

/// Also the number of a question, as in `q5_phoneNumber5` and `Question 2: phone`, and what stands in the place of a label.
fn may_stand_before(index: usize, words: &[String]) -> bool {
    let Some(word) = words.get(index) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let asks = |word: &String| matches!(word.as_str(), "question" | "frage" | "pregunta" | "pergunta" | "pertanyaan");
    let before = index.checked_sub(1).and_then(|before| words.get(before));
    words::is(Beside::Before, word)
        || (is_number(word) && before.is_none_or(asks))
        || word.strip_prefix('q').is_some_and(is_number)
        || matches!(word.as_str(), "no" | "label")
}

/// The words of a name, folded, without those that say nothing at the end: `q5_phoneNumber5` has `q5`, `phone` and `number`.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut last = ' ';
    for c in name.chars() {
        let is_break = (!c.is_alphanumeric() && !matches!(c, '\'' | '\u{2019}') && c.is_ascii())
            || (last.is_lowercase() && c.is_uppercase());
        if is_break {
            words.push(fold(&std::mem::take(&mut word)));
        }
        word.push(c);
        last = c;
    }
    words.push(fold(&word));
    words.retain(|word| !word.is_empty());
    let says_nothing = |word: &String| words::is(Beside::After, word) || word.chars().all(|c| c.is_ascii_digit());
    while words.last().is_some_and(says_nothing) {
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests;
