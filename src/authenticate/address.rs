//! A secret that stands in the address: as a person pasted it there, or as a program escaped it.
//!
//! People paste a secret as it is, and what is not allowed in an address some clients escape and some do not. So each
//! reading counts that one of them can have meant. Whoever gets one right knows the secret.

use std::fmt::Write as _;

use super::{Refusal, signature};
use crate::call::Call;
use crate::secret::Secret;

/// Whether the rest of the path, behind the route's name, is one of the secrets.
pub fn in_path(call: &Call, route: &str, secrets: &[Secret]) -> Result<(), Refusal> {
    // `webhooks`, and the steps of the name: one, or a client's two
    let before = 2 + route.matches('/').count();
    let rest = call.uri.path().trim_start_matches('/').splitn(before + 1, '/').nth(before).unwrap_or("");
    let without_slash = rest.strip_suffix('/').unwrap_or(rest);
    if without_slash.trim_matches('/').is_empty() {
        return Err(Refusal::Missing);
    }
    // a secret may end in a slash itself
    let readings = [rest, without_slash].map(|rest| [percent_decoded(rest), rest.as_bytes().to_vec()]);
    any_reading(secrets, readings.as_flattened())
}

/// Whether a parameter of the query is one of the secrets.
pub fn in_query(call: &Call, name: &str, secrets: &[Secret]) -> Result<(), Refusal> {
    let of_name = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(key, _)| key == name);
    let mut pairs = call.query().split('&').filter(of_name);
    let pair = pairs.next().ok_or(Refusal::Missing)?;
    if pairs.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let written = pair.split_once('=').map_or("", |(_, value)| value);
    // as forms write a space, and as addresses write a plus
    let readings = [percent_decoded(&written.replace('+', " ")), percent_decoded(written), written.as_bytes().to_vec()];
    any_reading(secrets, &readings)
}

/// A secret as it is written in an address: everything but letters, digits and `-._~` escaped (RFC 3986, 2.3).
pub fn escaped(secret: &str) -> String {
    secret.bytes().fold(String::with_capacity(secret.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// Compares every reading with every secret, whichever it is that fits.
fn any_reading(secrets: &[Secret], readings: &[Vec<u8>]) -> Result<(), Refusal> {
    let right = readings.iter().fold(false, |right, reading| right | super::any_of(secrets, reading).is_ok());
    if right { Ok(()) } else { Err(Refusal::Wrong) }
}

/// The bytes behind percent-escapes (RFC 3986): `%2F` is a slash, and what is not an escape stands for itself.
fn percent_decoded(step: &str) -> Vec<u8> {
    let mut parts = step.split('%');
    let mut bytes = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        let escape = part.get(..2).and_then(signature::from_hex);
        match (escape, part.get(2..)) {
            (Some(byte), Some(rest)) => {
                bytes.extend(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            _ => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    use super::*;

    fn call(address: &str) -> Call {
        let uri = address.parse().expect("an address");
        Call { method: Method::POST, uri, headers: HeaderMap::new(), body: bytes::Bytes::new(), packed: None }
    }

    fn secret(text: &str) -> [Secret; 2] {
        [Secret::new("another-one"), Secret::new(text)]
    }

    #[test]
    fn a_secret_is_taken_as_it_was_pasted_and_as_it_was_escaped() {
        for (given, written) in [
            ("abc+def", "abc+def"),
            ("abc+def", "abc%2Bdef"),
            ("abc+def", "abc%2bdef"),
            ("q/w=e==", "q/w=e=="),
            ("q/w=e==", "q%2fw%3De%3D%3D"),
            ("50%off%zz%4", "50%off%zz%4"),
            ("50%off%zz%4", "50%25off%25zz%254"),
            ("a%41b", "a%41b"),
            ("a b", "a%20b"),
            ("ends/", "ends/"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(in_path(&call(&format!("/webhooks/r/{written}")), "r", &secret(given)), Ok(()), "{written}");
            assert_eq!(in_path(&call(&format!("/webhooks/r/{written}/")), "r", &secret(given)), Ok(()), "{written}/");
            let asked = call(&format!("/webhooks/r?b=1&%6Bey={written}&c=2"));
            assert_eq!(in_query(&asked, "key", &secret(given)), Ok(()), "{written}");
        }
        assert_eq!(in_query(&call("/webhooks/r?key=a+b"), "key", &secret("a b")), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        for (written, refusal) in [
            ("/", Refusal::Missing),
            ("", Refusal::Missing),
            ("//", Refusal::Missing),
            ("/abc", Refusal::Wrong),
            ("/abc-def/x", Refusal::Wrong),
            ("/abc+def", Refusal::Wrong),
            ("/abc%FFdef", Refusal::Wrong),
        ] {
            assert_eq!(
                in_path(&call(&format!("/webhooks/r{written}")), "r", &secret("abc-def")),
                Err(refusal),
                "{written}"
            );
        }
        for (query, refusal) in [
            ("", Refusal::Missing),
            ("?other=abc-def", Refusal::Missing),
            ("?key", Refusal::Wrong),
            ("?key=abc+def", Refusal::Wrong),
            ("?key=abc-def&key=abc-def", Refusal::Malformed),
        ] {
            let asked = call(&format!("/webhooks/r{query}"));
            assert_eq!(in_query(&asked, "key", &secret("abc-def")), Err(refusal), "{query}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_for_an_address_is_taken(text in "a\\PC{0,20}") {
            let written = escaped(&text);
            prop_assert_eq!(in_path(&call(&format!("/webhooks/r/{written}")), "r", &secret(&text)), Ok(()));
            prop_assert_eq!(in_query(&call(&format!("/webhooks/r?key={written}")), "key", &secret(&text)), Ok(()));
        }
    }
}
