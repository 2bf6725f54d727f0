//! Phone numbers as people type them, to E.164, and the countries they are dialled in, by Google's libphonenumber metadata.

mod country;
mod damaged;
mod parts;
mod state;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};
use thiserror::Error;

use crate::fold::plain_digits;
use damaged::Once;

pub use country::{Country, NoCountry};

/// Countries in which a zero stands before a national number, and where libphonenumber's parser does no more than to take it
/// off (ITU-T E.164; the metadata's `nationalPrefix`). A test compares.
const TRUNK_ZERO: [Region; 24] = [
    Region::IN,
    Region::AE,
    Region::BD,
    Region::DE,
    Region::EG,
    Region::FR,
    Region::GB,
    Region::ID,
    Region::JO,
    Region::KE,
    Region::LK,
    Region::MY,
    Region::NG,
    Region::NL,
    Region::NP,
    Region::PH,
    Region::PK,
    Region::SA,
    Region::TH,
    Region::TR,
    Region::TZ,
    Region::UG,
    Region::VN,
    Region::ZA,
];

/// Why a text is not the number of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoNumber {
    /// It is not a valid number: neither of the country, if there is one, nor with a country code.
    #[error("it is not a valid phone number{}", .0.map(|country| format!(" of {country} or with a country code")).unwrap_or_default())]
    Invalid(Option<Country>),
    /// A spreadsheet made `9.19812E+11` of it.
    #[error(
        "it was rounded, as spreadsheets do with long numbers, and its last digits are lost; let the column be text"
    )]
    Rounded,
    /// It begins with a space that may have been a plus.
    #[error(
        "it begins with a space, which was a plus if a form was not escaped, and is a valid number with and without one; send the plus as %2B"
    )]
    PlusOrNot,
    /// It begins with a country code, or with digits that are those of a country code.
    #[error(
        "its first digits are those of the country code, and it is a valid number with and without them; send it as + and digits"
    )]
    CodeOrNot,
}

/// The number in E.164 (`+919812345670`).
///
/// Numbers without country code are taken to be of `country`; without one they are refused. Of several numbers in one field
/// it is the first of a mobile phone, or else the first. What was damaged on its way is put right where there is only one way to.
///
/// # Errors
///
/// [`NoNumber`] if the text is not one valid number, or could be another.
pub fn normalise(text: &str, country: Option<Country>) -> Result<String, NoNumber> {
    let text = &*plain_digits(text);
    if let Some(unescaped) = damaged::plus_as_space(text)
        && let Some(with_plus) = quick(&unescaped, None)
    {
        return match read(text.trim(), country) {
            Ok(without) if without != e164(&with_plus) => Err(NoNumber::PlusOrNot),
            Err(NoNumber::CodeOrNot) => Err(NoNumber::PlusOrNot),
            _ => Ok(e164(&with_plus)),
        };
    }
    read(text.trim(), country)
}

fn read(text: &str, country: Option<Country>) -> Result<String, NoNumber> {
    let number = match quick(text, country) {
        Some(number) => number,
        None => first_mobile(text, country)?,
    };
    if is_also_without_code(&number) && !damaged::is_in_full(text) {
        return Err(NoNumber::CodeOrNot);
    }
    Ok(e164(&number))
}

/// Of several numbers in one field the first of a mobile phone, or else the first.
fn first_mobile(text: &str, country: Option<Country>) -> Result<PhoneNumber, NoNumber> {
    let text = damaged::undamaged(text)?;
    let parts = parts::parts(&text);
    let mut found: Vec<PhoneNumber> = parts.iter().filter_map(|part| thorough(part, country)).collect();
    if found.is_empty() {
        found = parts.iter().flat_map(|part| two_in(part, country)).collect();
    }
    let mobile = found.iter().position(is_mobile);
    found.into_iter().nth(mobile.unwrap_or(0)).ok_or(NoNumber::Invalid(country))
}

