//! `config/relay.yaml` as written: the service, its accounts, its store.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{ApiUrl, HookUrl, ListenAddress, ProxySpec, PublicUrl, StoreUrl};
use super::send_options::{CampaignSpec, SendOptionsSpec};
use super::unit::{Period, Rate, Size, Span};
use crate::event::{Confirm, OnUncertain, sandboxed};
use crate::phone::Country;
use crate::secret::SigningKey;

/// The relay's own settings. Every key is also an environment variable: `server.listen` is `SERRI_RELAY__SERVER__LISTEN`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RelayFile {
    /// The listener that webhooks come to.
    pub server: ServerSpec,
    /// The listener for whoever runs the relay.
    pub admin: AdminSpec,
    /// Where events and sends are kept.
    pub store: StoreSpec,
    /// The Serri projects that sends go through, by name. A route uses `default` unless it says otherwise.
    pub accounts: BTreeMap<String, AccountSpec>,
    /// How sends are delivered.
    pub delivery: DeliverySpec,
    /// How these files are taken anew while the relay runs.
    pub reload: ReloadSpec,
    /// What is known of the campaigns: `check` then finds a wrong count before any customer does.
    #[serde(default)]
    pub campaigns: Vec<CampaignSpec>,
    /// Who is notified when an account or a campaign is put on hold, and when it works again.
    #[serde(default)]
    pub alerts: Vec<AlertSpec>,
}

/// The listener that webhooks come to.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct ServerSpec {
    /// Address and port.
    pub listen: ListenAddress,
    /// The URL senders were given, up to the path (`https://hooks.example.com`). Needed where a sender signs the URL; the Host header is never trusted for that.
    #[serde(default)]
    pub public_url: Option<PublicUrl>,
    /// The largest body taken, also after unpacking gzip; larger ones are answered 413.
    pub body_limit: Size,
    /// How long a sender may take for the head of a request.
    pub header_timeout: Span,
    /// How long a request may take in all; slower ones are answered 408.
    pub request_timeout: Span,
    /// How many requests are worked on at once; more are answered 503 with Retry-After.
    pub concurrency: u32,
    /// What all bodies that are being read and worked on may take in memory together; beyond it large ones are answered 503 with Retry-After. Bodies of up to 16 KiB are always taken.
    pub body_memory: Size,
    /// What one call may bring; more is answered 413, and nothing of the call is kept.
    pub call_limit: CallLimitSpec,
    /// How many connections one client address may have.
    pub per_address: PerAddressSpec,
    /// How long a stopping relay waits for what is in flight.
    pub shutdown_grace: Span,
}

impl ServerSpec {
    /// The URL senders were given, if there is one.
    pub fn public_url(&self) -> Option<&str> {
        self.public_url.as_ref().and_then(PublicUrl::get)
    }
}

/// What one call may bring.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct CallLimitSpec {
    /// How many events. HubSpot sends up to 100 in a call, Meta up to 1,000.
    pub events: u32,
    /// How many sends all rules together may make of a call, and of one event: a rule that goes beyond it for one event makes none of it, and the event is kept with that reason.
    pub sends: u32,
    /// How many bytes may be stored of a call: events, what came with them, and payloads.
    pub stored: Size,
}

/// How many connections one client address may have.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct PerAddressSpec {
    /// How many at once; more are answered 503. 0: as many as there are.
    pub connections: u32,
    /// Which addresses that holds for: `public` ones, or `all`. A proxy in front of the relay brings everybody's calls from one address, mostly a private one or loopback.
    pub addresses: Addresses,
}

/// Which client addresses a limit holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// All but private ones and loopback.
    Public,
    /// All.
    All,
}

/// The listener for whoever runs the relay.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct AdminSpec {
    /// Address and port. Anything but a loopback address needs a token.
    pub listen: ListenAddress,
    /// What callers put into `Authorization: Bearer ...`; empty: no token is asked for.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub token: String,
}

/// How the configuration is taken anew while the relay runs.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct ReloadSpec {
    /// Whether that happens by itself when a file changed. `serri-relay reload` and SIGHUP work in any case.
    pub watch: bool,
}

/// Where events and sends are kept.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct StoreSpec {
    /// `sqlite:` and a path, relative to the working directory.
    pub url: StoreUrl,
    /// How long a second call with the same event id is taken for a repetition.
    pub dedup_window: Span,
    /// The same for sources whose events have no id: there an equal body counts.
    pub dedup_window_without_id: Span,
    /// For how long things are kept; then they are removed, in small steps. Counts by hour are kept for ever.
    pub retention: RetentionSpec,
}

