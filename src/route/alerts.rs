//! Those who want to know of holds, from `alerts:` as written to ways of telling them that need no more reading.

use url::Url;

use super::accounts::{Accounts, CheckedAccount};
use crate::config::Written;
use crate::config::diagnostic::Diagnostic;
use crate::config::relay::AlertSpec;
use crate::phone;
use crate::secret::SigningKey;

/// Somebody who is notified when a hold begins, lasts or ends.
#[derive(Debug, Clone)]
pub enum Alert {
    /// By JSON, signed by Standard Webhooks where there is a key.
    Webhook {
        /// Where it is posted.
        url: Url,
        /// What it is signed with.
        key: Option<SigningKey>,
    },
    /// By a Slack-compatible incoming webhook.
    Slack(Url),
    /// By a Serri campaign that takes one parameter.
    Campaign {
        /// The name of the account it goes through.
        name: String,
        /// That account.
        account: CheckedAccount,
        /// The campaign.
        campaign: String,
        /// The number that gets it, in E.164.
        to: String,
    },
}

/// Checks the list of alerts; those with faults are left out.
pub fn check(written: &Written, accounts: &Accounts, diagnostics: &mut Vec<Diagnostic>) -> Vec<Alert> {
    let mut checked = Vec::new();
    for (index, alert) in written.relay.value.alerts.iter().enumerate() {
        let index = index.to_string();
        let mut say = |key: &str, message: String, hint: &str| {
            let place = written.relay.node.place_of(&["alerts", &index, key]);
            diagnostics.push(Diagnostic::at(place, message).hint(hint));
        };
        match (&alert.webhook, &alert.slack, &alert.campaign) {
            (Some(url), None, None) => {
                checked.push(Alert::Webhook { url: url.url().clone(), key: alert.secret.clone() });
            }
            (None, Some(url), None) => checked.push(Alert::Slack(url.url().clone())),
            (None, None, Some(campaign)) => {
                checked.extend(by_campaign(campaign, alert, written, accounts, &mut say));
            }
            _ => say(
                "",
                "an alert is one of `webhook`, `slack` and `campaign`".into(),
                "write one of them; a list takes several alerts",
            ),
        }
    }
    checked
}

fn by_campaign(
    campaign: &str,
    alert: &AlertSpec,
    written: &Written,
    checked: &Accounts,
    say: &mut dyn FnMut(&str, String, &str),
) -> Option<Alert> {
    let accounts = &written.relay.value.accounts;
    let Some(name) = alert.account.as_deref() else {
        say("campaign", "say which account tells".into(), "account: another than those it tells about");
        return None;
    };
    let Some(spec) = accounts.get(name) else {
        let known: Vec<&str> = accounts.keys().map(String::as_str).collect();
        say("account", format!("there is no account `{name}`"), &format!("there are: {}", known.join(", ")));
        return None;
    };
    if accounts.len() == 1 {
        say(
            "account",
            format!("`{name}` is the only account, and cannot say that it is on hold itself"),
            "add an account with a key of its own, or tell by `webhook` or `slack`",
        );
    }
    let to = match alert.to.as_deref().map(|to| phone::normalise(to, Some(spec.default_country))) {
        Some(Ok(to)) => Some(to),
        Some(Err(error)) => {
            say("to", error.to_string(), "write the number in full, as +919812345670");
            None
        }
        None => {
            say("campaign", "a campaign needs a number that gets it".into(), "as to: \"+919812345670\"");
            None
        }
    };
    // one that is not among those that were checked has faults that were reported there
    let (to, account) = (to?, checked.get(name)?.clone());
    Some(Alert::Campaign { name: name.to_owned(), account, campaign: campaign.to_owned(), to })
}
