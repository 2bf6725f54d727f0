//! What may well be meant, and had better be looked at: warnings of `check`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::example::call_of;
use super::{Route, profile_spec_of};
use crate::clock::Timestamp;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::document::{Kind, Node};
use crate::config::one_or_many::OneOrMany;
use crate::config::relay::AccountSpec;
use crate::config::route::RouteFile;
use crate::config::shipped;
use crate::config::source::{SampleSpec, SourceFile, SourceProfileSpec};
use crate::config::{File, Written};
use crate::event::{NewSend, Unmapped, UnmappedReason};

/// Secrets shorter than this are guessed sooner or later.
const SHORT_SECRET: usize = 16;

/// Secrets that stand in what is published of the relay: everybody knows them.
const PUBLISHED: [&str; 2] = ["let-me-in", "for-this-computer-only"];

/// Directories that a restart of the machine or the container empties.
const TEMPORARY: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

/// A rule that wants the contact's phone where the source has none; or where some of its events have none, as its own
/// samples show.
pub fn phone(file: &File<RouteFile>, written: &Written, route: &Route, diagnostics: &mut Vec<Diagnostic>) {
    let Some(source) = written.sources.get(&file.value.source) else { return };
    let Some(profile_spec) = profile_spec_of(&file.value, written) else { return };
    let found = finds_a_phone(&profile_spec);
    if found && source.value.no_phone.is_none() {
        return;
    }
    let title = &source.value.title;
    for (index, rule) in file.value.sends.iter().enumerate() {
        if !rule.destination.contains("contact.phone") {
            continue;
        }
        let message = if found {
            let sample =
                source.value.samples.iter().find(|(_, sample)| lacks_phone(route, &rule.name, sample, &profile_spec));
            let Some((sample, _)) = sample else { continue };
            format!(
                "some events of {title} bring no phone number, as its sample `{sample}`, to which this rule applies"
            )
        } else {
            format!("{title} brings no phone number")
        };
        let diagnostic = Diagnostic::at(file.node.place_of(&["sends", &index.to_string(), "destination"]), message);
        let way = source.value.no_phone.as_deref().unwrap_or("name the field, as {{ event.mobile }}");
        diagnostics.push(diagnostic.hint(way.split_whitespace().collect::<Vec<_>>().join(" ")).warning());
    }
}

/// Whether there is a place for a phone in what arrives, or in what is read for it.
fn finds_a_phone(profile_spec: &SourceProfileSpec) -> bool {
    let places = profile_spec.contact.iter().filter_map(|contact| contact.phone.as_ref()).flat_map(OneOrMany::as_slice);
    let unread = profile_spec.enrich.as_ref().filter(|enrich| !enrich.is_complete());
    let within = unread.and_then(|enrich| enrich.into.as_ref()).map(|into| format!("event.{into}"));
    places.into_iter().any(|place| within.as_ref().is_none_or(|within| !place.contains(within)))
}

/// Whether a rule applies to an event of a sample, and fails for want of the phone.
fn lacks_phone(route: &Route, rule: &str, sample: &SampleSpec, profile_spec: &SourceProfileSpec) -> bool {
    let authentic = route.authentication.assume(call_of(sample, profile_spec));
    let events = route.read(&authentic, Timestamp(0)).unwrap_or_default();
    let wants = |send: &NewSend| {
        send.rule == rule
            && matches!(&send.content, Err(Unmapped { key, reason: UnmappedReason::Missing(field), .. })
                if key == "destination" && field == "contact.phone")
    };
    events.iter().flat_map(|event| &event.made.sends).any(wants)
}

/// Options that only refine others, each with those that it refines.
const DETAILS: [(&str, &[&str], &str); 4] = [
    ("timezone", &["hours", "at"], "as hours: \"09:00-21:00\""),
    ("closed", &["hours"], "as hours: \"09:00-21:00\""),
    ("over_cap", &["cap"], "as cap: 2/day"),
    ("reason", &["even_if_suppressed"], "as even_if_suppressed: true"),
];

