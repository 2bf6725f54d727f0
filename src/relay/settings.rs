//! What the settings mean for the running parts: pure, and total, since they were read and checked.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::alert::Target;
use crate::config::address::ProxySpec;
use crate::config::relay::{AccountSpec, Addresses, RelayFile, ServerSpec, StoreSpec};
use crate::config::send_options::CampaignSpec;
use crate::deliver::{self, Account, Policy, Settings};
use crate::event::UncertainPolicy;
use crate::listen::{Connections, SharedBy};
use crate::outbound::{Limits, Proxy};
use crate::phone::Country;
use crate::receive::Bounds;
use crate::retention::Periods;
use crate::route::accounts::{Accounts, CheckedAccount};
use crate::route::alerts::Alert;
use crate::secret::Secret;
use crate::serri::{Endpoint, sandbox};

/// How many connections there may be for each request that is worked on at once: most of a sender's are idle, and what is
/// left of the process's file handles is for the store and for deliveries.
const CONNECTIONS: usize = 8;

/// How many there may be in any case.
const LEAST_CONNECTIONS: usize = 4_096;

pub fn bounds(server: &ServerSpec) -> Bounds {
    Bounds {
        body_limit: server.body_limit.0,
        body_memory: server.body_memory.0,
        request_timeout: server.request_timeout.0,
        concurrency: usize::try_from(server.concurrency).unwrap_or(usize::MAX),
    }
}

/// How many connections senders may have.
pub fn connections(server: &ServerSpec) -> Connections {
    let bounded = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Connections {
        total: bounded(server.concurrency).saturating_mul(CONNECTIONS).max(LEAST_CONNECTIONS),
        per_address: bounded(server.per_address.connections),
        shared_by: match server.per_address.addresses {
            Addresses::Public => SharedBy::PublicAddresses,
            Addresses::All => SharedBy::AllAddresses,
        },
    }
}

/// The proxy that calls go through.
pub fn proxy(settings: &RelayFile) -> Proxy {
    match &settings.delivery.proxy {
        ProxySpec::Environment => Proxy::Environment,
        ProxySpec::Url(url) => Proxy::Through(url.clone()),
        ProxySpec::None => Proxy::Direct,
    }
}

/// The bounds of each call to another server.
pub fn limits(settings: &RelayFile) -> Limits {
    Limits {
        timeout: settings.delivery.timeout.0,
        connect_timeout: settings.delivery.connect_timeout.0,
        connections: calls(settings).concurrency,
    }
}

/// For how long what is kept.
pub fn periods(store: &StoreSpec) -> Periods {
    Periods { events: store.retention.events.0, sends: store.retention.sends.0 }
}

/// How calls are made.
pub fn calls(settings: &RelayFile) -> Settings {
    let delivery = &settings.delivery;
    let policy = Policy {
        initial: delivery.retry.initial.0,
        max: delivery.retry.max.0,
        give_up_after: delivery.retry.give_up_after.0,
        uncertain: UncertainPolicy { on_uncertain: delivery.on_uncertain, tries: delivery.uncertain_tries },
        probe_initial: delivery.hold_probe.initial.0,
        probe_max: delivery.hold_probe.max.0,
    };
    let concurrency = usize::try_from(delivery.concurrency).unwrap_or(usize::MAX);
    Settings { concurrency, timeout: delivery.timeout.0, policy, poll_interval: deliver::POLL_INTERVAL }
}

/// The accounts as the deliverer has them, by the names that sends are kept under.
pub fn accounts(checked: &Accounts, campaigns: &[CampaignSpec], sandbox: Option<&Url>) -> BTreeMap<String, Account> {
    let account = |(name, account): (&String, &CheckedAccount)| {
        let (endpoint, key) = reached(name, &account.spec, sandbox);
        let of = |campaign: &&CampaignSpec| campaign.account.as_deref().unwrap_or("default") == name;
        let campaigns = campaigns.iter().filter(of);
        let made = Account {
            endpoint,
            key,
            rate: account.spec.rate,
            campaign_rates: campaigns.filter_map(|campaign| Some((campaign.name.clone(), campaign.rate?))).collect(),
            test_mode: account.test_mode.clone(),
        };
        (account.spec.label(name), made)
    };
    checked.iter().map(account).collect()
}

/// Where an account's calls go, and with which key.
fn reached(name: &str, spec: &AccountSpec, sandbox: Option<&Url>) -> (Endpoint, Secret) {
    match sandbox.filter(|_| spec.uses_sandbox()) {
        Some(sandbox) => {
            let url = sandbox.clone();
            (Endpoint { account: name.to_owned(), url, confirm: spec.confirm }, Secret::new(sandbox::KEY))
        }
        None => endpoint(name, spec),
    }
}

/// The API of an account that has a key, and the key.
pub fn endpoint(name: &str, spec: &AccountSpec) -> (Endpoint, Secret) {
    let url = spec.endpoint.url().clone();
    (Endpoint { account: name.to_owned(), url, confirm: spec.confirm }, Secret::new(spec.api_key.trim()))
}

/// The countries of the accounts' numbers, by the accounts as sends name them.
pub fn countries(settings: &RelayFile) -> BTreeMap<String, Country> {
    settings.accounts.iter().map(|(name, spec)| (spec.label(name), spec.default_country)).collect()
}

/// Those who want to know of holds.
pub fn targets(alerts: &[Alert], sandbox: Option<&Url>) -> Vec<Target> {
    let target = |alert: &Alert| match alert {
        Alert::Webhook { url, key } => Target::Webhook { url: url.clone(), key: key.clone() },
        Alert::Slack(url) => Target::Slack(url.clone()),
        Alert::Campaign { name, account, campaign, to } => {
            let (endpoint, key) = reached(name, &account.spec, sandbox);
            Target::Campaign { account: name.clone(), endpoint, key, campaign: campaign.clone(), to: to.clone() }
        }
    };
    alerts.iter().map(target).collect()
}
