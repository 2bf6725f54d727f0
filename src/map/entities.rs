//! HTML entities, which WordPress and portals put into names and titles: `D&#039;Souza`.

use std::borrow::Cow;

/// A text with characters for its entities, also for those that were encoded twice (`&amp;#039;`).
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    match html_escape::decode_html_entities(text) {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        Cow::Owned(once) => Cow::Owned(html_escape::decode_html_entities(&once).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_characters() {
        for (written, meant) in [
            ("D&#039;Souza", "D'Souza"),
            ("D&#39;Souza", "D'Souza"),
            ("D&#x27;Souza", "D'Souza"),
            ("D&apos;Souza", "D'Souza"),
            ("D&amp;#039;Souza", "D'Souza"),
            ("Men&#8217;s shirt", "Men’s shirt"),
            ("Men&rsquo;s shirt", "Men’s shirt"),
            ("Rao &amp; Sons", "Rao & Sons"),
            ("Rao &amp;amp; Sons", "Rao & Sons"),
            ("&quot;Kurta&quot; &lt;blue&gt;", "\"Kurta\" <blue>"),
            ("Jos&eacute;", "José"),
            ("a&nbsp;b", "a\u{a0}b"),
            ("&#2310;&#2358;&#2366;", "आशा"),
            ("Rao & Sons", "Rao & Sons"),
            ("AT&T", "AT&T"),
            ("?a=1&b=2&copy=3", "?a=1&b=2&copy=3"),
            ("&nothing;", "&nothing;"),
            ("&#0;&#xFFFFFFFF;&#;", "&#0;&#xFFFFFFFF;&#;"),
            ("&", "&"),
        ] {
            assert_eq!(decode(written), meant, "{written}");
        }
    }
}
