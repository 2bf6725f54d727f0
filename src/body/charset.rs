//! The characters of a body whose bytes are not plain UTF-8.
//!
//! What is valid UTF-8 is UTF-8, whatever is declared: many a sender declares what its framework declares for it, and bytes
//! that another charset meant are hardly ever valid UTF-8 by chance. Only then does the declared charset count, and where
//! none is declared, windows-1252, which holds all of ISO-8859-1's letters.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The charset that a content type names, if it is one of the web's.
pub fn declared(content_type: &str) -> Option<&'static Encoding> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, label) = parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Encoding::for_label(label.trim().trim_matches(['"', '\'']).as_bytes())
}

/// The text of a body without byte order marks, borrowed where it is UTF-8; `None` if its bytes are not text.
pub fn text<'a>(bytes: &'a [u8], declared: Option<&'static Encoding>) -> Option<Cow<'a, str>> {
    let bytes = without_marks(bytes);
    let encoding = match wide(bytes, declared) {
        Some(wide) => wide,
        None => narrow(bytes, declared)?,
    };
    let text = decode(bytes, encoding)?;
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
        Cow::Owned(text) if text.starts_with('\u{feff}') => text.trim_start_matches('\u{feff}').to_owned().into(),
        owned @ Cow::Owned(_) => owned,
    })
}

/// What bytes mean in a charset; `None` where they mean nothing.
pub fn decode<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Option<Cow<'a, str>> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes)
}

/// The bytes after all UTF-8 byte order marks: some senders write it twice.
pub fn without_marks(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(MARK) {
        bytes = rest;
    }
    bytes
}

/// The charset of bytes in UTF-16, which its byte order mark shows, or the zero byte beside the first character (JSON,
/// XML and nearly every form begin with one of ASCII).
pub fn wide(bytes: &[u8], declared: Option<&'static Encoding>) -> Option<&'static Encoding> {
    match bytes {
        [0xFF, 0xFE, ..] => Some(UTF_16LE),
        [0xFE, 0xFF, ..] => Some(UTF_16BE),
        [0, other, ..] if *other != 0 => Some(UTF_16BE),
        [other, 0, ..] if *other != 0 => Some(UTF_16LE),
        _ => declared.filter(|declared| (*declared == UTF_16LE || *declared == UTF_16BE) && bytes.contains(&0)),
    }
}

/// The charset of bytes that are not in UTF-16; `None` if they are not text, or are UTF-8 that was cut or damaged.
pub fn narrow(bytes: &[u8], declared: Option<&'static Encoding>) -> Option<&'static Encoding> {
    if std::str::from_utf8(bytes).is_ok() {
        return Some(UTF_8);
    }
    match declared.filter(|declared| *declared != UTF_8) {
        Some(declared) => Some(declared),
        None => is_western(bytes).then_some(WINDOWS_1252),
    }
}

/// Whether bytes that are not UTF-8 may be windows-1252: a text without control characters, of which more is not UTF-8
/// than is. Where most is, it is UTF-8 with a flaw, and would become unreadable as a whole.
fn is_western(bytes: &[u8]) -> bool {
    let is_binary = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    if bytes.iter().any(is_binary) {
        return false;
    }
    let count = |(other, proper): (usize, usize), chunk: std::str::Utf8Chunk<'_>| {
        let more = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        (other + usize::from(!chunk.invalid().is_empty()), proper + more)
    };
    let (other, proper) = bytes.utf8_chunks().fold((0, 0), count);
    other > proper
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], content_type: &str) -> Option<String> {
        text(bytes, declared(content_type)).map(Cow::into_owned)
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn what_is_declared_counts_where_the_bytes_are_not_utf8() {
        let json = "application/json";
        assert_eq!(read("é".as_bytes(), "text/plain; charset=ISO-8859-1").as_deref(), Some("é"));
        assert_eq!(read(b"\xE9", "text/plain; Charset=\"iso-8859-1\"").as_deref(), Some("é"));
        assert_eq!(read(b"\xB1\xB1", "text/plain; charset=iso-8859-2").as_deref(), Some("ąą"));
        assert_eq!(read(b"\x80 5", json).as_deref(), Some("€ 5"));
        assert_eq!(read(b"Jos\xE9", "text/plain; charset=utf-8").as_deref(), Some("José"));
        assert_eq!(read(b"\x81\xff", "text/plain; charset=shift_jis"), None);
    }

    #[test]
    fn byte_order_marks_and_zero_bytes_show_utf16() {
        for mark in ["", "\u{feff}", "\u{feff}\u{feff}"] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                let bytes = utf16(&format!("{mark}{{आशा 🙂"), order);
                assert_eq!(read(&bytes, "").as_deref(), Some("{आशा 🙂"), "{bytes:x?}");
            }
            assert_eq!(read(format!("{mark}é").as_bytes(), "").as_deref(), Some("é"));
        }
        let unmarked = utf16("आशा a", u16::to_le_bytes);
        assert_eq!(read(&unmarked, "text/plain; charset=utf-16le").as_deref(), Some("आशा a"));
        // declared, and plain all the same
        assert_eq!(read(b"{}", "text/plain; charset=utf-16").as_deref(), Some("{}"));
        assert_eq!(read(&utf16("{}", u16::to_le_bytes)[..3], ""), None);
    }

    #[test]
    fn damaged_utf8_and_binary_bytes_are_no_text() {
        assert_eq!(read("आश\u{93e}".as_bytes().split_last().expect("bytes").1, ""), None);
        assert_eq!(read(b"\x1f\x8b\x08\x00\x03\xff\xff", ""), None);
    }
}
