//! A signature recipe at work: collect what was signed, compute, compare.

use aws_lc_rs::{digest, hmac, signature as asymmetric};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};

use super::{Refusal, method_name};
use crate::call::Call;
use crate::clock::Timestamp;
use crate::config::auth::{Encoding, ListSpec, TimestampUnit};
use crate::secret::{Secret, equal};

/// A compiled recipe.
#[derive(Debug)]
pub struct Recipe {
    pub headers: Vec<String>,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    pub over: Vec<Part>,
    pub prefix: Option<String>,
    pub list: Option<ListSpec>,
    pub timestamp: Option<Stamp>,
}

/// How the signature is computed, with the keys that are valid.
pub enum Algorithm {
    Hmac(Vec<hmac::Key>),
    Hash(&'static digest::Algorithm, Vec<Secret>),
    Ed25519(Vec<Vec<u8>>),
}

impl std::fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Hmac",
            Self::Hash(..) => "Hash",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Body,
    Method,
    Url,
    /// The URL with these characters' percent-escapes undone.
    Unescaped(String),
    Timestamp,
    Secret,
    Literal(String),
    Header(Vec<String>),
}

/// Where the timestamp stands, and how far off it may be.
#[derive(Debug, Clone)]
pub struct Stamp {
    pub headers: Vec<String>,
    pub unit: TimestampUnit,
    pub tolerance: std::time::Duration,
}

impl Recipe {
    /// Whether a call carries a signature that one of the keys made.
    pub fn verify(&self, call: &Call, url: impl Fn() -> Option<String>, now: Timestamp) -> Result<(), Refusal> {
        let header = first_header(call, &self.headers).ok_or(Refusal::Missing)?;
        let (listed_stamp, candidates) = self.read_header(header)?;
        let stamp = self.check_timestamp(call, listed_stamp, now)?;
        let url = if self.over.iter().any(|part| matches!(part, Part::Url | Part::Unescaped(_))) {
            url().ok_or(Refusal::NoPublicUrl)?
        } else {
            String::new()
        };
        let signed = Signed { call, url: &url, stamp };
        let mut right = false;
        for body in std::iter::once(&call.body).chain(&call.packed) {
            right |=
                self.algorithm.any_matches(&candidates, |secret, sink| signed.feed(&self.over, body, secret, sink))?;
        }
        if right { Ok(()) } else { Err(Refusal::Wrong) }
    }

    /// The header's timestamp, if it lists one, and the signatures in it.
    fn read_header<'a>(&self, header: &'a str) -> Result<(Option<&'a str>, Vec<Vec<u8>>), Refusal> {
        let header = header.trim();
        let Some(list) = &self.list else {
            let text = match &self.prefix {
                Some(prefix) => header.strip_prefix(prefix.as_str()).ok_or(Refusal::Malformed)?,
                None => header,
            };
            return Ok((None, vec![decode(self.encoding, text).ok_or(Refusal::Malformed)?]));
        };
        let mut stamp = None;
        let mut signatures = Vec::new();
        for (name, value) in
            header.split(list.separator.as_str()).filter_map(|entry| entry.trim().split_once(list.assign.as_str()))
        {
            if name == list.signature {
                signatures.extend(decode(self.encoding, value));
            } else if Some(name) == list.timestamp.as_deref() {
                stamp = Some(value);
            }
        }
        if signatures.is_empty() { Err(Refusal::Malformed) } else { Ok((stamp, signatures)) }
    }

    fn check_timestamp<'a>(&self, call: &'a Call, listed: Option<&'a str>, now: Timestamp) -> Result<&'a str, Refusal> {
        let Some(stamp) = &self.timestamp else { return Ok("") };
        let text = listed.or_else(|| first_header(call, &stamp.headers)).ok_or(Refusal::NoTimestamp)?;
        let at = read_timestamp(text, stamp.unit).ok_or(Refusal::NoTimestamp)?;
        let off = now.since(at).max(at.since(now));
        if off > stamp.tolerance { Err(Refusal::Stale) } else { Ok(text) }
    }
}

/// What the parts of a recipe are taken from.
pub struct Signed<'a> {
    pub call: &'a Call,
    pub url: &'a str,
    pub stamp: &'a str,
}

