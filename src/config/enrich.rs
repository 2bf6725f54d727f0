//! `enrich:` as written: the official read call that gives what an event leaves out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::Method;
use super::unit::{Rate, Span};

/// The official read call that gives what an event leaves out. It is made by the deliverer, before the rules are applied, and
/// repeated as sends are. A source describes it; a route adds what is its own (`token`, or `base`), and without that no
/// call is made.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct EnrichSpec {
    /// Which events need it: a Jinja expression over `event`, `headers` and `query`. All, if left out.
    #[serde(default)]
    pub when: Option<String>,
    /// GET, if left out.
    #[serde(default)]
    pub method: Option<Method>,
    /// The part of the URL that all calls share, as `https://graph.facebook.com/v24.0`: scheme, host and path.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub base: Option<String>,
    /// The rest of the path: a template over `event`, `headers` and `query`, as `{{ event.leadgen_id }}`. What a value
    /// brings never becomes more than one step.
    #[serde(default)]
    pub path: Option<String>,
    /// Query parameters: templates. One that comes out empty ends the lookup, unless `| default('')` says that it may: then
    /// it is left out.
    #[serde(default)]
    pub query: Option<BTreeMap<String, String>>,
    /// How the token is shown; `bearer` if left out.
    #[serde(default)]
    pub auth: Option<TokenSpec>,
    /// The token to read with.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub token: Option<String>,
    /// What of the answer is taken: a path with dots, as `result`; a number is the place in a list, from 0. All of it, if left out.
    #[serde(default)]
    pub take: Option<String>,
    /// The name under which the event gets it: `lead` makes it `event.lead`.
    #[serde(default)]
    pub into: Option<String>,
    /// Which answers mean "later", besides 408, 425, 429 and 5xx: a Jinja expression over `status` and `answer`.
    #[serde(default)]
    pub retry_when: Option<String>,
    /// Which answers mean that the token or its permissions have to be fixed first, besides 401, 402 and 403. Such an
    /// event waits for as long as that takes.
    #[serde(default)]
    pub hold_when: Option<String>,
    /// How many calls a second or a minute a route makes at most; `10/s` if left out.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// How long an answer serves other events of the route about the same record, too. Never one that came after it was
    /// read.
    #[serde(default)]
    pub cache: Option<Span>,
    /// What a route has to add (`token` or `base`), and where it is found.
    #[serde(default)]
    pub needs: BTreeMap<String, String>,
}

/// How a token is shown.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TokenSpec {
    /// A way that needs no name.
    Keyword(TokenKeyword),
    /// Under a name.
    Form(TokenForm),
}

/// A way of showing a token that needs no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenKeyword {
    /// There is none: `base` holds what proves the caller.
    None,
    /// `Authorization: Bearer`.
    Bearer,
}

/// A token under a name.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenForm {
    /// A header of this name.
    Header(String),
    /// A query parameter of this name.
    Query(String),
    /// Several query parameters: the token is their values in this order, joined by colons.
    Queries(Vec<String>),
}

/// What `new` writes where a token has to be put.
pub const NOT_SET: &str = "not-set-yet";

impl EnrichSpec {
    /// Whether what a route has to add is still the placeholder that `new` wrote.
    pub fn is_placeholder(&self) -> bool {
        [&self.base, &self.token].into_iter().flatten().any(|text| text.contains(NOT_SET))
    }

    /// This one over another, key by key.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let text = |own: &Option<String>, base: &Option<String>| own.clone().or_else(|| base.clone());
        Self {
            when: text(&self.when, &base.when),
            method: self.method.or(base.method),
            base: text(&self.base, &base.base),
            path: text(&self.path, &base.path),
            query: self.query.clone().or_else(|| base.query.clone()),
            auth: self.auth.clone().or_else(|| base.auth.clone()),
            token: text(&self.token, &base.token),
            take: text(&self.take, &base.take),
            into: text(&self.into, &base.into),
            retry_when: text(&self.retry_when, &base.retry_when),
            hold_when: text(&self.hold_when, &base.hold_when),
            rate: self.rate.or(base.rate),
            cache: self.cache.or(base.cache),
            needs: if self.needs.is_empty() { base.needs.clone() } else { self.needs.clone() },
        }
    }

    /// Whether a token has to be shown.
    pub fn wants_token(&self) -> bool {
        !matches!(self.auth, Some(TokenSpec::Keyword(TokenKeyword::None)))
    }

    /// Whether nothing that a route has to add is missing.
    pub fn is_complete(&self) -> bool {
        self.base.is_some() && (self.token.is_some() || !self.wants_token())
    }
}
