//! Phone numbers as people type them, to E.164, by Google's libphonenumber metadata.

use std::str::FromStr as _;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};
use thiserror::Error;

/// Why a text is not one valid number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PhoneError {
    /// The country is none.
    #[error("`{0}` is no country code of two letters (ISO 3166-1), as IN or US")]
    Country(String),
    /// The text is no number that can be dialled.
    #[error("it is no valid phone number{}", .0.as_ref().map(|country| format!(" of {country} or with a country code")).unwrap_or_default())]
    Invalid(Option<String>),
}

/// Whether a text names a country that has phone numbers.
pub fn is_country(code: &str) -> bool {
    region(code).is_ok()
}

fn region(code: &str) -> Result<Region, PhoneError> {
    let known = Region::from_str(&code.trim().to_ascii_uppercase())
        .ok()
        .filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some());
    known.ok_or_else(|| PhoneError::Country(code.to_owned()))
}

/// The number in E.164 (`+919812345670`).
///
/// `country` is taken for numbers without country code; empty: they are refused.
///
/// # Errors
///
/// A [`PhoneError`] if the text is not one valid number, or the country is none.
pub fn normalise(text: &str, country: &str) -> Result<String, PhoneError> {
    let region = if country.trim().is_empty() { None } else { Some(region(country)?) };
    let invalid = || PhoneError::Invalid(region.map(|_| country.trim().to_ascii_uppercase()));
    let is_valid = |number: &PhoneNumber| PHONE_NUMBER_UTIL.is_valid_number(number);
    let parse = || PHONE_NUMBER_UTIL.parse(text, region).ok().filter(is_valid);
    let number = written_out(text).filter(is_valid).or_else(parse).ok_or_else(invalid)?;
    Ok(PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned())
}

/// A number that stands in full, as most systems store it: `+`, country code, digits, perhaps spaces and hyphens.
///
/// There is no extension, no word and no national prefix to look for in it, which is two thirds of what parsing costs.
/// What begins with a zero after the country code is left to the parser: in most countries that is a prefix.
fn written_out(text: &str) -> Option<PhoneNumber> {
    let mut digits = String::with_capacity(15);
    for c in text.trim().strip_prefix('+')?.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' => {}
            _ => return None,
        }
    }
    if digits.starts_with('0') {
        return None;
    }
    let split = |at: usize| {
        let (code, national) = digits.split_at_checked(at)?;
        let country_code = code.parse().ok()?;
        PHONE_NUMBER_UTIL.get_region_for_country_code(country_code)?;
        let national_number = national.parse().ok().filter(|_| !national.starts_with('0'))?;
        Some(PhoneNumber { country_code, national_number, ..PhoneNumber::default() })
    };
    (1..=3).find_map(split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_e164() {
        for given in
            ["+91-9812345670", "098123 45670", "9812345670", "919812345670", "tel:+91 98123 45670", " 919812345670"]
        {
            assert_eq!(normalise(given, "IN"), Ok("+919812345670".into()), "{given}");
        }
        assert_eq!(normalise("(201) 555-0123", "us"), Ok("+12015550123".into()));
    }

    #[test]
    fn what_is_not_one_valid_number_is_refused() {
        for given in ["", "-", "12345", "98765 43210, 98765 43211", "call me"] {
            assert!(normalise(given, "IN").is_err(), "{given}");
        }
        assert_eq!(normalise("9812345670", "XX"), Err(PhoneError::Country("XX".into())));
        assert!(normalise("9812345670", "").is_err());
    }
}