/// Two numbers with only a space between them, if there is one way to part them.
fn two_in(text: &str, country: Option<Country>) -> Vec<PhoneNumber> {
    let both = |(first, second): (&str, &str)| Some([thorough(first, country)?, thorough(second, country)?]);
    let mut ways = parts::halves(text).filter_map(both);
    match (ways.next(), ways.next()) {
        (Some(only), None) => only.into(),
        _ => Vec::new(),
    }
}

fn is_mobile(number: &PhoneNumber) -> bool {
    let kind = PHONE_NUMBER_UTIL.get_number_type(number);
    matches!(kind, PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile)
}

/// Whether the digits after the country code begin with it once more, and are those of a mobile phone without it:
/// `491711234567` in Germany, which is also dialled to a landline in Leer (0491).
fn is_also_without_code(number: &PhoneNumber) -> bool {
    let national = number.national_number.to_string();
    let Some(rest) = national.strip_prefix(&number.country_code.to_string()) else { return false };
    let Some(national_number) = rest.parse().ok().filter(|_| !rest.starts_with('0')) else { return false };
    let without = PhoneNumber { country_code: number.country_code, national_number, ..PhoneNumber::default() };
    is_valid(&without) && is_mobile(&without)
}

fn e164(number: &PhoneNumber) -> String {
    PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164).into_owned()
}

fn is_valid(number: &PhoneNumber) -> bool {
    PHONE_NUMBER_UTIL.is_valid_number(number)
}

/// A number in the two forms that most systems store.
fn quick(text: &str, country: Option<Country>) -> Option<PhoneNumber> {
    let dialled = || country.and_then(|Country(region)| dialled(text, region)?.find(is_valid));
    written_out(text).filter(is_valid).or_else(dialled)
}

/// A number in any form.
fn thorough(text: &str, country: Option<Country>) -> Option<PhoneNumber> {
    let parse = |text: &str| PHONE_NUMBER_UTIL.parse(text, country.map(|Country(region)| region)).ok().filter(is_valid);
    let once = || {
        damaged::code_twice(text)
            .find_map(|Once { code, text }| parse(&text).filter(|found| found.country_code == code))
    };
    let in_full = |text: &str| written_out(text).filter(is_valid);
    // dialled as a national number, but with the country code: 0919812345670
    let after_zero = || {
        let text: String = text.chars().filter(char::is_ascii_digit).collect();
        let code = country?.calling_code()?.to_string();
        in_full(&format!("+{code}{}", text.strip_prefix('0')?.strip_prefix(&code)?))
    };
    let is_mexican =
        text.trim_start().starts_with('+') || country.is_some_and(|country| country.calling_code() == Some(52));
    let without_old_prefix =
        || damaged::without_old_prefix(text).filter(|_| is_mexican).and_then(|text| in_full(&text));
    // the last plus begins the number: +49 +49 171 1234567
    let last_plus = text.rsplit_once('+').filter(|(before, _)| before.contains('+'));
    let after_last_plus = || in_full(&format!("+{}", last_plus?.1));
    let found = after_last_plus().or_else(|| quick(text, country)).or_else(|| parse(text)).or_else(once);
    found.or_else(after_zero).or_else(without_old_prefix)
}

/// A number in its two parts, as digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The code of its country, as `91`.
    pub country_code: String,
    /// What is dialled inside the country, without a prefix.
    pub national: String,
}

/// The parts of a number in E.164.
pub fn parts(number: &str) -> Option<Parts> {
    let country_code = PHONE_NUMBER_UTIL.parse(number, None).ok()?.country_code.to_string();
    let national = number.strip_prefix('+')?.strip_prefix(&country_code)?.to_owned();
    Some(Parts { country_code, national })
}

