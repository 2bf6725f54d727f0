//! What the fields of forms are called: one list for all sources.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::words::{ADDRESS, AFTER, BEFORE, IN_BRACKETS, OTHERS, SOMEBODY_ELSE};
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
        let words = words(without_brackets(name)?);
        if OTHERS.contains(&words.concat().as_str()) {
            return None;
        }
        let leading = words.iter().enumerate().take_while(|(index, word)| may_stand_before(*index, word)).count();
        (0..=leading).find_map(|start| {
            known(&words.get(start..)?.concat()).filter(|(part, _)| start == 0 || is_own(*part, &words))
        })
    })
}

/// Whether a field says that it is about somebody else than the person who fills in the form: their father, their company.
pub fn is_of_somebody_else(name: &str) -> bool {
    name.len() <= LONGEST && words(name).iter().any(|word| SOMEBODY_ELSE.contains(&word.as_str()))
}

/// A country that people ask for, or prefer, is not that of their number.
fn is_own(part: ContactPart, words: &[String]) -> bool {
    let is_place = matches!(part, ContactPart::Country | ContactPart::State);
    !is_place || words.first().is_some_and(|word| word == "your" || word == "billing")
}

/// Whether a field of this name has the calling code of the number in a field of that name: `whatsapp_code` and `WhatsApp no.`.
pub fn is_code_of(code: &str, phone: &str) -> bool {
    let own = |name: &str| words(name).into_iter().find(|word| !may_stand_before(0, word));
    own(code).is_some_and(|word| Some(word) == own(phone))
}

/// The name of the field that a path ends in: `event["Phone Number"]`.
pub fn last_of_path(path: &str) -> &str {
    path.trim_end_matches(['"', '\'', ']', ')']).rsplit(['.', '"', '\'']).next().unwrap_or(path)
}

/// Whether a field of this name holds the address of the person who fills in the form.
pub fn is_address(name: &str) -> bool {
    let is_one = || words(name).last().is_some_and(|word| ADDRESS.contains(&word.as_str()));
    name.len() <= LONGEST && is_one() && !is_of_somebody_else(name)
}

/// A name without brackets that leave it what it is; `None` for others: `Mobile (Father)` is another person's.
fn without_brackets(name: &str) -> Option<&str> {
    let Some((before, inside)) = name.split_once('(') else { return Some(name) };
    let is_plain = |word: &String| IN_BRACKETS.contains(&word.as_str()) || word.chars().all(|c| c.is_ascii_digit());
    words(inside).iter().all(is_plain).then_some(before)
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

/// Also the number of a question, as in `q5_phoneNumber5`, and what stands in the place of a label.
fn may_stand_before(index: usize, word: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    BEFORE.contains(&word)
        || (index == 0 && is_number(word))
        || word.strip_prefix('q').is_some_and(is_number)
        || matches!(word, "no" | "label")
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
    let says_nothing = |word: &String| AFTER.contains(&word.as_str()) || word.chars().all(|c| c.is_ascii_digit());
    while words.last().is_some_and(says_nothing) {
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests;
