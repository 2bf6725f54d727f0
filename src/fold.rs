//! Names as people write them, made comparable: `E-Mail`, `e mail` and `EMAIL` are one, and so are `téléphone` and `Telephone`.

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

#[cfg(test)]
mod tests {
    use super::*;

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
