//! The numbers in a field that holds several, or one and what says whose or which it is.

/// As many digits has a number of its own.
const PHONE_DIGITS: usize = 7;

/// How a number goes on inside a company; libphonenumber takes it off (RFC 3966 writes `;ext=`).
const EXTENSIONS: [&str; 5] = ["extension", "extn", "ext", "int", "x"];

/// Words between two numbers.
const BETWEEN: [&str; 15] =
    ["or", "and", "&", "oder", "und", "ou", "et", "o", "y", "e", "atau", "dan", "या", "और", "أو"];

/// Which number of its owner one is. Whose it is would be another matter: `(Father)`.
const LABELS: [&str; 36] = [
    "cel",
    "celular",
    "cell",
    "contact",
    "fon",
    "h",
    "handy",
    "hp",
    "home",
    "m",
    "mob",
    "mobil",
    "mobile",
    "móvil",
    "no",
    "number",
    "o",
    "office",
    "off",
    "ph",
    "phone",
    "r",
    "res",
    "residence",
    "tel",
    "telefon",
    "telefone",
    "telephone",
    "teléfono",
    "tél",
    "téléphone",
    "wa",
    "whatsapp",
    "work",
    "मोबाइल",
    "फोन",
];

/// The numbers in a field, in order; none with letters in it, which would be dialled as digits (`555-SHIP`).
pub fn parts(text: &str) -> Vec<String> {
    let by_sign = text.split([',', ';', '|', '\n', '\r']).filter(|part| !part.trim_start().starts_with("ext="));
    let by_word = by_sign.flat_map(split_words).flat_map(|part| split_pluses(&part));
    let plain = by_word.flat_map(|part| split_slash(&part)).map(|part| without_labels(&part).to_owned());
    plain.filter(|part| !has_words(part)).collect()
}

/// A field with two numbers and only a space between them, at each space.
pub fn halves(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let spaces = text.char_indices().filter(|(_, c)| c.is_whitespace());
    spaces
        .filter_map(|(at, _)| text.split_at_checked(at))
        .filter(|halves| digits(halves.0) >= PHONE_DIGITS && digits(halves.1) >= PHONE_DIGITS)
}

fn digits(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

/// Before each plus that stands after a whole number; one after `+91` is that of a code twice.
fn split_pluses(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match parts.last_mut() {
            Some(part) if c != '+' || digits(part) < PHONE_DIGITS => part.push(c),
            _ => parts.push(c.to_string()),
        }
    }
    parts
}

/// A number without what says which of several it is: `Mob. 98123 45670`, `98123 45670 (WhatsApp)`.
fn without_labels(text: &str) -> &str {
    let is_label = |text: &str| {
        let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).peekable();
        words.peek().is_some() && words.all(|word| LABELS.contains(&word.to_lowercase().as_str()))
    };
    let mut text = text.trim();
    while let Some(word) = text.split(|c: char| !c.is_alphabetic()).next().filter(|word| is_label(word)) {
        text = text.strip_prefix(word).unwrap_or(text).trim_start_matches(['.', ':', '-', '#', ' ']);
    }
    if let Some((label, rest)) = text.strip_prefix('(').and_then(|text| text.split_once(')'))
        && is_label(label)
    {
        text = rest.trim_start();
    }
    if let Some((before, label)) = text.strip_suffix(')').and_then(|text| text.rsplit_once('('))
        && is_label(label)
    {
        text = before.trim_end();
    }
    let last = text.rsplit_once(char::is_whitespace).filter(|(_, word)| word.eq_ignore_ascii_case("whatsapp"));
    last.map_or(text, |(before, _)| before.trim_end())
}

/// At `or`, `and` and the like, and before a plus that begins another number.
fn split_words(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in text.split_inclusive(char::is_whitespace) {
        match word.trim().to_lowercase().as_str() {
            word if BETWEEN.contains(&word) => parts.push(String::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.push_str(word);
                }
            }
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// A slash stands between two numbers, or after an area's code (`030/1234567`).
fn split_slash(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 1 && parts.first().is_some_and(|first| digits(first) >= PHONE_DIGITS) {
        parts.iter().map(|part| part.trim().to_owned()).collect()
    } else {
        vec![text.to_owned()]
    }
}

/// Whether there are letters that introduce no extension.
fn has_words(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.any(|word| !EXTENSIONS.contains(&word.to_lowercase().as_str()))
}
