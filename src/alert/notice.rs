//! A notification: what it says, and how it is signed.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::event::{HoldChange, HoldTurn, without_numbers};
use crate::secret::Secret;

/// What is told of a turn of a hold.
pub struct Notice<'a>(pub &'a HoldChange);

impl Notice<'_> {
    /// Equal for repetitions of the same: whoever gets it can tell them apart from news.
    pub fn id(&self) -> String {
        format!("hold_{}_{}_{}", self.0.hold.0, self.turn(), self.0.notice.0)
    }

    fn turn(&self) -> &'static str {
        match self.0.turn {
            HoldTurn::Began => "began",
            HoldTurn::Lasts { .. } => "lasts",
            HoldTurn::Ended { .. } => "ended",
        }
    }

    fn waiting(&self) -> Option<u64> {
        match self.0.turn {
            HoldTurn::Began => None,
            HoldTurn::Lasts { waiting } => Some(waiting),
            HoldTurn::Ended { waited } => Some(waited),
        }
    }

    /// As JSON: `type`, `timestamp` and `data`, as Standard Webhooks recommends.
    pub fn json(&self) -> String {
        let HoldChange { account, campaign, reason, since, .. } = self.0;
        let mut data = json!({
            "account": account,
            "campaign": campaign,
            "reason": without_numbers(reason),
            "since": since.to_string(),
        });
        if let (Some(waiting), Value::Object(data)) = (self.waiting(), &mut data) {
            data.insert("waiting".into(), Value::from(waiting));
        }
        json!({ "type": format!("hold.{}", self.turn()), "timestamp": self.0.at.to_string(), "data": data }).to_string()
    }

    /// As a sentence, in one line.
    pub fn text(&self) -> String {
        let HoldChange { account, campaign, reason, since, .. } = self.0;
        let whose = match campaign {
            Some(campaign) => format!("campaign {campaign} of account {account}"),
            None => format!("account {account}"),
        };
        let reason = without_numbers(reason);
        match self.0.turn {
            HoldTurn::Began => {
                format!("serri-relay: {whose} stands still: {}. Its messages wait, none is lost.", sentence(&reason))
            }
            HoldTurn::Lasts { waiting } => {
                format!(
                    "serri-relay: {whose} still stands still, since {since}: {}. Messages that wait: {waiting}.",
                    sentence(&reason)
                )
            }
            HoldTurn::Ended { waited } => {
                format!("serri-relay: {whose} works again. Messages that waited: {waited}.")
            }
        }
    }
}

/// Without the end of a sentence that goes on.
fn sentence(reason: &str) -> &str {
    reason.trim_end_matches(['.', '!', ' '])
}

/// The signature of a body by Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 over id, time in
/// seconds and body, in base64.
pub fn signature(key: &Secret, id: &str, at: &str, body: &str) -> String {
    let secret = key.expose().strip_prefix("whsec_").unwrap_or(key.expose());
    // `check` has seen to it that it is base64
    let secret = STANDARD.decode(secret).unwrap_or_else(|_| secret.as_bytes().to_vec());
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_published_example() {
        // standard-webhooks/standard-webhooks, spec/standard-webhooks.md
        let key = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
