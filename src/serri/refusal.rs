//! What makes two refusals equal whose words are not known: their text without what differs from person to person.

use serde_json::Value;

/// Shorter values of a payload are words like others.
const LEAST: usize = 3;

/// What stands for everything that differs.
const MASK: &str = "#";

/// The text of a refusal without numbers and ids, and without what it repeats of the payload.
pub fn text_of(reason: &str, payload: &str) -> String {
    let text = values(payload).iter().fold(reason.to_lowercase(), |text, value| masked(text, value));
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '@' | '.' | '+' | '#');
    let mut impersonal = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(|c| belongs(*c)) {
            word.push(c);
            continue;
        }
        let is_id = word.contains(|c: char| c.is_numeric() || c == '@' || c == '#');
        let shown = if is_id { MASK } else { word.as_str() };
        // a number in groups is one number
        if !(is_id && impersonal.trim_end().ends_with(MASK)) {
            impersonal.push_str(shown);
        }
        impersonal.extend(c);
        word.clear();
    }
    impersonal.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text with a mask instead of a value, where that stands by itself: `ali` is not part of `validation`.
fn masked(text: String, value: &str) -> String {
    if !text.contains(value) {
        return text;
    }
    let (mut result, mut copied) = (String::with_capacity(text.len()), 0);
    for (start, found) in text.match_indices(value) {
        let end = start + found.len();
        let (before, after) = (text.get(..start).unwrap_or(""), text.get(end..).unwrap_or(""));
        let runs_on = |outside: Option<char>, inside: Option<char>| {
            outside.zip(inside).is_some_and(|(outside, inside)| is_of_word(outside) && is_of_word(inside))
        };
        if runs_on(before.chars().next_back(), found.chars().next())
            || runs_on(after.chars().next(), found.chars().next_back())
        {
            continue;
        }
        result.push_str(text.get(copied..start).unwrap_or(""));
        result.push_str(MASK);
        copied = end;
    }
    result.push_str(text.get(copied..).unwrap_or(""));
    result
}

/// Whether a character is part of a word that spaces end: not so in Thai, Khmer, Chinese or Japanese.
fn is_of_word(c: char) -> bool {
    let has_no_spaces = matches!(c, '\u{E00}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}');
    c.is_alphanumeric() && !has_no_spaces
}

/// The texts of a payload, the longest first: one may hold another.
fn values(payload: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.trim().chars().count() >= LEAST => found.push(text.trim().to_lowercase()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(map) => map.values().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(payload).unwrap_or_default(), &mut found);
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_refusals_of_different_people_have_one_text() {
        let payload = |name: &str| format!(r#"{{"userName":"{name}","destination":"+919812345670","tags":["a"]}}"#);
        for (one, other) in [
            ("Quota of 3 reached for 919812345670", "Quota of 12 reached for +91 98123-45671"),
            ("Trace 3f2a-99c1: blocked", "Trace 77aa-0b1c: blocked"),
            ("asha@example.com may not", "ravi.k@example.org may not"),
            ("Asha Rao is not on the list", "Ravi is not on the list"),
        ] {
            let name = |text: &str| if text.contains("Asha") { "Asha Rao" } else { "Ravi" };
            assert_eq!(text_of(one, &payload(name(one))), text_of(other, &payload(name(other))), "{one}");
        }
        for (name, text) in [("Ali", "validation failed"), ("Ann", "cannot be sent"), ("not", "nothing is known")] {
            assert_eq!(text_of(text, &payload(name)), text, "{name} is part of another word");
        }
        assert_eq!(text_of("Dear ali: validation of (Ali)", &payload("Ali")), "dear #: validation of (#)");
        assert_eq!(text_of("尊敬的王小明先生", &payload("王小明")), "#");
        assert_ne!(text_of("Sender is blocked", "{}"), text_of("Template is blocked", "{}"));
    }
}
