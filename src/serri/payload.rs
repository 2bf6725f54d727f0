//! The body of an API call, spelled as in Serri's reference, without the key.
//!
//! `POST https://backend.serri.com/campaign/t1/api/v2` takes these fields; optional ones are left out when empty. The
//! last three are not in the reference but in what public code sends to servers of this family.

use serde::Serialize;
use serde_json::{Map, Value};

/// One campaign send.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// The exact name of a live API campaign.
    pub campaign_name: String,
    /// The person's number in E.164.
    pub destination: String,
    /// The person's name.
    pub user_name: String,
    /// Where the lead comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The media of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// The place of a location template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The values of the placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_params: Option<Vec<String>>,
    /// Tags for the person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Attributes to set on the person: texts only.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// What `$FirstName`-like tokens fall back to: texts only.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub params_fallback_value: Map<String, Value>,
    /// Buttons of one-time-code and dynamic-URL templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Value>,
    /// Cards of carousel templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carousel_cards: Vec<Value>,
}

/// The media of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Media {
    /// A public URL.
    pub url: String,
    /// The file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

/// The place of a location template.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The place's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The place's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A payload as written, for another number.
pub fn redirected(payload: &str, number: &str) -> String {
    match serde_json::from_str(payload) {
        Ok(Value::Object(mut fields)) => {
            fields.insert("destination".into(), Value::from(number));
            Value::Object(fields).to_string()
        }
        // what the relay wrote itself is an object; anything else must not reach anybody
        _ => "{}".into(),
    }
}

/// The payload of a notification to whoever runs the relay: a campaign that takes one parameter.
pub fn notice(campaign: &str, to: &str, text: &str) -> String {
    let payload = Payload {
        campaign_name: campaign.to_owned(),
        destination: to.to_owned(),
        user_name: "serri-relay".to_owned(),
        template_params: Some(vec![text.chars().take(1_024).collect()]),
        ..Payload::default()
    };
    // plain texts always become JSON
    serde_json::to_string(&payload).unwrap_or_else(|_| "{}".into())
}
