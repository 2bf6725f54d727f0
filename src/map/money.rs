//! Amounts of money as people write them where the currency is used.

use thiserror::Error;

use crate::fold::plain_digits;

/// What stands for which currencies, where people write it beside an amount; letters in lower case.
const SIGNS: [(&str, &[&str]); 9] = [
    ("₹", &["INR"]),
    ("rs", &["INR", "PKR", "LKR", "NPR", "MUR", "SCR"]),
    ("$", &["USD", "AUD", "CAD", "SGD", "HKD", "NZD", "MXN", "ARS", "CLP", "COP", "TWD"]),
    ("us$", &["USD"]),
    ("r$", &["BRL"]),
    ("€", &["EUR"]),
    ("£", &["GBP", "EGP"]),
    ("¥", &["JPY", "CNY"]),
    ("rp", &["IDR"]),
];

/// A text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoAmount {
    /// It is none.
    #[error("is not an amount of money")]
    Unreadable,
    /// A separator may be that of thousands or of decimals.
    #[error(
        "may be an amount of thousands, or one with decimals: send it without separators of thousands, or with both"
    )]
    Ambiguous,
    /// Its sign is another currency's.
    #[error("is an amount in another currency than it is to be shown in")]
    OtherCurrency,
}

/// An amount with its currency: `₹1,49,900`, `$1,234.50`. A text is read as people write it: `Rs. 1499/-`, `1.499,50`.
///
/// Whole amounts have no decimals; others as many as ISO 4217 gives the currency.
///
/// # Errors
///
/// If the text is not an amount, or may be two.
pub fn format(amount: &str, currency: &str) -> Result<String, NoAmount> {
    let currency = currency.trim().to_ascii_uppercase();
    let decimals = match currency.as_str() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    };
    let plain = plain(&without_signs(&plain_digits(amount), &currency)?, decimals)?;
    let value: f64 = plain.parse().map_err(|_| NoAmount::Unreadable)?;
    if !value.is_finite() || value.abs() >= 1e15 {
        return Err(NoAmount::Unreadable);
    }
    let written = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let fraction = if fraction.chars().all(|c| c == '0') { String::new() } else { format!(".{fraction}") };
    let sign = if value < 0.0 && written.contains(|c: char| c.is_ascii_digit() && c != '0') { "-" } else { "" };
    let whole = if matches!(currency.as_str(), "INR" | "NPR" | "PKR" | "BDT" | "LKR") {
        grouped(whole, 2)
    } else {
        grouped(whole, 3)
    };
    Ok(format!("{sign}{}{whole}{fraction}", symbol(&currency)))
}

/// The digits of an amount with their separators, without what says its currency or that nothing follows.
fn without_signs(amount: &str, currency: &str) -> Result<String, NoAmount> {
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    let amount: String = amount.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '’')).collect();
    let amount = amount.strip_suffix("/-").or_else(|| amount.strip_suffix("/=")).unwrap_or(&amount);
    let first = amount.find(|c: char| c.is_ascii_digit()).ok_or(NoAmount::Unreadable)?;
    let behind = amount.rfind(is_of_number).and_then(|at| amount.get(at + 1..)).unwrap_or("");
    let (before, rest) = amount.split_at_checked(first).ok_or(NoAmount::Unreadable)?;
    let number = rest.strip_suffix(behind).unwrap_or(rest);
    // a point that begins the decimals, and not one that ends `Rs.`
    let begins = before.strip_suffix('.').filter(|before| before.chars().all(|c| matches!(c, '-' | '+' | '\u{2212}')));
    let (before, point) = begins.map_or((before, ""), |before| (before, "0."));
    let is_negative = before.contains(['-', '\u{2212}']);
    for sign in [before, behind] {
        let sign = sign.trim_matches(['-', '+', '.', '\u{2212}']).to_lowercase();
        if sign.is_empty() || sign.eq_ignore_ascii_case(currency) {
            continue;
        }
        let known = SIGNS.iter().find(|(written, _)| *written == sign).map(|(_, currencies)| *currencies);
        let is_code = sign.len() == 3 && sign.bytes().all(|byte| byte.is_ascii_lowercase());
        match known {
            Some(currencies) if currencies.contains(&currency) => {}
            None if !is_code => return Err(NoAmount::Unreadable),
            _ => return Err(NoAmount::OtherCurrency),
        }
    }
    Ok(format!("{}{point}{number}", if is_negative { "-" } else { "" }))
}

