//! From where a listener can be called, and which calls it must not answer: a page in a browser of this computer must
//! neither read it under a name of its own (DNS rebinding) nor post to it.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, header};

/// From where a listener can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From this computer alone.
    Loopback,
    /// From other computers too.
    Beyond,
}

impl Reach {
    /// That of an address.
    pub fn of(address: SocketAddr) -> Self {
        if address.ip().is_loopback() { Self::Loopback } else { Self::Beyond }
    }

    /// Whether a call may be answered. On loopback it has to name this computer as its host. Everywhere the page it comes
    /// from, if it comes from one, has to be this listener's own or one of this computer.
    pub fn allows(self, call: &Parts) -> bool {
        let site = call.headers.get("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin" && site != "none") {
            return false;
        }
        let names_this_computer = match self {
            Self::Loopback => {
                // a request line may name a host as well
                hosts(call).all(is_this_computer) && call.uri.authority().is_none_or(|host| is_loopback(host.host()))
            }
            Self::Beyond => true,
        };
        let is_own = |origin: &HeaderValue| {
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            origin.is_some_and(|(_, from)| {
                let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(from.as_bytes());
                authority(from.as_bytes()).is_some_and(|from| is_loopback(from.host()))
                    || self == Self::Beyond && hosts(call).any(same)
            })
        };
        names_this_computer && call.headers.get_all(header::ORIGIN).iter().all(is_own)
    }
}

fn hosts(call: &Parts) -> impl Iterator<Item = &HeaderValue> {
    call.headers.get_all(header::HOST).iter()
}

fn is_this_computer(host: &HeaderValue) -> bool {
    authority(host.as_bytes()).is_some_and(|host| is_loopback(host.host()))
}

fn authority(text: &[u8]) -> Option<Authority> {
    Authority::try_from(text).ok()
}

/// Whether a host's name or address always means this computer (RFC 6761, 6.3), however it is resolved.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn allowed(reach: Reach, uri: &str, headers: &[(&str, &str)]) -> bool {
        let request = headers.iter().fold(Request::post(uri), |request, (name, value)| request.header(*name, *value));
        reach.allows(&request.body(()).expect("a request").into_parts().0)
    }

    #[test]
    fn a_foreign_name_or_page_is_not_answered() {
        use Reach::{Beyond, Loopback};
        // what is called, then whether it is answered on loopback, and beyond
        type Headers = [(&'static str, &'static str)];
        let table: &[(&Headers, bool, bool)] = &[
            (&[], true, true),
            (&[("host", "127.0.0.1:8081")], true, true),
            (&[("host", "127.8.9.1")], true, true),
            (&[("host", "[::1]:8081")], true, true),
            (&[("host", "LocalHost:1")], true, true),
            (&[("host", "app.localhost")], true, true),
            (&[("host", "rebound.example:8081")], false, true),
            (&[("host", "10.0.0.7")], false, true),
            (&[("host", "localhost.example")], false, true),
            (&[("host", "127.0.0.1.example")], false, true),
            (&[("host", "")], false, true),
            (&[("host", "localhost"), ("host", "rebound.example")], false, true),
            (&[("host", "localhost"), ("origin", "http://localhost:8081")], true, true),
            (&[("host", "localhost"), ("origin", "https://evil.example")], false, false),
            (&[("host", "localhost"), ("origin", "null")], false, false),
            (&[("host", "localhost"), ("origin", "file://")], false, false),
            (&[("host", "relay.internal:8090"), ("origin", "http://relay.internal:8090")], false, true),
            (&[("host", "relay.internal:8090"), ("origin", "http://relay.internal")], false, false),
            (&[("host", "localhost"), ("sec-fetch-site", "none")], true, true),
            (&[("host", "localhost"), ("sec-fetch-site", "same-origin")], true, true),
            (&[("host", "localhost"), ("sec-fetch-site", "same-site")], false, false),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")], false, false),
        ];
        for (headers, on_loopback, beyond) in table {
            assert_eq!(allowed(Loopback, "/", headers), *on_loopback, "{headers:?}");
            assert_eq!(allowed(Beyond, "/", headers), *beyond, "{headers:?}");
        }
        assert!(!allowed(Loopback, "http://rebound.example/", &[("host", "localhost")]));
        assert_eq!(Reach::of(([127, 0, 0, 1], 1).into()), Loopback);
        assert_eq!(Reach::of(([0, 0, 0, 0], 1).into()), Beyond);
    }

    #[test]
    fn loopback_has_many_names() {
        for host in
            ["127.0.0.1", "127.255.0.9", "::1", "[::1]", "localhost", "LOCALHOST.", "a.localhost", "::ffff:127.0.0.1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "128.0.0.1", "10.0.0.1", "localhost.example", "notlocalhost", "::2", "127.0.0.1.nip.io"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
