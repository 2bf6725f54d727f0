//! In which time zones the owner of a number may be, by its first digits.
//!
//! The table is that of Google's libphonenumber. A country with several zones is told apart by area codes where it has
//! them; a mobile number may come with several zones, and then all of them count.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::hours::Zone;

/// Zones and the prefixes that have them; see the head of the file.
const TABLE: &str = include_str!("zones.tsv");

/// The longest prefix of the table.
const LONGEST: usize = 9;

static ZONES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    lines.flat_map(|(zones, prefixes)| prefixes.split(' ').map(move |prefix| (prefix, zones))).collect()
});

/// The zones of a number in E.164; none if it belongs to no country.
pub fn of_number(number: &str) -> Vec<Zone> {
    let digits = number.trim_start_matches('+');
    let found = (1..=LONGEST).rev().find_map(|length| ZONES.get(digits.get(..length)?).copied());
    // each name of the table is a zone: a test says so
    found.into_iter().flat_map(|zones| zones.split(' ')).filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn country_and_area_tell_the_zone() {
        for (number, zones) in [
            ("+919812345670", &["Asia/Calcutta"][..]),
            ("+12125550123", &["America/New_York"]),
            ("+13105550123", &["America/Los_Angeles"]),
            ("+18085550123", &["Pacific/Honolulu"]),
            ("+61412345678", &["Australia/Sydney"]),
            ("+61891234567", &["Australia/Adelaide", "Australia/Perth"]),
            ("+9779812345678", &["Asia/Katmandu"]),
            ("+442071234567", &["Europe/London"]),
            ("+999", &[]),
        ] {
            let names: Vec<String> = of_number(number).iter().map(ToString::to_string).collect();
            assert_eq!(names, zones, "{number}");
        }
    }

    #[test]
    fn every_zone_of_the_table_is_one() {
        for zone in ZONES.values().flat_map(|zones| zones.split(' ')) {
            assert!(zone.parse::<Zone>().is_ok_and(|parsed| parsed.to_string() == zone), "{zone}");
        }
    }
}
