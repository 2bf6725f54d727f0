//! People's names, as far as a machine may touch them.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::fold::fold;
use crate::phone::Country;

/// What comes before a name without being part of it: honorifics, titles, abbreviations of names that nobody is called by (`Md.`), and
/// what says that a business follows.
const BEFORE_NAMES: [&str; 66] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "master",
    "dr",
    "prof",
    "er",
    "adv",
    "ca",
    "ar",
    "capt",
    "col",
    "maj",
    "lt",
    "sir",
    "madam",
    "shri",
    "shree",
    "sri",
    "shrimati",
    "smt",
    "kum",
    "kumari",
    "sau",
    "md",
    "mohd",
    "messrs",
    "sr",
    "sra",
    "srta",
    "mme",
    "herr",
    "frau",
    "sh",
    "sk",
    "km",
    "pt",
    "pandit",
    "rev",
    "hon",
    "hj",
    "bapak",
    "pak",
    "ibu",
    "श्री",
    "श्रीमती",
    "श्रीमान",
    "सुश्री",
    "कुमारी",
    "डॉ",
    "डा",
    "डॉक्टर",
    "الدكتور",
    "الدكتورة",
    "د",
    "دكتور",
    "دكتورة",
    "السيد",
    "السيدة",
    "الأستاذ",
    "الأستاذة",
    "المهندس",
    "الشيخ",
    "الآنسة",
];

static TITLES: LazyLock<HashSet<String>> = LazyLock::new(|| BEFORE_NAMES.iter().map(|title| fold(title)).collect());

/// What may stand between honorifics, or between one and the name: `Mr and Mrs`, `Dr. med.`
const AMONG_THEM: [&str; 12] = ["and", "und", "dan", "et", "med", "dent", "phil", "rer", "nat", "jur", "ing", "vet"];

/// Places that people write after their name and a comma. Countries are known, too.
const PLACES: [&str; 40] = [
    "agra",
    "ahmedabad",
    "amritsar",
    "bangalore",
    "bengaluru",
    "bhopal",
    "chandigarh",
    "chennai",
    "coimbatore",
    "dehradun",
    "delhi",
    "dubai",
    "goa",
    "gurgaon",
    "gurugram",
    "guwahati",
    "hyderabad",
    "indore",
    "jaipur",
    "kanpur",
    "kerala",
    "kochi",
    "kolkata",
    "london",
    "lucknow",
    "ludhiana",
    "maharashtra",
    "mumbai",
    "mysore",
    "mysuru",
    "nagpur",
    "nashik",
    "newdelhi",
    "noida",
    "patna",
    "pune",
    "rajkot",
    "surat",
    "thane",
    "vadodara",
];

/// Capitals for words typed without, or all in them; words with capitals inside and other scripts are left alone.
pub fn title_case(text: &str) -> String {
    text.split_inclusive(|c: char| c.is_whitespace() || c == '-').map(title_word).collect()
}

fn title_word(word: &str) -> String {
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
    let lower = letters.iter().all(|c| c.is_lowercase());
    let upper = letters.iter().all(|c| c.is_uppercase());
    // two capitals are initials
    if letters.is_empty() || !(lower || (upper && letters.len() > 2)) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut start = true;
    let mut since_start = 0;
    for c in word.chars() {
        if c.is_alphabetic() {
            if start {
                out.extend(c.to_uppercase());
            } else {
                out.extend(c.to_lowercase());
            }
            start = false;
            since_start += 1;
        } else {
            // O'Neil, D'Souza, but not Asha's
            start = matches!(c, '\'' | '’') && since_start == 1;
            out.push(c);
        }
    }
    out
}

/// The given name of a whole one: without honorifics, after the comma of `Rao, Asha`, but not of `Asha Rao, Pune`. Empty if
/// only initials are left, or nothing.
pub fn first_name(text: &str) -> &str {
    let given = match text.split_once(',') {
        // a family name is one word; what follows several is a place, a degree or a company
        Some((family, given))
            if without_titles(family).split_whitespace().count() <= 1
                && !without_titles(given).is_empty()
                && !is_place(given) =>
        {
            given
        }
        Some((name, _)) => name,
        None => text,
    };
    let first = without_titles(given).split_whitespace().next().unwrap_or("");
    let letters = |piece: &str| piece.chars().filter(|c| c.is_alphanumeric()).count();
    if first.split('.').all(|piece| letters(piece) < 2) { "" } else { first }
}

