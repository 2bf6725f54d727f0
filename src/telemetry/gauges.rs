//! Gauges of what the store holds, made anew for each scrape: what is not there any more is not shown.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Label;
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

/// The gauges; without levels, that the store cannot be read.
pub fn registry(levels: Option<&Levels>, now: Timestamp) -> Registry {
    let mut registry = Registry::with_prefix("serri_relay");
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
