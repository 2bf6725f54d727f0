//! The values of an event as parts of a contact: their texts, and whether they can be what is looked for.

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::config::contact::ContactPart;
use crate::fold::fold;
use crate::map::expression::written;
use crate::map::{Scope, readable, text};
use crate::phone::Country;

/// The fewest digits of a phone number that a field holds because of its name.
const PHONE_DIGITS: usize = 6;

/// With fewer digits it is not even a damaged number: `N/A`, `+91`, `0`, `same as above`.
const FEWEST_DIGITS: usize = 5;

/// A number with more digits has its area in it.
const LOCAL_DIGITS: usize = 8;

/// How many entries of a list are looked at for numbers.
const MOST_NUMBERS: usize = 20;

/// Where an object that is a phone number has it. One that is a person, or says more of it, may have something else as its `value`.
const NUMBER_KEYS: [&str; 9] =
    ["full", "e164", "international", "phone_number", "phoneNumber", "phone", "value", "number", "national_number"];

/// Where it has the calling code, or the country that says it.
const CODE_KEYS: [&str; 20] = [
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
    "countryIso",
    "countryISO",
    "country_iso_code",
    "iso2",
    "iso",
    "iso_code",
    "isoCode",
    "code",
    "country",
    "countryName",
];

/// Where an object that is a country has its letters or its name.
const COUNTRY_KEYS: [&str; 16] = [
    "code",
    "country_code",
    "countryCode",
    "iso2",
    "iso",
    "iso_code",
    "isoCode",
    "countryShortName",
    "alpha2",
    "name",
    "country",
    "countryName",
    "country_name",
    "label",
    "value",
    "text",
];

/// What a list to choose from, or a program, says for no country, folded.
const NO_COUNTRY: [&str; 24] = [
    "none",
    "null",
    "nil",
    "undefined",
    "unknown",
    "notset",
    "notspecified",
    "notprovided",
    "notavailable",
    "notapplicable",
    "select",
    "selectone",
    "selectcountry",
    "selectacountry",
    "selectyourcountry",
    "selectanoption",
    "pleaseselect",
    "pleasechoose",
    "choose",
    "chooseone",
    "bittewahlen",
    "seleccionar",
    "selecione",
    "selectionnez",
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
    let text = match (part, value.kind()) {
        (ContactPart::Phone, ValueKind::Map) => phone_of_parts(value),
        (ContactPart::Phone, ValueKind::Seq | ValueKind::Iterable) => phones_of_list(value, scope),
        (ContactPart::Country, ValueKind::Map) => country_of_parts(value),
        (_, ValueKind::Map) if is_name => name_of_parts(value, scope),
        (_, ValueKind::Seq) if is_name => {
            let parts = value.try_iter().ok()?.take(NAME_PARTS);
            let parts: Vec<String> = parts.filter_map(|part| written(&part, scope).ok()?).collect();
            Some(parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
        }
        _ => written(value, scope).ok()?,
    };
    let text = if is_name { text.and_then(|text| name_in(&text)) } else { text };
    let says_something = |text: &String| match part {
        ContactPart::Phone => digits(text) >= FEWEST_DIGITS,
        ContactPart::Country => !is_no_country(text),
        ContactPart::CallingCode => Country::of_calling_code(text).is_some(),
        ContactPart::State => Country::of_state(text).is_some(),
        _ => true,
    };
    text.filter(|text| !text::is_blank(text)).filter(says_something)
}

fn digits(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

/// The text of a part of an object, if there is something in it.
fn part_of(value: &Value, key: &str) -> Option<String> {
    readable::text_of(&value.get_attr(key).ok()?).ok()?.filter(|text| !text::is_blank(text))
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
    let part = |key: &str| part_of(value, key);
    let is_number = |text: &String| digits(text) >= FEWEST_DIGITS;
    let in_parts = || {
        // the area of a number, not the part of a town where a person lives
        let area = part("area").filter(|area| area.chars().all(|c| c.is_ascii_digit() || "+()- ".contains(c)))?;
        part("phone").filter(|phone| digits(phone) <= LOCAL_DIGITS).map(|phone| format!("{area} {phone}"))
    };
    let in_full = || NUMBER_KEYS.iter().find_map(|key| part(key).filter(is_number));
    let number = part("full").filter(is_number).or_else(in_parts).or_else(in_full)?;
    if number.trim_start().starts_with(['+', '\u{ff0b}']) || number.trim_start().starts_with("00") {
        return Some(number);
    }
    Some(match country_beside(value).and_then(Country::calling_code) {
        Some(code) => format!("+{code} {number}"),
        None => number,
    })
}

fn country_beside(value: &Value) -> Option<Country> {
    CODE_KEYS.iter().filter_map(|key| part_of(value, key)).find_map(|text| Country::named(&text))
}

/// Whether an object is a number with its country beside it.
pub fn is_number_with_country(value: &Value) -> bool {
    country_beside(value).is_some() && phone_of_parts(value).is_some()
}

/// The numbers of a list, which may hold them in objects: `[{"value": ...}]`.
fn phones_of_list(list: &Value, scope: &Scope) -> Option<String> {
    let items = list.try_iter().ok()?.take(MOST_NUMBERS);
    let texts = items.filter_map(|item| text_of(ContactPart::Phone, &item, scope));
    Some(texts.collect::<Vec<_>>().join(", "))
}

fn country_of_parts(value: &Value) -> Option<String> {
    let texts = || COUNTRY_KEYS.iter().filter_map(|key| part_of(value, key));
    texts().find(|text| Country::named(text).is_some()).or_else(|| texts().next())
}

/// `-`, `N/A`, `--Select--`; `NA` is Namibia.
fn is_no_country(text: &str) -> bool {
    let folded = fold(text);
    folded.chars().all(|c| c == '0')
        || NO_COUNTRY.contains(&folded.as_str())
        || (folded == "na" && text.chars().any(|c| c.is_ascii_punctuation()))
}

/// Whether a text that a field holds can be what its name says: a form may ask "WhatsApp?" for a yes or a no.
pub fn may_be(part: ContactPart, text: &str) -> bool {
    match part {
        ContactPart::Phone => (is_chat(text) || !text.contains('@')) && digits(text) >= PHONE_DIGITS,
        ContactPart::Email => text.contains('@'),
        ContactPart::Name | ContactPart::FirstName | ContactPart::LastName => {
            text.contains(char::is_alphabetic) && !text.contains('@') && !text.starts_with(['{', '['])
        }
        // an answer to a question about land, and not Norway
        ContactPart::Country => !matches!(fold(text).as_str(), "no" | "yes" | "na") && Country::named(text).is_some(),
        ContactPart::CallingCode | ContactPart::State => true,
    }
}

/// An address of a WhatsApp chat, which is a number: `919812345670@c.us`.
fn is_chat(text: &str) -> bool {
    text.trim().ends_with("@c.us") || text.trim().ends_with("@s.whatsapp.net")
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
