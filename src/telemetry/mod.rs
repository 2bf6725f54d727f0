//! Logs and metrics: how they are set up and what is counted.
//!
//! The lines themselves are written where things are decided: one a call (`webhook received`), one an attempt
//! (`delivery attempted`). What must not be seen is masked here, at the border, and nowhere else: see [`crate::mask`].

mod calls;
mod gauges;
mod label;
mod lines;
mod log;

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::Timestamp;
use crate::config::interpolate::Variables;
use crate::event::stats::Levels;
use crate::mask::CurrentSecrets;

use lines::Lines;

pub use calls::{CallsByRoute, Refused, RouteCalls};
pub use label::Label;
pub use lines::LinesGuard;

/// What is logged if nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Sets up logs to standard error: for people on a terminal, JSON otherwise. None of these secrets is ever in them, nor a
/// phone number, an e-mail address or a URL's password.
///
/// `SERRI_RELAY_LOG` filters (`debug`, `serri_relay=debug,warn`), `SERRI_RELAY_LOG_FORMAT` is `human` or `json`.
///
/// Except on a terminal, a thread of their own writes the lines: keep what is returned until the end.
///
/// # Errors
///
/// A text if one of the two cannot be read, or the thread cannot be started.
pub fn init(variables: &Variables, secrets: Arc<CurrentSecrets>) -> Result<LinesGuard, String> {
    let is_terminal = std::io::stderr().is_terminal();
    let filter = variables.get("SERRI_RELAY_LOG").filter(|filter| !filter.is_empty()).unwrap_or(DEFAULT_FILTER);
    let filter: Targets =
        filter.parse().map_err(|error| format!("SERRI_RELAY_LOG: {error}; write a level, as info or debug"))?;
    let human = match variables.get("SERRI_RELAY_LOG_FORMAT").unwrap_or("") {
        "" => is_terminal,
        "human" => true,
        "json" => false,
        other => return Err(format!("SERRI_RELAY_LOG_FORMAT is `{other}`; write human or json")),
    };
    let (lines, guard) = if is_terminal {
        Lines::direct(std::io::stderr())
    } else {
        let next = "raise the limit of processes (ulimit -u, pids_limit)";
        let failed = |error| format!("cannot start the thread that writes the log: {error}; {next}");
        Lines::start(std::io::stderr()).map_err(failed)?
    };
    lines.flush_before_panics();
    // a line that cannot be written (a full disk, a pipe that nobody reads) is lost; told on stderr too, it would panic
    let layer = fmt::layer().log_internal_errors(false).with_writer(lines).with_target(false);
    let layer = layer.fmt_fields(log::Fields(Arc::clone(&secrets)));
    let subscriber = tracing_subscriber::registry().with(filter);
    let set = if human {
        subscriber.with(layer.with_ansi(is_terminal)).try_init()
    } else {
        subscriber.with(layer.event_format(log::JsonLines(secrets))).try_init()
    };
    set.map_err(|error| error.to_string())?;
    Ok(guard)
}

/// A webhook call's labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// The route; `-` where there is none.
    pub route: Label,
    /// What came of it, in one word.
    pub outcome: &'static str,
}

/// An attempt's labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptLabels {
    /// The account.
    pub account: Label,
    /// What came of it, in one word.
    pub outcome: &'static str,
}

/// A lookup's labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LookupLabels {
    /// The route.
    pub route: Label,
    /// What came of it, in one word.
    pub outcome: &'static str,
}

/// The labels of a hold that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HoldLabels {
    /// Whose sends are on hold.
    pub account: Label,
    /// Those of which campaign; empty: all.
    pub campaign: Label,
}

/// The labels of a hold's turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HoldTurnLabels {
    /// Whose sends are on hold.
    pub account: Label,
    /// `began`, `lasts` or `ended`.
    pub turn: &'static str,
}

/// The labels of a refusal whose meaning is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UnknownLabels {
    /// What the server said, with its status.
    pub text: Label,
}

impl UnknownLabels {
    /// How many different texts are told apart.
    pub const MOST: usize = 50;
    /// How many characters of one.
    pub const LONGEST: usize = 120;
}

