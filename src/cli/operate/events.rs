//! `serri-relay events`: what came in, and what came of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::sends::show_steps;
use super::suppress::show_changes;
use super::{Paging, Relay, Sent, WhichEvents, entries, export, field, filter, is_said, more, show_sends, step, table};
use crate::cli::{Ended, MISUSE, Setting, say};

/// The arguments of `events`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    relay: Relay,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List events, newest first.
    List {
        #[command(flatten)]
        which: WhichEvents,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one with its body and what came of it.
    Show {
        /// The sender's id, or # and its number.
        id: String,
    },
    /// Map events anew by the rules of now. Nobody gets a second message unless --again says so.
    Replay {
        /// The senders' ids, or # and their numbers.
        ids: Vec<String>,
        #[command(flatten)]
        which: WhichEvents,
        /// Send once more what went already.
        #[arg(long)]
        again: bool,
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
            admin.export("events", &which.pairs(), paging, &export::EVENTS)?;
        }
        Command::List { which, paging } => {
            if let Some(json) = admin.list("events", &which.pairs(), paging)? {
                let row = |event: &Value| {
                    let note = match ["test", "unmapped"].into_iter().find(|note| event[note] == true) {
                        Some(note) => note.to_owned(),
                        None => field(event, "fault"),
                    };
                    let told = ["number", "id", "route", "type", "received_at", "sends"].map(|key| field(event, key));
                    told.into_iter().chain([note]).collect()
                };
                let rows: Vec<Vec<String>> = entries(&json, "events").iter().map(row).collect();
                table(&["number", "id", "route", "type", "received", "sends", "note"], &rows);
                more(&json);
            }
        }
        Command::Show { id } => {
            if let Some(event) = admin.json(Method::GET, &format!("/events/{}", step(id)), &[], Sent::Nothing)? {
                for key in [
                    "number",
                    "id",
                    "route",
                    "source",
                    "type",
                    "received_at",
                    "fault",
                    "unmapped",
                    "test",
                    "lookup",
                    "lookup_reason",
                    "erased_at",
                    "body",
                ] {
                    if field(&event, key) != "-" {
                        say(&format!("{key:<14}{}", field(&event, key)));
                    }
                }
                say("");
                show_sends(entries(&event, "made"));
                show_changes(entries(&event, "suppressions"));
            }
        }
        Command::Replay { ids, which, again, yes } => {
            let filter = filter(which.pairs());
            if !is_said(ids, filter.as_ref()) {
                return Ok(ExitCode::from(MISUSE));
            }
            let body = json!({ "ids": ids, "filter": filter, "again": again, "yes": yes });
            if let Some(json) = admin.json(Method::POST, "/events/replay", &[], Sent::Json(body))? {
                if ids.is_empty() {
                    say(&format!("{} event(s) found", field(&json, "count")));
                    if json.get("planned") != json.get("count") {
                        say(&format!(
                            "only the first {} of them were looked at, since that takes long: narrow it down to see the others",
                            field(&json, "planned")
                        ));
                    }
                }
                show_steps(&json, *yes);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
