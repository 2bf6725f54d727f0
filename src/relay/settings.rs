//! What the settings mean for the running parts: pure, and after `check` has seen to it that they can.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reqwest::Url;

use crate::alert::Target;
use crate::config::relay::{AccountSpec, Addresses, AlertSpec, ProxySpec, RelayFile, ServerSpec};
use crate::config::wishes::CampaignSpec;
use crate::deliver::{self, Account, Policy, Settings};
use crate::event::UncertainPolicy;
use crate::listen::{Connections, SharedBy};
use crate::outbound::{Limits, Proxy};
use crate::phone::{self, Country};
use crate::receive::Bounds;
use crate::route::Detour;
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

/// The proxy that calls go through; `check` has seen to it that it is one.
pub fn proxy(settings: &RelayFile) -> Proxy {
    match settings.delivery.proxy() {
        Some(ProxySpec::Environment) => Proxy::Environment,
        Some(ProxySpec::Url(url)) => Proxy::Through(url),
        Some(ProxySpec::None) | None => Proxy::Direct,
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
    Settings { concurrency, timeout: delivery.timeout.0, policy, net: deliver::NET }
}

pub fn accounts(settings: &RelayFile, sandbox: Option<SocketAddr>) -> BTreeMap<String, Account> {
    let account = |(name, spec): (&String, &AccountSpec)| {
        let (endpoint, key) = match sandbox.filter(|_| spec.uses_sandbox()) {
            Some(address) => (format!("http://{address}{}", sandbox::PATH), sandbox::KEY.to_owned()),
            None => (spec.endpoint.clone(), spec.api_key.trim().to_owned()),
        };
        // `check` has seen to it that it is a URL
        let endpoint = Endpoint { account: name.clone(), url: endpoint.parse::<Url>().ok()?, confirm: spec.confirm };
        let of = |campaign: &&CampaignSpec| campaign.account.as_deref().unwrap_or("default") == name;
        let campaigns = settings.campaigns.iter().filter(of);
        let account = Account {
            endpoint,
            key: Secret::new(key),
            rate: spec.rate,
            campaign_rates: campaigns.filter_map(|campaign| Some((campaign.name.clone(), campaign.rate?))).collect(),
            detour: Detour::of(&spec.wishes, Some(spec.default_country)),
        };
        Some((spec.label(name), account))
    };
    settings.accounts.iter().filter_map(account).collect()
}

/// The countries of the accounts' numbers, by the accounts as sends name them.
pub fn countries(settings: &RelayFile) -> BTreeMap<String, Country> {
    settings.accounts.iter().map(|(name, spec)| (spec.label(name), spec.default_country)).collect()
}

/// Those who want to know of holds; `check` has seen to it that each can be told.
pub fn targets(settings: &RelayFile, sandbox: Option<SocketAddr>) -> Vec<Target> {
    let accounts = accounts(settings, sandbox);
    let target = |alert: &AlertSpec| {
        if let Some(url) = alert.webhook.as_deref().and_then(|url| url.parse().ok()) {
            return Some(Target::Webhook { url, key: alert.secret.as_deref().map(Secret::new) });
        }
        if let Some(url) = alert.slack.as_deref().and_then(|url| url.parse().ok()) {
            return Some(Target::Slack(url));
        }
        let name = alert.account.as_deref().unwrap_or("default");
        let spec = settings.accounts.get(name)?;
        let account = accounts.get(&spec.label(name))?;
        Some(Target::Campaign {
            account: name.to_owned(),
            endpoint: account.endpoint.clone(),
            key: account.key.clone(),
            campaign: alert.campaign.clone()?,
            to: phone::normalise(alert.to.as_deref()?, Some(spec.default_country)).ok()?,
        })
    };
    settings.alerts.iter().filter_map(target).collect()
}
