//! Proves who sent a call: one implementation of every scheme, configured by data.
//!
//! Only this module can make an [`Authentic`], and only an [`Authentic`] is decoded and mapped. Bytes are compared in
//! constant time; whatever the reason, the sender hears the same refusal.

mod address;
mod compile;
mod expected;
mod jwt;
mod sign;
mod signature;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::hmac;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use thiserror::Error;

use crate::body;
use crate::call::Call;
use crate::clock::Timestamp;
use crate::config::auth::TokenExpiry;
use crate::config::source::BodyFormat;
use crate::mask::Secrets;
use crate::secret::Secret;

pub use address::escaped;
pub use compile::{Given, compile};
pub use sign::{CannotSign, Draft, sign};
use signature::Recipe;

/// Every way in which one route's calls may be proven; any of them will do.
#[derive(Debug)]
pub struct Authentication {
    ways: Vec<Scheme>,
    format: BodyFormat,
    public_url: Option<String>,
    secrets: Arc<RouteSecrets>,
}

/// What a sender and the route know, and nobody else.
#[derive(Debug, Default)]
pub struct RouteSecrets {
    /// For headers, queries and paths.
    pub anywhere: Secrets,
    /// For bodies: those that no ordinary word is part of.
    pub in_bodies: Secrets,
}

/// One way of proving.
#[derive(Debug)]
enum Scheme {
    /// Nothing is proven; written out as `auth: none`.
    Open,
    Bearer(Vec<Secret>),
    Basic {
        user: String,
        passwords: Vec<Secret>,
    },
    Header {
        name: String,
        values: Vec<Secret>,
    },
    Query {
        name: String,
        values: Vec<Secret>,
    },
    Field {
        path: Vec<String>,
        values: Vec<Secret>,
    },
    /// The rest of the address, after the route's name.
    Path {
        route: String,
        secrets: Vec<Secret>,
    },
    Jwt {
        header: String,
        expiry: TokenExpiry,
        keys: Vec<hmac::Key>,
    },
    Signature(Recipe),
}

/// A call that was proven to come from its sender, and what of it must not be kept.
#[derive(Debug)]
pub struct Authentic {
    call: Call,
    hidden: Hidden,
}

impl Authentic {
    /// The proven call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The call, no longer proven.
    pub fn into_call(self) -> Call {
        self.call
    }

    /// Whether its body repeats a secret of the route, in whatever spelling or charset.
    pub fn says_a_secret(&self) -> bool {
        let (call, secrets) = (&self.call, &self.hidden.secrets.in_bodies);
        let text = || body::text(call.header(CONTENT_TYPE.as_str()), &call.body);
        secrets.are_in(&call.body) || text().is_some_and(|text| secrets.are_in(text.as_bytes()))
    }

    /// What of it must not be kept or shown.
    pub fn hidden(&self) -> &Hidden {
        &self.hidden
    }
}

/// The places of secrets in a call: left out of everything that is stored, mapped or logged.
#[derive(Debug, Clone, Default)]
pub struct Hidden {
    /// Headers, in lower case.
    pub headers: BTreeSet<String>,
    /// Query parameters.
    pub query: BTreeSet<String>,
    /// Fields of the event, as paths.
    pub fields: Vec<Vec<String>>,
    /// The secrets themselves: a proxy may repeat them anywhere.
    pub secrets: Arc<RouteSecrets>,
}

/// Why a call was refused: for the log and the count, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The header, parameter or field with the proof is not there.
    #[error("the signature or secret is missing")]
    Missing,
    /// What is there is not a signature at all.
    #[error("the signature is malformed")]
    Malformed,
    /// It is a signature or a secret, but not the right one.
    #[error("the signature or secret is wrong")]
    Wrong,
    /// The timestamp is missing or unreadable.
    #[error("the timestamp is missing or unreadable")]
    NoTimestamp,
    /// A token does not say when it expires.
    #[error(
        "the token does not say when it expires (`exp`); if its sender never does: `jwt: {{ header: ..., exp: optional }}`"
    )]
    NoExpiry,
    /// It was signed too long ago, or lies in the future.
    #[error("the timestamp is outside the tolerance")]
    Stale,
    /// The URL is signed and `server.public_url` is not set.
    #[error("the URL is signed, and server.public_url is not set")]
    NoPublicUrl,
}

impl Refusal {
    /// One word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Wrong => "wrong",
            Self::NoTimestamp => "no_timestamp",
            Self::NoExpiry => "no_expiry",
            Self::Stale => "stale",
            Self::NoPublicUrl => "no_public_url",
        }
    }
}

