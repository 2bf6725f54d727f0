//! Addresses as written in the settings: where to listen, whom to call and by which proxy, where to keep things.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;
use url::Url;

/// Address and port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress(pub SocketAddr);

/// The URL senders were given, up to the path. Empty: there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The URL of an API that the relay calls.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiUrl {
    url: Url,
    written: String,
}

/// A URL that anybody who knows it may call: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl {
    url: Url,
    written: String,
}

/// Where events and sends are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

/// A proxy for calls to other computers.
#[derive(Clone, PartialEq, Eq)]
pub enum ProxySpec {
    /// None is used.
    None,
    /// What the environment's variables say.
    Environment,
    /// This one.
    Url(Url),
}

/// Why a text is not the address that belongs in its place. What may hold a secret is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoAddress {
    /// Address and port.
    #[error("`{0}` is not an address and port")]
    Listen(String),
    /// The URL senders were given.
    #[error("`{0}` is not a URL")]
    Public(String),
    /// The URL of the campaign API.
    #[error("`{0}` is not a URL")]
    Api(String),
    /// A secret URL.
    #[error("this is not a URL")]
    Hook,
    /// A proxy.
    #[error("this is not a proxy")]
    Proxy,
    /// A store.
    #[error("`{0}` is not a store")]
    Store(String),
}

impl NoAddress {
    /// How it is written.
    pub fn how(&self) -> &'static str {
        match self {
            Self::Listen(_) => "as 0.0.0.0:8080, 127.0.0.1:8081 or [::]:8080",
            Self::Public(_) => "the part of the webhook's URL before /webhooks, as https://hooks.example.com",
            Self::Api(_) => "https://backend.serri.com/campaign/t1/api/v2",
            Self::Hook => "as https://ops.example.com/serri",
            Self::Proxy => "write `environment`, `none`, or a URL, as http://proxy.example.com:3128",
            Self::Store(_) => "write sqlite: and a path, as sqlite:data/relay.db",
        }
    }
}

fn web_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

impl ListenAddress {
    /// Where a program on this computer reaches what listens there.
    pub fn here(self) -> SocketAddr {
        let Self(address) = self;
        let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        SocketAddr::new(ip, address.port())
    }
}

impl FromStr for ListenAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        text.parse().map(Self).map_err(|_| NoAddress::Listen(text.to_owned()))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PublicUrl {
    /// As it is written, since that is what senders sign; `None` if there is none.
    pub fn get(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|url| !url.trim().is_empty())
    }
}

impl FromStr for PublicUrl {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let is_fit = text.is_empty() || web_url(text).is_some_and(|url| url.query().is_none());
        if is_fit { Ok(Self(text.to_owned())) } else { Err(NoAddress::Public(text.to_owned())) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ApiUrl {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// As it is written.
    pub fn written(&self) -> &str {
        &self.written
    }
}

impl FromStr for ApiUrl {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let url = web_url(text).ok_or_else(|| NoAddress::Api(text.to_owned()))?;
        Ok(Self { url, written: text.to_owned() })
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // it may hold a password
        write!(f, "ApiUrl({})", self.url.host_str().unwrap_or_default())
    }
}

impl HookUrl {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// As it is written.
    pub fn written(&self) -> &str {
        &self.written
    }
}

impl FromStr for HookUrl {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let url = web_url(text).ok_or(NoAddress::Hook)?;
        Ok(Self { url, written: text.to_owned() })
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookUrl(hidden)")
    }
}

impl StoreUrl {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        Path::new(self.0.strip_prefix(SQLITE).unwrap_or(&self.0))
    }
}

/// What begins the URL of a SQLite file.
const SQLITE: &str = "sqlite:";

impl FromStr for StoreUrl {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if text.starts_with(SQLITE) { Ok(Self(text.to_owned())) } else { Err(NoAddress::Store(text.to_owned())) }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProxySpec {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        match text.trim() {
            "" | "none" => Ok(Self::None),
            "environment" => Ok(Self::Environment),
            url => web_url(url).map(Self::Url).ok_or(NoAddress::Proxy),
        }
    }
}

impl fmt::Display for ProxySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Environment => f.write_str("environment"),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for ProxySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Environment => "Environment",
            // it may hold a password
            Self::Url(_) => "Url(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_and_a_secret_not_repeated() {
        let listen = |text: &str| text.parse::<ListenAddress>().map_err(|error| error.to_string());
        assert_eq!(listen("everywhere"), Err("`everywhere` is not an address and port".into()));
        assert_eq!(listen("[::]:80").map(|address| address.here().to_string()), Ok("127.0.0.1:80".into()));
        for wrong in ["", "here", "ftp://x.example/", "//x.example"] {
            assert!(wrong.parse::<ApiUrl>().is_err(), "{wrong}");
            let said = wrong.parse::<HookUrl>().expect_err(wrong).to_string();
            assert_eq!(said, "this is not a URL");
        }
        for wrong in ["hooks.example.com", "https://x.example/?a=b"] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
        assert_eq!("".parse::<PublicUrl>().map(|url| url.get().map(ToOwned::to_owned)), Ok(None));
        assert!("mysql:x".parse::<StoreUrl>().is_err() && "socks5://x:1".parse::<ProxySpec>().is_err());
        let hook: HookUrl = "https://hooks.example/s3cret".parse().expect("a URL");
        let proxy: ProxySpec = "http://user:s3cret@proxy.example:3128".parse().expect("a proxy");
        assert!(!format!("{hook:?}{proxy:?}").contains("s3cret"));
    }
}
