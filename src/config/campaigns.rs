//! `config/campaigns.yaml` as written: what the campaigns of each account are, as `serri-relay campaigns pull` read it from
//! their APIs. Only `check` goes by it: what was true when it was read must not stop a send that is right today.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The file's name.
pub const FILE: &str = "campaigns.yaml";

/// What is known of campaigns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct CampaignsFile {
    /// The campaigns.
    #[serde(default)]
    pub campaigns: Vec<KnownCampaign>,
}

/// A campaign as its API described it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct KnownCampaign {
    /// The account, as `relay.yaml` names it.
    pub account: String,
    /// Its exact name.
    pub name: String,
    /// Whether it could be sent.
    #[serde(default)]
    pub live: Option<bool>,
    /// How many `templateParams` its template takes.
    #[serde(default)]
    pub params: Option<usize>,
    /// Whether its template has a media.
    #[serde(default)]
    pub media: Option<bool>,
}

/// Where such knowledge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Knowledge {
    /// From the file, which may be older than the campaigns.
    #[default]
    Pulled,
    /// The API was asked just now.
    Asked,
}

impl CampaignsFile {
    /// What is known of one.
    pub fn get(&self, account: &str, name: &str) -> Option<&KnownCampaign> {
        self.campaigns.iter().find(|known| known.account == account && known.name == name)
    }

    /// Whether anything is known of an account.
    pub fn knows(&self, account: &str) -> bool {
        self.campaigns.iter().any(|known| known.account == account)
    }
}
