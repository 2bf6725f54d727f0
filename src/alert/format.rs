//! A notification: what it says, and how it is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::event::{AccountChange, AccountTurn, HoldChange, HoldTurn, Notification, RouteChange, RouteTurn};
use crate::mask;
use crate::secret::SigningKey;

/// A notification as it is delivered.
pub struct Formatted<'a>(pub &'a Notification);

impl Formatted<'_> {
    /// Equal for repetitions of the same: whoever gets it can tell them apart from news.
    pub fn id(&self) -> String {
        match self.0 {
            Notification::Hold(change) => {
                format!("hold_{}_{}_{}", change.hold.0, hold_turn(change.turn), change.notification.0)
            }
            Notification::Route(change) => {
                let turn = route_turn(change.turn).replace('.', "_");
                format!("route_{turn}_{}_{}", change.at.0, change.notification.0)
            }
            Notification::Account(change) => {
                format!(
                    "account_{}_{}_{}",
                    account_turn(change.turn).replace('.', "_"),
                    change.at.0,
                    change.notification.0
                )
            }
        }
    }

    /// As JSON: `type`, `timestamp` and `data`, as Standard Webhooks recommends.
    pub fn json(&self) -> String {
        let (kind, at, data) = match self.0 {
            Notification::Hold(change) => (format!("hold.{}", hold_turn(change.turn)), change.at, of_hold(change)),
            Notification::Account(change) => (account_turn(change.turn).to_owned(), change.at, of_account(change)),
            Notification::Route(change) => (route_turn(change.turn).to_owned(), change.at, of_route(change)),
        };
        json!({ "type": kind, "timestamp": at.to_string(), "data": data }).to_string()
    }

    /// As a sentence, in one line.
    pub fn text(&self) -> String {
        match self.0 {
            Notification::Hold(change) => hold_text(change),
            Notification::Account(change) => account_text(change),
            Notification::Route(change) => route_text(change),
        }
    }
}

fn hold_turn(turn: HoldTurn) -> &'static str {
    match turn {
        HoldTurn::Began => "began",
        HoldTurn::Lasts { .. } => "lasts",
        HoldTurn::Ended { .. } | HoldTurn::Emptied => "ended",
    }
}

fn of_hold(change: &HoldChange) -> Value {
    let HoldChange { account, campaign, reason, since, turn, .. } = change;
    let mut data = json!({
        "account": account,
        "campaign": campaign,
        "reason": mask::text(reason),
        "since": since.to_string(),
    });
    let waiting = match *turn {
        HoldTurn::Began => None,
        HoldTurn::Lasts { waiting } => Some(waiting),
        HoldTurn::Ended { waited } => Some(waited),
        HoldTurn::Emptied => Some(0),
    };
    if let (Some(waiting), Value::Object(data)) = (waiting, &mut data) {
        data.insert("waiting".into(), Value::from(waiting));
    }
    data
}

fn hold_text(change: &HoldChange) -> String {
    let HoldChange { account, campaign, reason, since, .. } = change;
    let whose = match campaign {
        Some(campaign) => format!("campaign {campaign} of account {account}"),
        None => format!("account {account}"),
    };
    let reason = mask::text(reason);
    match change.turn {
        HoldTurn::Began => {
            format!("serri-relay: {whose} is on hold: {}. Its messages wait, none is lost.", sentence(&reason))
        }
        HoldTurn::Lasts { waiting } => {
            format!(
                "serri-relay: {whose} is still on hold, since {since}: {}. Messages that wait: {waiting}.",
                sentence(&reason)
            )
        }
        HoldTurn::Ended { waited } => {
            format!("serri-relay: {whose} works again. Messages that waited: {waited}.")
        }
        HoldTurn::Emptied => {
            format!(
                "serri-relay: {whose} is no longer on hold, because none of its messages waits any more. Whether the fault is gone ({}) shows with the next message.",
                sentence(&reason)
            )
        }
    }
}

fn account_turn(turn: AccountTurn) -> &'static str {
    match turn {
        AccountTurn::OutageBegan { .. } => "outage.began",
        AccountTurn::OutageLasts { .. } => "outage.lasts",
        AccountTurn::OutageEnded { .. } => "outage.ended",
        AccountTurn::Uncertain { .. } => "sends.uncertain",
    }
}

