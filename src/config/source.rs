//! A source as written: how one kind of sender signs, packs and names its events.
//!
//! `config/sources/NAME.yaml` is a [`SourceFile`]; a route may override any key of its [`SourceProfileSpec`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::AuthSpec;
use super::contact::ContactSpec;
use super::dates::DatesSpec;
use super::enrich::EnrichSpec;
use super::handshake::{AnswerSpec, HandshakeSpec};
use super::method::Method;
use super::one_or_many::OneOrMany;

/// Whom the usual sample of every shipped source is about.
pub const USUAL_NUMBER: &str = "9812345670";

/// A kind of sender.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct SourceFile {
    /// Its name as people know it.
    pub title: String,
    /// What kind of sender it is, as `serri-relay sources` lists them.
    #[serde(default)]
    pub group: Option<Group>,
    /// One paragraph: what it sends, and what to know about it.
    #[serde(default)]
    pub about: Option<String>,
    /// What to do at the sender, step by step. `{url}` stands for the route's URL.
    #[serde(default)]
    pub setup: Vec<String>,
    /// Code to paste there, where it needs some.
    #[serde(default)]
    pub script: Option<String>,
    /// Why its events bring no phone number (or some of them do not), and the way round it.
    #[serde(default)]
    pub no_phone: Option<String>,
    /// Where this profile comes from.
    #[serde(default)]
    pub facts: Option<FactsSpec>,
    /// How it signs, packs and names its events.
    #[serde(flatten)]
    pub profile_spec: SourceProfileSpec,
    /// Calls as this sender makes them, by name.
    #[serde(default)]
    pub samples: BTreeMap<String, SampleSpec>,
    /// The `sends:` that `serri-relay new` writes, as YAML text.
    #[serde(default)]
    pub starter: Option<String>,
}

impl SourceFile {
    /// The sample that a newcomer tries first, and that an example can be made of: the one about [`USUAL_NUMBER`].
    pub fn usual_sample(&self) -> Option<&String> {
        let is_usual = |json: &serde_json::Value| {
            let digits: String = json.to_string().chars().filter(char::is_ascii_digit).collect();
            digits.contains(USUAL_NUMBER)
        };
        let of_body = |sample: &SampleSpec| is_usual(&sample.body);
        let of_lookup = |sample: &SampleSpec| sample.lookup.as_ref().is_some_and(is_usual);
        let mut samples = self.samples.iter();
        let found = samples.clone().find(|(_, sample)| of_body(sample));
        found.or_else(|| samples.find(|(_, sample)| of_lookup(sample))).map(|(name, _)| name)
    }
}

/// A kind of sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// CRMs and help desks.
    Crm,
    /// Shops and payments.
    Shop,
    /// Lead forms of advertising platforms.
    Ads,
    /// Forms and calendars.
    Forms,
    /// Indian lead portals.
    Portals,
    /// Tools and standards.
    Tools,
}

impl Group {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Crm => "CRMs and help desks",
            Self::Shop => "Shops and payments",
            Self::Ads => "Ads",
            Self::Forms => "Forms and calendars",
            Self::Portals => "Indian lead portals",
            Self::Tools => "Tools and standards",
        }
    }
}

/// Where the profile of a source comes from.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct FactsSpec {
    /// The documents and code it was taken from.
    pub from: Vec<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// How the sender repeats a call that failed.
    #[serde(default)]
    pub retries: Option<String>,
    /// It repeats nothing, as far as known: what is lost on the way is lost.
    #[serde(default)]
    pub never_retries: bool,
}

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// From the vendor's own documents or code.
    High,
    /// From independent code.
    Medium,
    /// Not verified.
    Low,
}

