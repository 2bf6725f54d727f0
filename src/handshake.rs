//! Calls by which a sender asks whether somebody is there: answered, and never turned into an event.
//!
//! They come before anything is proven. What they give back is theirs or signed for them alone: a signed challenge must not
//! be of a form that a signed event could have, or anybody could have events signed here.

use aws_lc_rs::hmac;
use http::{HeaderName, HeaderValue, Method};
use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::call::{Answer, Call};
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::handshake::{AnswerSpec, ChallengeSpec, EchoSpec, HandshakeForm, HandshakeSpec, PingSpec};
use crate::secret::Secret;

/// The longest value that is given back.
const ECHO_LIMIT: usize = 1_024;

/// The most fields of a body whose field is given back: Slack's has three.
const ECHO_FIELDS: usize = 3;

/// The longest challenge that is signed; LinkedIn's is a UUID.
const CHALLENGE_LIMIT: usize = 64;

/// The handshakes of a route.
#[derive(Debug, Default)]
pub struct Handshakes(Vec<Form>);

#[derive(Debug)]
enum Form {
    Ping { method: Method, without_header: Option<String>, body: Regex, answer: Answer },
    Challenge { query: String, token: Option<(String, Secret)> },
    Signed { query: String, name: String, key: hmac::Key },
    EchoHeader(HeaderName),
    EchoField(String),
}

/// What is to be said to a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// This.
    Answer(Answer),
    /// It did not show the token that it should.
    Refused,
}

/// What a route brings to its handshakes.
#[derive(Debug)]
pub struct Given<'a> {
    /// Its first secret.
    pub secret: Option<&'a str>,
    /// Its `verify_token`.
    pub verify_token: Option<&'a str>,
    /// Where faults are shown.
    pub place: &'a Place,
}

