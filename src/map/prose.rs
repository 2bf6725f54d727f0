//! Values that stand within a sentence as their names: `Hello event.first_name!`, `Dear <<event.name>>`, `Event.city`.
//!
//! Most that has a dot in it is something else: `event.example.com`, `event.pdf`, `the event.see you there`. What is not
//! clearly a value is a text.

use std::ops::Range;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::lint::{CONTACT, META};

/// What comes after a dot in names of web sites and of files.
const ENDINGS: [&str; 44] = [
    "com", "org", "net", "in", "io", "co", "app", "dev", "ai", "us", "uk", "eu", "live", "online", "xyz", "club",
    "tech", "events", "example", "pdf", "jpg", "jpeg", "png", "gif", "webp", "svg", "mp3", "mp4", "doc", "docx", "xls",
    "xlsx", "ppt", "pptx", "csv", "txt", "ics", "vcf", "zip", "html", "htm", "php", "json", "xml",
];

/// More of them that are names of fields, too: only after two names or more.
const LONGER_ENDINGS: [&str; 7] = ["info", "biz", "site", "store", "shop", "page", "link"];

/// Words after which `event` is a noun, and what follows it the next sentence: `join the event.see you there`.
const BEFORE_NOUNS: [&str; 22] = [
    "the", "a", "an", "this", "that", "our", "your", "my", "next", "every", "each", "any", "all", "no", "another",
    "upcoming", "same", "first", "last", "per", "of", "live",
];

/// Names joined by dots.
static PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([A-Za-z]\w*)\.([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[\d+\])*)").ok());

/// A value in the brackets of other tools: `[[name]]`, `<<name>>`, `[name]`, `<city>`, `%%city%%`, `*|FNAME|*`. In brackets that people
/// write, too, only what is clearly a field of the contact.
static TAGGED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let fields = CONTACT.join("|");
    let more = format!("{fields}|firstname|lastname|full_name|mobile|city");
    Regex::new(&format!(
        r"\[\[\s*({fields})\s*\]\]|<<\s*({fields})\s*>>|\[\s*({more})\s*\]|<\s*({more})\s*>|%%\s*([A-Za-z]\w*)\s*%%|\*\|\s*([A-Za-z]\w*)\s*\|\*"
    ))
    .ok()
});

/// What other tools call a field of the contact.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("fname", "first_name"),
    ("firstname", "first_name"),
    ("lname", "last_name"),
    ("lastname", "last_name"),
    ("full_name", "name"),
    ("mobile", "phone"),
];

/// What may stand around a value's name.
const BRACKETS: [(char, char); 5] = [('[', ']'), ('<', '>'), ('{', '}'), ('%', '%'), ('#', '#')];

/// A value in a text, as its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Where it stands with its brackets, in bytes.
    pub range: Range<usize>,
    /// What a template calls it.
    pub value: String,
}

/// Whether a name belongs to a web site or a file.
pub fn is_ending(name: &str) -> bool {
    ENDINGS.contains(&name)
}

/// The first value that a text names without braces.
pub fn find(text: &str, variables: &[&str]) -> Option<Named> {
    let tagged = TAGGED.as_ref().filter(|_| variables.contains(&"contact")).and_then(|tagged| tagged.captures(text));
    let tagged = tagged.and_then(|found| {
        let tag = (1..found.len()).find_map(|group| found.get(group))?.as_str().to_ascii_lowercase();
        let other = OTHER_NAMES.iter().find(|(other, _)| *other == tag).map(|(_, field)| *field);
        let field = other.unwrap_or(&tag);
        let root = if CONTACT.contains(&field) { "contact" } else { "event" };
        Some(Named { range: found.get(0)?.range(), value: format!("{root}.{field}") })
    });
    let paths = PATH.iter().flat_map(|path| path.captures_iter(text));
    let named = paths.filter_map(|found| {
        let (whole, root, field) = (found.get(0)?, found.get(1)?.as_str(), found.get(2)?.as_str());
        let (before, after) = (text.get(..whole.start())?, text.get(whole.end()..)?);
        let more = found.get(3).map_or("", |more| more.as_str());
        let lower = root.to_ascii_lowercase();
        let is_root = variables.contains(&lower.as_str()) && is_capital_at_most_first(root);
        let stands_alone = may_begin(before) && may_end(after);
        (is_root && stands_alone && is_field(&lower, field, more, before))
            .then(|| Named { range: with_brackets(text, whole.range()), value: format!("{lower}.{field}{more}") })
    });
    tagged.into_iter().chain(named).min_by_key(|named| named.range.start)
}

fn is_capital_at_most_first(root: &str) -> bool {
    let rest = root.get(1..).unwrap_or("");
    rest.chars().all(|c| c.is_ascii_lowercase())
}

fn may_begin(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| c.is_whitespace() || !(c.is_alphanumeric() || "@./\\-_=&?+'".contains(c)))
}

fn may_end(after: &str) -> bool {
    let mut next = after.chars();
    match next.next() {
        None => true,
        Some('.') => next.next().is_none_or(|c| c.is_whitespace() || c == '.'),
        Some('\'' | '\u{2019}') => true,
        Some(c) => c.is_whitespace() || !(c.is_alphanumeric() || "@/\\-_=&[(".contains(c)),
    }
}

