//! The values of an event as parts of a contact: their texts, and whether they can be what is looked for.

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::config::contact::ContactPart;
use crate::fold::fold;
use crate::map::expression::written;
use crate::map::{Scope, readable, text};
use crate::phone::Country;

/// The fewest digits of a phone number.
const PHONE_DIGITS: usize = 6;

/// Where an object that is a phone number has it.
const NUMBER_KEYS: [&str; 8] =
    ["full", "value", "e164", "international", "number", "phone_number", "phoneNumber", "national_number"];

/// Where it has the calling code, or the country that says it.
const CODE_KEYS: [&str; 12] = [
    "country_code",
    "countryCode",
    "dial_code",
    "dialCode",
    "calling_code",
    "callingCode",
    "isd_code",
    "prefix",
    "countryShortName",
    "country_iso",
    "iso2",
    "country",
];

/// Where an object that is a name has the whole of it.
const WHOLE_KEYS: [&str; 7] = ["full", "value", "FirstAndLast", "full_name", "fullName", "formatted", "display"];

/// As many entries of a list make a name.
const NAME_PARTS: usize = 6;

/// Marks in which a whole name may stand.
const QUOTES: [(char, char); 5] =
    [('\'', '\''), ('"', '"'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}'), ('`', '`')];

/// What forms and services write where there is no name, folded.
const NO_NAMES: [&str; 10] = [
    "none",
    "null",
    "undefined",
    "noname",
    "notprovided",
    "notavailable",
    "notapplicable",
    "notgiven",
    "namenotprovided",
    "unknown",
];

/// The text of a value as a part of a contact; none if it is not there or blank, or says nothing of the kind.
pub fn text_of(part: ContactPart, value: &Value, scope: &Scope) -> Option<String> {
    let is_name = matches!(part, ContactPart::Name | ContactPart::FirstName | ContactPart::LastName);
    let text = match value.kind() {
        ValueKind::Map if part == ContactPart::Phone => phone_of_parts(value),
        ValueKind::Map if is_name => name_of_parts(value, scope),
        ValueKind::Seq if is_name => {
            let parts = value.try_iter().ok()?.take(NAME_PARTS);
            let parts: Vec<String> = parts.filter_map(|part| written(&part, scope).ok()?).collect();
            Some(parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
        }
        _ => written(value, scope).ok()?,
    };
    let text = if is_name { text.and_then(|text| name_in(&text)) } else { text };
    let says_country = |text: &String| match part {
        ContactPart::CallingCode => Country::of_calling_code(text).is_some(),
        ContactPart::State => Country::of_state(text).is_some(),
        _ => true,
    };
    text.filter(|text| !text::is_blank(text)).filter(says_country)
}

/// A name as a whole, or in parts.
fn name_of_parts(value: &Value, scope: &Scope) -> Option<String> {
    let whole = |key: &&str| readable::text_of(&value.get_attr(key).ok()?).ok()?.filter(|text| !text::is_blank(text));
    WHOLE_KEYS.iter().find_map(whole).or_else(|| written(value, scope).ok()?)
}

/// The name that a text is, as people write it; none if it is a number, an address, JSON, or says that there is none.
fn name_in(text: &str) -> Option<String> {
    let text = text.replace("\\'", "'").replace("\\\"", "\"");
    let text = text.trim();
    let quoted = QUOTES.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    let text = quoted.unwrap_or(text).trim();
    let says_none = text == "NA" || text.to_lowercase() == "n/a" || NO_NAMES.contains(&fold(text).as_str());
    let is_address = text.contains('@') && !text.contains(char::is_whitespace);
    let is_json = text.starts_with("{\"") || text.starts_with("[{");
    let is_none = says_none || is_address || is_json || !text.contains(char::is_alphabetic);
    (!is_none).then(|| text.to_owned())
}

/// Form builders send a number as `{"full": ...}`, or in parts, with its country or the calling code of it beside it.
fn phone_of_parts(value: &Value) -> Option<String> {
    let part = |key: &&str| readable::text_of(&value.get_attr(key).ok()?).ok()?.filter(|text| !text::is_blank(text));
    let in_parts = || {
        let phone = part(&"phone")?;
        Some(part(&"area").map_or_else(|| phone.clone(), |area| format!("{area} {phone}")))
    };
    let number = NUMBER_KEYS.iter().find_map(part).or_else(in_parts)?;
    if number.trim_start().starts_with(['+', '\u{ff0b}']) || number.trim_start().starts_with("00") {
        return Some(number);
    }
    let country = CODE_KEYS.iter().filter_map(part).find_map(|text| Country::named(&text));
    Some(match country.and_then(Country::calling_code) {
        Some(code) => format!("+{code} {number}"),
        None => number,
    })
}

/// Whether a text that a field holds can be what its name says: a form may ask "WhatsApp?" for a yes or a no.
pub fn may_be(part: ContactPart, text: &str) -> bool {
    match part {
        ContactPart::Phone => !text.contains('@') && text.chars().filter(|c| c.is_numeric()).count() >= PHONE_DIGITS,
        ContactPart::Email => text.contains('@'),
        ContactPart::Name | ContactPart::FirstName | ContactPart::LastName => {
            text.contains(char::is_alphabetic) && !text.contains('@') && !text.starts_with(['{', '['])
        }
        // an answer to a question about land, and not Norway
        ContactPart::Country => !matches!(fold(text).as_str(), "no" | "yes" | "na") && Country::named(text).is_some(),
        ContactPart::CallingCode | ContactPart::State => true,
    }
}

/// What has to be equal for two values to say the same.
pub fn comparable(part: ContactPart, text: &str) -> String {
    match part {
        // with or without country code
        ContactPart::Phone => {
            let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
            digits.iter().rev().take(9).collect()
        }
        ContactPart::CallingCode => text.chars().filter(char::is_ascii_digit).collect(),
        _ => text.trim().to_lowercase(),
    }
}