/// For how long things are kept: `90d`, `1y`, or `forever`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RetentionSpec {
    /// What events held (body, headers, query), counted from when they were received. Not removed while a send of the event waits, is under way or is uncertain; what is removed cannot be replayed. No shorter than the longest dedup window.
    pub events: Period,
    /// Sends with their attempts, counted from their end. No shorter than `events`, and no shorter than any `cap` counts.
    pub sends: Period,
}

/// A Serri project.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct AccountSpec {
    /// The URL of the campaign API.
    #[serde(default = "default_endpoint")]
    pub endpoint: ApiUrl,
    /// The project's key, from Manage > API Key. Empty: the in-process sandbox stands in.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub api_key: String,
    /// The country (ISO 3166-1, two letters) of numbers without country code.
    #[serde(default = "default_country")]
    pub default_country: Country,
    /// How many sends a second or a minute: `20/s`, `600/m`, `unlimited`.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// What counts as sent: `explicit`, an answer that says that the message was taken; `any`, every success (2xx) that does not say otherwise, for an API that says nothing.
    #[serde(default)]
    pub confirm: Confirm,
    /// Options for all its sends.
    #[serde(flatten)]
    pub options: SendOptionsSpec,
}

impl AccountSpec {
    /// Whether the in-process sandbox stands in for Serri.
    pub fn uses_sandbox(&self) -> bool {
        self.api_key.trim().is_empty()
    }

    /// Lets the sandbox stand in for Serri, although there is a key.
    pub fn use_sandbox(&mut self) {
        self.api_key.clear();
    }

    /// The name its sends are kept under. What was made for the sandbox has one of its own: it must never go to Serri
    /// when there is a key one day.
    pub fn label(&self, name: &str) -> String {
        if self.uses_sandbox() { sandboxed(name) } else { name.to_owned() }
    }
}

#[expect(clippy::expect_used, reason = "a constant, which a test reads as well")]
fn default_endpoint() -> ApiUrl {
    "https://backend.serri.com/campaign/t1/api/v2".parse().expect("a URL")
}

fn default_country() -> Country {
    Country::INDIA
}

fn default_rate() -> Rate {
    Rate(Some(super::unit::PerSecond { count: 20, every: std::time::Duration::from_secs(1) }))
}

/// How sends are delivered.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct DeliverySpec {
    /// How long one call may take.
    pub timeout: Span,
    /// How long connecting may take.
    pub connect_timeout: Span,
    /// The proxy that calls to other computers go through: `environment` (what `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say), `none`, or its URL. Calls to this computer never go through one.
    pub proxy: ProxySpec,
    /// How many calls are under way at once.
    pub concurrency: u32,
    /// When a send is tried again.
    pub retry: RetrySpec,
    /// What happens to a send of which nobody knows whether it went: `retry` repeats it, `hold` leaves it for a person to decide.
    pub on_uncertain: OnUncertain,
    /// How many tries of a send in all may end so that nobody knows whether it went; then a person decides.
    pub uncertain_tries: NonZeroU32,
    /// How often it is tried whether an account or a campaign on hold works again.
    pub hold_probe: ProbeSpec,
    /// How often somebody is reminded that it does not, and notified at most of sends of which nobody knows whether they went.
    pub remind: Span,
    /// How long an account cannot be reached before the alerts say so.
    pub unreachable_after: Span,
}

/// How often it is tried whether an account or a campaign on hold works again, with one send that is due anyway.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct ProbeSpec {
    /// The first time; the wait doubles each time.
    pub initial: Span,
    /// The longest wait.
    pub max: Span,
}

/// Somebody who is notified when a hold begins, lasts or ends: by one of `webhook`, `slack` and `campaign`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct AlertSpec {
    /// A URL that gets JSON, signed by Standard Webhooks.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub webhook: Option<HookUrl>,
    /// The secret it is signed with: `whsec_` and base64.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub secret: Option<SigningKey>,
    /// The URL of a Slack-compatible incoming webhook.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub slack: Option<HookUrl>,
    /// A Serri campaign that takes one parameter: what happened.
    #[serde(default)]
    pub campaign: Option<String>,
    /// The account it goes through: another than those it tells about.
    #[serde(default)]
    pub account: Option<String>,
    /// The number that gets it.
    #[serde(default)]
    pub to: Option<String>,
}

/// When a send is tried again: exponential backoff with full jitter.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct RetrySpec {
    /// The longest first wait; it doubles with each attempt.
    pub initial: Span,
    /// The longest wait of all; a server's Retry-After is cut to it as well.
    pub max: Span,
    /// After this long a send that still fails is given up. Faults of the account or the campaign never use it up.
    pub give_up_after: Span,
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_stands_for_an_endpoint_that_is_left_out_is_a_url() {
        assert_eq!(super::default_endpoint().url().host_str(), Some("backend.serri.com"));
    }
}