fn is_field(root: &str, field: &str, more: &str, before: &str) -> bool {
    match root {
        "contact" => return more.is_empty() && CONTACT.contains(&field),
        "meta" => return more.is_empty() && META.contains(&field),
        "event" | "item" => {}
        // nouns of every day
        "query" | "headers" => return field.contains('_') && more.is_empty(),
        _ => return false,
    }
    let last = more.rsplit(['.', ']']).next().filter(|last| !last.is_empty()).unwrap_or(field);
    let is_country = last.len() == 2 && last != "id" && !more.contains('[');
    if ENDINGS.contains(&last) || (!more.is_empty() && (is_country || LONGER_ENDINGS.contains(&last))) {
        return false;
    }
    let has_capital_within = field.chars().skip(1).any(|c| c.is_ascii_uppercase());
    let is_name_of_program = field.contains(|c: char| c == '_' || c.is_ascii_digit());
    if is_name_of_program || !more.is_empty() {
        return true;
    }
    let is_camel = has_capital_within && field.contains(|c: char| c.is_ascii_lowercase());
    if field.starts_with(|c: char| c.is_ascii_uppercase()) {
        return is_camel;
    }
    let word = before.trim_end().rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_ascii_lowercase();
    is_camel || !BEFORE_NOUNS.contains(&word.as_str())
}

fn with_brackets(text: &str, mut range: Range<usize>) -> Range<usize> {
    loop {
        let inner = range.clone();
        let (Some(before), Some(after)) = (text.get(..range.start), text.get(range.end..)) else { return inner };
        let (open, close) = (before.trim_end(), after.trim_start());
        let pair = open.chars().next_back().zip(close.chars().next()).filter(|pair| BRACKETS.contains(pair));
        let Some((first, last)) = pair else {
            let dollar = before.ends_with('$');
            return range.start - usize::from(dollar)..range.end;
        };
        range.start = open.len() - first.len_utf8();
        range.end += after.len() - close.len() + last.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::super::lint::VARIABLES;
    use super::*;

    #[test]
    fn a_value_in_a_sentence_is_found_with_its_brackets() {
        for (text, part, value) in [
            ("Hello event.first_name!", "event.first_name", "event.first_name"),
            ("Hello event.first_name", "event.first_name", "event.first_name"),
            ("event.name, welcome", "event.name", "event.name"),
            ("Your order event.order.name is on its way.", "event.order.name", "event.order.name"),
            ("Order event.items[0].title.", "event.items[0].title", "event.items[0].title"),
            ("Meet us at event.city.", "event.city", "event.city"),
            ("event.name's order", "event.name", "event.name"),
            ("(event.city)", "event.city", "event.city"),
            ("₹event.total only", "event.total", "event.total"),
            ("Total: $event.total", "$event.total", "event.total"),
            ("the event.start_time is near", "event.start_time", "event.start_time"),
            ("Dear event.FirstName", "event.FirstName", "event.FirstName"),
            ("Event.city", "Event.city", "event.city"),
            ("Dear Event.firstName", "Event.firstName", "event.firstName"),
            ("Contact.first_name, hi", "Contact.first_name", "contact.first_name"),
            ("Hi contact.name.", "contact.name", "contact.name"),
            ("[[event.city]]", "[[event.city]]", "event.city"),
            ("Dear << event.city >>, hi", "<< event.city >>", "event.city"),
            ("<event.city>", "<event.city>", "event.city"),
            ("%event.city%", "%event.city%", "event.city"),
            ("[[first_name]]", "[[first_name]]", "contact.first_name"),
            ("Hi [name]", "[name]", "contact.name"),
            ("Hi *|FNAME|*,", "*|FNAME|*", "contact.first_name"),
            ("from <city>", "<city>", "event.city"),
            ("from %%city%%", "%%city%%", "event.city"),
            ("Hi <<name>>, from event.city", "<<name>>", "contact.name"),
            ("from query.utm_source", "query.utm_source", "query.utm_source"),
            ("नमस्ते event.first_name!", "event.first_name", "event.first_name"),
            ("item.name: 2 pieces", "item.name", "item.name"),
        ] {
            let found = find(text, &VARIABLES).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((text.get(found.range), found.value.as_str()), (Some(part), value), "{text}");
        }
    }

    #[test]
    fn prose_sites_files_prices_and_addresses_are_none() {
        for text in [
            "see event.example.com",
            "see event.example.com.",
            "register at event.acme.ae today",
            "at event.acme.store",
            "visit www.event.city",
            "https://event.city/x",
            "https://shop.example.com/event.city",
            "?x=event.city",
            "event.city/tickets",
            "mail to event.team@example.com",
            "or team@event.city",
            "my event.city is fine",
            "join the event.see you there",
            "The event.Be there",
            "the event. be there",
            "Great Event.Thanks",
            "in case of query.contact us",
            "contact.us",
            "contact.Email us",
            "event.pdf",
            "Invoice item.docx",
            "event.5 and item.2",
            "USD 5.event",
            "my-event.city",
            "myevent.city",
            "EVENT.CITY",
            "loop.index",
            "meta.com",
            "[Yes] <b> 50% #event",
            "[[note]]",
            "[note]",
            "<b>",
            "100%% cotton, 50%% off",
            "a *|* b",
            "event: launch. Item. Meta.",
            "Rs.500 per item.",
            "$FirstName",
        ] {
            assert_eq!(find(text, &VARIABLES), None, "{text}");
        }
        assert_eq!(find("Hi contact.name", &["event"]), None);
    }
}
