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
    for Stopped { routes, serves, faults } in grouped(faulty) {
        let names = plain(&routes.join("`, `"));
        let head = if routes.len() == 1 { format!("route `{names}` has") } else { format!("routes `{names}` have") };
        let what = match serves {
            Some("last_good") => "what ran before goes on",
            _ => "senders are asked to try again later",
        };
        complain(&format!("{head} faults; {what}:"));
        faults.iter().for_each(|fault| complain(&format!("  {}", plain(fault))));
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

/// Routes with the same faults.
struct Stopped<'a> {
    routes: Vec<String>,
    serves: Option<&'a str>,
    faults: Vec<&'a str>,
}

/// Routes with faults, those that take one faulty piece together.
fn grouped(stopped: &[Value]) -> Vec<Stopped<'_>> {
    let mut groups: Vec<Stopped<'_>> = Vec::new();
    for route in stopped {
        let name = field(route, "route");
        let serves = route.get("serves").and_then(Value::as_str);
        let faults: Vec<&str> = entries(route, "faults").iter().filter_map(Value::as_str).collect();
        match groups.iter_mut().find(|group| group.serves == serves && group.faults == faults) {
            Some(group) => group.routes.push(name),
            None => groups.push(Stopped { routes: vec![name], serves, faults }),
        }
    }
    groups
}
