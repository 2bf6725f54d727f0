//! What forms, spreadsheets and CRMs do to phone numbers on their way, and which of it can be undone without guessing.

use super::NoNumber;

/// What may come before a number without being part of it: an apostrophe that keeps a spreadsheet from reckoning, labels of exports.
const BEFORE: [&str; 8] = ["'", "\u{2019}", "\"", "=", "p:", "tel:", "phone:", "whatsapp:"];

/// How a number goes on inside a company; libphonenumber takes it off (RFC 3966 writes `;ext=`).
const EXTENSIONS: [&str; 5] = ["extension", "extn", "ext", "int", "x"];

/// How many digits a fraction of ten must have for nothing to have been rounded off: spreadsheets show six.
const UNROUNDED: usize = 10;

/// A number whose plus became a space, with its plus: a form that does not escape it (`phone=+91...`) says a space
/// (WHATWG URL, application/x-www-form-urlencoded parsing).
pub fn plus_as_space(text: &str) -> Option<String> {
    let number = text.strip_prefix(' ')?;
    number.starts_with(|c: char| matches!(c, '1'..='9')).then(|| format!("+{}", number.trim_end()))
}

/// The text without what was put around the number.
///
/// # Errors
///
/// If digits of it are lost.
pub fn undamaged(text: &str) -> Result<String, NoNumber> {
    let mut text = text.trim();
    while let Some(rest) = BEFORE.iter().find_map(|before| strip_prefix(text, before)) {
        text = rest.trim_start();
    }
    let text = text.trim_end_matches(['\'', '"', '\u{2019}']).trim_end();
    if let Some(exact) = without_exponent(text)? {
        return Ok(exact);
    }
    Ok(without_fraction(text).to_owned())
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// `919812345670.0`, a whole number that passed as a fraction.
fn without_fraction(text: &str) -> &str {
    let Some((whole, fraction)) = text.rsplit_once('.') else { return text };
    let is_number = whole.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit()) && whole.len() > 6;
    let is_nothing = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    if is_number && is_nothing { whole } else { text }
}

/// `9.1981234567E+11` with all of its digits; `9.19812E+11` has lost some.
fn without_exponent(text: &str) -> Result<Option<String>, NoNumber> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Ok(None) };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let digits = [whole.trim_start_matches('+'), fraction].concat();
    let Ok(exponent) = exponent.trim_start_matches('+').parse::<usize>() else { return Ok(None) };
    if digits.is_empty() || whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let length = whole.trim_start_matches('+').len() + exponent;
    if digits.len() < UNROUNDED || digits.len() > length || length > 15 {
        return Err(NoNumber::Rounded);
    }
    let sign = if whole.starts_with('+') { "+" } else { "" };
    Ok(Some(format!("{sign}{digits:0<length$}")))
}

/// The numbers in a field, in order; none with letters in it, which would be dialled as digits (`555-SHIP`).
pub fn parts(text: &str) -> Vec<String> {
    let by_sign = text.split([',', ';', '|', '\n', '\r']).filter(|part| !part.trim_start().starts_with("ext="));
    let by_word = by_sign.flat_map(split_words);
    by_word.flat_map(|part| split_slash(&part)).filter(|part| !has_words(part)).collect()
}

