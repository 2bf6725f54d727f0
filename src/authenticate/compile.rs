//! From `auth:` as written to schemes that run; every fault is found here, before a call comes.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};

use super::signature::{Algorithm, Part, Recipe, Stamp, from_base64, from_hex};
use super::{Authentication, RouteSecrets, Scheme};
use crate::config::auth::{
    AuthForm, AuthKeyword, AuthSpec, DigestName, Encoding, KeyEncoding, ListSpec, PartForm, PartKeyword, PartSpec,
    SignatureSpec, TimestampUnit,
};
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::one_or_many::OneOrMany;
use crate::config::source::BodyFormat;
use crate::mask::Secrets;
use crate::secret::Secret;

/// What a route brings to its authentication.
#[derive(Debug)]
pub struct Given<'a> {
    /// The route's name, with which its address begins.
    pub route: &'a str,
    /// The ways of its source, or its own.
    pub auth: Option<&'a OneOrMany<AuthSpec>>,
    /// Its `secret:`.
    pub secret: Option<&'a OneOrMany<String>>,
    /// Whether its handshake is signed with that secret, too.
    pub is_secret_shared: bool,
    /// How its bodies are packed.
    pub format: BodyFormat,
    /// `server.public_url`.
    pub public_url: Option<&'a str>,
    /// Where faults are shown.
    pub place: &'a Place,
}

