//! `serri-relay try`: what would be sent for a body, and nothing sent.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::input::Input;
use super::{Ended, Setting, say};
use crate::clock::Clock;
use crate::event::NewEvent;
use crate::route::example::shown;

/// The arguments of `try`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let Some(checked) = setting.checked_for(&arguments.input.route) else { return Ok(ExitCode::FAILURE) };
    let (route, call) = arguments.input.call(&checked)?;
    let authentic = route.authentication.assume(call);
    let events = route.read(&authentic, Clock::system().now())?;
    if arguments.json {
        let events: Vec<Value> = events.iter().map(|event| json!({ "id": event.id, "type": event.kind, "sends": event.sends.iter().map(shown).collect::<Vec<_>>() })).collect();
        say(&serde_json::to_string_pretty(&json!({ "events": events }))?);
    } else {
        events.iter().enumerate().for_each(|(index, event)| tell(index + 1, event));
    }
    let unmapped = events.iter().flat_map(|event| &event.sends).any(|send| send.content.is_err());
    Ok(if unmapped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(number: usize, event: &NewEvent) {
    let kind = if event.kind.is_empty() { "no type" } else { &event.kind };
    say(&format!("event {number}: {kind}, id {}", event.id));
    if event.sends.is_empty() {
        say("  no rule applies: nothing is sent");
    }
    for send in &event.sends {
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
            }
            Err(reason) => say(&format!("  not sent: {reason}")),
        }
    }
}
