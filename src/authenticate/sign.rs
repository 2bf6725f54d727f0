//! Signing as a source would: for `serri-relay post`, for samples and for tests.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use thiserror::Error;

use super::signature::{Algorithm, Part, Recipe, Signed, encode, hash, mac};
use super::{Authentication, Scheme, jwt};
use crate::call::Call;
use crate::clock::Timestamp;
use crate::config::auth::{Encoding, TimestampUnit};
use crate::secret::Secret;

/// A call before it is signed.
pub type Draft = Call;

/// Why a call cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CannotSign {
    /// Only the sender has the private key.
    #[error("this source signs with a private key that only it has")]
    PrivateKey,
    /// The URL is signed.
    #[error("this source signs the URL, and `server.public_url` is not set")]
    NoPublicUrl,
    /// The secret stands in the body, which is neither JSON nor a form.
    #[error("this source carries its secret in the body's field `{0}`: put it into the file")]
    InBody(String),
    /// A header that is signed is missing.
    #[error("a header that is signed is missing: give it with --header")]
    HeaderMissing,
    /// A value does not fit into a header or an address.
    #[error("`{0}` does not fit into a header or an address")]
    Unfit(String),
}

/// Adds to a call what proves it, by the first of the route's ways and its first secret.
///
/// # Errors
///
/// [`CannotSign`] where only the sender can.
pub fn sign(authentication: &Authentication, call: &mut Draft, now: Timestamp) -> Result<(), CannotSign> {
    let Some(way) = authentication.ways.first() else { return Ok(()) };
    match way {
        Scheme::Open => Ok(()),
        Scheme::Bearer(tokens) => set(call, AUTHORIZATION.as_str(), &format!("Bearer {}", first(tokens))),
        Scheme::Basic { user, passwords } => {
            let pair = encode(Encoding::Base64, format!("{user}:{}", first(passwords)).as_bytes());
            set(call, AUTHORIZATION.as_str(), &format!("Basic {pair}"))
        }
        Scheme::Header { name, values } => set(call, name, first(values)),
        Scheme::Query { name, values } => {
            let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, first(values)).finish();
            let joint = if call.query().is_empty() { "" } else { "&" };
            let uri = format!("{}?{}{joint}{pair}", call.uri.path(), call.query());
            call.uri = uri.parse().map_err(|_| CannotSign::Unfit(name.clone()))?;
            Ok(())
        }
        Scheme::Field { path, values } => put(call, path, first(values)),
        Scheme::Path { secrets, .. } => {
            let query = call.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            // in a path a plus is a plus, and a space is `%20`
            let step =
                form_urlencoded::byte_serialize(first(secrets).as_bytes()).collect::<String>().replace('+', "%20");
            let uri = format!("{}/{step}{query}", call.uri.path().trim_end_matches('/'));
            call.uri = uri.parse().map_err(|_| CannotSign::Unfit("the secret".into()))?;
            Ok(())
        }
        Scheme::Jwt { header, keys, .. } => {
            let key = keys.first().ok_or(CannotSign::PrivateKey)?;
            set(call, header, &jwt::make(key, now))
        }
        Scheme::Signature(recipe) => {
            let url = authentication.url(call);
            recipe.sign(call, url.as_deref(), now)
        }
    }
}

impl Recipe {
    fn sign(&self, call: &mut Draft, url: Option<&str>, now: Timestamp) -> Result<(), CannotSign> {
        if self.over.iter().any(|part| matches!(part, Part::Url | Part::Unescaped(_))) && url.is_none() {
            return Err(CannotSign::NoPublicUrl);
        }
        let stamp = self.timestamp.as_ref().map(|stamp| match stamp.unit {
            TimestampUnit::S => now.as_seconds().to_string(),
            TimestampUnit::Ms => now.0.to_string(),
            TimestampUnit::Rfc3339 => now.to_string(),
        });
        if let (Some(stamp), Some(text)) = (&self.timestamp, &stamp)
            && let Some(name) = stamp.headers.first()
        {
            set(call, name, text)?;
        }
        let text = self.signature(call, url.unwrap_or(""), stamp.as_deref().unwrap_or(""))?;
        let text = match &self.list {
            None => format!("{}{text}", self.prefix.as_deref().unwrap_or("")),
            Some(list) => {
                let stamp = list
                    .timestamp
                    .as_ref()
                    .map(|name| format!("{name}{}{}{}", list.assign, stamp.unwrap_or_default(), list.separator));
                format!("{}{}{}{text}", stamp.unwrap_or_default(), list.signature, list.assign)
            }
        };
        let name = self.headers.first().cloned().unwrap_or_default();
        set(call, &name, &text)
    }

    fn signature(&self, call: &Draft, url: &str, stamp: &str) -> Result<String, CannotSign> {
        let signed = Signed { call, url, stamp };
        let feed = |secret: &[u8], sink: &mut dyn FnMut(&[u8])| signed.feed(&self.over, &call.body, secret, sink);
        let missing = |_| CannotSign::HeaderMissing;
        match &self.algorithm {
            Algorithm::Hmac(keys) => {
                let key = keys.first().ok_or(CannotSign::PrivateKey)?;
                Ok(encode(self.encoding, mac(key, &feed).map_err(missing)?.as_ref()))
            }
            Algorithm::Hash(algorithm, secrets) => {
                Ok(encode(self.encoding, hash(algorithm, first(secrets).as_bytes(), &feed).map_err(missing)?.as_ref()))
            }
            Algorithm::Ed25519(_) => Err(CannotSign::PrivateKey),
        }
    }
}

/// Puts a secret into a body: where its field stands in JSON, and as one more pair in a form or a query.
fn put(call: &mut Draft, path: &[String], secret: &str) -> Result<(), CannotSign> {
    let name = path
        .iter()
        .enumerate()
        .fold(String::new(), |name, (index, step)| if index == 0 { step.clone() } else { format!("{name}[{step}]") });
    let with_pair = |text: &str| {
        let pair = form_urlencoded::Serializer::new(String::new()).append_pair(&name, secret).finish();
        if text.is_empty() { pair } else { format!("{text}&{pair}") }
    };
    let text = std::str::from_utf8(&call.body).unwrap_or("");
    if call.body.is_empty() {
        let uri = format!("{}?{}", call.uri.path(), with_pair(call.query()));
        call.uri = uri.parse().map_err(|_| CannotSign::Unfit(name.clone()))?;
    } else if call.content_type().as_deref() == Some("application/x-www-form-urlencoded") {
        call.body = with_pair(text).into();
    } else {
        let mut body: Value = serde_json::from_str(text).map_err(|_| CannotSign::InBody(path.join(".")))?;
        let slot = path.iter().try_fold(&mut body, |value, step| {
            let map = value.as_object_mut()?;
            Some(map.entry(step.as_str()).or_insert_with(|| Value::Object(Map::new())))
        });
        *slot.ok_or_else(|| CannotSign::InBody(path.join(".")))? = Value::from(secret);
        call.body = body.to_string().into();
    }
    Ok(())
}

fn first(secrets: &[Secret]) -> &str {
    secrets.first().map_or("", Secret::expose)
}

fn set(call: &mut Draft, name: &str, value: &str) -> Result<(), CannotSign> {
    let unfit = || CannotSign::Unfit(name.to_owned());
    let key = HeaderName::try_from(name).map_err(|_| unfit())?;
    call.headers.insert(key, HeaderValue::from_str(value).map_err(|_| unfit())?);
    Ok(())
}
