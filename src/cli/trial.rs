//! `serri-relay try`: what would be sent for a body, and nothing sent.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::input::Input;
use super::operate::moment::{in_zone, zone};
use super::{Ended, Setting, complain, kept, say};
use crate::clock::Clock;
use crate::event::NewEvent;
use crate::route::Route;
use crate::route::complete;
use crate::route::example::{options, shown_of};

/// The arguments of `try`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// An event that the running relay has, by its sender's id or # and its number, instead of a body.
    #[arg(long, value_name = "ID", conflicts_with_all = ["file", "sample", "headers", "query"])]
    event: Option<String>,
    /// Where that relay's admin listener is; by default where the settings say.
    #[arg(long, value_name = "URL", requires = "event")]
    admin: Option<String>,
    /// A file with what the read call of `enrich` answers; a JSON array: an answer for each event.
    #[arg(long, value_name = "FILE")]
    lookup: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show times in UTC instead of this computer's time zone.
    #[arg(long)]
    utc: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let Some(checked) = setting.checked_for(&arguments.input.route) else { return Ok(ExitCode::FAILURE) };
    let (route, mut events, of_sample) = match &arguments.event {
        Some(named) => {
            let route = arguments.input.route(&checked)?;
            (route, kept::events(named, arguments.admin.as_deref(), route, setting)?, None)
        }
        None => {
            let (route, call, of_sample) = arguments.input.call(&checked)?;
            let authentic = route.authentication.assume(call);
            (route, route.read(&authentic, Clock::system().now())?, of_sample)
        }
    };
    if arguments.lookup.is_some() && !events.iter().any(|event| event.lookup) {
        bail!("--lookup: the route `{}` reads nothing for these events", route.name);
    }
    if let Some(answers) = arguments.lookup.as_deref().map(read).transpose()?.or_else(|| of_sample.clone()) {
        if arguments.lookup.is_none() && events.iter().any(|event| event.lookup) {
            complain("the sample's own answer stands for what would be read (another one: --lookup FILE)");
        }
        route.complete_all(&mut events, &answers).map_err(anyhow::Error::msg)?;
    }
    if arguments.json {
        let events: Vec<Value> = events.iter().map(|event| json_of(route, event)).collect();
        say(&serde_json::to_string_pretty(&json!({ "events": events }))?);
    } else {
        let zone = zone(arguments.utc);
        events.iter().enumerate().for_each(|(index, event)| tell(index + 1, event, lookup(route, event), &zone));
    }
    for event in &events {
        route.ambiguities(&complete::kept(event)).iter().for_each(|choice| complain(&choice.to_string()));
    }
    let unread = events.iter().any(|event| lookup(route, event).is_some_and(|url| url.is_err()));
    let unmapped = unread || events.iter().flat_map(|event| &event.made.sends).any(|send| send.content.is_err());
    Ok(if unmapped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}` holds no JSON", path.display()))
}

/// The URL of the lookup that an event still needs, or why there is none.
fn lookup(route: &Route, event: &NewEvent) -> Option<Result<String, String>> {
    let enrichment = route.profile.enrichment.as_ref().filter(|_| event.lookup)?;
    let url = route.lookup_url(&complete::kept(event));
    Some(url.map(|url| url.map(|url| enrichment.shown(&url)).unwrap_or_default()))
}

/// An event as JSON.
fn json_of(route: &Route, event: &NewEvent) -> Value {
    let sends = shown_of(&event.made);
    let value = serde_json::from_slice(&event.body).unwrap_or(Value::Null);
    let mut json = json!({ "id": event.id, "type": event.kind, "event": value, "sends": sends });
    if let (true, Value::Object(fields)) = (event.test, &mut json) {
        fields.insert("test".into(), true.into());
    }
    if let (Some(lookup), Value::Object(fields)) = (lookup(route, event), &mut json) {
        let (key, value) = lookup.map_or_else(|reason| ("lookup_error", reason), |url| ("lookup", url));
        fields.insert(key.into(), value.into());
    }
    json
}

fn tell(number: usize, event: &NewEvent, lookup: Option<Result<String, String>>, zone: &TimeZone) {
    let kind = if event.kind.is_empty() { "no type" } else { &event.kind };
    say(&format!("event {number}: {kind}, id {}", event.id));
    if let Some(lookup) = lookup {
        match lookup {
            Ok(url) => say(&format!(
                "  the rest is read from {url}, and then the rules are applied\n  (what it answers, in a file: --lookup FILE)"
            )),
            Err(reason) => say(&format!("  the rest cannot be read: {reason}")),
        }
    } else if event.test && !event.made.is_something() {
        say("  a test of the sender's own: nothing is sent (to send it all the same, in the route: test_events: send)");
    } else if event.made.sends.is_empty() && event.made.suppressions.is_empty() {
        say("  no rule applies: nothing is sent (no `when` is true; --json shows the event as rules see it)");
    }
    for send in &event.made.sends {
        match &send.content {
            Ok(content) => {
                say(&format!(
                    "  rule `{}` sends campaign `{}` to {}:",
                    send.rule, content.campaign, content.destination
                ));
                let pretty = serde_json::from_str::<Value>(&content.payload)
                    .and_then(|payload| serde_json::to_string_pretty(&payload))
                    .unwrap_or_default();
                pretty.lines().for_each(|line| say(&format!("    {line}")));
                let mut options = Value::Object(options(&content.options));
                in_zone(&mut options, zone);
                for (key, value) in options.as_object().into_iter().flatten() {
                    say(&format!("    {key}: {}", value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)));
                }
            }
            Err(unmapped) => say(&format!("  not sent: {unmapped}")),
        }
    }
    for change in &event.made.suppressions {
        let what = if change.add { "must not be messaged any more" } else { "may be messaged again" };
        say(&format!("  {}: {} {what}", change.reason, change.number));
    }
}