/// A number that stands in full, as most systems store it: `+`, country code, digits, perhaps spaces and hyphens.
///
/// There is no extension, no word and no national prefix to look for in it, which is two thirds of what parsing costs.
/// What begins with a zero after the country code is left to the parser: in most countries that is a prefix.
fn written_out(text: &str) -> Option<PhoneNumber> {
    let digits = digits(text.trim().strip_prefix('+')?)?;
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

/// What a number may be as it is dialled in a country whose trunk prefix is a zero: `098123 45670`, `98123 45670`, or with the
/// country code and without its plus. There too two thirds of what parsing costs go into looking for what is not there.
fn dialled(text: &str, region: Region) -> Option<impl Iterator<Item = PhoneNumber>> {
    let country_code =
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).filter(|_| TRUNK_ZERO.contains(&region))?;
    let digits = digits(text.trim())?;
    let national = digits.strip_prefix('0').unwrap_or(&digits);
    let without_code = digits.strip_prefix(&country_code.to_string());
    let meant =
        [Some(national), without_code].map(|digits| digits.filter(|digits| !digits.starts_with('0'))?.parse().ok());
    let number = move |national_number| PhoneNumber { country_code, national_number, ..PhoneNumber::default() };
    Some(meant.into_iter().flatten().map(number))
}

/// A text of nothing but digits, spaces and hyphens, as digits.
fn digits(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b' ' | b'-'));
    is_plain.then(|| text.chars().filter(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_e164() {
        for given in
            ["+91-9812345670", "098123 45670", "9812345670", "919812345670", "tel:+91 98123 45670", " 919812345670"]
        {
            assert_eq!(normalise(given, Some(Country::INDIA)), Ok("+919812345670".into()), "{given}");
        }
        assert_eq!(normalise("(201) 555-0123", "us".parse().ok()), Ok("+12015550123".into()));
    }

    #[test]
    fn what_is_dialled_in_a_country_is_read_as_libphonenumber_reads_it() {
        let mut state = 1_u64;
        let mut next = |below: u32| {
            // an LCG (Knuth, TAOCP 3.3.4): the same numbers in each run
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 33).unwrap_or(0) % below
        };
        let is_valid = |number: &PhoneNumber| PHONE_NUMBER_UTIL.is_valid_number(number);
        let shown = |number: &PhoneNumber| PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164).into_owned();
        for region in TRUNK_ZERO {
            let mut valid = 0;
            for _ in 0..4_000 {
                let code = PHONE_NUMBER_UTIL.get_country_code_for_region(region).unwrap().to_string();
                let before = ["", "0", &code].into_iter().nth(next(3) as usize).unwrap_or_default();
                let text: String = (0..7 + next(6)).map(|_| char::from_digit(next(10), 10).unwrap_or('0')).collect();
                let text = format!("{before}{text}");
                let Some(number) = dialled(&text, region).unwrap().find(is_valid) else { continue };
                valid += 1;
                let parsed = PHONE_NUMBER_UTIL.parse(&text, Some(region)).ok().filter(is_valid);
                assert_eq!(parsed.as_ref().map(shown), Some(shown(&number)), "{text} in {region:?}");
            }
            assert!(valid > 10, "{region:?}: only {valid} are valid");
        }
    }

    #[test]
    fn what_is_not_one_valid_number_is_refused() {
        for given in ["", "-", "12345", "call me", "+1 800 FLOWERS", "98123CALL0"] {
            assert!(normalise(given, Some(Country::INDIA)).is_err(), "{given}");
        }
        let said = normalise("12345", Some(Country::INDIA)).expect_err("too short").to_string();
        assert_eq!(said, "it is not a valid phone number of IN or with a country code");
        assert!(
            normalise("9812345670", None).is_err_and(|error| error.to_string() == "it is not a valid phone number")
        );
    }

    #[test]
    fn a_number_has_two_parts() {
        for (number, code, national) in [("+919812345670", "91", "9812345670"), ("+390612345678", "39", "0612345678")] {
            let parts = parts(number).unwrap();
            assert_eq!((parts.country_code.as_str(), parts.national.as_str()), (code, national));
        }
        assert_eq!(parts("9812345670"), None);
    }
}
