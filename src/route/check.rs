//! Everything that can be known to be wrong before the first call comes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use super::{Routes, advice, compile, example, listed};
use crate::config::document::Node;
use crate::config::fault::Fault;
use crate::config::interpolate::Variables;
use crate::config::relay::{AccountSpec, ServerSpec};
use crate::config::shape::Reading;
use crate::config::{self, Extent, Written};
use crate::source::Knowledge;

/// Where an account's sends go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sending {
    /// To its endpoint, if it has a key, else to the sandbox.
    #[default]
    AsConfigured,
    /// To the sandbox, whether it has a key or not.
    Sandbox,
}

/// A configuration that was read, compiled and checked.
#[derive(Debug)]
pub struct Checked {
    /// As written.
    pub written: Written,
    /// The routes, ready to take calls.
    pub routes: Routes,
    /// Where their sends go.
    pub sending: Sending,
}

/// Reads, compiles and checks a configuration directory, examples included. Warnings are among the faults.
pub fn check(dir: &Path, variables: &Variables) -> (Option<Checked>, Vec<Fault>) {
    check_for(dir, variables, Sending::AsConfigured)
}

/// The same with sends that go elsewhere than the accounts say.
pub fn check_for(dir: &Path, variables: &Variables, sending: Sending) -> (Option<Checked>, Vec<Fault>) {
    let (written, mut faults) = config::read(dir, variables, Extent::Used);
    let Some(mut written) = written else { return (None, faults) };
    if sending == Sending::Sandbox {
        written.relay.value.accounts.values_mut().for_each(AccountSpec::use_sandbox);
    }
    settings(&written, &mut faults);
    listed::campaigns(&written, &mut faults);
    listed::alerts(&written, &mut faults);
    let routes = compile(&written, &mut faults);
    let used: BTreeSet<&str> = written.routes.values().map(|route| &*route.value.source).collect();
    for source in written.sources.values().filter(|source| !used.contains(&*source.name)) {
        // one of one's own that no route names yet
        if let Err(more) = Knowledge::compile(&source.value.manner, &[&source.node]) {
            faults.extend(more);
        }
    }
    for (name, route) in &routes {
        if let Some(file) = written.routes.get(name) {
            example::run(route, file, &written, &mut faults);
            listed::rules(file, &written, &route.rules, &mut faults);
            advice::published_secret(file, &written, &mut faults);
            advice::exposure(file, &written, route, &mut faults);
            advice::phone(file, &written, route, &mut faults);
            advice::lookup(file, route, &mut faults);
            advice::idle_wishes(file, &written, &mut faults);
            advice::storage(file, &written, &mut faults);
        }
    }
    advice::shared_secrets(&written, &mut faults);
    // two ways of one list may have the same fault
    faults.dedup();
    if written.relay.reading == Reading::WithStandIns {
        return (None, faults);
    }
    let is_as_written = |name: &String| {
        let file = written.routes.get(name);
        let source = file.and_then(|file| written.sources.get(&file.value.source));
        file.is_some_and(|file| file.reading == Reading::AsWritten)
            && source.is_some_and(|source| source.reading == Reading::AsWritten)
    };
    let routes = routes.into_iter().filter(|(name, _)| is_as_written(name)).collect();
    (Some(Checked { written, routes, sending }), faults)
}