impl Signed<'_> {
    /// Feeds the parts to a hash, in order.
    pub fn feed(&self, over: &[Part], body: &[u8], secret: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        for part in over {
            match part {
                Part::Body => sink(body),
                Part::Method => sink(method_name(&self.call.method).as_bytes()),
                Part::Url => sink(self.url.as_bytes()),
                Part::Unescaped(characters) => sink(unescape(self.url, characters).as_bytes()),
                Part::Timestamp => sink(self.stamp.as_bytes()),
                Part::Secret => sink(secret),
                Part::Literal(text) => sink(text.as_bytes()),
                Part::Header(names) => sink(first_header(self.call, names).ok_or(Refusal::Missing)?.as_bytes()),
            }
        }
        Ok(())
    }
}

/// Feeds the signed parts to a sink; a plain hash wants the secret among them.
pub type Feed<'a> = &'a dyn Fn(&[u8], &mut dyn FnMut(&[u8])) -> Result<(), Refusal>;

impl Algorithm {
    /// Whether any candidate is right for any key. Every pair is compared.
    fn any_matches(
        &self,
        candidates: &[Vec<u8>],
        feed: impl Fn(&[u8], &mut dyn FnMut(&[u8])) -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        let mut right = false;
        match self {
            Self::Hmac(keys) => {
                for key in keys {
                    let tag = mac(key, &feed)?;
                    candidates.iter().for_each(|candidate| right |= equal(tag.as_ref(), candidate));
                }
            }
            Self::Hash(algorithm, secrets) => {
                for secret in secrets {
                    let sum = hash(algorithm, secret.expose().as_bytes(), &feed)?;
                    candidates.iter().for_each(|candidate| right |= equal(sum.as_ref(), candidate));
                }
            }
            Self::Ed25519(keys) => {
                let mut message = Vec::new();
                feed(&[], &mut |bytes| message.extend_from_slice(bytes))?;
                for key in keys {
                    let key = asymmetric::UnparsedPublicKey::new(&asymmetric::ED25519, key);
                    candidates.iter().for_each(|candidate| right |= key.verify(&message, candidate).is_ok());
                }
            }
        }
        Ok(right)
    }
}

/// The HMAC of the fed parts.
pub fn mac(key: &hmac::Key, feed: Feed<'_>) -> Result<hmac::Tag, Refusal> {
    let mut context = hmac::Context::with_key(key);
    feed(&[], &mut |bytes| context.update(bytes))?;
    Ok(context.sign())
}

/// The plain hash of the fed parts.
pub fn hash(algorithm: &'static digest::Algorithm, secret: &[u8], feed: Feed<'_>) -> Result<digest::Digest, Refusal> {
    let mut context = digest::Context::new(algorithm);
    feed(secret, &mut |bytes| context.update(bytes))?;
    Ok(context.finish())
}

fn first_header<'a>(call: &'a Call, names: &[String]) -> Option<&'a str> {
    names.iter().find_map(|name| call.header(name))
}

fn read_timestamp(text: &str, unit: TimestampUnit) -> Option<Timestamp> {
    match unit {
        TimestampUnit::S => text.parse::<i64>().ok()?.checked_mul(1_000).map(Timestamp),
        TimestampUnit::Ms => text.parse().ok().map(Timestamp),
        TimestampUnit::Rfc3339 => text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond())),
    }
}

/// Undoes the percent-escapes of these characters and leaves all others: HubSpot signs the URL so.
fn unescape(url: &str, characters: &str) -> String {
    characters.chars().filter(char::is_ascii).fold(url.to_owned(), |url, character| {
        let code = u32::from(character);
        url.replace(&format!("%{code:02X}"), &character.to_string())
            .replace(&format!("%{code:02x}"), &character.to_string())
    })
}

/// Bytes written as hex or base64.
pub fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => from_hex(text),
        Encoding::Base64 => from_base64(text),
    }
}

/// Bytes as hex or base64 text.
pub fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
        Encoding::Base64 => general_purpose::STANDARD.encode(bytes),
    }
}

/// Hexadecimal, either case.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.trim().chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// Base64 (RFC 4648), padded or not.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text.trim()).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_escapes_are_undone() {
        assert_eq!(unescape("https://a/b%3Ac%2fd%20e%26", ":/"), "https://a/b:c/d%20e%26");
    }

    #[test]
    fn what_is_no_signature_decodes_to_nothing() {
        for text in ["no-secret-provided", "", "zz", "abc"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
        assert_eq!(from_base64("N/A-"), None);
        assert_eq!(from_base64("aGk"), Some(b"hi".to_vec()));
    }
}