/// A name without what comes before it: `Dr.Asha Rao`, `Dr. (Mrs.) Asha Rao` and `Mr/Mrs Asha Rao` are `Asha Rao`.
pub fn without_titles(text: &str) -> &str {
    const BETWEEN: [char; 6] = ['.', '/', '&', '(', ')', ','];
    let ends = |c: char| c.is_whitespace() || BETWEEN.contains(&c);
    let mut rest = text.trim();
    let mut follows_title = false;
    loop {
        let next = if follows_title { rest.trim_start_matches(ends) } else { rest.trim_start() };
        if let Some(business) = ["M/s", "m/s", "M/S"].iter().find_map(|title| next.strip_prefix(title)) {
            (rest, follows_title) = (business, true);
            continue;
        }
        let end = next.find(ends).unwrap_or(next.len());
        let Some((word, after)) = next.split_at_checked(end) else { return next };
        let folded = fold(word);
        let is_title = TITLES.contains(&folded);
        let is_among = follows_title && AMONG_THEM.contains(&folded.as_str());
        if word.is_empty() || !(is_title || is_among) {
            return next;
        }
        (rest, follows_title) = (after, true);
    }
}

fn is_place(text: &str) -> bool {
    let place = text.split(',').next().unwrap_or("");
    PLACES.contains(&fold(place).as_str()) || Country::named(place).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_given_only_where_they_were_not_thought_of() {
        for (given, expected) in [
            ("asha rao", "Asha Rao"),
            ("ASHA RAO", "Asha Rao"),
            ("McDonald", "McDonald"),
            ("O'Neil", "O'Neil"),
            ("d'souza", "D'Souza"),
            ("asha's shop", "Asha's Shop"),
            ("anne-marie", "Anne-Marie"),
            ("AK Sharma", "AK Sharma"),
            ("आशा राव", "आशा राव"),
            ("محمد", "محمد"),
            ("王小明", "王小明"),
            ("élodie", "Élodie"),
        ] {
            assert_eq!(title_case(given), expected);
        }
    }

    #[test]
    fn given_names_are_found() {
        for (given, expected) in [
            ("Asha Rao", "Asha"),
            ("Ms Asha Rao", "Asha"),
            ("Rao, Asha", "Asha"),
            ("Rao, Asha K.", "Asha"),
            ("Rao, Dr. Asha", "Asha"),
            ("Smt. Asha Rao", "Asha"),
            ("SHRI ASHOK RAO", "ASHOK"),
            ("Md. Asif Khan", "Asif"),
            ("Mohd Asif", "Asif"),
            ("Dr Rao", "Rao"),
            ("Prof. Dr. Asha Rao", "Asha"),
            ("M/s Rao Textiles", "Rao"),
            ("M/s. Rao Textiles Pvt Ltd", "Rao"),
            ("Asha Rao, Pune", "Asha"),
            ("Asha, Pune", "Asha"),
            ("Asha, New Delhi, India", "Asha"),
            ("Asha, India", "Asha"),
            ("Asha Rao, MBA", "Asha"),
            ("Rao,", "Rao"),
            (", Asha", "Asha"),
            ("A. K. Rao", ""),
            ("A", ""),
            ("A.", ""),
            ("-", ""),
            ("आशा राव", "आशा"),
            ("", ""),
            ("Dr.", ""),
            ("Dr.Asha", "Asha"),
            ("Mr.Rao", "Rao"),
            ("Smt.Asha Rao", "Asha"),
            ("Mohd.Asif", "Asif"),
            ("Sh. Ashok", "Ashok"),
            ("Sk. Asif", "Asif"),
            ("Km. Asha", "Asha"),
            ("Pt. Ravi Rao", "Ravi"),
            ("Rev. John", "John"),
            ("Hon. Asha", "Asha"),
            ("श्री अशोक राव", "अशोक"),
            ("श्रीमती आशा", "आशा"),
            ("डॉ. आशा राव", "आशा"),
            ("सुश्री आशा", "आशा"),
            ("الدكتور محمد علي", "محمد"),
            ("السيد محمد", "محمد"),
            ("Bapak Budi", "Budi"),
            ("Bapak/Ibu Budi", "Budi"),
            ("Ibu Siti", "Siti"),
            ("Pak Budi", "Budi"),
            ("Hj. Siti", "Siti"),
            ("Mr and Mrs Rao", "Rao"),
            ("Mr. & Mrs. Rao", "Rao"),
            ("Dr. (Mrs.) Asha Rao", "Asha"),
            ("Mr/Mrs Asha", "Asha"),
            ("Dr. med. Anna Weiß", "Anna"),
            ("A.K. Rao", ""),
            ("A.K.Rao", "A.K.Rao"),
            ("Drew Rao", "Drew"),
            ("Srinivas", "Srinivas"),
            ("Andy", "Andy"),
            ("José Álvarez", "José"),
            ("राव, आशा", "आशा"),
            ("محمد علي", "محمد"),
            ("王小明", "王小明"),
        ] {
            assert_eq!(first_name(given), expected);
        }
    }
}
