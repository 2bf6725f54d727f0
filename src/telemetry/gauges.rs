//! Gauges of what the store holds, made anew for each scrape: what is not there any more is not shown.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::calls::RouteCalls;
use super::label::Label;
use crate::clock::Timestamp;
use crate::event::State;
use crate::event::stats::Levels;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SendLabels {
    account: Label,
    campaign: Label,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    account: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Label,
}

/// When each route last accepted a call, last refused one, and how many it refused since.
fn register_routes(registry: &mut Registry, routes: &BTreeMap<String, RouteCalls>) {
    let (accepted, refused): (Family<RouteLabels, Gauge>, Family<RouteLabels, Gauge>) = Default::default();
    let in_a_row: Family<RouteLabels, Gauge> = Family::default();
    for (route, calls) in routes {
        let labels = RouteLabels { route: Label::from(route) };
        let seconds = |at: Timestamp| at.0.div_euclid(1_000);
        if let Some(at) = calls.accepted_at {
            accepted.get_or_create(&labels).set(seconds(at));
        }
        if let Some((at, _)) = &calls.last_refused {
            refused.get_or_create(&labels).set(seconds(*at));
        }
        let count = calls.refused.map_or(0, |refused| refused.calls);
        in_a_row.get_or_create(&labels).set(signed(count));
    }
    let help = "When a route last accepted a call, in seconds since 1970";
    registry.register_with_unit("route_last_accepted_timestamp", help, Unit::Seconds, accepted);
    let help = "When a route last refused a call, in seconds since 1970";
    registry.register_with_unit("route_last_refused_timestamp", help, Unit::Seconds, refused);
    registry.register("route_refused_in_a_row", "Calls refused since a route last accepted one", in_a_row);
}

/// The gauges; without levels, that the store cannot be read.
pub fn registry(levels: Option<&Levels>, routes: &BTreeMap<String, RouteCalls>, now: Timestamp) -> Registry {
    let mut registry = Registry::with_prefix("serri_relay");
    register_routes(&mut registry, routes);
    let readable: Gauge = Gauge::default();
    readable.set(levels.is_some().into());
    registry.register(
        "store_readable",
        "1: the store could be read for this scrape; 0: what it holds is not shown",
        readable,
    );
    let Some(levels) = levels else { return registry };
    let sends: Family<SendLabels, Gauge> = Family::default();
    for send in &levels.sends {
        let labels = SendLabels {
            account: Label::from(&send.account),
            campaign: Label::from(&send.campaign),
            state: name(send.state),
        };
        // names that are masked alike share a gauge
        sends.get_or_create(&labels).inc_by(signed(send.count));
    }
    registry.register("sends", "Sends in the store, by where they stand", sends);
    let oldest: Family<AccountLabels, Gauge<f64, std::sync::atomic::AtomicU64>> = Family::default();
    for due in &levels.oldest_due {
        let labels = AccountLabels { account: Label::from(&due.account) };
        oldest.get_or_create(&labels).set(now.since(due.since).as_secs_f64());
    }
    let help = "How long the send that has been due longest has been due, by account; holds included";
    registry.register_with_unit("oldest_due_age", help, Unit::Seconds, oldest);
    for (name, help, bytes) in [
        ("store_size", "The store's files", levels.size.total),
        ("store_free", "The part of the store's files that holds nothing, and is used next", levels.size.free),
    ] {
        let gauge: Gauge = Gauge::default();
        gauge.set(signed(bytes));
        registry.register_with_unit(name, help, Unit::Bytes, gauge);
    }
    registry
}

fn name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Sending => "sending",
        State::Sent => "sent",
        State::Failed => "failed",
        State::Uncertain => "uncertain",
        State::Expired => "expired",
        State::Suppressed => "suppressed",
        State::Cancelled => "cancelled",
        State::Duplicate => "duplicate",
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