impl Authentication {
    /// Proves a call, or says why not: the refusal that came nearest to a proof.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if none of the ways accepts it.
    pub fn prove(&self, call: Call, now: Timestamp) -> Result<Authentic, Refusal> {
        let mut nearest = Refusal::Missing;
        for way in &self.ways {
            match way.accepts(&call, self, now) {
                Ok(()) => return Ok(Authentic { call, hidden: self.hidden() }),
                Err(Refusal::Missing) => {}
                Err(refusal) => nearest = refusal,
            }
        }
        Err(nearest)
    }

    /// Takes a call for proven without looking: for `try` and for examples, of which nothing is stored. The path of a
    /// webhook never comes here (`tests/it/layers.rs` holds that).
    pub fn assume(&self, call: Call) -> Authentic {
        Authentic { call, hidden: self.hidden() }
    }

    /// Whether anybody may call.
    pub fn is_open(&self) -> bool {
        self.ways.iter().any(|way| matches!(way, Scheme::Open))
    }

    /// What must not be seen of a call, as texts.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets.in_bodies
    }

    fn hidden(&self) -> Hidden {
        // field by field: the default would make secrets only to drop them, for each call
        let mut hidden = Hidden {
            headers: BTreeSet::new(),
            query: BTreeSet::new(),
            fields: Vec::new(),
            secrets: Arc::clone(&self.secrets),
        };
        for way in &self.ways {
            match way {
                Scheme::Header { name, .. } | Scheme::Jwt { header: name, .. } => {
                    hidden.headers.insert(name.to_ascii_lowercase());
                }
                Scheme::Query { name, .. } => drop(hidden.query.insert(name.clone())),
                Scheme::Field { path, .. } => hidden.fields.push(path.clone()),
                Scheme::Signature(recipe) => {
                    hidden.headers.extend(recipe.headers.iter().map(|name| name.to_ascii_lowercase()));
                }
                Scheme::Open | Scheme::Bearer(_) | Scheme::Basic { .. } | Scheme::Path { .. } => {}
            }
        }
        hidden
    }

    /// The full URL of a call, as the sender was given it.
    fn url(&self, call: &Call) -> Option<String> {
        let base = self.public_url.as_deref()?.trim_end_matches('/');
        let path = call.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Some(format!("{base}{path}"))
    }
}

impl Scheme {
    fn accepts(&self, call: &Call, context: &Authentication, now: Timestamp) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            Self::Bearer(tokens) => {
                let given = call.header(AUTHORIZATION.as_str()).ok_or(Refusal::Missing)?;
                any_of(tokens, scheme_value(given, "bearer").ok_or(Refusal::Malformed)?.as_bytes())
            }
            Self::Basic { user, passwords } => {
                let given = call.header(AUTHORIZATION.as_str()).ok_or(Refusal::Missing)?;
                let encoded = scheme_value(given, "basic").ok_or(Refusal::Malformed)?;
                let decoded = signature::from_base64(encoded).ok_or(Refusal::Malformed)?;
                let colon = decoded.iter().position(|b| *b == b':').ok_or(Refusal::Malformed)?;
                let (name, password) = decoded.split_at(colon);
                let right_user = crate::secret::equal(name, user.as_bytes());
                let right_password = any_of(passwords, password.get(1..).unwrap_or_default());
                if right_user { right_password } else { Err(Refusal::Wrong) }
            }
            Self::Header { name, values } => any_of(values, call.headers.get(name).ok_or(Refusal::Missing)?.as_bytes()),
            Self::Query { name, values } => address::in_query(call, name, values),
            Self::Field { path, values } => {
                let event = body::parse(context.format, call.header(CONTENT_TYPE.as_str()), &call.body, call.query())
                    .map_err(|_| Refusal::Missing)?;
                match find(&event.value, path).ok_or(Refusal::Missing)? {
                    Value::String(text) => any_of(values, text.as_bytes()),
                    _ => Err(Refusal::Malformed),
                }
            }
            Self::Path { route, secrets } => address::in_path(call, route, secrets),
            Self::Jwt { header, expiry, keys } => {
                let given = call.header(header).ok_or(Refusal::Missing)?;
                jwt::verify(scheme_value(given, "bearer").unwrap_or(given), keys, *expiry, now)
            }
            Self::Signature(recipe) => recipe.verify(call, || context.url(call), now),
        }
    }
}

fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| value.get(step))
}

fn scheme_value<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, value) = header.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| value.trim())
}

/// Compares with every secret, whichever it is that fits.
fn any_of(secrets: &[Secret], given: &[u8]) -> Result<(), Refusal> {
    let mut right = false;
    for secret in secrets {
        right |= secret.matches(given);
    }
    if right { Ok(()) } else { Err(Refusal::Wrong) }
}

/// The method as it is signed.
fn method_name(method: &Method) -> &str {
    method.as_str()
}