/// Options without effect: they refine another option that is set nowhere.
pub fn idle_options(file: &File<RouteFile>, written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let name = file.value.account.as_deref().unwrap_or("default");
    let account = written.relay.node.get("accounts").and_then(|accounts| accounts.get(name));
    let rules: Vec<&Node> =
        (0..file.value.sends.len()).filter_map(|index| file.node.get("sends")?.entry(index)).collect();
    let mut look = |node: &Node, whole: &[&Node]| {
        for (key, about, hint) in DETAILS {
            let has = |node: &&Node| about.iter().any(|key| node.get(key).is_some());
            if let Some(detail) = node.get(key).filter(|_| !whole.iter().any(has)) {
                let about = about.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" or ");
                let diagnostic = Diagnostic::at(&detail.place, format!("`{key}` does nothing without {about}"));
                diagnostics.push(diagnostic.hint(hint).warning());
            }
        }
    };
    let around: Vec<&Node> = account.into_iter().chain([&file.node]).collect();
    for rule in &rules {
        look(rule, &[around.as_slice(), &[*rule]].concat());
    }
    look(&file.node, &[around, rules].concat());
}

/// A read call with the placeholder that `new` wrote.
pub fn lookup(file: &File<RouteFile>, route: &Route, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(enrich) = file.value.profile_spec.enrich.as_ref().filter(|enrich| enrich.is_placeholder()) {
        let key = if enrich.token.is_some() { "token" } else { "base" };
        let place = file.node.place_of(&["enrich", key]);
        let stands = route.profile.enrichment.as_ref().is_some_and(|call| call.stand_in_answer().is_some());
        let then = if stands { "the source's own sample stands for what is read" } else { "events wait for it" };
        let diagnostic = Diagnostic::at(place, format!("`enrich.{key}` is not set yet: until then {then}"));
        let written = place.text().split_once("${").map_or("", |(_, rest)| rest);
        let variable: String = written.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let what = if variable.is_empty() { "put it in".to_owned() } else { format!("set {variable}") };
        let page = format!("`serri-relay sources {}` says where it is found", route.source);
        diagnostics.push(diagnostic.hint(format!("{what}; {page}")).warning());
    }
}

/// A sender that never repeats a call, and a store that does not outlive the machine.
pub fn storage(file: &File<RouteFile>, written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let Some(source) = written.sources.get(&file.value.source) else { return };
    let url = &written.relay.value.store.url;
    let path = url.path();
    let never = source.value.facts.as_ref().is_some_and(|facts| facts.never_retries);
    if never && TEMPORARY.iter().any(|dir| path.starts_with(dir)) {
        let diagnostic = Diagnostic::at(
            file.node.place_of(&["source"]),
            format!(
                "{} never repeats a call, and the store stands in a temporary directory: {url}",
                source.value.title
            ),
        );
        diagnostics.push(
            diagnostic.hint("set store.url to a disk that stays, as sqlite:/var/lib/serri-relay/relay.db").warning(),
        );
    }
}

/// One secret for two routes: who has it for the one can call the other.
pub fn shared_secrets(written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<&str, (&str, &Place)> = BTreeMap::new();
    for file in written.routes.values() {
        let place = file.node.place_of(&["secret"]);
        let secrets = file.value.secret.iter().flat_map(OneOrMany::as_slice);
        for secret in secrets.filter(|secret| !secret.trim().is_empty()) {
            match owners.get(secret.as_str()) {
                // a client's, which its routes take from one place, is meant for them all
                Some((other, at)) if *other != file.name && *at != place => {
                    let diagnostic = Diagnostic::at(
                        place,
                        format!(
                            "`{}` and `{other}` have the same secret: who may call the one can call the other",
                            file.name
                        ),
                    );
                    diagnostics.push(diagnostic.hint("give each route its own: openssl rand -hex 24").warning());
                }
                _ => drop(owners.insert(secret, (&file.name, place))),
            }
        }
    }
}

