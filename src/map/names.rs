//! People's names, as far as a machine may touch them.

use crate::fold::fold;
use crate::phone::Country;

/// What comes before a name without being part of it: honorifics, titles, abbreviations of names that nobody is called by (`Md.`), and
/// what says that a business follows.
const BEFORE_NAMES: [&str; 36] = [
    "mr", "mrs", "ms", "miss", "mx", "master", "dr", "prof", "er", "adv", "ca", "ar", "capt", "col", "maj", "lt",
    "sir", "madam", "shri", "shree", "sri", "shrimati", "smt", "kum", "kumari", "sau", "md", "mohd", "m/s", "messrs",
    "sr", "sra", "srta", "mme", "herr", "frau",
];

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
/// only an initial is left, or nothing.
pub fn first_name(text: &str) -> &str {
    let words = |text| str::split_whitespace(text).filter(|word| !is_before_a_name(word));
    let given = match text.split_once(',') {
        // a family name is one word; what follows several is a place, a degree or a company
        Some((family, given)) if words(family).count() <= 1 && words(given).next().is_some() && !is_place(given) => {
            given
        }
        Some((name, _)) => name,
        None => text,
    };
    let first = words(given).next().unwrap_or("");
    if first.chars().filter(|c| c.is_alphanumeric()).count() < 2 { "" } else { first }
}

fn is_before_a_name(word: &str) -> bool {
    BEFORE_NAMES.contains(&word.trim_end_matches('.').to_lowercase().as_str())
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
            ("José Álvarez", "José"),
            ("राव, आशा", "आशा"),
            ("محمد علي", "محمد"),
            ("王小明", "王小明"),
        ] {
            assert_eq!(first_name(given), expected);
        }
    }
}
