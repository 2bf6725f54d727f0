//! Abbreviations of time zones: `11:30 AM IST`. What is used in two countries is none: `BST` is British and of Bangladesh.

use jiff::tz::Offset;

use super::offset;

/// How far ahead of UTC, in minutes. Those of North America as in RFC 5322; `IST` is India's, from where most events come that
/// say it.
const ABBREVIATIONS: [(&str, i32); 34] = [
    ("IST", 330),
    ("PKT", 300),
    ("NPT", 345),
    ("GST", 240),
    ("MSK", 180),
    ("EAT", 180),
    ("TRT", 180),
    ("EET", 120),
    ("EEST", 180),
    ("SAST", 120),
    ("CAT", 120),
    ("CET", 60),
    ("CEST", 120),
    ("WAT", 60),
    ("WEST", 60),
    ("WIB", 420),
    ("ICT", 420),
    ("WITA", 480),
    ("SGT", 480),
    ("HKT", 480),
    ("MYT", 480),
    ("AWST", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
];

/// The offset that an abbreviation stands for.
pub fn offset_of(word: &str) -> Option<Offset> {
    let (_, minutes) = ABBREVIATIONS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name))?;
    offset(*minutes)
}
