//! What forms, spreadsheets and CRMs do to phone numbers on their way, and which of it can be undone without guessing.

use super::NoNumber;

/// What may come before a number without being part of it: an apostrophe that keeps a spreadsheet from reckoning, labels of exports.
const BEFORE: [&str; 8] = ["'", "\u{2019}", "\"", "=", "p:", "tel:", "phone:", "whatsapp:"];

/// How many digits a fraction of ten must have for nothing to have been rounded off: spreadsheets show six.
const UNROUNDED: usize = 10;

/// A number whose plus became a space, with its plus: a form that does not escape it (`phone=+91...`) says a space
/// (WHATWG URL, application/x-www-form-urlencoded parsing).
pub fn plus_as_space(text: &str) -> Option<String> {
    let number = text.strip_prefix(' ')?;
    number.starts_with(|c: char| matches!(c, '1'..='9')).then(|| format!("+{}", number.trim_end()))
}

/// Where an address of a WhatsApp chat has its number, in full and without plus.
const CHATS: [&str; 4] =
    ["wa.me/", "api.whatsapp.com/send?phone=", "api.whatsapp.com/send/?phone=", "whatsapp://send?phone="];

/// What stands behind the number of a chat in WhatsApp's own ids.
const CHAT_IDS: [&str; 2] = ["@c.us", "@s.whatsapp.net"];

/// The number of a chat's address, with its plus: `https://wa.me/919812345670`, `919812345670@c.us`.
fn of_chat(text: &str) -> Option<String> {
    let in_address = || {
        let after = CHATS.iter().find_map(|chat| text.split_once(chat).map(|(_, after)| after))?;
        after.split(['?', '&', '/']).next()
    };
    let digits = CHAT_IDS.iter().find_map(|id| text.strip_suffix(id)).or_else(in_address)?;
    let digits = digits.strip_prefix("%2B").unwrap_or(digits).trim_start_matches('+');
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("+{digits}"))
}

/// A number in full with a digit after its country code that is no longer dialled: the 1 of Mexican mobile phones, until 2019.
pub fn without_old_prefix(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let national = digits.strip_prefix("521").filter(|national| national.len() == 10)?;
    Some(format!("+52{national}"))
}

/// Whether a text is a number in full and nothing else, so that no digit of it can be meant otherwise.
pub fn is_in_full(text: &str) -> bool {
    text.trim().strip_prefix('+').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
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
    if let Some(number) = of_chat(text) {
        return Ok(number);
    }
    if let Some(number) = strip_prefix(text, "%2B") {
        return Ok(format!("+{number}"));
    }
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
            "98123 45670 (WhatsApp)",
            "98123 45670 WhatsApp",
            "(M) 98123 45670",
            "Mob. 98123 45670",
            "Mob. No.: 98123-45670",
            "Ph.9812345670",
            "WhatsApp: +91 98123 45670",
            "9812345670 (M), 022-22355342 (O)",
            "022-22355342 (O), 9812345670 (M)",
            "9812345670 9812345671",
            "98123 45670 98123 45671",
            "+91 98123 45670 +91 98123 45671",
            "+919812345670+919812345671",
            "98123 45670 oder 98123 45671",
            "98123 45670 ou 98123 45671",
            "98123 45670 या 98123 45671",
            "0919812345670",
            "0 91 98123 45670",
            "wa.me/919812345670",
            "https://wa.me/919812345670?text=Hi",
            "https://api.whatsapp.com/send?phone=919812345670&text=Hi",
            "919812345670@c.us",
            "919812345670@s.whatsapp.net",
            "%2B919812345670",
            "%2b91 98123 45670",
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
            ("+52 1 55 1234 5678", "IN", "+525512345678"),
            ("5215512345678", "MX", "+525512345678"),
            ("wa.me/491711234567", "DE", "+491711234567"),
            // a plus says where a number begins
            ("+49 +49 171 1234567", "DE", "+491711234567"),
            ("+4949171123456", "DE", "+4949171123456"),
        ] {
            assert_eq!(normalise(text, country.parse().ok()).as_deref(), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_could_be_another_number_is_refused() {
        for (text, country, reason) in [
            ("9.19812E+11", "IN", NoNumber::Rounded),
            // of a mobile phone, or of a landline in Leer (0491)
            ("491711234567", "DE", NoNumber::CodeOrNot),
            ("491711234567.0", "DE", NoNumber::CodeOrNot),
            ("'491711234567", "DE", NoNumber::CodeOrNot),
            ("p:491711234567", "DE", NoNumber::CodeOrNot),
            ("4.91711234567E+11", "DE", NoNumber::CodeOrNot),
            ("+49 49 171 1234567", "DE", NoNumber::CodeOrNot),
            ("+49 491711234567", "DE", NoNumber::CodeOrNot),
            ("4949 171 1234567", "DE", NoNumber::CodeOrNot),
            ("98123 45670 (Father)", "IN", NoNumber::Invalid("IN".parse().ok())),
            ("98123 MOB 45670", "IN", NoNumber::Invalid("IN".parse().ok())),
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
