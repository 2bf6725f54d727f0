//! JSON Web Tokens signed with a shared secret (RFC 7519, HS256 alone), as monday.com sends them for apps.
//!
//! A token proves who sent a call, not what the call says: it does not cover the body. Whoever saw one could send
//! another body with it until it expires; so one that never does is refused, unless the route says otherwise.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Refusal;
use crate::clock::Timestamp;
use crate::config::auth::TokenExpiry;

/// How far clocks may differ, in seconds.
const LEEWAY_S: f64 = 60.0;

/// How long a token of ours is valid, in seconds.
const VALID_S: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood (RFC 7515, 4.1.11), whatever they are: `Some(Null)` where it is null.
    #[serde(default, deserialize_with = "present")]
    crit: Option<Value>,
}

/// Moments in seconds since 1970, perhaps with a fraction (RFC 7519, 2: NumericDate). A claim that stands there twice is
/// an error of serde's, and so is one that is not a number.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Verifies a token with any of the keys.
pub fn verify(token: &str, keys: &[hmac::Key], expiry: TokenExpiry, now: Timestamp) -> Result<(), Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
    let header: Header = read(header)?;
    // `none` and the asymmetric algorithms are how tokens are forged; no extension is understood here
    if header.alg != "HS256" || header.crit.is_some() {
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
    if claims.exp.is_none() && expiry == TokenExpiry::Required {
        return Err(Refusal::NoExpiry);
    }
    let now = seconds(now);
    let expired = claims.exp.is_some_and(|exp| exp + LEEWAY_S < now);
    let early = claims.nbf.is_some_and(|nbf| nbf - LEEWAY_S > now);
    if expired || early { Err(Refusal::Stale) } else { Ok(()) }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn seconds(at: Timestamp) -> f64 {
    at.as_seconds() as f64
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
    // serde would read a list as well, entry by entry
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::Malformed);
    }
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
        let verified = |key: &hmac::Key, now| verify(token, std::slice::from_ref(key), TokenExpiry::Required, now);
        assert_eq!(verified(&key, Timestamp(1_300_819_000_000)), Ok(()));
        assert_eq!(verified(&key, NOW), Err(Refusal::Stale));
        assert_eq!(verified(&super::tests::key("other"), Timestamp(0)), Err(Refusal::Wrong));
    }

    #[test]
    fn nothing_but_hs256_with_the_right_key_is_a_proof() {
        let token = make(&key("a-secret"), NOW);
        assert_eq!(verify(&token, &[key("old"), key("a-secret")], TokenExpiry::Required, NOW), Ok(()));
        assert_eq!(verify(&token, &[key("a-secreT")], TokenExpiry::Required, NOW), Err(Refusal::Wrong));
        for junk in ["", "a.b", "a.b.c", "..", "N/A"] {
            assert_eq!(verify(junk, &[key("a-secret")], TokenExpiry::Required, NOW), Err(Refusal::Malformed), "{junk}");
        }
    }

    /// What comes of a token that is signed with the right key.
    fn signed(header: &str, claims: &str, expiry: TokenExpiry) -> Result<(), Refusal> {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key("a-secret"), signed.as_bytes()).as_ref());
        verify(&format!("{signed}.{signature}"), &[key("a-secret")], expiry, NOW)
    }

    #[test]
    fn a_header_that_is_not_fully_understood_is_refused_although_its_signature_is_right() {
        let claims = r#"{"exp":1767085300}"#;
        assert_eq!(signed(r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#, claims, TokenExpiry::Required), Ok(()));
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"typ":"JWT"}"#,
            // RFC 7515, 4.1.11: what is critical and not understood makes it invalid, and so do empty and other values
            r#"{"alg":"HS256","crit":["exp"],"exp":1767085300}"#,
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
            // RFC 7515, 4: names must be unique
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"["HS256"]"#,
        ] {
            assert_eq!(signed(header, claims, TokenExpiry::Optional), Err(Refusal::Malformed), "{header}");
        }
    }

    #[test]
    fn a_token_says_until_when_it_is_valid_unless_the_route_does_not_ask() {
        use TokenExpiry::{Optional, Required};
        // now is 1767085200, and clocks may differ by 60 s
        for (claims, expiry, comes_to) in [
            (r#"{"exp":1767085140}"#, Required, Ok(())),
            (r#"{"exp":1767085139}"#, Required, Err(Refusal::Stale)),
            (r#"{"exp":1767085200.5}"#, Required, Ok(())),
            (r#"{"exp":1e300}"#, Required, Ok(())),
            (r#"{"exp":-1}"#, Required, Err(Refusal::Stale)),
            (r"{}", Required, Err(Refusal::NoExpiry)),
            (r#"{"exp":null}"#, Required, Err(Refusal::NoExpiry)),
            (r#"{"EXP":1767085300}"#, Required, Err(Refusal::NoExpiry)),
            (r#"{"iat":1767085200,"nbf":1767085200}"#, Required, Err(Refusal::NoExpiry)),
            (r"{}", Optional, Ok(())),
            (r#"{"exp":1767085139}"#, Optional, Err(Refusal::Stale)),
            (r#"{"exp":1767085300,"nbf":1767085260}"#, Required, Ok(())),
            (r#"{"exp":1767085300,"nbf":1767085261}"#, Required, Err(Refusal::Stale)),
            (r#"{"exp":"1767085300"}"#, Required, Err(Refusal::Malformed)),
            (r#"{"exp":1767085300,"nbf":"soon"}"#, Required, Err(Refusal::Malformed)),
            (r#"{"exp":1,"exp":1767085300}"#, Required, Err(Refusal::Malformed)),
            (r"[1767085300, null]", Required, Err(Refusal::Malformed)),
        ] {
            assert_eq!(signed(r#"{"alg":"HS256"}"#, claims, expiry), comes_to, "{claims} {expiry:?}");
        }
    }
}
