//! `serri-relay sends`: what became of each, and what is to become of some.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Paging, Relay, Sent, Which, entries, export, field, filter, is_said, legible_lines, more, show_sends, state_of,
};
use crate::cli::{Ended, MISUSE, Setting, say};

/// The arguments of `sends`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    relay: Relay,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List sends, newest first.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one with all that happened to it.
    Show {
        /// Its number.
        id: i64,
    },
    /// Map sends anew by the rules of now, and let them go.
    Replay {
        /// Their numbers.
        ids: Vec<i64>,
        #[command(flatten)]
        which: Which,
        /// Send once more what went already.
        #[arg(long)]
        again: bool,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Let waiting sends never go.
    Cancel {
        /// Their numbers.
        ids: Vec<i64>,
        #[command(flatten)]
        which: Which,
        /// Why, for their history.
        #[arg(long)]
        reason: Option<String>,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let admin = arguments.relay.connect(setting)?;
    match &arguments.command {
        Command::List { which, paging } if paging.csv => {
            admin.export("sends", &which.pairs(), paging, &export::SENDS)?;
        }
        Command::List { which, paging } => {
            if let Some(json) = admin.list("sends", &which.pairs(), paging)? {
                show_sends(entries(&json, "sends"));
                more(&json);
            }
        }
        Command::Show { id } => {
            if let Some(json) = admin.json(Method::GET, &format!("/sends/{id}"), &[], Sent::Nothing)? {
                show(&json);
            }
        }
        Command::Replay { ids, which, again, yes } => {
            let filter = filter(which.pairs());
            if !is_said(ids, filter.as_ref()) {
                return Ok(ExitCode::from(MISUSE));
            }
            let body = json!({ "ids": ids, "filter": filter, "again": again, "yes": yes });
            if let Some(json) = admin.json(Method::POST, "/sends/replay", &[], Sent::Json(body))? {
                show_steps(&json, *yes);
            }
        }
        Command::Cancel { ids, which, reason, yes } => {
            let filter = filter(which.pairs());
            if !is_said(ids, filter.as_ref()) {
                return Ok(ExitCode::from(MISUSE));
            }
            let body = json!({ "ids": ids, "filter": filter, "reason": reason, "yes": yes });
            if let Some(json) = admin.json(Method::POST, "/sends/cancel", &[], Sent::Json(body))? {
                let sends = entries(&json, "sends");
                show_sends(sends);
                say_rest(sends.len(), number(&json, "count"));
                if *yes {
                    say(&format!("{} send(s) cancelled", field(&json, "cancelled")));
                } else {
                    say(&format!(
                        "{} send(s) would be cancelled; nothing was changed: add --yes to do it",
                        field(&json, "count")
                    ));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a replay does, or would.
pub fn show_steps(json: &Value, yes: bool) {
    let steps = entries(json, "steps");
    let row = |step: &Value| ["does", "event", "rule", "destination", "why"].map(|key| field(step, key)).to_vec();
    super::table(&["does", "event", "rule", "number", "why"], &steps.iter().map(row).collect::<Vec<_>>());
    let does = |what: &str| json.get("does").map_or(0, |does| number(does, what));
    say_rest(steps.len(), ["send", "change", "skip", "fail"].map(does).iter().sum());
    show_payloads(entries(json, "payloads"));
    show_stopped(json);
    if yes {
        say(&format!("{} send(s) replayed", field(json, "replayed")));
    } else {
        let count = does("send");
        say(&format!("{count} send(s) would be replayed; nothing was changed: add --yes to do it"));
    }
}

/// What the campaign API would be called with.
fn show_payloads(payloads: &[Value]) {
    if !payloads.is_empty() {
        say(if payloads.len() == 1 { "the first message:" } else { "the first messages:" });
    }
    for payload in payloads {
        say(&legible_lines(&serde_json::to_string_pretty(payload).unwrap_or_default()));
    }
}

/// How many sends are left out since they would come to their end at once, and for which reason.
fn show_stopped(json: &Value) {
    let stopped = json.get("stopped").and_then(Value::as_object).filter(|stopped| !stopped.is_empty());
    let Some(stopped) = stopped else { return };
    let all: u64 = stopped.values().filter_map(Value::as_u64).sum();
    let each: Vec<String> = stopped.iter().map(|(state, count)| format!("{count} {state}")).collect();
    say(&format!("{all} send(s) left out, since they would end at once: {}", each.join(", ")));
}

fn number(json: &Value, key: &str) -> usize {
    json.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

/// The relay shows the first of many.
fn say_rest(shown: usize, all: usize) {
    if all > shown {
        say(&format!("... and {} more", all - shown));
    }
}

fn show(send: &Value) {
    say(&format!("{:<14}{}", "id", field(send, "id")));
    say(&format!("{:<14}{}", "state", state_of(send)));
    for key in [
        "reason",
        "destination",
        "campaign",
        "account",
        "route",
        "rule",
        "event",
        "event_number",
        "priority",
        "key",
        "expires_at",
        "created_at",
        "changed_at",
        "message_id",
        "erased_at",
        "payload",
    ] {
        if field(send, key) != "-" {
            say(&format!("{key:<14}{}", field(send, key)));
        }
    }
    say("");
    let row = |step: &Value| ["at", "what", "status", "why", "until", "reason"].map(|key| field(step, key)).to_vec();
    let rows: Vec<Vec<String>> = entries(send, "history").iter().map(row).collect();
    super::table(&["at", "what", "status", "why", "until", "reason"], &rows);
}
