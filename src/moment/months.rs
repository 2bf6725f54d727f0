//! The names of months and of days of the week, in the languages of forms and CRMs.

use crate::fold::fold;

/// January first; each in full, and as it is cut short where that is not how it begins.
const MONTHS: [&[&str]; 12] = [
    &[
        "january",
        "enero",
        "janeiro",
        "janvier",
        "januar",
        "janner",
        "gennaio",
        "januari",
        "يناير",
        "जनवरी",
        "ene",
        "gen",
    ],
    &[
        "february",
        "febrero",
        "fevereiro",
        "fevrier",
        "februar",
        "febbraio",
        "februari",
        "فبراير",
        "फरवरी",
        "fev",
        "फ़रवरी",
    ],
    &["march", "marzo", "marco", "mars", "marz", "maret", "maart", "مارس", "मार्च", "mrz"],
    &["april", "abril", "avril", "aprile", "أبريل", "ابريل", "अप्रैल", "abr", "avr"],
    &["may", "mayo", "maio", "mai", "maggio", "mei", "مايو", "मई", "mag"],
    &["june", "junio", "junho", "juin", "juni", "giugno", "يونيو", "जून", "giu"],
    &["july", "julio", "julho", "juillet", "juli", "luglio", "يوليو", "जुलाई", "juil", "lug"],
    &["august", "agosto", "aout", "agustus", "augustus", "أغسطس", "अगस्त", "ago", "agu"],
    &["september", "septiembre", "setembro", "septembre", "settembre", "سبتمبر", "सितंबर", "सितम्बर", "sept", "set"],
    &[
        "october",
        "octubre",
        "outubro",
        "octobre",
        "oktober",
        "ottobre",
        "أكتوبر",
        "अक्टूबर",
        "अक्तूबर",
        "out",
        "okt",
        "ott",
    ],
    &["november", "noviembre", "novembro", "novembre", "نوفمبر", "नवंबर", "नवम्बर"],
    &[
        "december",
        "diciembre",
        "dezembro",
        "decembre",
        "dezember",
        "desember",
        "dicembre",
        "ديسمبر",
        "दिसंबर",
        "दिसम्बर",
        "dic",
        "dez",
        "des",
    ],
];

/// Words of dates that say nothing, or what the date says as well.
const FILLERS: [&str; 32] = [
    "at",
    "on",
    "of",
    "the",
    "de",
    "del",
    "do",
    "le",
    "um",
    "uhr",
    "a",
    "las",
    "as",
    "den",
    "der",
    "pukul",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "mon",
    "tue",
    "tues",
    "wed",
    "thu",
    "thur",
    "thurs",
    "fri",
    "sat",
];

/// The month that a word names, from 1: in full, or by its first three letters or more.
pub fn month_of(word: &str) -> Option<i8> {
    let word = fold(word);
    let letters = word.chars().count();
    let names = |name: &&str| {
        let name = fold(name);
        name == word || (letters >= 3 && name.starts_with(&word))
    };
    let found = MONTHS.iter().position(|month| month.iter().any(names))?;
    i8::try_from(found + 1).ok()
}

/// Whether a word says nothing of the date.
pub fn is_filler(word: &str) -> bool {
    let word = fold(word);
    word == "sun" || FILLERS.contains(&word.as_str())
}
