//! Values that are written as texts: read once, when the configuration is, so that nothing later meets an unread one.
//!
//! Each is read by its `FromStr`; the schemas name it by a `format`, with an example. What does not fit is reported at its
//! place, and the example stands in for it, so that the rest can be read and checked as well.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::{ApiUrl, HookUrl, ListenAddress, NoAddress, ProxySpec, PublicUrl, StoreUrl};
use super::unit::{PerPerson, Period, Rate, Size, Span};
use crate::phone::{Country, NoCountry};
use crate::secret::{NoKey, SigningKey};

/// Why a text is not the value that belongs in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong.
    pub message: String,
    /// How to write it, where the message does not say.
    pub hint: Option<&'static str>,
}

impl From<String> for Misfit {
    fn from(message: String) -> Self {
        Self { message, hint: None }
    }
}

impl From<NoCountry> for Misfit {
    fn from(error: NoCountry) -> Self {
        Self { message: error.to_string(), hint: Some("two letters, ISO 3166-1: IN, US, AE") }
    }
}

impl From<NoAddress> for Misfit {
    fn from(error: NoAddress) -> Self {
        Self { message: error.to_string(), hint: Some(error.how()) }
    }
}

impl From<NoKey> for Misfit {
    fn from(error: NoKey) -> Self {
        Self { message: error.to_string(), hint: Some("whsec_ and base64: echo whsec_$(openssl rand -base64 24)") }
    }
}

/// Reads a type by its `FromStr`, and names it in schemas.
macro_rules! read_from_text {
    ($type:ty, $format:literal, $pattern:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $format.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

/// The same for a type that is written by its `Display`.
macro_rules! written_as_text {
    ($type:ty, $format:literal, $pattern:literal, $example:literal) => {
        read_from_text!($type, $format, $pattern, $example);

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// The same for a secret: what is written of it is not what it is.
macro_rules! secret_as_text {
    ($type:ty, $format:literal, $pattern:literal, $example:literal) => {
        read_from_text!($type, $format, $pattern, $example);

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str("(secret)")
            }
        }
    };
}

written_as_text!(Span, "relay-span", r"^[0-9.]+ ?(ms|s|m|min|h|d|y)$|\$\{", "10s");
written_as_text!(Period, "relay-period", r"^[0-9.]+ ?(ms|s|m|min|h|d|y)$|^forever$|\$\{", "90d");
written_as_text!(Size, "relay-size", r"^[0-9.]+ ?(B|KB|kB|MB|GB|KiB|MiB|GiB)?$|\$\{", "1MiB");
written_as_text!(
    PerPerson,
    "relay-cap",
    r"^[0-9]+ ?/ ?(hour|h|day|d|week|w|[0-9.]+ ?(s|m|min|h|d|y))$|^unlimited$|\$\{",
    "2/day"
);
written_as_text!(Rate, "relay-rate", r"^[0-9]+ ?/ ?(s|m|min|h)$|^unlimited$|\$\{", "20/s");
written_as_text!(Country, "relay-country", r"^[A-Za-z]{2}$|\$\{", "IN");
written_as_text!(ListenAddress, "relay-address", r":[0-9]+$|\$\{", "127.0.0.1:8080");
written_as_text!(PublicUrl, "relay-public-url", r"^$|^https?://|\$\{", "https://hooks.example.com");
written_as_text!(ApiUrl, "relay-api-url", r"^https?://|\$\{", "https://backend.serri.com/campaign/t1/api/v2");
secret_as_text!(HookUrl, "relay-hook-url", r"^https?://|\$\{", "https://ops.example.com/serri");
secret_as_text!(
    SigningKey,
    "relay-signing-key",
    r"^(whsec_)?[A-Za-z0-9+/=]*$|\$\{",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
);
written_as_text!(StoreUrl, "relay-store", r"^sqlite:|\$\{", "sqlite:data/relay.db");
written_as_text!(ProxySpec, "relay-proxy", r"^$|^environment$|^none$|^https?://|\$\{", "environment");

/// Whether `text` is right for a `format` of the schemas; `Ok` for formats that are not ours.
///
/// # Errors
///
/// What is wrong and how to write it.
pub fn check_format(format: &str, text: &str) -> Result<(), Misfit> {
    fn read<T: std::str::FromStr<Err: Into<Misfit>>>(text: &str) -> Result<(), Misfit> {
        text.parse::<T>().map(drop).map_err(Into::into)
    }
    match format {
        "relay-span" => read::<Span>(text),
        "relay-period" => read::<Period>(text),
        "relay-size" => read::<Size>(text),
        "relay-cap" => read::<PerPerson>(text),
        "relay-rate" => read::<Rate>(text),
        "relay-country" => read::<Country>(text),
        "relay-address" => read::<ListenAddress>(text),
        "relay-public-url" => read::<PublicUrl>(text),
        "relay-api-url" => read::<ApiUrl>(text),
        "relay-hook-url" => read::<HookUrl>(text),
        "relay-signing-key" => read::<SigningKey>(text),
        "relay-store" => read::<StoreUrl>(text),
        "relay-proxy" => read::<ProxySpec>(text),
        "relay-regex" => regex_lite::Regex::new(text)
            .map(drop)
            .map_err(|error| format!("`{text}` is not a valid regular expression: {error}").into()),
        _ => Ok(()),
    }
}