impl Handshakes {
    /// Makes a route's handshakes.
    ///
    /// # Errors
    ///
    /// Every fault: no token where one is asked for, a name that is not a header, an expression that is none.
    pub fn compile(spec: Option<&HandshakeSpec>, given: &Given<'_>) -> Result<Self, Vec<Diagnostic>> {
        let forms = match spec {
            Some(HandshakeSpec::Several(forms)) => forms.as_slice(),
            _ => &[],
        };
        let (mut made, mut diagnostics) = (Vec::new(), Vec::new());
        for form in forms {
            match form.compile(given) {
                Ok(form) => made.extend(form),
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        if diagnostics.is_empty() { Ok(Self(made)) } else { Err(diagnostics) }
    }

    /// What is to be said to a call, if it is a handshake.
    pub fn reply(&self, call: &Call) -> Option<Reply> {
        self.0.iter().find_map(|form| form.reply(call))
    }
}

type Made<T> = Result<T, Box<Diagnostic>>;

impl HandshakeForm {
    fn compile(&self, given: &Given<'_>) -> Made<Option<Form>> {
        match self {
            Self::Ping(ping) => ping.compile(given.place).map(Some),
            Self::Challenge(challenge) => challenge.compile(given).map(Some),
            Self::Echo(echo) => echo.compile(given.place).map(Some),
            // it concerns proven events: the source knows them
            Self::Ignore(_) => Ok(None),
        }
    }
}

impl PingSpec {
    fn compile(&self, place: &Place) -> Made<Form> {
        let body = Regex::new(&format!("^(?:{})$", self.body)).map_err(|error| {
            Diagnostic::at(place, format!("`{}` is not a valid regular expression: {error}", self.body))
        })?;
        Ok(Form::Ping {
            method: self.method.http(),
            without_header: self.without_header.clone(),
            body,
            answer: answer(&self.answer, place)?,
        })
    }
}

impl ChallengeSpec {
    fn compile(&self, given: &Given<'_>) -> Made<Form> {
        let query = self.query.clone();
        if let Some(name) = &self.signed {
            let secret = given.secret.filter(|secret| !secret.trim().is_empty()).ok_or_else(|| {
                Diagnostic::at(
                    given.place,
                    "the handshake signs a challenge, and the route has no secret to do it with",
                )
                .hint("write `secret: ${SOME_VARIABLE}`")
            })?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            return Ok(Form::Signed { query, name: name.clone(), key });
        }
        let token = match &self.token {
            None => None,
            Some(name) => {
                let token = given.verify_token.filter(|token| !token.trim().is_empty()).ok_or_else(|| {
                    Diagnostic::at(
                        given.place,
                        "the source's handshake asks for a token, and the route has no `verify_token`",
                    )
                    .hint("write `verify_token: ${SOME_VARIABLE}`: any text; type the same at the sender")
                })?;
                Some((name.clone(), Secret::new(token)))
            }
        };
        Ok(Form::Challenge { query, token })
    }
}

impl EchoSpec {
    fn compile(&self, place: &Place) -> Made<Form> {
        match (&self.header, &self.field) {
            (Some(name), None) => match HeaderName::try_from(name) {
                Ok(name) => Ok(Form::EchoHeader(name)),
                Err(_) => Err(Box::new(Diagnostic::at(place, format!("`{name}` is not a valid header name")))),
            },
            (None, Some(field)) => Ok(Form::EchoField(field.clone())),
            _ => Err(Box::new(Diagnostic::at(place, "`echo` needs either `header` or `field`"))),
        }
    }
}

/// An answer as written, checked.
///
/// # Errors
///
/// A fault if its status is none for a call that went well.
pub fn answer(spec: &AnswerSpec, place: &Place) -> Result<Answer, Box<Diagnostic>> {
    let status = spec.status.unwrap_or(200);
    if !(200..300).contains(&status) {
        return Err(Box::new(
            Diagnostic::at(place, format!("{status} is not a status for a call that went well"))
                .hint("200 suits nearly every sender"),
        ));
    }
    let kind = spec.content_type.clone().unwrap_or_else(|| "text/plain; charset=utf-8".into());
    Ok(Answer { status, body: spec.body.clone().map(|body| (body, kind)), header: None })
}

impl Form {
    fn reply(&self, call: &Call) -> Option<Reply> {
        match self {
            Self::Ping { method, without_header, body, answer } => {
                let lacks = without_header.as_ref().is_none_or(|name| !call.headers.contains_key(name));
                let fits = call.method == *method
                    && lacks
                    && std::str::from_utf8(&call.body).is_ok_and(|text| body.is_match(text));
                fits.then(|| Reply::Answer(answer.clone()))
            }
            Self::Challenge { query, token } => {
                let challenge = asked(call, query)?;
                let shown = |(name, token): &(String, Secret)| {
                    parameter(call, name).is_some_and(|given| token.matches(given.as_bytes()))
                };
                if challenge.len() > ECHO_LIMIT || !token.as_ref().is_none_or(shown) {
                    return Some(Reply::Refused);
                }
                Some(said(challenge, "text/plain; charset=utf-8"))
            }
            Self::Signed { query, name, key } => {
                let code = asked(call, query)?;
                // `hmacsha256={...}` would be an event's signature
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                if code.is_empty() || code.len() > CHALLENGE_LIMIT || !code.chars().all(plain) {
                    return Some(Reply::Refused);
                }
                let mac = hmac::sign(key, code.as_bytes());
                let hex = mac.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
                let body: Map<String, Value> =
                    [(query.clone(), Value::from(code)), (name.clone(), Value::from(hex))].into_iter().collect();
                Some(said(Value::Object(body).to_string(), "application/json"))
            }
            Self::EchoHeader(name) => {
                let value = call.headers.get(name).filter(|value| value.len() <= ECHO_LIMIT)?;
                Some(Reply::Answer(Answer {
                    status: 200,
                    body: Some((String::new(), "text/plain; charset=utf-8".into())),
                    header: Some((name.clone(), HeaderValue::clone(value))),
                }))
            }
            Self::EchoField(field) => {
                let body: Map<String, Value> =
                    if call.body.len() > 4 * ECHO_LIMIT { None } else { serde_json::from_slice(&call.body).ok() }?;
                let alone = body.len() <= ECHO_FIELDS && body.values().all(Value::is_string);
                let value = body.get(field).filter(|_| alone)?;
                let back: Map<String, Value> = [(field.clone(), value.clone())].into_iter().collect();
                Some(said(Value::Object(back).to_string(), "application/json"))
            }
        }
    }
}

fn said(body: String, kind: &str) -> Reply {
    Reply::Answer(Answer { status: 200, body: Some((body, kind.to_owned())), header: None })
}

/// The parameter of a GET.
fn asked(call: &Call, name: &str) -> Option<String> {
    if call.method == Method::GET { parameter(call, name) } else { None }
}

fn parameter(call: &Call, name: &str) -> Option<String> {
    form_urlencoded::parse(call.query().as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::diagnostic::Source;

    fn handshakes(yaml: &str) -> Handshakes {
        let spec: HandshakeSpec = serde_saphyr::from_str(yaml).expect("YAML");
        let place = Place::start_of(Arc::new(Source::new("test", "")));
        let given = Given { secret: Some("client-secret"), verify_token: Some("letmein"), place: &place };
        Handshakes::compile(Some(&spec), &given).expect("sound")
    }

    fn call(method: Method, uri: &str, body: &str) -> Call {
        Call {
            method,
            uri: uri.parse().expect("URI"),
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
            packed: None,
        }
    }

    fn body(reply: Option<Reply>) -> Option<String> {
        match reply {
            Some(Reply::Answer(answer)) => answer.body.map(|(body, _)| body),
            _ => None,
        }
    }

    #[test]
    fn meta_gets_its_challenge_back_for_the_token_alone() {
        let meta = handshakes("- challenge: { query: hub.challenge, token: hub.verify_token }");
        let get = |query: &str| meta.reply(&call(Method::GET, &format!("/webhooks/m?{query}"), ""));
        assert_eq!(
            body(get("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=letmein")).as_deref(),
            Some("1158201444")
        );
        assert_eq!(get("hub.challenge=1158201444&hub.verify_token=letmeout"), Some(Reply::Refused));
        assert_eq!(get("hub.challenge=1158201444"), Some(Reply::Refused));
        assert_eq!(get("other=1"), None);
        let post = call(Method::POST, "/webhooks/m?hub.challenge=1&hub.verify_token=letmein", "{}");
        assert_eq!(meta.reply(&post), None);
    }

    #[test]
    fn linkedins_challenge_is_signed_and_nothing_else_is() {
        let linkedin = handshakes("- challenge: { query: challengeCode, signed: challengeResponse }");
        let get = |code: &str| linkedin.reply(&call(Method::GET, &format!("/webhooks/l?challengeCode={code}"), ""));
        // the same by: printf 890e4665-4dfe-4ab1-b689-ed553bceeed0 | openssl dgst -sha256 -hmac client-secret
        let expected = "{\"challengeCode\":\"890e4665-4dfe-4ab1-b689-ed553bceeed0\",\"challengeResponse\":\"8ab4bbad570533d66462deba280bde93c1cad8b543e7f526d3e962acaf6c391a\"}";
        assert_eq!(body(get("890e4665-4dfe-4ab1-b689-ed553bceeed0")).as_deref(), Some(expected));
        for forged in ["hmacsha256%3D%7B%22type%22%3A1%7D", "", "a%20b", &"a".repeat(65)] {
            assert_eq!(get(forged), Some(Reply::Refused), "{forged}");
        }
    }

    #[test]
    fn a_value_is_given_back_only_where_nothing_else_was_sent() {
        let monday = handshakes("- echo: { field: challenge }");
        let post = |text: &str| body(monday.reply(&call(Method::POST, "/webhooks/m", text)));
        assert_eq!(post(r#"{"challenge":"3eZbrw1a"}"#).as_deref(), Some(r#"{"challenge":"3eZbrw1a"}"#));
        let slack = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1a","type":"url_verification"}"#;
        assert_eq!(post(slack).as_deref(), Some(r#"{"challenge":"3eZbrw1a"}"#));
        for event in [r#"{"event":{"type":"create_pulse"},"challenge":"x"}"#, r#"{"challenge":1}"#, "[1]", "x"] {
            assert_eq!(post(event), None, "{event}");
        }
    }

    #[test]
    fn keap_gets_its_header_back() {
        let keap = handshakes("- echo: { header: X-Hook-Secret }");
        let mut asked = call(Method::POST, "/webhooks/k", "");
        assert_eq!(keap.reply(&asked), None);
        asked.headers.insert("x-hook-secret", HeaderValue::from_static("s-1"));
        let Some(Reply::Answer(answer)) = keap.reply(&asked) else { panic!("no answer") };
        assert_eq!(
            (answer.status, answer.header),
            (200, Some((HeaderName::from_static("x-hook-secret"), HeaderValue::from_static("s-1"))))
        );
    }
}
