//! Names as people write them, made comparable: `E-Mail`, `e mail` and `EMAIL` are one, and so are `téléphone` and `Telephone`.

use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;

const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();

/// A name without case, accents, spaces and punctuation.
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    }
    let plain = NFKD.normalize(name);
    plain.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// The zeros of the decimal digits of other scripts (Unicode's category Nd), each followed by its other nine: Arabic and Persian, those
/// of India and its neighbours, full-width ones.
const ZEROS: [char; 23] = [
    '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}',
    '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}',
    '\u{1c50}', '\u{abf0}', '\u{ff10}',
];

/// A date or a number with digits as 0 to 9 and signs as ASCII has them, and without marks that only say in which direction it is
/// written: `२६/११/२०२६`, `＋91`.
pub fn plain_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let is_mark = |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    Cow::Owned(text.chars().filter(|c| !is_mark(c)).map(plain).collect())
}

fn plain(c: char) -> char {
    // how far full-width signs stand from those of ASCII
    const FULL_WIDTH: u32 = 0xfee0;
    let code = u32::from(c);
    match c {
        '\u{ff0b}'..='\u{ff0f}' | '\u{ff1a}' | '\u{ff08}' | '\u{ff09}' => {
            char::from_u32(code - FULL_WIDTH).unwrap_or(c)
        }
        _ => {
            let digit = ZEROS.iter().filter_map(|zero| code.checked_sub(u32::from(*zero))).find(|value| *value < 10);
            digit.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_scripts_are_digits() {
        for (written, plain) in [
            ("२६/११/२०२६", "26/11/2026"),
            ("٢٦‏/١١‏/٢٠٢٦", "26/11/2026"),
            ("۰۱۲۳۴۵۶۷۸۹", "0123456789"),
            ("০১২৩৪৫৬৭৮৯", "0123456789"),
            ("＋９１　９８１２３－４５６７０", "+91\u{3000}98123-45670"),
            ("\u{202a}+91 98123 45670\u{202c}", "+91 98123 45670"),
            ("मेला 5", "मेला 5"),
            ("²½", "²½"),
        ] {
            assert_eq!(plain_digits(written), plain, "{written}");
        }
        assert!(matches!(plain_digits("26/11/2026"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_people_take_for_the_same_name_is_the_same() {
        for (written, folded) in [
            ("E-Mail", "email"),
            ("  WhatsApp Number ", "whatsappnumber"),
            ("Téléphone", "telephone"),
            ("TELE\u{301}PHONE", "telephone"),
            ("Ｐｈｏｎｅ", "phone"),
            ("İstanbul", "istanbul"),
            ("मोबाइल नंबर", "मोबाइलनंबर"),
            ("هاتف", "هاتف"),
            ("-", ""),
        ] {
            assert_eq!(fold(written), folded, "{written}");
        }
    }
}
