//! `application/x-www-form-urlencoded`, with brackets as PHP writes them: `contact[name]=x`, `ids[]=1`.
//!
//! Our own few lines: the libraries for bracketed keys refuse `fields[5]=x` without `fields[0]` (ActiveCampaign's custom
//! fields) and keys with a stray bracket (any form's labels), and those for forms read UTF-8 alone. A key without brackets
//! stays as it is, dots and all. A `+` is a space: a number that begins with a space has lost its plus sign, which the
//! phone parser forgives.

use std::borrow::Cow;

use encoding_rs::Encoding;
use serde_json::Value;

use super::fields::Fields;
use super::{BodyError, charset};

/// How many fields one form may have.
const FIELD_LIMIT: usize = 5_000;

/// Reads a form or a query string. Values are texts; a key without brackets that stands twice becomes a list, unless it
/// says the same twice.
pub fn parse(body: &[u8], declared: Option<&'static Encoding>) -> Result<Value, BodyError> {
    let malformed = |reason: &str| BodyError::malformed("form", reason);
    let body = if charset::wide(body, declared).is_some() {
        let text = charset::text(body, declared).ok_or_else(|| malformed("it is not UTF-16"))?;
        Cow::Owned(text.into_owned().into_bytes())
    } else {
        Cow::Borrowed(charset::without_marks(body))
    };
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let end = body.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    let body = body.get(..end).unwrap_or_default().trim_ascii();
    // the charset is one for all fields: a lossy reading would change a name for good
    let encoding = charset::narrow(&percent_decoded(body, false), declared)
        .ok_or_else(|| malformed("its bytes, or its percent-escapes, are not UTF-8"))?;
    let mut fields = Fields::default();
    for (count, field) in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()).enumerate() {
        if count >= FIELD_LIMIT {
            return Err(malformed("it has more than 5,000 fields"));
        }
        let mut parts = field.splitn(2, |byte| *byte == b'=').map(|part| percent_decoded(part, true));
        let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let text = |bytes: &[u8]| charset::decode(bytes, encoding).map(Cow::into_owned);
        let (Some(key), Some(value)) = (text(&key), text(&value)) else {
            return Err(malformed(&format!("its percent-escapes are not {}", encoding.name())));
        };
        // a byte order mark may be escaped as well
        let key = if count == 0 { key.trim_start_matches('\u{feff}') } else { &key };
        if !fields.add(key, value) {
            return Err(malformed("its keys are nested too deep"));
        }
    }
    Ok(fields.into_value())
}

