//! `config/routes/NAME.yaml` as written, with what it takes of other files: a webhook address and the rules that make sends
//! of its events.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_or_many::OneOrMany;
use super::send_options::SendOptionsSpec;
use super::source::SourceProfileSpec;

/// A webhook address, `POST /webhooks/NAME`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RouteFile {
    /// Shared pieces that it takes, by their names: `config/shared/NAME.yaml`. What the route says itself counts before them.
    #[serde(default)]
    pub shared: Option<OneOrMany<String>>,
    /// The kind of sender: the name of a source (`serri-relay sources` lists them).
    pub source: String,
    /// The secret shared with the sender; a list while it is being changed.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub secret: Option<OneOrMany<String>>,
    /// What the sender has to show in its handshake, where the source has one that asks for it (Meta's "verify token").
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub verify_token: Option<String>,
    /// Which sites' pages may call from a browser: origins, as `https://www.example.com`, or `"*"` for any; none if left out.
    #[serde(default)]
    pub cors: Option<OneOrMany<String>>,
    /// What becomes of the sender's own tests, as its source knows them: they are kept and make no sends (`keep`), or are treated
    /// like any other event (`send`).
    #[serde(default)]
    pub test_events: TestEvents,
    /// The account that sends go through; `default` if left out.
    #[serde(default)]
    pub account: Option<String>,
    /// The country of numbers without country code: two letters, or a template; the account's if left out.
    #[serde(default)]
    pub default_country: Option<String>,
    /// What overrides the source for this route.
    #[serde(flatten)]
    pub profile_spec: SourceProfileSpec,
    /// Options for all its sends.
    #[serde(flatten)]
    pub options: SendOptionsSpec,
    /// What is sent for which event.
    pub sends: Vec<RuleSpec>,
    /// Events and what must come of them; run by `serri-relay check`.
    #[serde(default)]
    pub examples: Vec<ExampleSpec>,
}

/// What becomes of the sender's own tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestEvents {
    /// They are answered and kept, and nothing is sent.
    #[default]
    Keep,
    /// They are events as all others.
    Send,
}

/// When this kind of event comes, make this send. Values are Jinja templates; keys are spelled as in Serri's reference.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// The rule's name, for logs and reports.
    pub name: String,
    /// A Jinja expression; the rule applies where it is true. Always, if left out.
    #[serde(default)]
    pub when: Option<String>,
    /// A Jinja expression that gives a list: one send for each entry, which templates see as `item`.
    #[serde(default, rename = "for_each")]
    pub for_each: Option<String>,
    /// The country of numbers without country code, for this rule.
    #[serde(default, rename = "default_country")]
    pub default_country: Option<String>,
    /// Sends nothing, but puts the number on the list of those that must not be messaged (`add`), or takes it off (`remove`).
    #[serde(default)]
    pub suppress: Option<SuppressSpec>,
    /// The exact name of a live API campaign.
    #[serde(default)]
    pub campaign_name: Option<String>,
    /// The person's number.
    pub destination: String,
    /// The person's name.
    #[serde(default)]
    pub user_name: Option<String>,
    /// Where the lead comes from, for Serri's segments.
    #[serde(default)]
    pub source: Option<String>,
    /// The media of the template.
    #[serde(default)]
    pub media: Option<MediaSpec>,
    /// The place of a location template.
    #[serde(default)]
    pub location: Option<LocationSpec>,
    /// The values of the template's placeholders, in order; or one template that gives a list of them.
    #[serde(default)]
    pub template_params: Option<OneOrMany<String>>,
    /// Tags for the person.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// Attributes to set on the person.
    #[serde(default)]
    pub attributes: Option<BTreeMap<String, String>>,
    /// What a `$FirstName`-like token falls back to.
    #[serde(default)]
    pub params_fallback_value: Option<BTreeMap<String, String>>,
    /// Buttons of one-time-code and dynamic-URL templates.
    #[serde(default)]
    pub buttons: Option<Vec<serde_json::Value>>,
    /// Cards of carousel templates.
    #[serde(default)]
    pub carousel_cards: Option<Vec<serde_json::Value>>,
    /// Options for its sends.
    #[serde(flatten)]
    pub options: SendOptionsSpec,
}

/// What a rule does with a number instead of sending to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SuppressSpec {
    /// It must not be messaged any more.
    Add,
    /// It may be messaged again.
    Remove,
}

/// The media of a template.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct MediaSpec {
    /// A public http(s) URL.
    pub url: String,
    /// The file's name as the person sees it.
    #[serde(default)]
    pub filename: Option<String>,
}

/// A place.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct LocationSpec {
    /// Degrees north.
    pub latitude: String,
    /// Degrees east.
    pub longitude: String,
    /// The place's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The place's address.
    #[serde(default)]
    pub address: Option<String>,
}

/// An event and what must come of it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct ExampleSpec {
    /// What it shows.
    pub name: String,
    /// A sample of the source that stands for headers, query and body, which then override it.
    #[serde(default)]
    pub sample: Option<String>,
    /// The call's headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The call's query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The call's body: keys and values for JSON, or a text that is taken as it stands.
    #[serde(default)]
    pub body: Option<serde_json::Value>,
    /// What the read call of `enrich` answers; a list: an answer for each event.
    #[serde(default)]
    pub lookup: Option<serde_json::Value>,
    /// The sends that must come of it: for each the keys that matter. An empty list: none.
    pub sends: Vec<BTreeMap<String, serde_json::Value>>,
}
