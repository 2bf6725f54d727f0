//! All that a configuration holds in secret, for the border of the log.

use super::check::Checked;
use crate::config::one_or_many::OneOrMany;
use crate::mask::Secrets;

impl Checked {
    /// Keys of accounts, tokens, passwords in URLs, secrets of routes, and the addresses of those who are notified.
    pub fn secrets(&self) -> Secrets {
        let relay = &self.written.relay.value;
        let mut texts = vec![relay.admin.token.as_str()];
        texts.extend(password(relay.store.url.as_str()));
        for account in relay.accounts.values() {
            texts.push(&account.api_key);
            texts.extend(password(account.endpoint.written()));
        }
        for alert in &relay.alerts {
            texts.extend(alert.secret.iter().map(|key| key.written().expose()));
            texts.extend(alert.webhook.iter().chain(&alert.slack).filter_map(|url| after_host(url.written())));
        }
        for file in self.written.routes.values() {
            texts.extend(file.value.secret.iter().flat_map(OneOrMany::as_slice).map(String::as_str));
            texts.extend(file.value.verify_token.as_deref());
        }
        let of_routes = self.routes.values().flat_map(|route| {
            let enrichment = route.profile.enrichment.iter().flat_map(|call| call.secrets().exposed());
            route.authentication.secrets().exposed().chain(enrichment)
        });
        Secrets::in_bodies(texts.into_iter().chain(of_routes))
    }
}

/// What stands before the `@` of a URL, after its user's name.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.rsplit_once('@')?;
    Some(user.split_once(':').map_or(user, |(_, password)| password))
}

/// Path and query of an address that anybody who knows it may call.
fn after_host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split_once('/').map(|(_, secret)| secret)
}
