//! `answer:` and `handshake:` as written: what a sender wants to hear, and which of its calls are not events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::Method;

/// What a sender wants to hear.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct AnswerSpec {
    /// The status; 200 if left out.
    #[serde(default)]
    pub status: Option<u16>,
    /// The body; a JSON report if left out.
    #[serde(default)]
    pub body: Option<String>,
    /// The body's content type.
    #[serde(default)]
    pub content_type: Option<String>,
}

/// Calls that are not events.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum HandshakeSpec {
    /// There are none.
    Keyword(NoHandshake),
    /// Any of these.
    Several(Vec<HandshakeForm>),
}

impl HandshakeSpec {
    /// Whether a handshake asks for the route's `verify_token`.
    pub fn wants_a_token(&self) -> bool {
        let asks =
            |form: &HandshakeForm| matches!(form, HandshakeForm::Challenge(challenge) if challenge.token.is_some());
        matches!(self, Self::Several(forms) if forms.iter().any(asks))
    }

    /// Whether a handshake is answered with a signature by the route's `secret`.
    pub fn signs(&self) -> bool {
        let signs =
            |form: &HandshakeForm| matches!(form, HandshakeForm::Challenge(challenge) if challenge.signed.is_some());
        matches!(self, Self::Several(forms) if forms.iter().any(signs))
    }
}

/// There are no handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoHandshake {
    /// There are none.
    None,
}

/// A call that is not an event.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HandshakeForm {
    /// An unsigned call to see whether somebody is there.
    Ping(PingSpec),
    /// A GET that wants one of its parameters back.
    Challenge(ChallengeSpec),
    /// A POST that wants one of its own values back.
    Echo(EchoSpec),
    /// A Jinja expression over a proven event: where it is true, the event is a test and answered as taken, and nothing
    /// comes of it.
    Ignore(String),
}

/// An unsigned call to see whether somebody is there. All that is named must be so.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct PingSpec {
    /// Its method.
    pub method: Method,
    /// A header that it lacks, and that every event has.
    #[serde(default)]
    pub without_header: Option<String>,
    /// A regular expression that the whole body matches.
    #[schemars(extend("format" = "relay-regex"))]
    pub body: String,
    /// What is answered.
    #[serde(default)]
    pub answer: AnswerSpec,
}

/// A GET that wants one of its parameters back: as it stands, or signed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct ChallengeSpec {
    /// The parameter that is wanted back.
    pub query: String,
    /// The parameter that must hold the route's `verify_token`.
    #[serde(default)]
    pub token: Option<String>,
    /// The answer is JSON: the parameter under its own name, and under this one its HMAC-SHA256 by the route's secret, in hex.
    #[serde(default)]
    pub signed: Option<String>,
}

/// A POST that wants one of its own values back. One of the two.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct EchoSpec {
    /// A header, answered as a header.
    #[serde(default)]
    pub header: Option<String>,
    /// A field of a JSON body that holds nothing but a few texts, answered as JSON.
    #[serde(default)]
    pub field: Option<String>,
}
