//! What may well be meant, and had better be looked at: warnings of `check`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::{Route, manner_of};
use crate::config::fault::Fault;
use crate::config::route::RouteFile;
use crate::config::{File, Written};

/// Secrets shorter than this are guessed sooner or later.
const SHORT_SECRET: usize = 16;

/// Directories that a restart of the machine or the container empties.
const TEMPORARY: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

/// A rule that wants the contact's phone where the source has none.
pub fn phone(file: &File<RouteFile>, written: &Written, faults: &mut Vec<Fault>) {
    let Some(source) = written.sources.get(&file.value.source) else { return };
    let Some(manner) = manner_of(&file.value, written) else { return };
    let found = manner.contact.is_some_and(|contact| contact.phone.is_some());
    if found && manner.enrich.is_none_or(|enrich| enrich.is_complete()) {
        return;
    }
    for (index, rule) in file.value.sends.iter().enumerate() {
        if rule.destination.contains("contact.phone") {
            let place = file.node.place_of(&["sends", &index.to_string(), "destination"]);
            let fault = Fault::at(place, format!("{} brings no phone number", source.value.title));
            let way = source.value.no_phone.as_deref().unwrap_or("name the field, as {{ event.mobile }}");
            faults.push(fault.hint(way.split_whitespace().collect::<Vec<_>>().join(" ")).warning());
        }
    }
}

/// A read call with the placeholder that `new` wrote.
pub fn lookup(file: &File<RouteFile>, faults: &mut Vec<Fault>) {
    if let Some(enrich) = file.value.manner.enrich.as_ref().filter(|enrich| enrich.is_placeholder()) {
        let key = if enrich.token.is_some() { "token" } else { "base" };
        let fault = Fault::at(
            file.node.place_of(&["enrich", key]),
            format!("`enrich.{key}` is not set yet: events will wait for it"),
        );
        faults.push(fault.hint("set the variable named there; the source's page says where it is found").warning());
    }
}

/// A sender that never repeats a call, and a store that does not outlive the machine.
pub fn storage(file: &File<RouteFile>, written: &Written, faults: &mut Vec<Fault>) {
    let Some(source) = written.sources.get(&file.value.source) else { return };
    let url = &written.relay.value.store.url;
    let path = Path::new(url.strip_prefix("sqlite:").unwrap_or(url));
    let never = source.value.facts.as_ref().is_some_and(|facts| facts.never_retries);
    if never && TEMPORARY.iter().any(|dir| path.starts_with(dir)) {
        let fault = Fault::at(
            file.node.place_of(&["source"]),
            format!(
                "{} never repeats a call, and the store stands in a temporary directory: {url}",
                source.value.title
            ),
        );
        faults
            .push(fault.hint("set store.url to a disk that stays, as sqlite:/var/lib/serri-relay/relay.db").warning());
    }
}

/// One secret for two routes: who has it for the one can call the other.
pub fn shared_secrets(written: &Written, faults: &mut Vec<Fault>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for file in written.routes.values() {
        let secrets = file.value.secret.iter().flat_map(crate::config::source::OneOrMany::as_slice);
        for secret in secrets.filter(|secret| !secret.trim().is_empty()) {
            match owners.get(secret.as_str()) {
                Some(other) if *other != file.name => {
                    let fault = Fault::at(
                        file.node.place_of(&["secret"]),
                        format!(
                            "`{}` and `{other}` have the same secret: who may call the one can call the other",
                            file.name
                        ),
                    );
                    faults.push(fault.hint("give each route its own: openssl rand -hex 24").warning());
                }
                _ => drop(owners.insert(secret, &file.name)),
            }
        }
    }
}

/// Who could call a route besides its sender.
pub fn exposure(file: &File<RouteFile>, written: &Written, route: &Route, faults: &mut Vec<Fault>) {
    let relay = &written.relay.value;
    let account = relay.accounts.get(file.value.account.as_deref().unwrap_or("default"));
    let real = account.is_some_and(|account| !account.uses_sandbox());
    if route.authentication.is_open() {
        let local = relay.server.listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
        let who = if local { "anybody on this computer" } else { "anybody who knows the address" };
        let fault =
            Fault::at(file.node.place_of(&["auth"]), format!("{who} can start messages by the route `{}`", file.name));
        faults.push(fault.hint("give it a secret, unless it can be reached from your own network alone").warning());
    }
    let short = file
        .value
        .secret
        .as_ref()
        .is_some_and(|secret| secret.as_slice().iter().any(|secret| secret.len() < SHORT_SECRET));
    if short && real {
        let fault =
            Fault::at(file.node.place_of(&["secret"]), format!("the secret is shorter than {SHORT_SECRET} characters"));
        faults.push(
            fault.hint("messages cost money, and somebody will try: openssl rand -hex 24 gives a good one").warning(),
        );
    }
}