/// The bytes behind percent-escapes; what is not an escape stands for itself, except a plus for a space.
fn percent_decoded(text: &[u8], plus_is_space: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, beyond @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = beyond;
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(text: &str) -> Result<Value, BodyError> {
        parse(text.as_bytes(), None)
    }

    #[test]
    fn brackets_make_objects_and_lists() {
        assert_eq!(
            form("data[merges][FNAME]=Asha&data[id]=7"),
            Ok(json!({"data": {"merges": {"FNAME": "Asha"}, "id": "7"}}))
        );
        assert_eq!(form("data%5Bmerges%5D%5BFNAME%5D=Asha"), Ok(json!({"data": {"merges": {"FNAME": "Asha"}}})));
        assert_eq!(form("ids[]=1&ids[]=2&one[]=3"), Ok(json!({"ids": ["1", "2"], "one": ["3"]})));
        assert_eq!(form("a[1][id]=2&a[0][id]=1"), Ok(json!({"a": [{"id": "1"}, {"id": "2"}]})));
        assert_eq!(form("a=1&a=2&a=3"), Ok(json!({"a": ["1", "2", "3"]})));
    }

    #[test]
    fn numbers_that_are_no_positions_stay_keys() {
        assert_eq!(
            form("contact[fields][5]=Pune&contact[fields][812]=x"),
            Ok(json!({"contact": {"fields": {"5": "Pune", "812": "x"}}}))
        );
        assert_eq!(form("a[999999999]=1"), Ok(json!({"a": {"999999999": "1"}})));
    }

    #[test]
    fn names_and_values_are_text_as_it_was_typed() {
        assert_eq!(
            form("Your+Name=%E0%A4%86%E0%A4%B6%E0%A4%BE&phone=%2B919812345670&1.3=x"),
            Ok(json!({"Your Name": "आशा", "phone": "+919812345670", "1.3": "x"}))
        );
        assert_eq!(form("empty=&flag"), Ok(json!({"empty": "", "flag": ""})));
        assert_eq!(
            form("Size [cm=4&[x]=5&a]b=6&c[d]e=7"),
            Ok(json!({"Size [cm": "4", "[x]": "5", "a]b": "6", "c[d]e": "7"}))
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_a_list_of_its_different_values() {
        assert_eq!(form("a=1&a=1&b=1&b=2&b=1"), Ok(json!({"a": "1", "b": ["1", "2"]})));
        assert_eq!(form("a[]=1&a[]=1&c[b]=1&c[b]=1"), Ok(json!({"a": ["1", "1"], "c": {"b": "1"}})));
    }

    #[test]
    fn other_charsets_are_read_escaped_or_not() {
        let latin = json!({"pr\u{e9}nom": "Jos\u{e9} M", "a": "1"});
        for body in [&b"pr%E9nom=Jos%e9+M&a=1"[..], b"pr\xE9nom=Jos\xE9+M&a=1\n", b"pr\xE9nom=Jos%E9+M&a=1"] {
            assert_eq!(parse(body, None).as_ref(), Ok(&latin), "{body:?}");
        }
        assert_eq!(parse(b"a=%B1%B1", Encoding::for_label(b"latin2")), Ok(json!({"a": "\u{105}\u{105}"})));
        // a character whose second byte is an ampersand's neighbour in ASCII
        assert_eq!(parse(b"a=%83%5C", Encoding::for_label(b"shift_jis")), Ok(json!({"a": "\u{30bd}"})));
        assert!(parse(b"a=%81%81%FF", Encoding::for_label(b"euc-kr")).is_err());
    }

    #[test]
    fn byte_order_marks_are_no_part_of_the_first_key() {
        let plain = Ok(json!({"a": "1", "b": "2"}));
        for mark in ["\u{feff}", "\u{feff}\u{feff}", "%EF%BB%BF", "%ef%bb%bf%EF%BB%BF"] {
            assert_eq!(form(&format!("{mark}a=1&b=2")), plain, "{mark:?}");
        }
        let wide: Vec<u8> = "\u{feff}a=1&b=2".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(parse(&wide, None), plain);
    }

    proptest::proptest! {
        #[test]
        fn forms_in_utf8_are_read_as_the_url_standard_reads_them(text in "([x-z+é =&]|%[2-7][0-9a-fA-F]|%){0,40}") {
            // a stray percent sign may make an escape of another charset
            if let Ok(read) = form(&text) {
                for (key, value) in form_urlencoded::parse(text.trim().as_bytes()) {
                    let found = read.get(&*key);
                    let value = Value::from(value.into_owned());
                    let is_there = found.is_some_and(|found| {
                        *found == value || found.as_array().is_some_and(|all| all.contains(&value))
                    });
                    proptest::prop_assert!(is_there || key.is_empty() || key.contains('['), "{}: {:?}", key, read);
                }
            }
        }
    }

    #[test]
    fn hostile_forms_are_refused_or_harmless() {
        // a replacement character elsewhere does not excuse broken bytes
        assert!(form("a=%FF&z=%EF%BF%BD").is_err());
        assert!(form("a=100%&z=%EF%BF%BD").is_ok());
        assert!(form(&format!("a{}=1", "[x]".repeat(500))).is_err());
        assert!(form(&"a=1&".repeat(6_000)).is_err());
        assert!(form("a=%FF%FE%00").is_err());
        assert_eq!(form("a=1&a[b]=2&a=3"), Ok(json!({"a": "3"})));
    }
}
