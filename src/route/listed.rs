//! What can be known to be wrong with the list of campaigns in `relay.yaml`, and how rules fit them.

use super::rules::Rules;
use crate::config::diagnostic::{Diagnostic, unknown};
use crate::config::route::RouteFile;
use crate::config::send_options::{CampaignSpec, MediaKind};
use crate::config::{File, Written};

/// What is wrong with the list of campaigns.
pub fn campaigns(written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let (relay, node) = (&written.relay.value, &written.relay.node);
    for (index, campaign) in relay.campaigns.iter().enumerate() {
        let index = index.to_string();
        if let Some(account) = campaign.account.as_ref().filter(|account| !relay.accounts.contains_key(*account)) {
            let place = node.place_of(&["campaigns", &index, "account"]);
            diagnostics.push(unknown(place, "account", account, relay.accounts.keys()));
        }
        if campaign.account.is_none() && relay.accounts.len() > 1 {
            let known: Vec<&str> = relay.accounts.keys().map(String::as_str).collect();
            let message = format!(
                "there are several accounts, and campaign `{}` does not say which one it belongs to",
                campaign.name
            );
            let diagnostic = Diagnostic::at(node.place_of(&["campaigns", &index, "name"]), message);
            diagnostics
                .push(diagnostic.hint(format!("write `account: NAME` beside it; there are: {}", known.join(", "))));
        }
        let same = |other: &&CampaignSpec| other.name == campaign.name && other.account == campaign.account;
        if relay.campaigns.iter().filter(same).count() > 1 {
            let place = node.place_of(&["campaigns", &index, "name"]);
            diagnostics
                .push(Diagnostic::at(place, format!("campaign `{}` is listed twice", campaign.name)).hint("keep one"));
        }
    }
}

/// Rules that do not fit their campaigns: another count of parameters, a cap that counts nothing.
pub fn rules(file: &File<RouteFile>, written: &Written, rules: &Rules, diagnostics: &mut Vec<Diagnostic>) {
    let account = file.value.account.as_deref().unwrap_or("default");
    let known = |name: &str| {
        let of = |campaign: &&CampaignSpec| campaign.account.as_deref().unwrap_or("default") == account;
        written.relay.value.campaigns.iter().filter(of).find(|campaign| campaign.name == name)
    };
    for (index, spec) in file.value.sends.iter().enumerate() {
        let place = |key: &str| file.node.place_of(&["sends", &index.to_string(), key]).clone();
        let Some(rule) = rules.sends().find(|rule| rule.name() == spec.name) else { continue };
        if rule.option_rules().lacks_key() {
            let diagnostic =
                Diagnostic::at(&place("at"), "without a `key` a changed appointment makes a second reminder");
            diagnostics
                .push(diagnostic.hint("what the reminder is about, as key: \"{{ event.appointment_id }}\"").warning());
        }
        let Some((name, count)) = rule.fixed_campaign() else { continue };
        let campaign = known(name);
        match (campaign.and_then(|campaign| campaign.media), &spec.media) {
            (Some(MediaKind::None), Some(_)) => {
                let diagnostic = Diagnostic::at(&place("media"), format!("campaign `{name}` has no media"));
                diagnostics.push(diagnostic.hint("relay.yaml says so under `campaigns`"));
            }
            (Some(kind), None) if kind != MediaKind::None => {
                let diagnostic = Diagnostic::at(&place("campaignName"), format!("campaign `{name}` needs its media"));
                diagnostics
                    .push(diagnostic.hint("as media: { url: \"https://...\" }; relay.yaml says so under `campaigns`"));
            }
            _ => {}
        }
        if let (Some(wanted), Some(given)) = (campaign.and_then(|campaign| campaign.params), count)
            && given != wanted
        {
            let message = format!("campaign `{name}` takes {wanted} parameter(s), and {given} stand here");
            let hint = "relay.yaml says so under `campaigns`; Serri refuses every send with another count";
            diagnostics.push(Diagnostic::at(&place("templateParams"), message).hint(hint));
        }
        if rule.option_rules().has_cap() && campaign.is_none_or(|campaign| campaign.category.is_none()) {
            let diagnostic = Diagnostic::at(
                &place("campaignName"),
                format!("the cap does not count campaign `{name}`, which is not marked as marketing"),
            );
            let hint = match campaign {
                Some(_) => "add category: marketing, or category: utility, to its entry in relay.yaml".to_owned(),
                None => format!(
                    "add it to `campaigns` in relay.yaml: - {{ name: {name}, category: marketing }}, or category: utility"
                ),
            };
            diagnostics.push(diagnostic.hint(hint).warning());
        }
    }
}
