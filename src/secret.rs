//! Values that must not be seen: compared in constant time, never printed, wiped when dropped.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// A secret text. Its `Debug` shows nothing, and it has no `Display`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one place that needs it: a key, a header, the body of a call.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.expose().trim().is_empty()
    }

    /// Tells it from another, also in another process: 64 bits of its SHA-256, from which it cannot be found out.
    pub fn fingerprint(&self) -> i64 {
        let whole = digest::digest(&digest::SHA256, self.expose().as_bytes());
        whole.as_ref().first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
    }

    /// Whether `given` is this secret, in a time that does not tell how much of it was right.
    pub fn matches(&self, given: &[u8]) -> bool {
        !self.is_empty() && equal(self.expose().as_bytes(), given)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A key that calls are signed with by Standard Webhooks: `whsec_` and base64. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct SigningKey {
    key: hmac::Key,
    written: Secret,
}

/// The text is not such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the secret is not base64")]
pub struct NoKey;

impl SigningKey {
    /// The HMAC-SHA256 of a text.
    pub fn sign(&self, text: &str) -> hmac::Tag {
        hmac::sign(&self.key, text.as_bytes())
    }

    /// As it is written.
    pub fn written(&self) -> &Secret {
        &self.written
    }
}

impl FromStr for SigningKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let text = text.trim();
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(|_| NoKey)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), written: Secret::new(text) })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

/// Compares two byte strings in a time that depends on their lengths alone.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_matches_nothing_not_even_nothing() {
        assert!(!Secret::new("").matches(b""));
        assert!(Secret::new("s3cret").matches(b"s3cret"));
        assert!(!Secret::new("s3cret").matches(b"s3cre"));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(hidden)");
    }
}