/// Files in `sources/` that stand for shipped sources and say something else: an upgrade of the relay does not reach them.
/// Those that no route uses share one warning, since a whole `config/` may have been copied.
pub fn replaced_sources(written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let used: BTreeSet<&str> = written.routes.values().map(|route| &*route.value.source).collect();
    let differs = |file: &&File<SourceFile>| {
        shipped::source(&file.name).is_some_and(|text| !shipped::is_same(&file.node.place.source.text, text))
    };
    let (used, idle): (Vec<_>, Vec<_>) =
        written.sources.values().filter(differs).partition(|file| used.contains(&*file.name));
    let whole = |file: &File<SourceFile>| Place::start_of(Arc::clone(&file.node.place.source));
    for file in used {
        let name = &file.name;
        let message = format!("this file replaces the shipped source `{name}` and differs from it");
        diagnostics.push(
            Diagnostic::at(&whole(file), message)
                .hint(format!(
                    "`serri-relay sources diff {name}` shows how; delete the file to use the shipped source, or, to keep your own, rename it and name it so in `source:` of the routes"
                ))
                .warning(),
        );
    }
    if let Some(first) = idle.first() {
        let names = idle.iter().map(|file| format!("`{}`", file.name)).collect::<Vec<_>>().join(", ");
        let message = format!("no route uses these files, which replace shipped sources and differ from them: {names}");
        let hint = format!("delete them, or rename those that you changed; `serri-relay sources diff {}`", first.name);
        diagnostics.push(Diagnostic::at(&whole(first), message).hint(hint).warning());
    }
}

/// Whether everybody knows a secret, since it stands in what is published of the relay.
pub fn is_published(secret: &str) -> bool {
    PUBLISHED.contains(&secret.trim())
}

/// A route that sends for real and takes a secret that everybody knows.
pub fn published_secret(file: &File<RouteFile>, written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let account = written.relay.value.accounts.get(file.value.account.as_deref().unwrap_or("default"));
    if account.is_none_or(AccountSpec::uses_sandbox) {
        return;
    }
    let nodes = ["secret", "auth", "verify_token"].into_iter().filter_map(|key| file.node.get(key));
    for place in nodes.flat_map(published_in) {
        let diagnostic = Diagnostic::at(
            place,
            "this secret is published, and the account has an API key: anybody could send messages at its cost",
        );
        diagnostics.push(diagnostic.hint(format!(
            "set one of your own (openssl rand -hex 24) in the variable that the line names, or remove `{}.yaml`",
            file.name
        )));
    }
}

/// The places of published secrets at and below a node.
fn published_in(node: &Node) -> Vec<&Place> {
    match &node.kind {
        Kind::Text(text) if is_published(text) => vec![&node.place],
        Kind::List(items) => items.iter().flat_map(published_in).collect(),
        Kind::Map(entries) => entries.iter().flat_map(|entry| published_in(&entry.value)).collect(),
        _ => Vec::new(),
    }
}

/// Who could call a route besides its sender.
pub fn exposure(file: &File<RouteFile>, written: &Written, route: &Route, diagnostics: &mut Vec<Diagnostic>) {
    let relay = &written.relay.value;
    let account = relay.accounts.get(file.value.account.as_deref().unwrap_or("default"));
    let real = account.is_some_and(|account| !account.uses_sandbox());
    if route.authentication.is_open() {
        let local = relay.server.listen.0.ip().is_loopback();
        let who = if local { "anybody on this computer" } else { "anybody who knows the address" };
        let diagnostic = Diagnostic::at(
            file.node.place_of(&["auth"]),
            format!("{who} can start messages by the route `{}`", file.name),
        );
        diagnostics
            .push(diagnostic.hint("give it a secret, unless it can be reached from your own network alone").warning());
    }
    let short = file
        .value
        .secret
        .as_ref()
        .is_some_and(|secret| secret.as_slice().iter().any(|secret| secret.len() < SHORT_SECRET));
    if short && real {
        let diagnostic = Diagnostic::at(
            file.node.place_of(&["secret"]),
            format!("the secret is shorter than {SHORT_SECRET} characters"),
        );
        diagnostics.push(
            diagnostic
                .hint("messages cost money, and somebody will try: openssl rand -hex 24 gives a good one")
                .warning(),
        );
    }
}
