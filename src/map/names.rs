//! People's names, as far as a machine may touch them.

/// What may stand before a name.
const TITLES: [&str; 14] =
    ["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "shri", "sri", "smt", "kum", "er", "adv", "ca"];

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

/// The given name of a whole one: without titles, after the comma of `Rao, Asha`. Initials alone give the whole name.
pub fn first_name(text: &str) -> &str {
    let text = text.trim();
    let text = text.split_once(',').map(|(_, given)| given.trim()).filter(|given| !given.is_empty()).unwrap_or(text);
    let is_title = |word: &&str| TITLES.contains(&word.trim_end_matches('.').to_lowercase().as_str());
    let word = text.split_whitespace().find(|word| !is_title(word)).unwrap_or(text);
    if word.trim_end_matches('.').chars().count() < 2 { text } else { word }
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
            ("A. K. Rao", "A. K. Rao"),
            ("आशा राव", "आशा"),
            ("", ""),
            ("Dr.", "Dr."),
        ] {
            assert_eq!(first_name(given), expected);
        }
    }
}
