//! Whether things are kept for as long as the settings and the rules need them.

use std::time::Duration;

use crate::config::Written;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Node;
use crate::config::unit::{PerPerson, Period};

/// What is removed sooner than something else needs it.
pub fn check(written: &Written, diagnostics: &mut Vec<Diagnostic>) {
    let (relay, node) = (&written.relay.value, &written.relay.node);
    let (store, retention) = (&relay.store, &relay.store.retention);
    let window = store.dedup_window.0.max(store.dedup_window_without_id.0);
    if retention.events.0.is_some_and(|events| events < window) {
        let message = "events would be removed while their repetitions are still recognized";
        let diagnostic = Diagnostic::at(node.place_of(&["store", "retention", "events"]), message);
        diagnostics.push(diagnostic.hint("no shorter than store.dedup_window and store.dedup_window_without_id"));
    }
    if is_shorter(retention.sends, retention.events.0) {
        let message = "sends would be removed before their events: a replay of those would not know what was sent";
        let diagnostic = Diagnostic::at(node.place_of(&["store", "retention", "sends"]), message);
        diagnostics.push(diagnostic.hint("no shorter than store.retention.events"));
    }
    for (name, account) in &relay.accounts {
        cap(account.options.cap, retention.sends, node, &["accounts", name], diagnostics);
    }
    for file in written.routes.values() {
        cap(file.value.options.cap, retention.sends, &file.node, &[], diagnostics);
        for (index, rule) in file.value.sends.iter().enumerate() {
            cap(rule.options.cap, retention.sends, &file.node, &["sends", &index.to_string()], diagnostics);
        }
    }
}

/// Whether a period is shorter than another; `None` is for ever.
fn is_shorter(period: Period, than: Option<Duration>) -> bool {
    period.0.is_some_and(|period| than.is_none_or(|than| period < than))
}

/// A cap counts sends, which have to be there.
fn cap(cap: Option<PerPerson>, sends: Period, node: &Node, at: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    let Some(counted) = cap.and_then(|cap| cap.0).map(|cap| cap.every) else { return };
    if is_shorter(sends, Some(counted)) {
        let message = format!("the cap counts what was sent in a longer time than sends are kept for ({sends})");
        let diagnostic = Diagnostic::at(node.place_of(&[at, &["cap"]].concat()), message);
        diagnostics.push(diagnostic.hint("a shorter one, or a longer store.retention.sends"));
    }
}
