//! The client for the campaign API: one call, one outcome. The key joins the payload here, at the last moment.

use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use reqwest::{Request, Url};

use super::answer::{Answer, classify};
use super::campaign;
use super::endpoint::Endpoint;
use crate::event::Outcome;
use crate::outbound::{Answered, Outbound, Unanswered, kept, without};
use crate::secret::Secret;

/// The most of an answer that is read.
const ANSWER_LIMIT: usize = 64 * 1_024;

/// A client, shared by all accounts.
#[derive(Debug, Clone)]
pub struct Client(Outbound);

/// What one call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The status, where an answer came.
    pub status: Option<u16>,
    /// The first 2 KiB of the answer, without the key.
    pub answer: String,
    /// What it means.
    pub outcome: Outcome,
}

impl Exchange {
    /// What comes of a send whose account is no longer configured: nothing was sent.
    pub fn without_account(account: &str) -> Self {
        Self::unanswered(Outcome::Account { reason: format!("there is no account `{account}` any more") })
    }

    /// What comes of a send that is not to be sent: as if it were.
    pub fn dry_run() -> Self {
        Self::unanswered(Outcome::Sent { message_id: Some("dry-run".into()) })
    }

    /// What an answer of an endpoint comes to.
    pub fn of(endpoint: &Endpoint, answer: Answer<'_>) -> Self {
        Self { status: Some(answer.status), answer: kept(answer.body), outcome: classify(endpoint, answer) }
    }

    fn unanswered(outcome: Outcome) -> Self {
        Self { status: None, answer: String::new(), outcome }
    }
}

/// What makes calls: the client, or in a simulation something that answers as Serri would.
pub trait Caller: Send + Sync + 'static {
    /// Sends a payload (a JSON object without the key) to an endpoint.
    fn call<'a>(&'a self, endpoint: &'a Endpoint, key: &'a Secret, payload: &'a str) -> BoxFuture<'a, Exchange>;
}

impl Caller for Client {
    fn call<'a>(&'a self, endpoint: &'a Endpoint, key: &'a Secret, payload: &'a str) -> BoxFuture<'a, Exchange> {
        Box::pin(self.send(endpoint, key, payload))
    }
}

impl Client {
    /// A client that calls by this one.
    pub fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }

    /// Reads a campaign; nothing is sent.
    pub async fn read_campaign(&self, endpoint: &Endpoint, key: &Secret, name: &str) -> campaign::Read {
        let Some(url) = campaign::address(&endpoint.url) else {
            return campaign::Read::Unreadable("the endpoint has no path".to_owned());
        };
        match self.0.call(posted(url, with_key(&campaign::question(name), key)), ANSWER_LIMIT).await {
            Ok(answered) => {
                let body = without(answered.body, key);
                campaign::meaning(&Answered { body, ..answered })
            }
            Err(error) => campaign::Read::Unreached(error.to_string()),
        }
    }

    async fn send(&self, endpoint: &Endpoint, key: &Secret, payload: &str) -> Exchange {
        let request = posted(endpoint.url.clone(), with_key(payload, key));
        let answered = match self.0.call(request, ANSWER_LIMIT).await {
            Ok(answered) => answered,
            Err(error) => return Exchange::unanswered(meaning(&error)),
        };
        let Answered { status, retry_after, body, broken, .. } = answered;
        match broken {
            // a success may be taken back by the rest of its body; of anything else the status says enough
            Some(cause) if (200..300).contains(&status) => {
                let reason = format!("{status}, and the answer broke off: {cause}");
                Exchange { status: Some(status), ..Exchange::unanswered(Outcome::Uncertain { reason }) }
            }
            _ => {
                // before anything is cut off: a part of the key is one, too
                let body = without(body, key);
                Exchange::of(endpoint, Answer { status, retry_after, body: &body, payload })
            }
        }
    }
}

fn posted(url: Url, json: String) -> Request {
    let mut request = Request::new(reqwest::Method::POST, url);
    request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(json.into());
    request
}

fn meaning(error: &Unanswered) -> Outcome {
    let reason = error.to_string();
    match error {
        Unanswered::Unreached(_) => Outcome::Transient { reason, retry_after: None },
        Unanswered::Unmade(_) => Outcome::refused(reason),
        Unanswered::Lost(_) => Outcome::Uncertain { reason },
    }
}

fn with_key(payload: &str, key: &Secret) -> String {
    let key = serde_json::Value::from(key.expose());
    let rest = payload.trim_start().strip_prefix('{').unwrap_or("}");
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{{\"apiKey\":{key}{comma}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_joins_the_payload() {
        assert_eq!(with_key(r#"{"a":1}"#, &Secret::new("k\"")), r#"{"apiKey":"k\"","a":1}"#);
        assert_eq!(with_key("{}", &Secret::new("k")), r#"{"apiKey":"k"}"#);
    }
}
