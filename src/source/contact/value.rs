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

/// The text of a value as a part of a contact; none if it is not there or blank, or says nothing of the kind.
pub fn text_of(part: ContactPart, value: &Value, scope: &Scope) -> Option<String> {
    let text = if part == ContactPart::Phone && value.kind() == ValueKind::Map {
        phone_of_parts(value)
    } else {
        written(value, scope).ok()?
    };
    let says_country = |text: &String| match part {
        ContactPart::CallingCode => Country::of_calling_code(text).is_some(),
        ContactPart::State => Country::of_state(text).is_some(),
        _ => true,
    };
    text.filter(|text| !text::is_blank(text)).filter(says_country)
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