/// An amount with a point before its decimals, and nothing between its thousands.
fn plain(written: &str, decimals: usize) -> Result<String, NoAmount> {
    let pieces = |separator: char| written.trim_start_matches('-').split(separator).map(str::len).collect::<Vec<_>>();
    let (commas, points) = (pieces(','), pieces('.'));
    let without = |separator: char| written.replace(separator, "");
    let is_grouped = |lengths: &[usize], smallest: usize| match lengths {
        [first, between @ .., 3] => (1..=3).contains(first) && between.iter().all(|n| (smallest..=3).contains(n)),
        _ => false,
    };
    match (commas.as_slice(), points.as_slice()) {
        ([_], [_]) => Ok(written.to_owned()),
        // `1.499` of a currency with two decimals
        ([_], [1..=3, 3]) if decimals != 3 && !written.trim_start_matches('-').starts_with('0') => {
            Err(NoAmount::Ambiguous)
        }
        ([_], [_, _]) => Ok(written.to_owned()),
        ([_], points) if is_grouped(points, 3) => Ok(without('.')),
        ([_, 1..=2], [_]) => Ok(written.replace(',', ".")),
        ([_, 3], [_]) if decimals == 3 => Err(NoAmount::Ambiguous),
        (commas, [_]) if is_grouped(commas, 2) => Ok(without(',')),
        ([_, _], [_]) => Err(NoAmount::Ambiguous),
        ([_, _], [_, ..]) if written.rfind(',') > written.rfind('.') => {
            let (whole, _) = written.split_once(',').unwrap_or((written, ""));
            let lengths: Vec<usize> = whole.trim_start_matches('-').split('.').map(str::len).collect();
            is_grouped(&lengths, 3).then(|| without('.').replace(',', ".")).ok_or(NoAmount::Unreadable)
        }
        (_, [_, _]) => {
            let (whole, _) = written.split_once('.').unwrap_or((written, ""));
            let lengths: Vec<usize> = whole.trim_start_matches('-').split(',').map(str::len).collect();
            is_grouped(&lengths, 2).then(|| without(',')).ok_or(NoAmount::Unreadable)
        }
        _ => Err(NoAmount::Unreadable),
    }
}

fn symbol(currency: &str) -> String {
    match currency {
        "INR" => "₹".into(),
        "USD" => "$".into(),
        "EUR" => "€".into(),
        "GBP" => "£".into(),
        "JPY" => "¥".into(),
        other => format!("{other} "),
    }
}

/// Groups of three at the end, then groups of `size`.
fn grouped(digits: &str, size: usize) -> String {
    let count = digits.len();
    let mut out = String::with_capacity(count + count / 2);
    for (index, digit) in digits.chars().enumerate() {
        let left = count - index;
        if index > 0 && (left == 3 || (left > 3 && (left - 3).is_multiple_of(size))) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_as_in_their_country() {
        for (amount, currency, expected) in [
            ("149900", "INR", "₹1,49,900"),
            ("12345678.5", "INR", "₹1,23,45,678.50"),
            ("999", "INR", "₹999"),
            ("1499.00", "inr", "₹1,499"),
            ("-1234.5", "USD", "-$1,234.50"),
            ("1,234", "EUR", "€1,234"),
            ("1234.6", "JPY", "¥1,235"),
            ("1.2345", "KWD", "KWD 1.234"),
            ("1.500", "KWD", "KWD 1.500"),
            ("500", "KRW", "KRW 500"),
            ("0", "INR", "₹0"),
        ] {
            assert_eq!(format(amount, currency).as_deref(), Ok(expected), "{amount}");
        }
        for wrong in ["", "abc", "NaN", "1e300", "12/2026", "1,23,4", "1..5", "1.2.3", "10 to 20", "1499 apples", "-"] {
            assert_eq!(format(wrong, "INR"), Err(NoAmount::Unreadable), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (amount, currency, expected) in [
            ("1.499,50", "INR", "₹1,499.50"),
            ("1.499.500,5", "EUR", "€1,499,500.50"),
            ("1499,5", "EUR", "€1,499.50"),
            ("1499,50", "INR", "₹1,499.50"),
            ("1 499,50 €", "EUR", "€1,499.50"),
            ("1'499.50", "CHF", "CHF 1,499.50"),
            ("1.234.567", "EUR", "€1,234,567"),
            ("1,49,900.00", "INR", "₹1,49,900"),
            ("1,499.5", "USD", "$1,499.50"),
            ("1,499", "INR", "₹1,499"),
            ("₹1,499.00", "INR", "₹1,499"),
            ("₹ 1,499", "INR", "₹1,499"),
            ("Rs. 1499/-", "INR", "₹1,499"),
            ("Rs 1,499.50", "INR", "₹1,499.50"),
            ("INR 1499", "inr", "₹1,499"),
            ("1499 AED", "AED", "AED 1,499"),
            ("-$5.00", "USD", "-$5"),
            ("$-5.00", "USD", "-$5"),
            (".5", "USD", "$0.50"),
            ("0.125", "USD", "$0.12"),
            ("१४९९", "INR", "₹1,499"),
        ] {
            assert_eq!(format(amount, currency).as_deref(), Ok(expected), "{amount}");
        }
        for amount in ["1.499", "1499,500", "12.000"] {
            assert_eq!(format(amount, "INR"), Err(NoAmount::Ambiguous), "{amount}");
        }
        assert_eq!(format("1,500", "KWD"), Err(NoAmount::Ambiguous));
        for amount in ["$10", "EUR 10", "10 usd"] {
            assert_eq!(format(amount, "INR"), Err(NoAmount::OtherCurrency), "{amount}");
        }
    }
}
