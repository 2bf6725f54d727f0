//! Which calls go through a proxy. Never those to this computer: what they carry (the sandbox's leads, the admin token)
//! must not leave it because of a variable that was set for other programs.

use reqwest::{ClientBuilder, Url};

use crate::listen::is_loopback;

/// The proxy for calls to other computers.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxy {
    /// None.
    Direct,
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// This one for all of them.
    Through(Url),
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct => "Direct",
            Self::Environment => "Environment",
            // it may hold a password
            Self::Through(_) => "Through(..)",
        })
    }
}

impl Proxy {
    /// The same for a client's calls, whatever their URL.
    pub(super) fn apply(&self, builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        Ok(match self {
            Self::Direct => builder.no_proxy(),
            Self::Environment => builder,
            Self::Through(url) => builder.no_proxy().proxy(reqwest::Proxy::all(url.clone())?),
        })
    }
}

/// Whether a URL leads to this computer.
pub fn is_local(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback)
}

/// A client for a command's call: to this computer directly, else as the environment says.
///
/// # Errors
///
/// What the system lacks for it.
pub fn client_for(url: &Url) -> reqwest::Result<reqwest::Client> {
    let proxy = if is_local(url) { Proxy::Direct } else { Proxy::Environment };
    proxy.apply(reqwest::Client::builder())?.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_this_computer_however_its_host_is_written() {
        for url in [
            "http://127.0.0.1:1/",
            "http://127.1/",
            "http://2130706433/",
            "https://[::1]/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(is_local(&url.parse().expect("a URL")), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "https://backend.serri.com/",
            "http://localhost.example/",
            "http://user:localhost@example.com/",
        ] {
            assert!(!is_local(&url.parse().expect("a URL")), "{url}");
        }
    }
}
