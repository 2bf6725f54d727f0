//! What makes two refusals equal whose words are not known: their text without what differs from person to person.

use serde_json::Value;

/// Shorter values of a payload are words like others.
const LEAST: usize = 3;

/// What stands for everything that differs.
const MASK: &str = "#";

/// The text of a refusal without numbers and ids, and without what it repeats of the payload.
pub fn text_of(reason: &str, payload: &str) -> String {
    let mut text = reason.to_lowercase();
    for value in values(payload) {
        if text.contains(&value) {
            text = text.replace(&value, MASK);
        }
    }
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '@' | '.' | '+' | '#');
    let mut masked = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(|c| belongs(*c)) {
            word.push(c);
            continue;
        }
        let is_id = word.contains(|c: char| c.is_numeric() || c == '@' || c == '#');
        let shown = if is_id { MASK } else { word.as_str() };
        // a number in groups is one number
        if !(is_id && masked.trim_end().ends_with(MASK)) {
            masked.push_str(shown);
        }
        masked.extend(c);
        word.clear();
    }
    masked.split_whitespace().collect::<Vec<_>>().join(" ")
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
        assert_ne!(text_of("Sender is blocked", "{}"), text_of("Template is blocked", "{}"));
    }
}
