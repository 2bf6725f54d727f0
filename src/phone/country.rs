//! Countries as they are configured, in two letters, and as people, shops and CRMs name them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};
use thiserror::Error;

use crate::fold::{fold, plain_digits};

/// Names in many languages; its head says where they are from.
const COUNTRIES: &str = include_str!("countries.tsv");

static NAMES: LazyLock<HashMap<String, Country>> = LazyLock::new(|| by_folded(COUNTRIES));

/// The longest calling code: `+44 1534` is Jersey's.
const CODE_DIGITS: usize = 6;

/// A list of countries and of what stands for each, by its folded names.
pub(super) fn by_folded(list: &str) -> HashMap<String, Country> {
    let lines = list.lines().filter_map(|line| line.split_once('\t'));
    let known = lines.filter_map(|(code, names)| Some((code.parse::<Country>().ok()?, names)));
    known.flat_map(|(country, names)| names.split('|').map(move |name| (fold(name), country))).collect()
}

/// A country that has phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(pub(super) Region);

/// The text does not name a country.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a country")]
pub struct NoCountry(pub String);

impl Country {
    /// Where nothing else is said.
    pub const INDIA: Self = Self(Region::IN);

    /// The country that a text names: `IN`, `IND`, `India`, `भारत`, `Inde`, `India (+91)`, `+91`; in capitals or not.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.trim();
        let before_brackets = || text.split_once('(').and_then(|(name, _)| Self::by_name(name));
        let in_two_ways = || Self::in_all_parts(text);
        Self::by_name(text).or_else(before_brackets).or_else(|| Self::of_calling_code(text)).or_else(in_two_ways)
    }

    /// `USA - United States`: each part names it.
    fn in_all_parts(text: &str) -> Option<Self> {
        let parts = text.split(['-', '\u{2013}', '\u{2014}', '/', '|', ':', ',', '(', ')']).map(str::trim);
        let mut named = parts.filter(|part| !part.is_empty()).map(Self::by_name);
        let first = named.next()??;
        named.all(|other| other == Some(first)).then_some(first)
    }

    fn by_name(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| NAMES.get(&fold(text)).copied())
    }

    /// The country of a calling code: `+91`, `0091`, `91`, `+1-868`, perhaps with its name: `IN +91`, `India (+91)`. Of several that
    /// share a code it is the one that is named, else the main one.
    pub fn of_calling_code(text: &str) -> Option<Self> {
        let text = plain_digits(text.trim());
        let written: String = text.strip_suffix(".0").unwrap_or(&text).chars().filter(char::is_ascii_digit).collect();
        let digits = written.strip_prefix("00").unwrap_or(&written);
        if digits.len() > CODE_DIGITS || digits.starts_with('0') {
            return None;
        }
        let dialled = Self::dialled_by(digits)?;
        let name: String = text.chars().filter(|c| c.is_alphabetic() || *c == ' ').collect();
        if fold(&name).is_empty() {
            return Some(dialled);
        }
        let named = Self::by_name(&name).filter(|named| named.calling_code() == dialled.calling_code());
        named.or_else(|| Some(dialled).filter(|_| text.contains('+')))
    }

    /// A code of more than three digits is that of a part of a numbering plan; the list of names has it.
    fn dialled_by(digits: &str) -> Option<Self> {
        if digits.len() > 3 {
            return NAMES.get(digits).copied();
        }
        let country = PHONE_NUMBER_UTIL.get_region_for_country_code(digits.parse().ok()?).map(Self);
        country.filter(|country| country.calling_code().is_some())
    }

    /// What stands before its numbers, as `91`.
    pub fn calling_code(self) -> Option<i32> {
        PHONE_NUMBER_UTIL.get_country_code_for_region(self.0)
    }
}

impl FromStr for Country {
    type Err = NoCountry;