/// The labels of a route with faults.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FaultyLabels {
    /// The route.
    pub route: Label,
    /// `last_good` or `nothing`.
    pub serves: &'static str,
}

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Webhook calls by route and outcome (`accepted`, `duplicate`, `refused_wrong`, ...).
    pub calls: Family<CallLabels, Counter>,
    /// How the calls of each route fare.
    pub calls_by_route: CallsByRoute,
    /// Seconds until a webhook call was answered.
    pub call_seconds: Histogram,
    /// Attempts by account and outcome.
    pub attempts: Family<AttemptLabels, Counter>,
    /// Seconds an attempt took.
    pub attempt_seconds: Histogram,
    /// Attempts at lookups by route and outcome.
    pub lookups: Family<LookupLabels, Counter>,
    /// 1 for each hold that lasts.
    pub holds: Family<HoldLabels, Gauge>,
    /// How often holds began, lasted for long, and ended.
    pub hold_turns: Family<HoldTurnLabels, Counter>,
    /// Refusals whose meaning is not known, by what was said.
    pub unknown_answers: Family<UnknownLabels, Counter>,
    /// The texts that are told apart.
    pub unknown_texts: Mutex<HashSet<Label>>,
    /// 1 for each route with faults.
    pub faulty_routes: Family<FaultyLabels, Gauge>,
    reload_successful: Gauge,
    reload_success: Gauge,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        let (calls, attempts, lookups) = (Family::default(), Family::default(), Family::default());
        let (call_seconds, attempt_seconds) = (seconds(), seconds());
        let mut registry = Registry::with_prefix("serri_relay");
        registry.register("webhooks", "Webhook calls by route and outcome", Family::clone(&calls));
        registry.register("webhook_seconds", "Seconds until a webhook call was answered", call_seconds.clone());
        registry.register("attempts", "Delivery attempts by account and outcome", Family::clone(&attempts));
        registry.register("attempt_seconds", "Seconds a delivery attempt took", attempt_seconds.clone());
        registry.register(
            "lookups",
            "Attempts to read what an event leaves out, by route and outcome",
            Family::clone(&lookups),
        );
        let (holds, hold_turns, unknown_answers) = (Family::default(), Family::default(), Family::default());
        registry.register("holds", "Accounts and campaigns on hold", Family::clone(&holds));
        registry.register("hold_turns", "Holds that began, lasted and ended, by account", Family::clone(&hold_turns));
        registry.register(
            "unknown_answers",
            "Refusals of an unknown kind, by what was said",
            Family::clone(&unknown_answers),
        );
        let faulty_routes = Family::default();
        registry.register(
            "faulty_routes",
            "Routes whose files have faults, by what they serve",
            Family::clone(&faulty_routes),
        );
        let (reload_successful, reload_success) = (Gauge::default(), Gauge::default());
        reload_successful.set(1);
        registry.register(
            "config_last_reload_successful",
            "1: the configuration was taken when it was last read; 0: it was not, and everything runs as before",
            reload_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration was last taken, in seconds since 1970",
            Unit::Seconds,
            reload_success.clone(),
        );
        Self {
            faulty_routes,
            reload_successful,
            reload_success,
            registry,
            calls,
            calls_by_route: CallsByRoute::default(),
            call_seconds,
            attempts,
            attempt_seconds,
            lookups,
            holds,
            hold_turns,
            unknown_answers,
            unknown_texts: Mutex::default(),
        }
    }

    /// The configuration was read, and taken or not.
    pub fn reloaded(&self, is_taken: bool, now: Timestamp) {
        self.reload_successful.set(is_taken.into());
        if is_taken {
            self.reload_success.set(now.0.div_euclid(1_000));
        }
    }

    /// The OpenMetrics text, with what the store says there is at this moment, if it can be read.
    pub fn text(&self, levels: Option<&Levels>, now: Timestamp) -> String {
        let mut text = String::new();
        let gauges = gauges::registry(levels, &self.calls_by_route.all(), now);
        // writing into a String cannot fail
        let _ = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &gauges))
            .and_then(|()| encode_eof(&mut text));
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
