//! JSON Web Tokens signed with a shared secret (RFC 7519, HS256 alone), as monday.com sends them for apps.
//!
//! A token proves who sent a call, not what the call says: it does not cover the body. Whoever saw one could send
//! another body with it until it expires.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::Refusal;
use crate::clock::Timestamp;

/// How far clocks may differ, in seconds.
const LEEWAY_S: i64 = 60;

/// How long a token of ours is valid, in seconds.
const VALID_S: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<i64>,
    nbf: Option<i64>,
}

/// Verifies a token with any of the keys.
pub fn verify(token: &str, keys: &[hmac::Key], now: Timestamp) -> Result<(), Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
    let header: Header = read(header)?;
    // `none` and the asymmetric algorithms are how tokens are forged
    if header.alg != "HS256" {
        return Err(Refusal::Malformed);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Malformed)?;
    let mut right = false;
    for key in keys {
        right |= hmac::verify(key, signed.as_bytes(), &signature).is_ok();
    }
    if !right {
        return Err(Refusal::Wrong);
    }
    let claims: Claims = read(claims)?;
    let now = now.as_seconds();
    let expired = claims.exp.is_some_and(|exp| exp.saturating_add(LEEWAY_S) < now);
    let early = claims.nbf.is_some_and(|nbf| nbf.saturating_sub(LEEWAY_S) > now);
    if expired || early { Err(Refusal::Stale) } else { Ok(()) }
}

/// Makes a token that is valid for some minutes.
pub fn make(key: &hmac::Key, now: Timestamp) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let exp = now.as_seconds().saturating_add(VALID_S);
    let signed = format!("{}.{}", part(json!({ "alg": "HS256", "typ": "JWT" })), part(json!({ "exp": exp })));
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_767_085_200_000);

    fn key(secret: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
    }

    #[test]
    fn the_token_of_rfc_7515_has_a_right_signature_and_is_long_expired() {
        // appendix A.1: the key is base64url, the token expired in 2011
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(secret).expect("base64url"));
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(verify(token, std::slice::from_ref(&key), Timestamp(1_300_819_000_000)), Ok(()));
        assert_eq!(verify(token, std::slice::from_ref(&key), NOW), Err(Refusal::Stale));
        assert_eq!(verify(token, &[super::tests::key("other")], Timestamp(0)), Err(Refusal::Wrong));
    }

    #[test]
    fn nothing_but_hs256_with_the_right_key_is_a_proof() {
        let token = make(&key("a-secret"), NOW);
        assert_eq!(verify(&token, &[key("old"), key("a-secret")], NOW), Ok(()));
        assert_eq!(verify(&token, &[key("a-secreT")], NOW), Err(Refusal::Wrong));
        let (_, rest) = token.split_once('.').expect("three parts");
        for alg in ["none", "HS512", "RS256", "hs256"] {
            let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
            assert_eq!(verify(&format!("{header}.{rest}"), &[key("a-secret")], NOW), Err(Refusal::Malformed), "{alg}");
        }
        for junk in ["", "a.b", "a.b.c", "..", "N/A"] {
            assert_eq!(verify(junk, &[key("a-secret")], NOW), Err(Refusal::Malformed), "{junk}");
        }
    }
}
