//! URLs of media: Serri's servers fetch them, so they must be public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use url::{Host, Url};

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MediaError {
    /// It is no URL.
    #[error("it is no URL: {0}")]
    NoUrl(String),
    /// It is no web address.
    #[error("it must begin with http:// or https://, not {0}:")]
    Scheme(String),
    /// It names a place that only this computer or its network can see.
    #[error("`{0}` is no public address")]
    Private(String),
    /// It carries a user or password.
    #[error("it carries a user name or password")]
    Credentials,
}

/// Whether Serri's servers could fetch a URL, as far as its text tells; names are not looked up.
///
/// # Errors
///
/// A [`MediaError`] if they could not.
pub fn check(text: &str) -> Result<(), MediaError> {
    let url = Url::parse(text.trim()).map_err(|error| MediaError::NoUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(MediaError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MediaError::Credentials);
    }
    let public = match url.host() {
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        None => false,
    };
    if public { Ok(()) } else { Err(MediaError::Private(url.host_str().unwrap_or("").to_owned())) }
}

fn is_public_name(name: &str) -> bool {
    const PRIVATE: [&str; 8] = ["localhost", "local", "internal", "lan", "home", "corp", "home.arpa", "localdomain"];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.contains('.') && !PRIVATE.iter().any(|suffix| name == *suffix || name.ends_with(&format!(".{suffix}")))
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b); // RFC 6598, carrier-grade NAT
    let special = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && (18..20).contains(&b));
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || shared
        || special)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [first, second, ..] = address.segments();
    if first == 0x64 && second == 0xff9b {
        // RFC 6052: an IPv4 address in its last 32 bits
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let global = first & 0xe000 == 0x2000; // 2000::/3 is all that is handed out
    let documentation = first == 0x2001 && second == 0xdb8;
    global && !documentation && !IpAddr::V6(address).is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls_pass() {
        for url in [
            "https://example.com/a.jpg",
            "http://cdn.example.co.in/b?c=d",
            "https://93.184.216.34/x",
            "https://[2606:2800:220:1::1]/x",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for url in [
            "http://localhost/x",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://10.1.2.3/",
            "http://192.168.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://db.internal/",
            "http://printer/",
            "http://LOCALHOST./",
            "http://0/",
            "http://[fd00::1]/",
        ] {
            assert!(matches!(check(url), Err(MediaError::Private(_))), "{url}: {:?}", check(url));
        }
        assert!(matches!(check("file:///etc/passwd"), Err(MediaError::Scheme(_))));
        assert!(matches!(check("ftp://example.com/x"), Err(MediaError::Scheme(_))));
        assert!(matches!(check("https://u:p@example.com/x"), Err(MediaError::Credentials)));
        assert!(matches!(check("not a url"), Err(MediaError::NoUrl(_))));
    }
}