/// Makes a route's authentication.
///
/// # Errors
///
/// Every fault: no way at all, a secret that is missing or empty, a key that is none.
pub fn compile(given: &Given<'_>) -> Result<Authentication, Vec<Diagnostic>> {
    let diagnostic = |message: String| Diagnostic::at(given.place, message);
    let Some(auth) = given.auth else {
        let hint = "write `auth: bearer` with a `secret:`, or another way from docs/ROUTES.md; `auth: none` lets anybody in and has to be written out";
        return Err(vec![diagnostic("the route does not say how its sender proves itself".into()).hint(hint)]);
    };
    let mut diagnostics = Vec::new();
    let secrets: Vec<String> = given.secret.map(|secret| secret.as_slice().to_vec()).unwrap_or_default();
    if secrets.iter().any(|secret| secret.trim().is_empty()) {
        diagnostics.push(
            diagnostic("`secret` is empty".into()).hint(
                "a route without secret takes calls from anybody; set the variable it names, or write `auth: none`",
            ),
        );
    }
    if !secrets.is_empty() && !given.is_secret_shared && auth.as_slice().iter().all(brings_its_own) {
        let keyed = auth.as_slice().iter().any(AuthSpec::brings_its_key);
        let (message, hint) = if keyed {
            (
                "`secret` is not used: calls are proven with the sender's own key, which `auth` holds",
                "remove it; if the sender signs with a secret of yours, it is another source: `serri-relay sources` lists them",
            )
        } else {
            (
                "`secret` is not used: each way in `auth` holds a value of its own",
                "remove it, or leave the value in `auth` out",
            )
        };
        diagnostics.push(diagnostic(message.into()).hint(hint));
    }
    let mut ways = Vec::new();
    for spec in auth.as_slice() {
        match scheme(spec, &secrets, given) {
            Ok(more) => ways.extend(more),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    let open = ways.iter().any(|way| matches!(way, Scheme::Open));
    if open && (ways.len() > 1 || !secrets.is_empty()) {
        diagnostics.push(
            diagnostic("`auth: none` stands beside a secret or another way: then nothing is proven".into())
                .hint("remove one of them"),
        );
    }
    if ways.is_empty() && diagnostics.is_empty() {
        diagnostics.push(diagnostic("`auth` is an empty list".into()));
    }
    if diagnostics.is_empty() {
        let texts =
            || secrets.iter().map(String::as_str).chain(auth.as_slice().iter().flat_map(written_in)).flat_map(bare);
        let secrets = RouteSecrets { anywhere: Secrets::new(texts()), in_bodies: Secrets::in_bodies(texts()) };
        let public_url = given.public_url.map(ToOwned::to_owned);
        Ok(Authentication { ways, format: given.format, public_url, secrets: Arc::new(secrets) })
    } else {
        Err(diagnostics)
    }
}

/// The secrets that stand in a way itself; a public key is none.
fn written_in(spec: &AuthSpec) -> Vec<&str> {
    let AuthSpec::Form(form) = spec else { return Vec::new() };
    match form {
        AuthForm::Bearer(token) => token.as_deref().into_iter().collect(),
        AuthForm::Basic(basic) => basic.password.as_deref().into_iter().collect(),
        AuthForm::Header(header) => header.value.as_deref().into_iter().collect(),
        AuthForm::Query(query) => query.value.as_deref().into_iter().collect(),
        AuthForm::Field(field) => field.value.as_deref().into_iter().collect(),
        AuthForm::Hmac(spec) | AuthForm::Hash(spec) => {
            spec.secret.iter().flat_map(OneOrMany::as_slice).map(String::as_str).collect()
        }
        AuthForm::Jwt(_) | AuthForm::Ed25519(_) => Vec::new(),
    }
}

/// A secret, and what it is without the mark that tells its kind.
fn bare(secret: &str) -> impl Iterator<Item = &str> {
    [Some(secret), secret.strip_prefix("whsec_")].into_iter().flatten()
}

/// Whether a way leaves nothing open that the route's `secret` would fill. `auth: none` beside one has a fault of its own.
fn brings_its_own(spec: &AuthSpec) -> bool {
    let AuthSpec::Form(form) = spec else { return false };
    match form {
        AuthForm::Bearer(token) => token.is_some(),
        AuthForm::Basic(basic) => basic.password.is_some(),
        AuthForm::Header(named) | AuthForm::Query(named) => named.value.is_some(),
        AuthForm::Field(field) => field.value.is_some(),
        AuthForm::Hmac(spec) | AuthForm::Hash(spec) | AuthForm::Ed25519(spec) => spec.secret.is_some(),
        AuthForm::Jwt(_) => false,
    }
}

type Made = Result<Vec<Scheme>, Box<Diagnostic>>;

fn scheme(spec: &AuthSpec, secrets: &[String], given: &Given<'_>) -> Made {
    let one = |scheme| Ok(vec![scheme]);
    match spec {
        AuthSpec::Keyword(AuthKeyword::None) => one(Scheme::Open),
        AuthSpec::Keyword(AuthKeyword::StandardWebhooks) => standard_webhooks(secrets, given),
        AuthSpec::Keyword(AuthKeyword::Bearer) => one(Scheme::Bearer(values(None, secrets, given.place)?)),
        AuthSpec::Keyword(AuthKeyword::Path) => {
            one(Scheme::Path { route: given.route.to_owned(), secrets: values(None, secrets, given.place)? })
        }
        AuthSpec::Form(AuthForm::Bearer(token)) => one(Scheme::Bearer(values(token.as_ref(), secrets, given.place)?)),
        AuthSpec::Form(AuthForm::Basic(basic)) => one(Scheme::Basic {
            user: basic.user.clone(),
            passwords: values(basic.password.as_ref(), secrets, given.place)?,
        }),
        AuthSpec::Form(AuthForm::Header(header)) => {
            header_name(&header.name, given.place)?;
            one(Scheme::Header {
                name: header.name.clone(),
                values: values(header.value.as_ref(), secrets, given.place)?,
            })
        }
        AuthSpec::Form(AuthForm::Query(query)) => {
            one(Scheme::Query { name: query.name.clone(), values: values(query.value.as_ref(), secrets, given.place)? })
        }
        AuthSpec::Form(AuthForm::Jwt(jwt)) => {
            header_name(&jwt.header, given.place)?;
            let key = |secret: Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
            let keys = values(None, secrets, given.place)?.into_iter().map(key).collect();
            one(Scheme::Jwt { header: jwt.header.clone(), expiry: jwt.exp, keys })
        }
        AuthSpec::Form(AuthForm::Field(field)) => one(Scheme::Field {
            path: field.path.split('.').map(ToOwned::to_owned).collect(),
            values: values(field.value.as_ref(), secrets, given.place)?,
        }),
        AuthSpec::Form(AuthForm::Hmac(spec)) => {
            let algorithm = match spec.digest {
                DigestName::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                DigestName::Sha256 => hmac::HMAC_SHA256,
            };
            let keys: Result<Vec<_>, _> =
                keys(spec, secrets, given.place)?.iter().map(|secret| key_bytes(spec, secret, given.place)).collect();
            let keys = keys?.iter().map(|key| hmac::Key::new(algorithm, key)).collect();
            one(Scheme::Signature(recipe(spec, Algorithm::Hmac(keys), given)?))
        }
        AuthSpec::Form(AuthForm::Hash(spec)) => {
            let algorithm = match spec.digest {
                DigestName::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                DigestName::Sha256 => &digest::SHA256,
            };
            let secrets = keys(spec, secrets, given.place)?.into_iter().map(Secret::new).collect();
            if !spec.over.iter().any(|part| matches!(part, PartSpec::Keyword(PartKeyword::Secret))) {
                return Err(Box::new(
                    Diagnostic::at(given.place, "a plain hash without the secret among its parts proves nothing")
                        .hint("put `secret` into `over`"),
                ));
            }
            one(Scheme::Signature(recipe(spec, Algorithm::Hash(algorithm, secrets), given)?))
        }
        AuthSpec::Form(AuthForm::Ed25519(spec)) => {
            let keys: Result<Vec<_>, _> =
                keys(spec, secrets, given.place)?.iter().map(|key| public_key(spec, key, given.place)).collect();
            one(Scheme::Signature(recipe(spec, Algorithm::Ed25519(keys?), given)?))
        }
    }
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>: `whsec_` secrets are
/// HMAC keys, `whpk_` ones Ed25519 public keys. A public key must never serve as an HMAC key: everybody knows it.
fn standard_webhooks(secrets: &[String], given: &Given<'_>) -> Made {
    let (public, symmetric): (Vec<String>, Vec<String>) =
        secrets.iter().cloned().partition(|secret| secret.starts_with("whpk_"));
    let spec = |version: &str, prefix: &str, secrets: Vec<String>| SignatureSpec {
        header: OneOrMany::Many(vec!["webhook-signature".into(), "svix-signature".into()]),
        digest: DigestName::Sha256,
        encoding: Encoding::Base64,
        key: KeyEncoding::Base64,
        key_prefix: Some(prefix.into()),
        over: vec![
            PartSpec::Form(PartForm::Header(OneOrMany::Many(vec!["webhook-id".into(), "svix-id".into()]))),
            PartSpec::Form(PartForm::Literal(".".into())),
            PartSpec::Keyword(PartKeyword::Timestamp),
            PartSpec::Form(PartForm::Literal(".".into())),
            PartSpec::Keyword(PartKeyword::Body),
        ],
        prefix: None,
        list: Some(ListSpec { separator: " ".into(), assign: ",".into(), signature: version.into(), timestamp: None }),
        timestamp: Some(crate::config::auth::TimestampSpec {
            header: Some(OneOrMany::Many(vec!["webhook-timestamp".into(), "svix-timestamp".into()])),
            unit: TimestampUnit::S,
            tolerance: crate::config::unit::Span(std::time::Duration::from_secs(300)),
        }),
        secret: Some(OneOrMany::Many(secrets)),
    };
    let mut ways = Vec::new();
    if !symmetric.is_empty() || public.is_empty() {
        ways.extend(scheme(&AuthSpec::Form(AuthForm::Hmac(spec("v1", "whsec_", symmetric))), &[], given)?);
    }
    if !public.is_empty() {
        ways.extend(scheme(&AuthSpec::Form(AuthForm::Ed25519(spec("v1a", "whpk_", public))), &[], given)?);
    }
    Ok(ways)
}

fn no_secret(place: &Place) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::at(place, "the route has no secret")
            .hint("write `secret: ${SOME_VARIABLE}` and set the variable to what the sender was given"),
    )
}

fn empty_secret(place: &Place) -> Box<Diagnostic> {
    Box::new(Diagnostic::at(place, "a secret in `auth` is empty").hint("set the variable it names"))
}

/// The value written in the form, else the route's secrets. Never none, never empty.
fn values(own: Option<&String>, secrets: &[String], place: &Place) -> Result<Vec<Secret>, Box<Diagnostic>> {
    let values: Vec<Secret> =
        own.map_or_else(|| secrets.iter().map(Secret::new).collect(), |own| vec![Secret::new(own.as_str())]);
    if values.is_empty() {
        return Err(no_secret(place));
    }
    if own.is_some_and(|own| own.trim().is_empty()) {
        return Err(empty_secret(place));
    }
    Ok(values)
}

fn keys(spec: &SignatureSpec, secrets: &[String], place: &Place) -> Result<Vec<String>, Box<Diagnostic>> {
    let keys = spec.secret.as_ref().map_or_else(|| secrets.to_vec(), |own| own.as_slice().to_vec());
    if keys.is_empty() {
        return Err(no_secret(place));
    }
    if spec.secret.is_some() && keys.iter().any(|key| key.trim().is_empty()) {
        return Err(empty_secret(place));
    }
    Ok(keys)
}

fn key_bytes(spec: &SignatureSpec, secret: &str, place: &Place) -> Result<Vec<u8>, Box<Diagnostic>> {
    let text = spec.key_prefix.as_deref().map_or(secret, |prefix| secret.strip_prefix(prefix).unwrap_or(secret));
    let bytes = match spec.key {
        KeyEncoding::Text => Some(text.as_bytes().to_vec()),
        KeyEncoding::Hex => from_hex(text),
        KeyEncoding::Base64 => from_base64(text),
    };
    // an empty secret is reported where it is read
    let bytes = if secret.trim().is_empty() { Some(Vec::new()) } else { bytes };
    bytes.ok_or_else(|| {
        let kind = if spec.key == KeyEncoding::Hex { "hexadecimal" } else { "base64" };
        Box::new(
            Diagnostic::at(place, format!("the secret is not {kind} text, as this scheme needs"))
                .hint("copy it from the sender once more, whole"),
        )
    })
}

/// The 32 bytes of a public key, given raw or as SubjectPublicKeyInfo (RFC 8410), base64 or hex.
fn public_key(spec: &SignatureSpec, text: &str, place: &Place) -> Result<Vec<u8>, Box<Diagnostic>> {
    const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let text = spec.key_prefix.as_deref().map_or(text, |prefix| text.strip_prefix(prefix).unwrap_or(text));
    let lines: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let bytes = from_hex(&lines).or_else(|| from_base64(&lines)).unwrap_or_default();
    let raw = bytes.strip_prefix(&SPKI_HEAD[..]).unwrap_or(&bytes);
    if raw.len() == 32 {
        return Ok(raw.to_vec());
    }
    Err(Box::new(
        Diagnostic::at(place, "the secret is no Ed25519 public key")
            .hint("it is 32 bytes as base64 or hex, or a PEM block"),
    ))
}

fn recipe(spec: &SignatureSpec, algorithm: Algorithm, given: &Given<'_>) -> Result<Recipe, Box<Diagnostic>> {
    let diagnostic = |message: &str, hint: &str| Box::new(Diagnostic::at(given.place, message).hint(hint));
    for name in spec.header.as_slice() {
        header_name(name, given.place)?;
    }
    let over: Vec<Part> = spec.over.iter().map(part).collect();
    if over.iter().any(|part| matches!(part, Part::Url | Part::Unescaped(_)))
        && given.public_url.is_none_or(|url| url.trim().is_empty())
    {
        return Err(diagnostic(
            "this source signs the URL, and `server.public_url` is not set",
            "set it in relay.yaml to the URL the sender was given, up to the path: https://hooks.example.com",
        ));
    }
    if !over.contains(&Part::Body) && given.format != BodyFormat::Query {
        return Err(diagnostic(
            "the signature does not cover the body: anybody who saw one call could send another",
            "put `body` into `over`",
        ));
    }
    let listed = spec.list.as_ref().is_some_and(|list| list.timestamp.is_some());
    let timestamp = match &spec.timestamp {
        Some(stamp) => Some(Stamp {
            headers: stamp.header.as_ref().map(|names| names.as_slice().to_vec()).unwrap_or_default(),
            unit: stamp.unit,
            tolerance: stamp.tolerance.0,
        }),
        None if listed => {
            Some(Stamp { headers: Vec::new(), unit: TimestampUnit::S, tolerance: std::time::Duration::from_secs(300) })
        }
        None => None,
    };
    if let Some(stamp) = &timestamp
        && !over.iter().any(|part| match part {
            Part::Timestamp => true,
            Part::Header(names) => {
                names.iter().any(|name| stamp.headers.iter().any(|own| own.eq_ignore_ascii_case(name)))
            }
            _ => false,
        })
    {
        return Err(diagnostic(
            "the timestamp is not among what is signed: whoever saw a call could send it again under a new one",
            "put `timestamp` into `over`, or leave `timestamp` out",
        ));
    }
    if over.contains(&Part::Timestamp) && !timestamp.as_ref().is_some_and(|stamp| listed || !stamp.headers.is_empty()) {
        return Err(diagnostic(
            "`over` names the timestamp, and nothing says where it stands",
            "write `timestamp: { header: ... }`, or `list: { timestamp: t, ... }`",
        ));
    }
    Ok(Recipe {
        headers: spec.header.as_slice().to_vec(),
        algorithm,
        encoding: spec.encoding,
        over,
        prefix: spec.prefix.clone(),
        list: spec.list.clone(),
        timestamp,
    })
}

fn part(spec: &PartSpec) -> Part {
    match spec {
        PartSpec::Keyword(PartKeyword::Body) => Part::Body,
        PartSpec::Keyword(PartKeyword::Method) => Part::Method,
        PartSpec::Keyword(PartKeyword::Url) => Part::Url,
        PartSpec::Keyword(PartKeyword::Timestamp) => Part::Timestamp,
        PartSpec::Keyword(PartKeyword::Secret) => Part::Secret,
        PartSpec::Form(PartForm::Literal(text)) => Part::Literal(text.clone()),
        PartSpec::Form(PartForm::Header(names)) => Part::Header(names.as_slice().to_vec()),
        PartSpec::Form(PartForm::Unescaped(characters)) => Part::Unescaped(characters.clone()),
    }
}

fn header_name(name: &str, place: &Place) -> Result<(), Box<Diagnostic>> {
    match http::HeaderName::try_from(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(Box::new(Diagnostic::at(place, format!("`{name}` is not a valid header name")))),
    }
}
