//! Where an account's calls go, and what is said when that is not the campaign API.

use reqwest::Url;

use crate::event::{Confirm, plain_account};

/// The addresses under which the campaign API is known to answer.
const KNOWN: &str = "https://backend.api-wa.co/campaign/serri-india/api/v2 (Serri), https://backend.serri.com/campaign/t1/api/v2 (Serri's printed reference), https://backend.aisensy.com/campaign/t1/api/v2 (AiSensy)";

/// Where an account's calls go, and what counts as acceptance there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The account's name.
    pub account: String,
    /// The URL of the campaign API.
    pub url: Url,
    /// What counts as acceptance.
    pub confirm: Confirm,
}

impl Endpoint {
    /// Host and path: what may be shown of a URL.
    fn shown(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}{}", self.url.host_str().unwrap_or_default(), self.url.path())
    }

    /// Why nothing is sent when something else answers there: what it answered, and what to do.
    pub(super) fn is_wrong(&self, status: u16, answered: &str) -> String {
        format!(
            "{status}: the endpoint is wrong: {} answered {answered}, which the campaign API never does; correct `accounts.{}.endpoint`; known addresses: {KNOWN}",
            self.shown(),
            plain_account(&self.account)
        )
    }

    /// Why nothing more is sent when a success does not say that it took the message, and what to do.
    pub(super) fn is_unconfirmed(&self, said: &str) -> String {
        format!(
            "{said}: a success that does not say that the message was taken; if this API answers so, set `accounts.{0}.confirm: any`, otherwise check `accounts.{0}.endpoint`",
            plain_account(&self.account)
        )
    }
}