/// How a sender signs, packs and names its events. A route may override each of these for itself.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct SourceProfileSpec {
    /// How the body is packed.
    #[serde(default)]
    pub body: Option<BodyFormat>,
    /// A form field or part that holds the event as JSON text.
    #[serde(default)]
    pub json_field: Option<String>,
    /// The HTTP methods it uses; POST if left out.
    #[serde(default)]
    pub methods: Option<Vec<Method>>,
    /// How it proves who it is. A list: any of them will do.
    #[serde(default)]
    pub auth: Option<OneOrMany<AuthSpec>>,
    /// Fields that must never be stored or shown, as `auth.access_token`; a list on the way stands for each of its entries.
    #[serde(default)]
    pub redact: Option<Vec<String>>,
    /// Where an event says what it is.
    #[serde(default)]
    pub event: Option<EventSpec>,
    /// Where an event says whom it is about.
    #[serde(default)]
    pub contact: Option<ContactSpec>,
    /// How the dates in its events are written, where they do not say so themselves.
    #[serde(default)]
    pub dates: Option<DatesSpec>,
    /// An expression that is true for the sender's own tests ("Send test notification"): they are kept, and make no sends.
    #[serde(default)]
    pub test: Option<String>,
    /// The official read call that gives what its events leave out.
    #[serde(default)]
    pub enrich: Option<EnrichSpec>,
    /// What it wants to hear when all went well.
    #[serde(default)]
    pub answer: Option<AnswerSpec>,
    /// The answer that makes it try again later: 503 or 429.
    #[serde(default)]
    pub overload: Option<OverloadSpec>,
    /// Calls that are not events, and how they are answered.
    #[serde(default)]
    pub handshake: Option<HandshakeSpec>,
}

/// The answer that makes a sender try again later.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OverloadSpec {
    /// 503 or 429, with `Retry-After` in seconds (RFC 9110).
    Status(u16),
    /// The same for a sender that reads `Retry-After` in its own way.
    Details(OverloadDetails),
}

/// The answer that makes a sender try again later, in its own way.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub struct OverloadDetails {
    /// 503 or 429.
    pub status: u16,
    /// How it reads `Retry-After`.
    pub retry_after: RetryAfterUnit,
}

/// A unit of `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RetryAfterUnit {
    /// Seconds, as RFC 9110 has it.
    #[default]
    S,
    /// Milliseconds.
    Ms,
}

impl OverloadSpec {
    /// The status, and how `Retry-After` is read.
    pub fn parts(self) -> (u16, RetryAfterUnit) {
        match self {
            Self::Status(status) => (status, RetryAfterUnit::S),
            Self::Details(details) => (details.status, details.retry_after),
        }
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// A JSON object, or an array with an event in each entry; whatever the content type says.
    Json,
    /// `application/x-www-form-urlencoded`, with brackets as PHP writes them.
    Form,
    /// `multipart/form-data`, text parts.
    Multipart,
    /// SOAP: the event is what stands in the envelope's body.
    Soap,
    /// XML.
    Xml,
    /// No body: the event is the query string.
    Query,
    /// By the content type.
    #[default]
    Any,
}

/// Where an event says what it is: Jinja expressions over `event`, `headers` and `query`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct EventSpec {
    /// Where the events stand in the body, as `entry.changes.value`; a list on the way is spread. Where there is no such
    /// field, the body is the event.
    #[serde(default)]
    pub each: Option<String>,
    /// An id that the sender's own repetitions share and other events do not.
    #[serde(default)]
    pub id: Option<String>,
    /// What kind of event it is.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Whether the id is that of a record, of which several kinds of event tell: the same id with another type is another event.
    #[serde(default)]
    pub id_per_type: Option<bool>,
}

/// A call as a sender makes it.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct SampleSpec {
    /// What it shows.
    #[serde(default)]
    pub title: Option<String>,
    /// The method; the first of the source's if left out.
    #[serde(default)]
    pub method: Option<Method>,
    /// Headers besides the signature's. `{{ uuid }}` is a new id each time.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The body: keys and values for JSON, or a text that is sent as it stands.
    pub body: serde_json::Value,
    /// What the read call of `enrich` answers for it; a list: an answer for each of its events.
    #[serde(default)]
    pub lookup: Option<serde_json::Value>,
}
