//! `auth:` as written: how a sender proves who it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_or_many::OneOrMany;
use super::unit::Span;

/// One way of proving who sent a call.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AuthSpec {
    /// A way that needs no details.
    Keyword(AuthKeyword),
    /// A way with details.
    Form(AuthForm),
}

impl AuthSpec {
    fn signature(&self) -> Option<&SignatureSpec> {
        match self {
            Self::Form(AuthForm::Hmac(spec) | AuthForm::Hash(spec) | AuthForm::Ed25519(spec)) => Some(spec),
            _ => None,
        }
    }

    /// Whether the full URL is among what is signed.
    pub fn signs_url(&self) -> bool {
        let is_url = |part: &PartSpec| {
            matches!(part, PartSpec::Keyword(PartKeyword::Url) | PartSpec::Form(PartForm::Unescaped(_)))
        };
        self.signature().is_some_and(|spec| spec.over.iter().any(is_url))
    }

    /// Whether the key is known for all routes, as a vendor's public key is: a route needs no secret then.
    pub fn brings_its_key(&self) -> bool {
        self.signature().is_some_and(|spec| spec.secret.is_some())
    }
}

/// A way of proving that needs no details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthKeyword {
    /// Nothing is proven: anybody who knows the address can start messages.
    None,
    /// The Standard Webhooks headers (`webhook-id`, `webhook-timestamp`, `webhook-signature`, or `svix-*`).
    StandardWebhooks,
    /// `Authorization: Bearer` with the route's secret.
    Bearer,
    /// The route's secret as the last step of the address: `/webhooks/ROUTE/SECRET`.
    Path,
}

/// A way of proving, with its details. Values left open are filled by the route's `secret`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthForm {
    /// `Authorization: Bearer` with this token.
    Bearer(#[schemars(extend("writeOnly" = true))] Option<String>),
    /// HTTP Basic.
    Basic(BasicSpec),
    /// A secret in a header.
    Header(NamedSecretSpec),
    /// A secret in the query string.
    Query(NamedSecretSpec),
    /// A secret in the body.
    Field(FieldSecretSpec),
    /// A JSON Web Token (HS256) signed with the secret. It does not cover the body.
    Jwt(JwtSpec),
    /// An HMAC over parts of the call.
    Hmac(SignatureSpec),
    /// A plain hash over parts of the call and the secret.
    Hash(SignatureSpec),
    /// An Ed25519 signature over parts of the call; the secret is the public key.
    Ed25519(SignatureSpec),
}

/// HTTP Basic.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct BasicSpec {
    /// The user.
    pub user: String,
    /// The password; the route's secret if left out.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
}

/// A JSON Web Token.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct JwtSpec {
    /// The header it stands in, with or without `Bearer`.
    pub header: String,
    /// Whether it has to say when it expires (`exp`): `required`, or `optional` for a sender that never says so. Whoever
    /// sees a token without `exp` can call for ever.
    #[serde(default)]
    pub exp: TokenExpiry,
}

/// Whether a JSON Web Token has to say when it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenExpiry {
    /// One that does not is refused.
    #[default]
    Required,
    /// One that does not is valid for ever.
    Optional,
}

/// A secret under a name.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct NamedSecretSpec {
    /// The header or query parameter.
    pub name: String,
    /// What it must be; the route's secret if left out.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub value: Option<String>,
}

/// A secret in the body.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct FieldSecretSpec {
    /// The field, with dots: `auth.application_token`.
    pub path: String,
    /// What it must be; the route's secret if left out.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub value: Option<String>,
}

/// A signature recipe: what is signed, with what, and where the signature stands.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct SignatureSpec {
    /// The header with the signature. Several: the first that is there.
    pub header: OneOrMany<String>,
    /// The hash function.
    #[serde(default)]
    pub digest: DigestName,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// How the secret is written.
    #[serde(default)]
    pub key: KeyEncoding,
    /// What stands before the key in the secret and is not a part of it, as `whsec_`.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// What is signed, in order.
    #[serde(default = "just_the_body")]
    pub over: Vec<PartSpec>,
    /// What stands before the signature in the header, as `sha256=`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The header is a list, as `t=...,v1=...`.
    #[serde(default)]
    pub list: Option<ListSpec>,
    /// When it was signed.
    #[serde(default)]
    pub timestamp: Option<TimestampSpec>,
    /// The secret itself; the route's `secret` if left out.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub secret: Option<OneOrMany<String>>,
}

fn just_the_body() -> Vec<PartSpec> {
    vec![PartSpec::Keyword(PartKeyword::Body)]
}

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DigestName {
    Sha1,
    #[default]
    Sha256,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyEncoding {
    /// The text's bytes are the key.
    #[default]
    Text,
    /// Hexadecimal.
    Hex,
    /// Base64.
    Base64,
}

/// A part of what is signed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PartSpec {
    /// A part of the call.
    Keyword(PartKeyword),
    /// A part with details.
    Form(PartForm),
}

/// A part of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKeyword {
    /// The raw body.
    Body,
    /// The method, in capitals.
    Method,
    /// The full URL, from `server.public_url`.
    Url,
    /// The timestamp as it was sent.
    Timestamp,
    /// The secret (for plain hashes).
    Secret,
}

/// A part with details.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartForm {
    /// A fixed text.
    Literal(String),
    /// The value of a header. Several: the first that is there.
    Header(OneOrMany<String>),
    /// The full URL with these characters' percent-escapes undone.
    Unescaped(String),
}

/// A header that holds a list.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct ListSpec {
    /// What stands between entries.
    #[serde(default = "comma")]
    pub separator: String,
    /// What stands between an entry's name and its value.
    #[serde(default = "equals")]
    pub assign: String,
    /// The name of the entries that are signatures, as `v1`.
    pub signature: String,
    /// The name of the entry that is the timestamp, as `t`.
    #[serde(default)]
    pub timestamp: Option<String>,
}

fn comma() -> String {
    ",".into()
}

fn equals() -> String {
    "=".into()
}

/// When a call was signed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct TimestampSpec {
    /// The header; left out where it stands in the signature's list.
    #[serde(default)]
    pub header: Option<OneOrMany<String>>,
    /// How it is written.
    #[serde(default)]
    pub unit: TimestampUnit,
    /// How far from now it may be, either way.
    #[serde(default = "five_minutes")]
    pub tolerance: Span,
}

fn five_minutes() -> Span {
    Span(std::time::Duration::from_secs(300))
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimestampUnit {
    /// Seconds since 1970.
    #[default]
    S,
    /// Milliseconds since 1970.
    Ms,
    /// RFC 3339.
    Rfc3339,
}
