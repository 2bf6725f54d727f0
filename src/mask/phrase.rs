//! Words in a text, whatever their case and however they are escaped there.

use super::escape;

/// Words that are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase(String);

impl Phrase {
    /// These words, in this order.
    pub fn new(words: &str) -> Self {
        Self(folded(words))
    }

    /// Whether a text holds them, also where JSON, a URL or HTML has escaped them.
    pub fn is_in(&self, text: &str) -> bool {
        if folded(text).contains(&self.0) {
            return true;
        }
        let is_escaped = text.bytes().any(|byte| escape::may_begin(byte) || byte == b'+');
        is_escaped && folded(&unescaped(text)).contains(&self.0)
    }
}

/// In lower case; a plus may stand for a space, wherever it is.
fn folded(text: &str) -> String {
    text.to_lowercase().replace('+', " ")
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut at) = (Vec::with_capacity(text.len()), 0);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match escape::read(bytes.get(at..).unwrap_or_default()).filter(|_| escape::may_begin(byte)) {
            Some((unit, length)) => {
                plain.extend_from_slice(unit.bytes());
                at += length;
            }
            None => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_escape() {
        let phrase = Phrase::new("Zoë O'Hara");
        for text in [
            r#"{"name":"zoë o'hara"}"#,
            r#"{"name":"ZO\u00cb O\u0027HARA"}"#,
            "name=Zo%C3%AB+O%27Hara&x=1",
            "Zo%c3%ab%20O%27Hara",
            "Dear Zo&#235; O&#x27;Hara,",
        ] {
            assert!(phrase.is_in(text), "{text}");
        }
        for text in ["", "Zoe O'Hara", r#"{"first":"Zoë","last":"O'Hara"}"#] {
            assert!(!phrase.is_in(text), "{text}");
        }
        assert!(Phrase::new("asha+crm@example.com").is_in(r#"{"email":"Asha+CRM@example.com"}"#));
        assert!(Phrase::new(r#"say "hi""#).is_in(r#"{"note":"say \"hi\""}"#));
    }
}
