//! What fields are called, as far as it tells a merge tag from a text: `[First Name]` is one, `[e-book]` and `{Gold}` are none.
//!
//! The names of a contact's fields are those by which the fields of forms are found.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::fold::fold;

/// The list; its head says how it is written.
const TABLE: &str = include_str!("../source/contact/names.tsv");

/// Fields besides a contact's that merge tags name most.
const OTHERS: [&str; 8] = ["city", "state", "company", "company name", "organization", "address", "zip", "pincode"];

/// How form tags begin that Contact Form 7 numbers: `text-123`.
const NUMBERED: [&str; 10] = ["text", "textarea", "tel", "email", "url", "number", "date", "menu", "checkbox", "radio"];

/// Shorter names may be anything, as `WA` and `HP`, in characters.
const SHORTEST: usize = 3;

static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let listed = lines.filter_map(|line| line.split('\t').nth(2)).flat_map(|names| names.split('|'));
    listed.chain(OTHERS).map(fold).collect()
});

/// Whether a field is called so.
pub fn is_listed(name: &str) -> bool {
    let folded = fold(name);
    folded.chars().count() >= SHORTEST && NAMES.contains(folded.strip_prefix("your").unwrap_or(&folded))
}

/// Whether a text in a single pair of brackets is the name of a field.
pub fn is_field(text: &str) -> bool {
    // `Name:1.3`, `first_name|there`, `field_id="1"`
    let name = text.split([':', '|', '=']).next().unwrap_or("").trim();
    let behind_dot = name.rsplit_once('.').map(|(_, last)| last.trim());
    is_identifier(name)
        || is_listed(name)
        || behind_dot.is_some_and(|last| last.starts_with(char::is_alphabetic) && is_listed(last))
        || is_form_tag(name)
}

/// Names that dots or underscores join, as programs have them.
fn is_identifier(name: &str) -> bool {
    let is_step = |step: &str| {
        step.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && step.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.contains(['.', '_']) && name.split('.').all(is_step)
}

/// `your-subject`, `tel-456`.
fn is_form_tag(name: &str) -> bool {
    let Some((first, rest)) = name.split_once('-') else { return false };
    let is_word = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let is_number = rest.chars().all(|c| c.is_ascii_digit());
    is_word && (first == "your" || (NUMBERED.contains(&first) && is_number))
}
