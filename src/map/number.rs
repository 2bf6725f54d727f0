//! Numbers of events as templates see them: no digit of them is lost.

use minijinja::Value;
use serde_json::Number;

/// As many digits as a phone number has, in a number with an exponent, that `9.19812E+11` has lost some of.
const PHONE_DIGITS: usize = 10;

/// A number that can be reckoned with if it is one exactly; any other is the text that came, as an id of forty digits is, and
/// a phone number that a spreadsheet rounded.
pub fn value_of(number: &Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return Value::from(whole);
    }
    if let Some(whole) = number.as_i128() {
        return Value::from(whole);
    }
    let written = number.as_str();
    if is_rounded(written) {
        return Value::from(written);
    }
    match number.as_f64().filter(|fraction| is_same(&fraction.to_string(), written)) {
        Some(fraction) => Value::from(fraction),
        None => Value::from(written),
    }
}

/// Whether a long whole number was written with an exponent, and not all of its digits.
fn is_rounded(written: &str) -> bool {
    let Some(decimal) = Decimal::of(written).filter(|_| written.contains(['e', 'E'])) else { return false };
    let length = usize::try_from(decimal.exponent).unwrap_or(0);
    (PHONE_DIGITS..=15).contains(&length) && decimal.digits.len() < PHONE_DIGITS
}

/// Whether two decimal numbers have the same value.
fn is_same(one: &str, other: &str) -> bool {
    Decimal::of(one).is_some_and(|one| Some(one) == Decimal::of(other))
}

/// A decimal number, without the zeros that say nothing: 0.`digits` times ten to the power of `exponent`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        let exponent = exponent.parse::<i64>().ok()?.checked_add(i64::try_from(whole.len()).ok()?)?;
        let exponent = exponent.checked_sub(i64::try_from(leading).ok()?)?;
        digits.drain(..leading);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            Some(Self { is_negative, digits, exponent: 0 })
        } else {
            Some(Self { is_negative, digits, exponent })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::readable::text_of;
    use super::*;

    fn shown(text: &str) -> String {
        let number: Number = serde_json::from_str(text).expect(text);
        text_of(&value_of(&number)).expect("not too long").expect("it is there")
    }

    #[test]
    fn a_number_is_exact_or_the_text_that_came() {
        for (written, expected) in [
            ("7", "7"),
            ("-7", "-7"),
            ("9223372036854775807", "9223372036854775807"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "18446744073709551616"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("12345678901234567890124", "12345678901234567890124"),
            ("340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
            ("-340282366920938463463374607431768211456", "-340282366920938463463374607431768211456"),
            // amounts stay numbers, and a number that some library wrote with a fraction of nothing is a whole one
            ("1499.50", "1499.5"),
            ("0.1", "0.1"),
            ("1e3", "1000"),
            ("919812345670.0", "919812345670"),
            ("9.1981234567E11", "919812345670"),
            // but one of which a spreadsheet may have rounded digits off stays as it came
            ("9.19812E+11", "9.19812e+11"),
            ("9.19812e11", "9.19812e+11"),
            ("1.5E8", "150000000"),
            ("0.0", "0"),
            ("1e+400", "1e+400"),
            ("1e-400", "1e-400"),
            ("1e+99999999999999999999", "1e+99999999999999999999"),
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("12345678901234567890.5", "12345678901234567890.5"),
        ] {
            assert_eq!(shown(written), expected, "{written}");
        }
    }

    #[test]
    fn amounts_can_be_reckoned_with() {
        for written in ["1499.50", "1499.5", "14995e-1"] {
            let number: Number = serde_json::from_str(written).expect(written);
            assert_eq!(f64::try_from(value_of(&number)).ok(), Some(1499.5));
        }
    }

    proptest! {
        #[test]
        fn every_digit_of_a_whole_number_comes_out(digits in "-?[1-9][0-9]{0,99}") {
            prop_assert_eq!(shown(&digits), digits);
        }

        #[test]
        fn no_fraction_is_changed(whole in 0..1_000_000_000_u64, fraction in "[0-9]{1,40}") {
            let written = format!("{whole}.{fraction}");
            prop_assert!(is_same(&shown(&written), &written), "{} became {}", written, shown(&written));
        }
    }
}
