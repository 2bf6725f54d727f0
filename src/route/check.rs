//! Everything that can be known to be wrong before the first call comes.

use std::collections::BTreeSet;
use std::path::Path;

use super::accounts::{self, Accounts};
use super::alerts::{self, Alert};
use super::{Route, Routes, advice, compile, example, listed, retention};
use crate::config::campaigns::CampaignsFile;
use crate::config::diagnostic::{Diagnostic, once_each};
use crate::config::document::Node;
use crate::config::interpolate::Variables;
use crate::config::relay::{AccountSpec, ServerSpec};
use crate::config::route::RouteFile;
use crate::config::shape::Reading;
use crate::config::{self, Extent, File, Written};
use crate::source::SourceProfile;

/// Where an account's sends go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sending {
    /// To its endpoint, if it has a key, else to the sandbox.
    #[default]
    AsConfigured,
    /// To the sandbox, whether it has a key or not.
    Sandbox,
}

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To find everything that is wrong.
    Check,
    /// The same, where the APIs are asked about campaigns afterwards: what was pulled before does not matter.
    Ask,
    /// To run. An example that does not come out as it says is a warning: what a rule sends may be right, and a relay that
    /// does not start loses more. What was pulled of campaigns may be older than they are, and does not matter.
    Run,
}

/// A configuration that was read, compiled and checked.
#[derive(Debug)]
pub struct Checked {
    /// As written.
    pub written: Written,
    /// The accounts.
    pub accounts: Accounts,
    /// Those who want to know of holds.
    pub alerts: Vec<Alert>,
    /// The routes, ready to take calls.
    pub routes: Routes,
    /// Where their sends go.
    pub sending: Sending,
}

/// Reads, compiles and checks a configuration directory, examples included. Warnings are among the faults.
pub fn check(dir: &Path, variables: &Variables) -> (Option<Checked>, Vec<Diagnostic>) {
    check_for(dir, variables, Sending::AsConfigured)
}

/// The same with sends that go elsewhere than the accounts say.
pub fn check_for(dir: &Path, variables: &Variables, sending: Sending) -> (Option<Checked>, Vec<Diagnostic>) {
    examine(dir, variables, sending, Purpose::Check)
}

/// The same for a purpose.
pub fn examine(
    dir: &Path,
    variables: &Variables,
    sending: Sending,
    purpose: Purpose,
) -> (Option<Checked>, Vec<Diagnostic>) {
    let (written, mut diagnostics) = config::read(dir, variables, Extent::Used);
    let Some(mut written) = written else { return (None, diagnostics) };
    if purpose != Purpose::Check {
        written.campaigns = CampaignsFile::default();
    }
    if sending == Sending::Sandbox {
        written.relay.value.accounts.values_mut().for_each(AccountSpec::use_sandbox);
    }
    settings(&written, &mut diagnostics);
    retention::check(&written, &mut diagnostics);
    listed::campaigns(&written, &mut diagnostics);
    let accounts = accounts::check(&written, &mut diagnostics);
    let alerts = alerts::check(&written, &accounts, &mut diagnostics);
    let routes = compile(&written, &mut diagnostics);
    let used: BTreeSet<&str> = written.routes.values().map(|route| &*route.value.source).collect();
    for source in written.sources.values().filter(|source| !used.contains(&*source.name)) {
        // one of one's own that no route names yet
        if let Err(more) = SourceProfile::compile(&source.value.profile_spec, &[&source.node]) {
            diagnostics.extend(more);
        }
    }
    for (name, route) in &routes {
        if let Some(file) = written.routes.get(name) {
            let found = of_route(route, file, &written, purpose);
            diagnostics.extend(found.into_iter().map(|diagnostic| diagnostic.of_route(name)));
        }
    }
    advice::shared_secrets(&written, &mut diagnostics);
    advice::replaced_sources(&written, &mut diagnostics);
    // an account's options hold for each of its routes, and two ways of one list may have the same fault
    let diagnostics = once_each(diagnostics);
    if written.relay.reading == Reading::WithStandIns {
        return (None, diagnostics);
    }
    let is_as_written = |name: &String| {
        let file = written.routes.get(name);
        let source = file.and_then(|file| written.sources.get(&file.value.source));
        file.is_some_and(|file| file.reading == Reading::AsWritten)
            && source.is_some_and(|source| source.reading == Reading::AsWritten)
    };
    let routes = routes.into_iter().filter(|(name, _)| is_as_written(name)).collect();
    (Some(Checked { written, accounts, alerts, routes, sending }), diagnostics)
}