fn settings(written: &Written, faults: &mut Vec<Fault>) {
    let (relay, node) = (&written.relay.value, &written.relay.node);
    let address = |path: &[&str], text: &str, faults: &mut Vec<Fault>| match text.parse::<SocketAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            faults.push(
                Fault::at(node.place_of(path), format!("`{text}` is not an address and port"))
                    .hint("as 0.0.0.0:8080, 127.0.0.1:8081 or [::]:8080"),
            );
            None
        }
    };
    address(&["server", "listen"], &relay.server.listen, faults);
    let admin = address(&["admin", "listen"], &relay.admin.listen, faults);
    if admin.is_some_and(|admin| !admin.ip().is_loopback()) {
        let token = relay.admin.token.trim();
        let wrong = match token {
            "" => Some("has no token"),
            token if advice::is_published(token) => Some("its token is published: everybody knows it"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let message = format!("the admin listener can be reached from outside, and {wrong}");
            let fault = Fault::at(node.place_of(&["admin", "listen"]), message);
            faults.push(fault.hint("set SERRI_RELAY_ADMIN_TOKEN (openssl rand -hex 24), or listen on 127.0.0.1"));
        }
    }
    if let Some(url) = relay.server.public_url.as_deref().filter(|url| !url.is_empty())
        && !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
    {
        faults.push(
            Fault::at(node.place_of(&["server", "public_url"]), format!("`{url}` is not a URL"))
                .hint("the part of the webhook's URL before /webhooks, as https://hooks.example.com"),
        );
    }
    for (path, value) in [
        (["server", "concurrency"], relay.server.concurrency),
        (["delivery", "concurrency"], relay.delivery.concurrency),
    ] {
        if value == 0 {
            faults.push(Fault::at(node.place_of(&path), "with 0 nothing would ever be done").hint("write 1 or more"));
        }
    }
    let spans = [
        (["server", "request_timeout"], relay.server.request_timeout.0),
        (["server", "header_timeout"], relay.server.header_timeout.0),
        (["delivery", "timeout"], relay.delivery.timeout.0),
        (["delivery", "connect_timeout"], relay.delivery.connect_timeout.0),
    ];
    for (path, _) in spans.iter().filter(|(_, span)| span.is_zero()) {
        faults.push(Fault::at(node.place_of(path), "in no time nothing would ever be done").hint("as 10s"));
    }
    if relay.server.body_limit.0 == 0 {
        faults.push(Fault::at(node.place_of(&["server", "body_limit"]), "no body would ever be taken").hint("as 1MiB"));
    }
    call_limits(&relay.server, node, faults);
    if relay.delivery.proxy().is_none() {
        // what stands there may hold a password
        let fault = Fault::at(node.place_of(&["delivery", "proxy"]), "this is not a proxy");
        faults.push(fault.hint("write `environment`, `none`, or a URL, as http://proxy.example.com:3128"));
    }
    let retry = &relay.delivery.retry;
    if retry.initial.0.is_zero() || retry.max.0 < retry.initial.0 {
        faults.push(Fault::at(
            node.place_of(&["delivery", "retry"]),
            "`initial` must be more than nothing, and `max` no less than `initial`",
        ));
    }
    let probe = &relay.delivery.hold_probe;
    if probe.initial.0.is_zero() || probe.max.0 < probe.initial.0 {
        faults.push(Fault::at(
            node.place_of(&["delivery", "hold_probe"]),
            "`initial` must be more than nothing, and `max` no less than `initial`",
        ));
    }
    if !relay.store.url.starts_with("sqlite:") {
        faults.push(
            Fault::at(node.place_of(&["store", "url"]), format!("`{}` is not a store", relay.store.url))
                .hint("write sqlite: and a path, as sqlite:data/relay.db"),
        );
    }
    for (name, account) in &relay.accounts {
        if !url::Url::parse(&account.endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            let place = node.place_of(&["accounts", name, "endpoint"]);
            faults.push(
                Fault::at(place, format!("`{}` is not a URL", account.endpoint))
                    .hint("https://backend.serri.com/campaign/t1/api/v2"),
            );
        }
    }
}

/// Whether the bounds on what calls cost leave room for the largest body.
fn call_limits(server: &ServerSpec, node: &Node, faults: &mut Vec<Fault>) {
    if server.body_memory.0 < server.body_limit.0 {
        faults.push(
            Fault::at(
                node.place_of(&["server", "body_memory"]),
                "a body as large as `body_limit` would never be taken",
            )
            .hint("at least as much as server.body_limit; 64MiB is what most need"),
        );
    }
    let call_limit = &server.call_limit;
    for (key, value) in [("events", call_limit.events), ("sends", call_limit.sends)] {
        if value == 0 {
            let place = node.place_of(&["server", "call_limit", key]);
            faults.push(Fault::at(place, "with 0 no call would ever be taken").hint("as 1000"));
        }
    }
    if call_limit.stored.0 / 2 < server.body_limit.0 {
        let place = node.place_of(&["server", "call_limit", "stored"]);
        faults.push(
            Fault::at(place, "it leaves no room for what comes of a body as large as `body_limit`")
                .hint("at least twice server.body_limit; 16MiB is what most need"),
        );
    }
}