/// At `or`, `and` and `&`.
fn split_words(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in text.split_inclusive(char::is_whitespace) {
        match word.trim().to_ascii_lowercase().as_str() {
            "or" | "and" | "&" => parts.push(String::new()),
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
    let digits = |part: &str| part.chars().filter(|c| c.is_numeric()).count();
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 1 && parts.first().is_some_and(|first| digits(first) >= 7) {
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

/// A number of which one country code was taken off.
pub struct Once {
    /// The code that it still has.
    pub code: i32,
    /// The number, with its plus.
    pub text: String,
}

/// The number with one country code, where there may be two: `+91 +91 98123 45670`, `+91919812345670`, `91919812345670`.
pub fn code_twice(text: &str) -> impl Iterator<Item = Once> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (1..=3).filter_map(move |length| {
        let (code, rest) = digits.split_at_checked(length)?;
        let is_twice = rest.starts_with(code) && !code.starts_with('0');
        is_twice.then(|| Some(Once { code: code.parse().ok()?, text: format!("+{rest}") })).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Country, NoNumber, normalise};

    #[test]
    fn damage_is_undone_where_there_is_one_way_to() {
        let number = "+919812345670";
        for text in [
            "919812345670.0",
            "9812345670.0",
            "+919812345670.00",
            "9.1981234567E+11",
            "9.1981234567e11",
            "'+919812345670",
            "'9812345670",
            "\u{2019}+91 98123 45670",
            "\"+919812345670\"",
            "p:+919812345670",
            "tel:+91-98123-45670",
            "whatsapp:+919812345670",
            " 919812345670",
            " 91 98123 45670",
            "+91 +91 98123 45670",
            "+91+919812345670",
            "91+919812345670",
            "+91919812345670",
            "91919812345670",
            "+91 (0) 98123 45670",
            "0091 98123 45670",
            "9812345670 / 9812345671",
            "9812345670/9812345671",
            "98123 45670, 98123 45671",
            "+91 98123 45670; +91 98123 45671",
            "98123 45670 or 98123 45671",
            "9812345670 & 9812345671",
            "9812345670\n9812345671",
            "022 22355342 / 98123 45670",
            "022-22355342, 9812345670",
            "call me, 9812345670",
            "९८१२३४५६७०",
            "+९१ ९८१२३ ४५६७०",
            "०९८१२३-४५६७०",
            "९८१२३४५६७०.०",
            "९८१२३४५६७० / ९८१२३४५६७१",
            "٠٩٨١٢٣٤٥٦٧٠",
            "+۹۱۹۸۱۲۳۴۵۶۷۰",
            "＋９１ ９８１２３ ４５６７０",
            "９８１２３４５６７０",
            "৯৮১২৩৪৫৬৭০",
            "\u{202a}+91 98123 45670\u{202c}",
            "98123\u{200b}45670",
            "98123 45670 ext. 12",
            "98123 45670 x12",
            "+919812345670;ext=12",
        ] {
            assert_eq!(normalise(text, Some(Country::INDIA)).as_deref(), Ok(number), "{text}");
        }
        for (text, country, number) in [
            ("+491711234567.0", "DE", "+491711234567"),
            ("030/901820", "DE", "+4930901820"),
            ("+49 (0)30 / 901820", "DE", "+4930901820"),
            (" 4917112345678", "IN", "+4917112345678"),
            (" 12015550123", "IN", "+12015550123"),
            ("+1 201-555-0123 ext. 12345", "US", "+12015550123"),
            ("(702) 234-5678", "US", "+17022345678"),
            ("+971 971501234567", "AE", "+971501234567"),
        ] {
            assert_eq!(normalise(text, country.parse().ok()).as_deref(), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_could_be_another_number_is_refused() {
        for (text, country, reason) in [
            ("9.19812E+11", "IN", NoNumber::Rounded),
            ("9,19812E+11", "IN", NoNumber::Rounded),
            ("+9.19812e+11", "IN", NoNumber::Rounded),
            ("1E+11", "IN", NoNumber::Rounded),
            // of South Korea with its plus, of India without
            (" 8215441234", "IN", NoNumber::PlusOrNot),
            ("555-555-SHIP", "US", NoNumber::Invalid("US".parse().ok())),
            ("123-123-1234", "US", NoNumber::Invalid("US".parse().ok())),
            ("98123456700", "IN", NoNumber::Invalid("IN".parse().ok())),
            ("9812345670.5", "IN", NoNumber::Invalid("IN".parse().ok())),
            ("+9812345670", "IN", NoNumber::Invalid("IN".parse().ok())),
            ("98123 456701", "IN", NoNumber::Invalid("IN".parse().ok())),
            ("", "IN", NoNumber::Invalid("IN".parse().ok())),
            ("e", "IN", NoNumber::Invalid("IN".parse().ok())),
            (",;/|", "IN", NoNumber::Invalid("IN".parse().ok())),
        ] {
            assert_eq!(normalise(text, country.parse().ok()), Err(reason), "{text}");
        }
    }
}
