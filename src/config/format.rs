//! Values that are written as texts: read once, when the configuration is, so that nothing later meets an unread one.
//!
//! Each is read by its `FromStr`; the schemas name it by a `format`, with an example. What does not fit is reported at its
//! place, and the example stands in for it, so that the rest can be read and checked as well.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::unit::{PerPerson, Rate, Size, Span};
use crate::phone::{Country, NoCountry};

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

/// Reads and writes a type by its `FromStr` and `Display`, and names it in schemas.
macro_rules! written_as_text {
    ($type:ty, $format:literal, $pattern:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
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

written_as_text!(Span, "relay-span", r"^[0-9.]+ ?(ms|s|m|min|h|d)$|\$\{", "10s");
written_as_text!(Size, "relay-size", r"^[0-9.]+ ?(B|KB|kB|MB|GB|KiB|MiB|GiB)?$|\$\{", "1MiB");
written_as_text!(
    PerPerson,
    "relay-cap",
    r"^[0-9]+ ?/ ?(hour|h|day|d|week|w|[0-9.]+ ?(s|m|min|h|d))$|^unlimited$|\$\{",
    "2/day"
);
written_as_text!(Rate, "relay-rate", r"^[0-9]+ ?/ ?(s|m|min|h)$|^unlimited$|\$\{", "20/s");
written_as_text!(Country, "relay-country", r"^[A-Za-z]{2}$|\$\{", "IN");

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
        "relay-size" => read::<Size>(text),
        "relay-cap" => read::<PerPerson>(text),
        "relay-rate" => read::<Rate>(text),
        "relay-country" => read::<Country>(text),
        "relay-regex" => regex_lite::Regex::new(text)
            .map(drop)
            .map_err(|error| format!("`{text}` is not a valid regular expression: {error}").into()),
        _ => Ok(()),
    }
}
