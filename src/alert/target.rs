//! Those who want to know, and how each is notified.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use reqwest::{Method, Request, Url};
use serde_json::json;

use super::Means;
use super::format::{Formatted, signature};
use crate::event::{AccountChange, AccountTurn, Notification, Outcome, plain_account};
use crate::secret::{Secret, SigningKey};
use crate::serri::{Endpoint, payload};

/// The most of an answer that is read.
const ANSWER_LIMIT: usize = 4 * 1_024;

/// Somebody who wants to know.
#[derive(Debug, Clone)]
pub enum Target {
    /// A URL that gets JSON, signed by Standard Webhooks where there is a secret.
    Webhook {
        /// The URL.
        url: Url,
        /// The key that it is signed with.
        key: Option<SigningKey>,
    },
    /// A Slack-compatible incoming webhook.
    Slack(Url),
    /// A Serri campaign that takes one parameter.
    Campaign {
        /// The account it goes through.
        account: String,
        /// Where its calls go.
        endpoint: Endpoint,
        /// Its key.
        key: Secret,
        /// The campaign.
        campaign: String,
        /// The number that gets it.
        to: String,
    },
}

impl Target {
    /// Who that is, without what only they should know.
    pub fn shown(&self) -> &str {
        match self {
            Self::Webhook { url, .. } | Self::Slack(url) => url.host_str().unwrap_or("webhook"),
            Self::Campaign { campaign, .. } => campaign,
        }
    }

    /// The same at every start, without a space, and nothing that could be called.
    pub fn name(&self) -> String {
        let whole = match self {
            Self::Webhook { url, .. } => format!("webhook {url}"),
            Self::Slack(url) => format!("slack {url}"),
            Self::Campaign { account, campaign, to, .. } => format!("campaign {account} {campaign} {to}"),
        };
        let hash = digest::digest(&digest::SHA256, whole.as_bytes());
        URL_SAFE_NO_PAD.encode(hash.as_ref().get(..9).unwrap_or_default())
    }

    /// Tells them.
    ///
    /// # Errors
    ///
    /// Why they did not take it.
    pub async fn tell(&self, notification: &Notification, means: &Means) -> Result<(), String> {
        let formatted = Formatted(notification);
        match self {
            Self::Webhook { url, key } => {
                let (id, body) = (formatted.id(), formatted.json());
                let at = means.clock.now().as_seconds().to_string();
                let signed = key.as_ref().map(|key| signature(key, &id, &at, &body));
                let mut request = post(url, body);
                for (name, value) in
                    [("webhook-id", Some(id)), ("webhook-timestamp", Some(at)), ("webhook-signature", signed)]
                {
                    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                        request.headers_mut().insert(name, value);
                    }
                }
                means.post(request).await
            }
            Self::Slack(url) => means.post(post(url, json!({ "text": formatted.text() }).to_string())).await,
            Self::Campaign { account, .. }
                if is_silent(notification) && notification.account().map(plain_account) == Some(account.as_str()) =>
            {
                // what is on hold or cannot be reached cannot say so
                Ok(())
            }
            Self::Campaign { endpoint, key, campaign, to, .. } => {
                let payload = payload::notice(campaign, to, &formatted.text());
                let exchange = means.caller.call(endpoint, key, &payload).await;
                match exchange.outcome {
                    Outcome::Sent { .. } => Ok(()),
                    other => Err(other.reason().to_owned()),
                }
            }
        }
    }
}

/// Whether it is about an account that cannot send.
fn is_silent(notification: &Notification) -> bool {
    !matches!(notification, Notification::Account(AccountChange { turn: AccountTurn::Uncertain { .. }, .. }))
}

impl Means {
    async fn post(&self, request: Request) -> Result<(), String> {
        let answered = self.outbound.call(request, ANSWER_LIMIT).await.map_err(|error| error.to_string())?;
        if (200..300).contains(&answered.status) { Ok(()) } else { Err(format!("it answered {}", answered.status)) }
    }
}

fn post(url: &Url, body: String) -> Request {
    let mut request = Request::new(Method::POST, url.clone());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.into());
    request
}
