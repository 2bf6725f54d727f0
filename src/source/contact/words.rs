//! Words around the name of a field: which leave it what it is, and which make it somebody else's.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::fold::fold;

/// The words; their head says how they are written.
const TABLE: &str = include_str!("words.tsv");

/// What words do to the name that they stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beside {
    /// They may stand before it, and leave it what it is.
    Before,
    /// They may stand after it.
    After,
    /// They may stand in brackets after it.
    Brackets,
    /// They make it somebody else's, or nobody's.
    Else,
    /// They only look like a name.
    Other,
    /// They are an address.
    Address,
    /// By them a country or a state is that of the person who fills in the form.
    Own,
}

/// Words of all languages, folded. An entry of several has the others behind its first.
#[derive(Debug, Default)]
struct Words {
    entries: HashMap<String, Vec<Vec<String>>>,
    beginnings: Vec<String>,
}

static WORDS: LazyLock<HashMap<Beside, Words>> = LazyLock::new(|| {
    let mut words: HashMap<Beside, Words> = HashMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let Some(kind) = columns.next().and_then(Beside::of) else { continue };
        let list = words.entry(kind).or_default();
        let is_english = columns.next() == Some("en");
        for text in columns.next().unwrap_or_default().split('|') {
            list.add(text);
            // as of "father's"
            if is_english && kind == Beside::Else {
                list.add(&format!("{text}s"));
            }
        }
    }
    words
});

impl Words {
    fn add(&mut self, text: &str) {
        if let Some(beginning) = text.strip_suffix('*') {
            self.beginnings.push(fold(beginning));
            return;
        }
        let mut parts = text.split(' ').map(fold);
        let Some(first) = parts.next() else { return };
        self.entries.entry(first).or_default().push(parts.collect());
    }
}

impl Beside {
    /// What the first column of a line says.
    fn of(key: &str) -> Option<Self> {
        Some(match key {
            "before" => Self::Before,
            "after" => Self::After,
            "brackets" => Self::Brackets,
            "else" => Self::Else,
            "other" => Self::Other,
            "address" => Self::Address,
            "own" => Self::Own,
            _ => return None,
        })
    }
}

/// Whether a folded word is one of those.
pub fn is(kind: Beside, word: &str) -> bool {
    starts_with(kind, &[word.to_owned()])
}

/// Whether such words stand somewhere among folded ones.
pub fn are_in(kind: Beside, words: &[String]) -> bool {
    (0..words.len()).any(|start| words.get(start..).is_some_and(|rest| starts_with(kind, rest)))
}

fn starts_with(kind: Beside, words: &[String]) -> bool {
    let (Some(list), Some((first, rest))) = (WORDS.get(&kind), words.split_first()) else { return false };
    let known =
        |first: &str| list.entries.get(first).is_some_and(|all| all.iter().any(|others| rest.starts_with(others)));
    known(first) || list.beginnings.iter().any(|beginning| first.starts_with(beginning.as_str()))
}