/// What is wrong with a route that could be compiled, or might not be meant so.
fn of_route(route: &Route, file: &File<RouteFile>, written: &Written, purpose: Purpose) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    example::run(route, file, written, &mut diagnostics);
    if purpose == Purpose::Run {
        diagnostics = diagnostics.into_iter().map(Diagnostic::warning).collect();
    }
    listed::rules(file, written, route, &mut diagnostics);
    advice::published_secret(file, written, &mut diagnostics);
    advice::exposure(file, written, route, &mut diagnostics);
    advice::phone(file, written, route, &mut diagnostics);
    advice::lookup(file, route, &mut diagnostics);
    advice::idle_options(file, written, &mut diagnostics);
    advice::storage(file, written, &mut diagnostics);
    diagnostics
}

fn settings(written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let (relay, node) = (&written.relay.value, &written.relay.node);
    if !relay.admin.listen.0.ip().is_loopback() {
        let token = relay.admin.token.trim();
        let wrong = match token {
            "" => Some("has no token"),
            token if advice::is_published(token) => Some("its token is published: everybody knows it"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let message = format!("the admin listener can be reached from outside, and {wrong}");
            let diagnostic = Diagnostic::at(node.place_of(&["admin", "listen"]), message);
            diagnostics
                .push(diagnostic.hint("set SERRI_RELAY_ADMIN_TOKEN (openssl rand -hex 24), or listen on 127.0.0.1"));
        }
    }
    for (path, value) in [
        (["server", "concurrency"], relay.server.concurrency),
        (["delivery", "concurrency"], relay.delivery.concurrency),
    ] {
        if value == 0 {
            diagnostics.push(
                Diagnostic::at(node.place_of(&path), "with 0 nothing would ever be done").hint("write 1 or more"),
            );
        }
    }
    let spans = [
        (["server", "request_timeout"], relay.server.request_timeout.0),
        (["server", "header_timeout"], relay.server.header_timeout.0),
        (["delivery", "timeout"], relay.delivery.timeout.0),
        (["delivery", "connect_timeout"], relay.delivery.connect_timeout.0),
    ];
    for (path, _) in spans.iter().filter(|(_, span)| span.is_zero()) {
        diagnostics.push(Diagnostic::at(node.place_of(path), "in no time nothing would ever be done").hint("as 10s"));
    }
    if relay.server.body_limit.0 == 0 {
        diagnostics.push(
            Diagnostic::at(node.place_of(&["server", "body_limit"]), "no body would ever be taken").hint("as 1MiB"),
        );
    }
    call_limits(&relay.server, node, diagnostics);
    let retry = &relay.delivery.retry;
    if retry.initial.0.is_zero() || retry.max.0 < retry.initial.0 {
        diagnostics.push(Diagnostic::at(
            node.place_of(&["delivery", "retry"]),
            "`initial` must be more than nothing, and `max` no less than `initial`",
        ));
    }
    let probe = &relay.delivery.hold_probe;
    if probe.initial.0.is_zero() || probe.max.0 < probe.initial.0 {
        diagnostics.push(Diagnostic::at(
            node.place_of(&["delivery", "hold_probe"]),
            "`initial` must be more than nothing, and `max` no less than `initial`",
        ));
    }
}

/// Whether the bounds on what calls cost leave room for the largest body.
fn call_limits(server: &ServerSpec, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    if server.body_memory.0 < server.body_limit.0 {
        diagnostics.push(
            Diagnostic::at(
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
            diagnostics.push(Diagnostic::at(place, "with 0 no call would ever be taken").hint("as 1000"));
        }
    }
    if call_limit.stored.0 / 2 < server.body_limit.0 {
        let place = node.place_of(&["server", "call_limit", "stored"]);
        diagnostics.push(
            Diagnostic::at(place, "it leaves no room for what comes of a body as large as `body_limit`")
                .hint("at least twice server.body_limit; 16MiB is what most need"),
        );
    }
}
