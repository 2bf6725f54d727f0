//! Asking the APIs of the accounts about the campaigns that rules name. Nothing is sent.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures_util::StreamExt as _;

use crate::clock::Clock;
use crate::config::campaigns::{CampaignsFile, Knowledge, KnownCampaign};
use crate::config::diagnostic::{Diagnostic, Place, once_each};
use crate::outbound::Outbound;
use crate::relay::{endpoint, limits, proxy};
use crate::route::check::Checked;
use crate::route::listed;
use crate::serri::Client;
use crate::serri::campaign::Read;

/// How many campaigns are asked about at once.
const AT_ONCE: usize = 4;

/// A campaign of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Campaign {
    /// The account.
    pub account: String,
    /// Its name.
    pub name: String,
}

/// A rule that names a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The route.
    pub route: String,
    /// The rule's name.
    pub rule: String,
    /// Where the rule names it.
    place: Place,
}

/// What the APIs said.
#[derive(Debug, Default)]
pub struct Answers {
    /// Of each campaign that a rule names: who names it, and what its API said.
    pub campaigns: BTreeMap<Campaign, (Vec<User>, Read)>,
    /// Accounts that rules use and nobody can be asked about: the sandbox stands in for them.
    pub sandboxed: BTreeSet<String>,
}

/// Asks about every campaign that a rule names, by itself or for an example.
///
/// # Errors
///
/// If there is no HTTP client.
pub async fn ask(checked: &Checked) -> anyhow::Result<Answers> {
    let settings = &checked.written.relay.value;
    let outbound =
        Outbound::new(limits(settings), &proxy(settings), Clock::system()).context("the client cannot be made")?;
    let client = Client::new(outbound);
    let mut answers = Answers::default();
    let mut users = users(checked);
    users.retain(|campaign, _| {
        let spec = settings.accounts.get(&campaign.account);
        let is_reachable = spec.is_some_and(|spec| !spec.uses_sandbox());
        if !is_reachable {
            answers.sandboxed.insert(campaign.account.clone());
        }
        is_reachable
    });
    let calls = users.into_iter().filter_map(|(campaign, users)| {
        let (endpoint, key) = endpoint(&campaign.account, settings.accounts.get(&campaign.account)?);
        let client = &client;
        Some(async move {
            let read = client.read_campaign(&endpoint, &key, &campaign.name).await;
            (campaign, (users, read))
        })
    });
    answers.campaigns = futures_util::stream::iter(calls).buffered(AT_ONCE).collect().await;
    Ok(answers)
}

/// The campaigns that rules name, with the rules.
fn users(checked: &Checked) -> BTreeMap<Campaign, Vec<User>> {
    let mut users: BTreeMap<Campaign, Vec<User>> = BTreeMap::new();
    for (name, route) in &checked.routes {
        let Some(file) = checked.written.routes.get(name) else { continue };
        let account = file.value.account.as_deref().unwrap_or("default");
        for named in listed::named(file, &checked.written, route) {
            let campaign = Campaign { account: account.to_owned(), name: named.name };
            let place = file.node.place_of(&["sends", &named.index.to_string(), "campaignName"]).clone();
            let rule = file.value.sends.get(named.index).map(|rule| rule.name.clone()).unwrap_or_default();
            users.entry(campaign).or_default().push(User { route: name.clone(), rule, place });
        }
    }
    users
}

impl Answers {
    /// The campaigns that were found.
    pub fn found(&self) -> CampaignsFile {
        let known = |(campaign, (_, read)): (&Campaign, &(Vec<User>, Read))| match read {
            Read::Found(details) => Some(KnownCampaign {
                account: campaign.account.clone(),
                name: campaign.name.clone(),
                live: details.live,
                params: details.params,
                media: details.media,
            }),
            _ => None,
        };
        CampaignsFile { campaigns: self.campaigns.iter().filter_map(known).collect() }
    }

    /// What is wrong by what the APIs said, at the rules and accounts that it is about.
    pub fn diagnostics(&self, checked: &mut Checked) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let node = checked.written.relay.node.clone();
        let of_account = |account: &str, key: &str, message: String| {
            let place = node.place_of(&["accounts", account, key]);
            Diagnostic::at(place, format!("account `{account}`: {message}"))
        };
        for account in &self.sandboxed {
            let message = "it has no key, so that the sandbox stands in and nobody can be asked about its campaigns";
            let hint = "the key is at Serri under Manage > API Key; write it into .env";
            diagnostics.push(of_account(account, "api_key", message.to_owned()).hint(hint).warning());
        }
        for (Campaign { account, name }, (users, read)) in &self.campaigns {
            match read {
                Read::Found(_) => {}
                Read::Missing(said) => diagnostics.extend(users.iter().map(|user| {
                    let message = format!("account `{account}` has no campaign `{name}` (its API says {said})");
                    let hint = "campaigns are named exactly as at Serri, capitals and spaces included; only API campaigns count";
                    Diagnostic::at(&user.place, message).hint(hint).of_route(&user.route)
                })),
                Read::Account(said) => {
                    let hint = "copy the key once more (Manage > API Key), and look at the plan and credits there";
                    diagnostics.push(of_account(account, "api_key", format!("its API says {said}")).hint(hint));
                }
                Read::Unreadable(said) => {
                    let message = format!("campaigns cannot be read there ({said}), so that they were not checked");
                    let hint = "if messages arrive, this API cannot be asked, and nothing is wrong; otherwise correct the endpoint";
                    diagnostics.push(of_account(account, "endpoint", message).hint(hint).warning());
                }
                Read::Unreached(said) => {
                    let hint = "look at the endpoint and at this computer's network, and try again";
                    diagnostics.push(of_account(account, "endpoint", format!("its API does not answer: {said}")).hint(hint));
                }
            }
        }
        checked.written.campaigns = self.found();
        checked.written.knowledge = Knowledge::Asked;
        for (name, route) in &checked.routes {
            if let Some(file) = checked.written.routes.get(name) {
                let mut found = Vec::new();
                listed::rules(file, &checked.written, route, &mut found);
                diagnostics.extend(found.into_iter().map(|diagnostic| diagnostic.of_route(name)));
            }
        }
        once_each(diagnostics)
    }
}
