//! Amounts of money as people write them where the currency is used.

/// An amount with its currency: `₹1,49,900`, `$1,234.50`. `None` if the text is not an amount.
///
/// Whole amounts have no decimals; others as many as ISO 4217 gives the currency.
pub fn format(amount: &str, currency: &str) -> Option<String> {
    let plain: String = amount.trim().chars().filter(|c| *c != ',' && !c.is_whitespace()).collect();
    let value: f64 = plain.parse().ok().filter(|value: &f64| value.is_finite() && value.abs() < 1e15)?;
    let currency = currency.trim().to_ascii_uppercase();
    let decimals = match currency.as_str() {
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "UGX" | "XAF" | "XOF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    };
    let written = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let fraction = if fraction.chars().all(|c| c == '0') { String::new() } else { format!(".{fraction}") };
    let sign = if value < 0.0 && written.contains(|c: char| c.is_ascii_digit() && c != '0') { "-" } else { "" };
    let whole = if matches!(currency.as_str(), "INR" | "NPR" | "PKR" | "BDT" | "LKR") {
        grouped(whole, 2)
    } else {
        grouped(whole, 3)
    };
    Some(format!("{sign}{}{whole}{fraction}", symbol(&currency)))
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
            ("0", "INR", "₹0"),
        ] {
            assert_eq!(format(amount, currency).as_deref(), Some(expected));
        }
        for wrong in ["", "abc", "NaN", "1e300"] {
            assert_eq!(format(wrong, "INR"), None, "{wrong}");
        }
    }
}