fn of_account(change: &AccountChange) -> Value {
    let AccountChange { account, since, turn, .. } = change;
    let mut data = json!({ "account": account, "since": since.to_string() });
    let counts = match *turn {
        AccountTurn::OutageBegan { waiting } | AccountTurn::OutageLasts { waiting } => {
            [Some(("waiting", waiting)), None]
        }
        AccountTurn::OutageEnded { waited } => [Some(("waiting", waited)), None],
        AccountTurn::Uncertain { recent, waiting } => [Some(("waiting", waiting)), Some(("new", recent))],
    };
    if let Value::Object(data) = &mut data {
        data.extend(counts.into_iter().flatten().map(|(name, count)| (name.to_owned(), Value::from(count))));
    }
    data
}

fn account_text(change: &AccountChange) -> String {
    let AccountChange { account, since, turn, .. } = change;
    match *turn {
        AccountTurn::OutageBegan { waiting } => format!(
            "serri-relay: account {account} cannot be reached since {since}. Messages that wait: {waiting}; none is lost. Check the provider's status, the account's endpoint and this machine's network."
        ),
        AccountTurn::OutageLasts { waiting } => {
            format!(
                "serri-relay: account {account} still cannot be reached, since {since}. Messages that wait: {waiting}."
            )
        }
        AccountTurn::OutageEnded { waited } => {
            format!("serri-relay: account {account} can be reached again. Messages that waited: {waited}.")
        }
        AccountTurn::Uncertain { recent, waiting } => format!(
            "serri-relay: nobody knows whether {recent} more messages of account {account} were sent; {waiting} in all wait for your decision. `serri-relay sends list --state uncertain` shows them; `serri-relay sends replay ID --again --yes` repeats one that did not arrive."
        ),
    }
}

fn route_turn(turn: RouteTurn) -> &'static str {
    match turn {
        RouteTurn::RefusalsBegan { .. } => "route.refuses",
        RouteTurn::RefusalsEnded => "route.accepts",
        RouteTurn::LookupsHeld { .. } => "lookups.held",
        RouteTurn::LookupsLast { .. } => "lookups.last",
        RouteTurn::LookupsReleased { .. } => "lookups.released",
    }
}

fn of_route(change: &RouteChange) -> Value {
    let RouteChange { route, reason, since, turn, .. } = change;
    let mut data = json!({ "route": route, "reason": mask::text(reason), "since": since.to_string() });
    let count = match *turn {
        RouteTurn::RefusalsBegan { calls } => Some(("calls", calls)),
        RouteTurn::RefusalsEnded => None,
        RouteTurn::LookupsHeld { waiting } | RouteTurn::LookupsLast { waiting } => Some(("waiting", waiting)),
        RouteTurn::LookupsReleased { waited } => Some(("waiting", waited)),
    };
    if let (Some((name, count)), Value::Object(data)) = (count, &mut data) {
        data.insert(name.to_owned(), Value::from(count));
    }
    data
}

fn route_text(change: &RouteChange) -> String {
    let RouteChange { route, reason, since, turn, .. } = change;
    let reason = mask::text(reason);
    let reason = sentence(&reason);
    match *turn {
        RouteTurn::RefusalsBegan { calls } => format!(
            "serri-relay: route {route} refused {calls} calls and accepted none since {since}: {reason}. What is refused is not kept: its sender has to send it again."
        ),
        RouteTurn::RefusalsEnded => format!("serri-relay: route {route} accepts calls again."),
        RouteTurn::LookupsHeld { waiting } => format!(
            "serri-relay: what events of route {route} leave out cannot be read: {reason}. Events that wait: {waiting}; none is lost. Put a new token into the route's `enrich`, or give it the permission."
        ),
        RouteTurn::LookupsLast { waiting } => format!(
            "serri-relay: what events of route {route} leave out still cannot be read, since {since}: {reason}. Events that wait: {waiting}."
        ),
        RouteTurn::LookupsReleased { waited } => {
            format!("serri-relay: what events of route {route} leave out is read again. Events that waited: {waited}.")
        }
    }
}

/// Without the end of a sentence that goes on.
fn sentence(reason: &str) -> &str {
    reason.trim_end_matches(['.', '!', ' '])
}

/// The signature of a body by Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 over id, time in
/// seconds and body, in base64.
pub fn signature(key: &SigningKey, id: &str, at: &str, body: &str) -> String {
    format!("v1,{}", STANDARD.encode(key.sign(&format!("{id}.{at}.{body}")).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_published_example() {
        // standard-webhooks/standard-webhooks, spec/standard-webhooks.md
        // a file of a secret ends with a line break
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n".parse().expect("a key");
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
