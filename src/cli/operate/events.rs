//! `serri-relay events`: what came in, and what came of it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::sends::show_steps;
use super::suppress::show_changes;
use super::{Paging, Relay, Sent, Which, entries, field, more, show_sends, step, table};
use crate::cli::{Ended, Setting, say};

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
        which: Which,
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
        #[arg(required = true)]
        ids: Vec<String>,
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
        Command::List { which, paging } => {
            if let Some(json) = admin.list("events", which, paging)? {
                let row = |event: &Value| {
                    let note = if event["test"] == true { "test".to_owned() } else { field(event, "fault") };
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
        Command::Replay { ids, again, yes } => {
            let body = json!({ "ids": ids, "again": again, "yes": yes });
            if let Some(json) = admin.json(Method::POST, "/events/replay", &[], Sent::Json(body))? {
                show_steps(&json, *yes);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