    /// Takes the two letters of ISO 3166-1, as `IN` or `us`.
    fn from_str(text: &str) -> Result<Self, NoCountry> {
        let known = Region::from_str(text.trim()).ok();
        let dialled = known.filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some());
        dialled.map(Self).ok_or_else(|| NoCountry(text.to_owned()))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_one_that_has_numbers() {
        assert_eq!(" in ".parse::<Country>().map(|country| country.to_string()), Ok("IN".to_owned()));
        for text in ["", "India", "XX", "001", "I"] {
            assert_eq!(text.parse::<Country>(), Err(NoCountry(text.into())), "{text}");
        }
    }

    #[test]
    fn a_country_is_known_by_its_names() {
        for (name, code) in [
            ("IN", "IN"),
            ("in", "IN"),
            ("IND", "IN"),
            (" India ", "IN"),
            ("INDIA", "IN"),
            ("भारत", "IN"),
            ("Inde", "IN"),
            ("الهند", "IN"),
            ("India (+91)", "IN"),
            ("+91", "IN"),
            ("0091", "IN"),
            ("91", "IN"),
            ("Bharat", "IN"),
            ("United States", "US"),
            ("USA", "US"),
            ("U.S.A.", "US"),
            ("Estados Unidos", "US"),
            ("+1", "US"),
            ("Deutschland", "DE"),
            ("UK", "GB"),
            ("England", "GB"),
            ("U.A.E", "AE"),
            ("Emirats arabes unis", "AE"),
            ("México", "MX"),
            ("Mexico", "MX"),
            ("Côte d’Ivoire", "CI"),
            ("Ivory Coast", "CI"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Niger", "NE"),
            ("Nigeria", "NG"),
            ("Dominica", "DM"),
            ("Dominican Republic", "DO"),
            ("Indonesia", "ID"),
            ("Brasil", "BR"),
            ("Viet Nam", "VN"),
            ("South Korea", "KR"),
            ("Saudi Arabia", "SA"),
            ("+971 UAE", "AE"),
            ("USA - United States", "US"),
            ("IN \u{2013} India", "IN"),
            ("(GB) United Kingdom", "GB"),
            ("Guinea-Bissau", "GW"),
        ] {
            assert_eq!(Country::named(name).map(|country| country.to_string()).as_deref(), Some(code), "{name}");
        }
        for name in [
            "",
            "-",
            "N/A",
            "Wonderland",
            "the world",
            "12",
            "9812345670",
            "Pune",
            "1234",
            "Georgia, USA",
            "US - India",
            "Atlanta, GA",
        ] {
            assert_eq!(Country::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_calling_code_is_known_however_it_is_written() {
        for (code, country) in [
            ("+91", "IN"),
            ("91", "IN"),
            (" 91 ", "IN"),
            ("+ 91", "IN"),
            ("0091", "IN"),
            ("(+91)", "IN"),
            ("+91-", "IN"),
            ("91.0", "IN"),
            ("+९१", "IN"),
            ("IN +91", "IN"),
            ("+91 (India)", "IN"),
            ("India (91)", "IN"),
            ("🇮🇳 +91", "IN"),
            ("Bharat Desh +91", "IN"),
            ("+1", "US"),
            ("Canada +1", "CA"),
            ("+1-868", "TT"),
            ("1868", "TT"),
            ("+44 1534", "JE"),
            ("+971", "AE"),
        ] {
            let found = Country::of_calling_code(code).map(|country| country.to_string());
            assert_eq!(found.as_deref(), Some(country), "{code}");
        }
        for text in ["", "+", "IN", "India", "030", "12", "999", "+800", "9812345670", "room 91", "Germany 91", "1-234"]
        {
            assert_eq!(Country::of_calling_code(text), None, "{text}");
        }
    }

    #[test]
    fn no_name_is_that_of_two_countries() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (code, names) in COUNTRIES.lines().filter_map(|line| line.split_once('\t')) {
            assert!(code.parse::<Country>().is_ok(), "{code}");
            for name in names.split('|') {
                let folded = fold(name);
                assert!(!folded.is_empty(), "{code}: {name}");
                assert_eq!(*seen.entry(folded).or_insert(code), code, "{name}");
            }
        }
        assert!(seen.len() > 3_000);
    }
}
