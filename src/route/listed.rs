//! What can be known to be wrong with the list of campaigns in `relay.yaml`, and how rules fit them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Route, example};
use crate::config::campaigns::{Knowledge, KnownCampaign};
use crate::config::diagnostic::{Diagnostic, Place, Severity, unknown};
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

/// A campaign that a rule names, by itself or for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The rule, by its place in `sends`.
    pub index: usize,
    /// The campaign.
    pub name: String,
    /// How many parameters it gets, as far as that is known.
    params: Option<usize>,
    /// Whether it gets a media.
    media: bool,
}

/// The campaigns that a route's rules name. Where a name is a template, those that come of examples and samples.
pub fn named(file: &File<RouteFile>, written: &Written, route: &Route) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    let mut is_template = false;
    for (index, spec) in file.value.sends.iter().enumerate() {
        let Some(rule) = route.rules.sends().find(|rule| rule.name() == spec.name) else { continue };
        match rule.fixed_campaign() {
            Some((name, params)) => {
                named.push(Named { index, name: name.to_owned(), params, media: spec.media.is_some() });
            }
            None => is_template = true,
        }
    }
    if !is_template {
        return named;
    }
    let fixed: BTreeSet<usize> = named.iter().map(|named| named.index).collect();
    for send in example::sends(route, file, written) {
        let text = |key: &str| send.get(key).and_then(Value::as_str);
        let index = file.value.sends.iter().position(|spec| Some(spec.name.as_str()) == text("rule"));
        let (Some(index), Some(name)) = (index, text("campaignName")) else { continue };
        let params = Some(send.get("templateParams").and_then(Value::as_array).map_or(0, Vec::len));
        let of_send = Named { index, name: name.to_owned(), params, media: send.get("media").is_some() };
        if !fixed.contains(&index) && !named.contains(&of_send) {
            named.push(of_send);
        }
    }
    named
}

/// Rules that do not fit their campaigns: another count of parameters, a cap that counts nothing.
pub fn rules(file: &File<RouteFile>, written: &Written, route: &Route, diagnostics: &mut Vec<Diagnostic>) {
    let account = file.value.account.as_deref().unwrap_or("default");
    let known = |name: &str| {
        let of = |campaign: &&CampaignSpec| campaign.account.as_deref().unwrap_or("default") == account;
        written.relay.value.campaigns.iter().filter(of).find(|campaign| campaign.name == name)
    };
    for (index, spec) in file.value.sends.iter().enumerate() {
        let place = |key: &str| file.node.place_of(&["sends", &index.to_string(), key]).clone();
        let Some(rule) = route.rules.sends().find(|rule| rule.name() == spec.name) else { continue };
        if rule.option_rules().lacks_key() {
            let diagnostic =
                Diagnostic::at(&place("at"), "without a `key` a changed appointment makes a second reminder");
            diagnostics
                .push(diagnostic.hint("what the reminder is about, as key: \"{{ event.appointment_id }}\"").warning());
        }
        let Some((name, _)) = rule.fixed_campaign() else { continue };
        let campaign = known(name);
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
    for named in named(file, written, route) {
        let place = |key: &str| file.node.place_of(&["sends", &named.index.to_string(), key]).clone();
        Fit { named: &named, place: &place, diagnostics }.check(&Wanted::of(
            known(&named.name),
            account,
            &named.name,
            written,
        ));
    }
}

/// What a campaign wants, with where that is known from.
struct Wanted {
    params: Option<(usize, &'static str)>,
    media: Option<(bool, &'static str)>,
    /// Not live, or not there, by what was pulled.
    problem: Option<Diagnosis>,
}

/// What is wrong with a campaign itself.
struct Diagnosis {
    message: String,
    hint: &'static str,
    severity: Severity,
}

const BY_SETTINGS: &str = "relay.yaml says so under `campaigns`";
const BY_FILE: &str = "config/campaigns.yaml says so; `serri-relay campaigns pull` reads it again";
const BY_API: &str = "its API says so";

impl Wanted {
    fn of(listed: Option<&CampaignSpec>, account: &str, name: &str, written: &Written) -> Self {
        let known = written.campaigns.get(account, name);
        let (by, severity) = match written.knowledge {
            Knowledge::Pulled => (BY_FILE, Severity::Warning),
            Knowledge::Asked => (BY_API, Severity::Error),
        };
        let params = listed.and_then(|listed| listed.params).map(|params| (params, BY_SETTINGS));
        let media = listed.and_then(|listed| listed.media).map(|kind| (kind != MediaKind::None, BY_SETTINGS));
        let of_api =
            |known: &KnownCampaign| (known.params.map(|params| (params, by)), known.media.map(|media| (media, by)));
        let (known_params, known_media) = known.map(of_api).unwrap_or_default();
        let is_asked = written.knowledge == Knowledge::Asked;
        let problem = match known {
            Some(known) if known.live == Some(false) => Some(format!("campaign `{name}` is not live")),
            None if !is_asked && written.campaigns.knows(account) => Some(format!("campaign `{name}` is not known")),
            _ => None,
        };
        // what the API says now counts before what somebody wrote down
        let (params, media) = if is_asked {
            (known_params.or(params), known_media.or(media))
        } else {
            (params.or(known_params), media.or(known_media))
        };
        Self { params, media, problem: problem.map(|message| Diagnosis { message, hint: by, severity }) }
    }
}

/// A rule beside the campaign that it names.
struct Fit<'a> {
    named: &'a Named,
    place: &'a dyn Fn(&str) -> Place,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Fit<'_> {
    fn check(self, wanted: &Wanted) {
        let Named { name, params, media, .. } = self.named;
        if let Some(Diagnosis { message, hint, severity }) = &wanted.problem {
            let diagnostic = Diagnostic::at(&(self.place)("campaignName"), message.as_str()).hint(*hint);
            self.diagnostics.push(match severity {
                Severity::Error => diagnostic,
                Severity::Warning => diagnostic.warning(),
            });
        }
        match (wanted.media, media) {
            (Some((false, by)), true) => {
                let diagnostic = Diagnostic::at(&(self.place)("media"), format!("campaign `{name}` has no media"));
                self.diagnostics.push(diagnostic.hint(by));
            }
            (Some((true, by)), false) => {
                let diagnostic =
                    Diagnostic::at(&(self.place)("campaignName"), format!("campaign `{name}` needs its media"));
                self.diagnostics.push(diagnostic.hint(format!("as media: {{ url: \"https://...\" }}; {by}")));
            }
            _ => {}
        }
        if let (Some((wanted, by)), Some(given)) = (wanted.params, params)
            && *given != wanted
        {
            let message = format!("campaign `{name}` takes {wanted} parameter(s), and {given} stand here");
            let hint = format!("{by}; Serri refuses every send with another count");
            self.diagnostics.push(Diagnostic::at(&(self.place)("templateParams"), message).hint(hint));
        }
    }
}
