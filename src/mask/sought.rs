//! One person's number in a text, however it is written there: the same digits with what people write between them.
//!
//! It does not find what is not written in digits: a number in words, in an image, or compressed.

use super::digits;

/// National numbers with fewer digits are found only after their country code: so few stand in any text.
const SHORT: usize = 8;

/// The zeros of the scripts that have decimal digits of their own (Unicode category Nd, those in use); nine digits follow
/// each.
const ZEROS: [u32; 23] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x17E0, 0x1810, 0xABF0, 0x1E950, 0xFF10,
];

/// A number that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The digits of the national number.
    national: Vec<u32>,
    /// The digits of the country code.
    code: Vec<u32>,
    /// What may stand directly before the national number.
    before: Vec<Vec<u32>>,
}

impl Sought {
    /// A number of a country, as digits.
    pub fn new(code: &str, national: &str) -> Self {
        let digits = |text: &str| text.chars().filter_map(value).collect::<Vec<_>>();
        let spelled = ["", "0", "CODE", "CODE0", "00CODE", "00CODE0", "011CODE"];
        Self {
            national: digits(national),
            code: digits(code),
            before: spelled.iter().map(|text| digits(&text.replace("CODE", code))).collect(),
        }
    }

    /// Whether a text holds it.
    pub fn is_in(&self, text: &str) -> bool {
        if self.national.is_empty() || !self.may_be_in(text) {
            return false;
        }
        let chars = digits::unescaped(text);
        digits::runs(&chars).any(|places| self.is_in_run(&chars, &places))
    }

    /// A quick look, since most texts are somebody else's. Where every digit stands for itself, they have to be there in a
    /// row, whatever is between them.
    fn may_be_in(&self, text: &str) -> bool {
        if !text.is_ascii() || text.contains('%') || text.contains("\\u") {
            return true;
        }
        let digits: Vec<u32> = text.bytes().filter(u8::is_ascii_digit).map(|digit| u32::from(digit - b'0')).collect();
        digits.windows(self.national.len()).any(|window| window == self.national)
    }

    fn is_in_run(&self, chars: &[char], places: &[usize]) -> bool {
        if places.len() < self.national.len() {
            return false;
        }
        let run: Vec<Option<u32>> = places.iter().map(|place| chars.get(*place).copied().and_then(value)).collect();
        let is_here = |(start, window): (usize, &[Option<u32>])| {
            let same = window.iter().zip(&self.national).all(|(found, wanted)| *found == Some(*wanted));
            same && self.stands_alone(places, &run, start)
        };
        run.windows(self.national.len()).enumerate().any(is_here)
    }

    /// Whether no digit stands directly before or after it that makes another number of it.
    fn stands_alone(&self, places: &[usize], run: &[Option<u32>], start: usize) -> bool {
        let end = start + self.national.len();
        let touches =
            |left: usize| places.get(left).zip(places.get(left + 1)).is_some_and(|(one, next)| one + 1 == *next);
        if end.checked_sub(1).is_some_and(touches) {
            return false;
        }
        let directly = (1..=start).take_while(|back| touches(start - back)).count();
        let before: Vec<u32> = run.get(start - directly..start).unwrap_or_default().iter().flatten().copied().collect();
        let mut all: Vec<u32> = run.get(..start).unwrap_or_default().iter().flatten().copied().collect();
        if all.last() == Some(&0) && !all.ends_with(&self.code) {
            all.pop();
        }
        let is_named = self.national.len() >= SHORT || all.ends_with(&self.code);
        is_named && before.len() == directly && self.before.contains(&before)
    }
}

/// The value of a digit of any script.
fn value(c: char) -> Option<u32> {
    let c = u32::from(c);
    ZEROS.iter().find_map(|zero| c.checked_sub(*zero).filter(|value| *value < 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_any_common_spelling() {
        let sought = Sought::new("91", "9812345670");
        for text in [
            "+91 98123 45670",
            "9812345670",
            "0 98123-45670",
            "098123 45670",
            "919812345670",
            "00919812345670",
            "+91 (0) 98123 45670",
            "+91-9812345670",
            r#"{"phone":9812345670}"#,
            r#"{"a":9812345670.0,"b":1}"#,
            r"+91\u00a098123\u00A045670",
            r"\u0967 98123\/45670",
            "phone=%2B91%2098123%2D45670&x=1",
            "tel:+919812345670;ext=4",
            "lead_9812345670",
            "९८१२३ ४५६७०",
            "call 98123\u{a0}45670 or 98123 45671",
            "98123 45671 / 98123 45670",
            "2026-11-25 98123 45670 12",
            "2 98123456 70 1",
        ] {
            assert!(sought.is_in(text), "{text}");
        }
    }

    #[test]
    fn digits_of_another_number_are_not_found() {
        let sought = Sought::new("91", "9812345670");
        for text in [
            "",
            "98123 45671",
            "98123456701",
            "19812345670",
            "17325372009812345670",
            "981234567",
            "98123 x 45670",
            "a9812345-6701-4abc-8def-0123456789ab",
        ] {
            assert!(!sought.is_in(text), "{text}");
        }
    }

    #[test]
    fn a_short_number_is_found_only_after_its_country_code() {
        let sought = Sought::new("674", "5551234");
        assert!(sought.is_in("+674 555 1234") && sought.is_in("006745551234") && sought.is_in("674 0 5551234"));
        assert!(!sought.is_in("order 5551234") && !sought.is_in("05551234"));
    }
}
