//! URLs of media: Serri's servers fetch them, so they must be public.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use url::{Host, Url};

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MediaError {
    /// It is not a URL.
    #[error("it is not a URL: {0}")]
    NoUrl(String),
    /// It is not a web address.
    #[error("it must begin with http:// or https://, not {0}:")]
    Scheme(String),
    /// It has a character that programs read in different ways, so that one may see another host than the next.
    #[error("it has a character that a URL must not have: {0:?}")]
    Ambiguous(char),
    /// It names a place that only this computer or its network can see.
    #[error("`{0}` is not a public address")]
    Private(String),
    /// It carries a user or password.
    #[error("it carries a user name or password")]
    Credentials,
}

/// A URL that Serri's servers can fetch, as far as its text tells; names are not looked up. It comes back written in the one
/// way that everybody reads alike, and is to be sent like that: what was checked is what is fetched.
///
/// # Errors
///
/// A [`MediaError`] if they could not fetch it, or should not.
pub fn public(text: &str) -> Result<String, MediaError> {
    let text = text.trim();
    if let Some(c) = text.chars().find(|c| *c == '\\' || c.is_control()) {
        return Err(MediaError::Ambiguous(c));
    }
    let url = Url::parse(text).map_err(|error| MediaError::NoUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(MediaError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() || has_userinfo(text) {
        return Err(MediaError::Credentials);
    }
    let public = match url.host() {
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        None => false,
    };
    if public { Ok(url.into()) } else { Err(MediaError::Private(url.host_str().unwrap_or("").to_owned())) }
}

/// Whether an `@` stands before the path, also an empty user's.
fn has_userinfo(text: &str) -> bool {
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches('/');
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn is_public_name(name: &str) -> bool {
    const PRIVATE: [&str; 15] = [
        "localhost",
        "local",
        "internal",
        "intranet",
        "private",
        "lan",
        "home",
        "corp",
        "arpa",
        "localdomain",
        "test",
        "invalid",
        "onion",
        "alt",
        "svc",
    ];
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let labels: Vec<&str> = name.split('.').collect();
    labels.len() > 1
        && !labels.iter().any(|label| label.is_empty())
        && labels.last().is_some_and(|last| !PRIVATE.contains(last))
}

/// Whether an address is one that the IANA registry of special addresses does not keep for other purposes.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b); // RFC 6598, carrier-grade NAT
    let protocols = a == 192 && b == 0 && c == 0; // RFC 6890
    let benchmark = a == 198 && (18..20).contains(&b); // RFC 2544
    let relay = a == 192 && b == 88 && c == 99; // RFC 7526, 6to4
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || shared
        || protocols
        || benchmark
        || relay)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [first, second, ..] = address.segments();
    // 2000::/3 is all that is handed out: not NAT64 (64:ff9b::/96, 64:ff9b:1::/48), which leads to any IPv4 address
    let global = first & 0xe000 == 0x2000;
    let protocols = first == 0x2001 && second < 0x200; // 2001::/23: Teredo, ORCHID, benchmarks
    let documentation = (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    let embeds_v4 = first == 0x2002; // 6to4
    global && !protocols && !documentation && !embeds_v4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn public_urls_pass_and_come_back_in_the_way_everybody_reads_alike() {
        for (url, sent) in [
            ("https://example.com/a.jpg", "https://example.com/a.jpg"),
            (" http://CDN.example.co.in:80/b?c=d#e ", "http://cdn.example.co.in/b?c=d#e"),
            ("https://93.184.216.34/x", "https://93.184.216.34/x"),
            ("https://[2606:2800:220:1:0::1]/x", "https://[2606:2800:220:1::1]/x"),
            ("https://[::ffff:93.184.216.34]/x", "https://[::ffff:5db8:d822]/x"),
            ("https://example.com./a b.pdf", "https://example.com./a%20b.pdf"),
            ("https://bücher.example.com/ü", "https://xn--bcher-kva.example.com/%C3%BC"),
            ("https://example.com/@someone?mail=a@b.example", "https://example.com/@someone?mail=a@b.example"),
            ("https:example.com/x", "https://example.com/x"),
            ("https://example.com/a/../b", "https://example.com/b"),
        ] {
            assert_eq!(public(url).as_deref(), Ok(sent), "{url}");
        }
    }

    /// Hosts that nobody outside may be led to, in every way of writing them.
    const PRIVATE: &[&str] = &[
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "a.localhost.",
        "printer",
        "printer.",
        "db.internal",
        "metadata.google.internal.",
        "nas.local",
        "router.lan",
        "x.home.arpa",
        "a..b.com",
        "example.com..",
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "１２７.0.0.1",
        "127。0。0。1",
        "127．0．0．1",
        "①②⑦.0.0.1",
        "ｌｏｃａｌｈｏｓｔ",
        "localhost%2e",
        "%31%32%37.0.0.1",
        "0",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::10.0.0.1]",
        "[100::1]",
        "[2001::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[2001:10::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2002:808:808::1]",
        "[3fff::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
    ];

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for host in PRIVATE {
            for url in [format!("http://{host}/"), format!("https://{host}:8080/latest/meta-data?x=y")] {
                assert!(matches!(public(&url), Err(MediaError::Private(_))), "{url}: {:?}", public(&url));
            }
            // a reader of another kind must not find the host behind what ours took for the host, or the other way round
            for url in [
                format!("http://example.com\\@{host}/"),
                format!("http://{host}\\@example.com/"),
                format!("http://example.com@{host}/"),
                format!("http://user:password@{host}/"),
                format!("http://{host}\t@example.com/"),
                format!("http://@{host}/"),
                format!("ftp://{host}/"),
                format!("//{host}/"),
                (*host).to_owned(),
            ] {
                assert!(public(&url).is_err(), "{url}: {:?}", public(&url));
            }
        }
    }

    #[test]
    fn what_is_not_a_web_address_is_refused_with_its_reason() {
        assert!(matches!(public("file:///etc/passwd"), Err(MediaError::Scheme(_))));
        assert!(matches!(public("ftp://example.com/x"), Err(MediaError::Scheme(_))));
        assert!(matches!(public("https://u:p@example.com/x"), Err(MediaError::Credentials)));
        assert!(matches!(public("https://@example.com/x"), Err(MediaError::Credentials)));
        assert!(matches!(public("https://example.com\\@127.0.0.1/"), Err(MediaError::Ambiguous('\\'))));
        assert!(matches!(public("https://exam\tple.com/"), Err(MediaError::Ambiguous('\t'))));
        assert!(matches!(public("https://[fe80::1%25eth0]/"), Err(MediaError::NoUrl(_))));
        assert!(matches!(public("not a url"), Err(MediaError::NoUrl(_))));
    }

    proptest! {
        #[test]
        fn what_passes_passes_again_unchanged(
            text in "https?:[/]{1,3}[a-z0-9.:@%\\[\\]\\\\１。 -]{1,20}[/?#]?\\PC{0,10}"
        ) {
            if let Ok(sent) = public(&text) {
                prop_assert_eq!(public(&sent), Ok(sent.clone()));
            }
        }
    }
}
