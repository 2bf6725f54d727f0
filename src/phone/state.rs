//! The country that the name of a state, a province, a region or an emirate stands for, where it stands for one alone.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::country::{Country, by_folded};
use crate::fold::fold;

/// The list; its head says what is in it, and what is not.
const STATES: &str = include_str!("states.tsv");

static NAMES: LazyLock<HashMap<String, Country>> = LazyLock::new(|| by_folded(STATES));

/// Words around a name that leave it what it is, folded.
const BEFORE: [&str; 4] = ["stateof", "provinceof", "emirateof", "regionof"];
const AFTER: [&str; 5] = ["state", "province", "emirate", "region", "prefecture"];

impl Country {
    /// The country that a state's name says: `Maharashtra`, `State of California`, `Dubai`. None for a name that several countries
    /// have, and for a code (`CA`), of which only its sender knows whose it is.
    pub fn of_state(text: &str) -> Option<Self> {
        // what follows says more of the place: `Maharashtra, India`, `California (CA)`, `Kerala - 682001`
        let name = text.split([',', '(', '/']).next().unwrap_or_default();
        let folded = fold(name);
        let folded = folded.trim_end_matches(|c: char| c.is_ascii_digit());
        let known = |name: &str| NAMES.get(name).copied();
        known(folded)
            .or_else(|| BEFORE.iter().find_map(|word| known(folded.strip_prefix(word)?)))
            .or_else(|| AFTER.iter().find_map(|word| known(folded.strip_suffix(word)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_its_country_if_no_other_country_has_one_of_its_name() {
        for (state, code) in [
            ("Maharashtra", "IN"),
            (" MAHARASHTRA ", "IN"),
            ("Maharashtra, India", "IN"),
            ("State of Maharashtra", "IN"),
            ("Tamilnadu", "IN"),
            ("Kerala - 682001", "IN"),
            ("Jammu & Kashmir", "IN"),
            ("Orissa", "IN"),
            ("महाराष्ट्र", "IN"),
            ("Dubai", "AE"),
            ("Ras Al-Khaimah", "AE"),
            ("Emirate of Sharjah", "AE"),
            ("دبي", "AE"),
            ("California", "US"),
            ("California (CA)", "US"),
            ("new york", "US"),
            ("Ontario", "CA"),
            ("Québec", "CA"),
            ("New South Wales", "AU"),
            ("Bayern", "DE"),
            ("São Paulo", "BR"),
            ("Sindh", "PK"),
            ("Gauteng", "ZA"),
            ("Selangor", "MY"),
            ("Singapore", "SG"),
        ] {
            assert_eq!(Country::of_state(state).map(|country| country.to_string()).as_deref(), Some(code), "{state}");
        }
        for state in [
            "Georgia",
            "Punjab",
            "Florida",
            "Amazonas",
            "MH",
            "CA",
            "IN",
            "India",
            "",
            "-",
            "Central",
            "Pending",
            "active",
            "12",
            "Atlanta, Georgia",
        ] {
            assert_eq!(Country::of_state(state), None, "{state}");
        }
    }

    #[test]
    fn no_state_is_of_two_countries_or_named_as_another_country() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (code, names) in STATES.lines().filter_map(|line| line.split_once('\t')) {
            let country = code.parse::<Country>().expect(code);
            for name in names.split('|') {
                let folded = fold(name);
                assert!(folded.chars().count() > 2 || !folded.is_ascii(), "{name} is a code");
                assert_eq!(*seen.entry(folded).or_insert(code), code, "{name}");
                assert_eq!(Country::of_state(name), Some(country), "{name}");
                assert!(Country::named(name).is_none_or(|named| named == country), "{name} is a country, too");
            }
        }
        assert!(seen.len() > 800, "{}", seen.len());
    }
}
