//! `serri-relay reload`: take the configuration anew.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{Refused, Relay, Sent, entries, field};
use crate::cli::{Ended, Setting, complain, plain, say};

/// The arguments of `reload`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    relay: Relay,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let admin = arguments.relay.connect(setting)?;
    let reloaded = match admin.json(Method::POST, "/reload", &[], Sent::Nothing) {
        Ok(Some(reloaded)) => reloaded,
        Ok(None) => return Ok(ExitCode::SUCCESS),
        Err(error) => {
            let faults = error.downcast_ref::<Refused>().map(|refused| refused.faults.clone()).unwrap_or_default();
            faults.iter().for_each(|fault| complain(&plain(fault)));
            return Err(error);
        }
    };
    let texts = |key: &str| entries(&reloaded, key).iter().filter_map(Value::as_str).collect::<Vec<_>>();
    for warning in texts("warnings") {
        complain(&format!("warning: {}", plain(warning)));
    }
    let faulty = entries(&reloaded, "faulty");
    for route in faulty {
        let what = match route["serves"].as_str() {
            Some("last_good") => "it goes on as its file said before",
            _ => "its senders are asked to try again later",
        };
        complain(&format!("route `{}` has faults; {what}:", field(route, "route")));
        for fault in entries(route, "faults").iter().filter_map(Value::as_str) {
            complain(&format!("  {}", plain(fault)));
        }
    }
    let restart = texts("needs_restart");
    if !restart.is_empty() {
        complain(&format!("changed, and in force from the next start on: {}", restart.join(", ")));
    }
    let mut said = format!("the configuration was taken anew: {} route(s)", field(&reloaded, "routes"));
    for key in ["added", "changed", "removed"] {
        let names = texts(key);
        if !names.is_empty() {
            let _ = write!(said, "; {key}: {}", names.join(", "));
        }
    }
    say(&said);
    Ok(if faulty.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
