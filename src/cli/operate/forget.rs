//! `serri-relay forget`: erases a person.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Relay, Sent, entries, field, table};
use crate::cli::{Ended, Setting, say};

/// The arguments of `forget`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    relay: Relay,
    /// The number, in any spelling.
    #[arg(required_unless_present = "list")]
    number: Option<String>,
    /// Read the number as in the country of this account.
    #[arg(long)]
    account: Option<String>,
    /// Do it. It cannot be undone.
    #[arg(long)]
    yes: bool,
    /// List the erasures so far; they do not say of whom.
    #[arg(long, conflicts_with_all = ["number", "account", "yes"])]
    list: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let admin = arguments.relay.connect(setting)?;
    if arguments.list {
        if let Some(json) = admin.json(Method::GET, "/forget", &[], Sent::Nothing)? {
            let columns = ["at", "events", "blanked", "sends", "under_way", "attempts", "lookups", "suppressions"];
            let row = |erasure: &Value| columns.map(|key| field(erasure, key)).to_vec();
            table(&columns, &entries(&json, "erasures").iter().map(row).collect::<Vec<_>>());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let body = json!({ "number": arguments.number, "account": arguments.account, "yes": arguments.yes });
    if let Some(json) = admin.json(Method::POST, "/forget", &[], Sent::Json(body))? {
        show(&json, arguments.yes);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(json: &Value, is_done: bool) {
    let (number, counts) = (field(json, "number"), json.get("counts").unwrap_or(&Value::Null));
    let count = |key| counts.get(key).and_then(Value::as_u64).unwrap_or(0);
    let named = [("events", "event(s)"), ("sends", "send(s)"), ("attempts", "attempt(s)"), ("lookups", "lookup(s)")]
        .map(|(key, name)| format!("{} {name}", count(key)))
        .join(", ");
    if counts.as_object().is_none_or(|counts| counts.values().all(|count| count.as_u64() == Some(0))) {
        say(&format!("nothing is kept about {number}"));
    } else {
        say(&format!("{number}: {named} {}", if is_done { "erased" } else { "would be erased" }));
    }
    for (key, what) in [
        ("blanked", "of the events keep their rows without content, since messages to other people came of them"),
        ("suppressions", "suppression(s) kept as a hash: the number is still not messaged"),
        ("under_way", "call(s) under way, which cannot be stopped"),
        (
            "others_waiting",
            "waiting message(s) to other people name the number: when they have gone, forget it once more",
        ),
    ] {
        if count(key) > 0 {
            say(&format!("{} {what}", count(key)));
        }
    }
    if !is_done {
        say("nothing was changed: add --yes to do it; it cannot be undone");
    }
    for (key, what) in [
        (
            "file_rewritten",
            "the store's file is too large to be written anew while the relay runs: single copies of what was erased may be left in its pages, see docs/PRIVACY.md",
        ),
        (
            "log_emptied",
            "somebody is reading the store: its log still holds what was erased, and is emptied as soon as they are done",
        ),
    ] {
        if json.get(key) == Some(&Value::Bool(false)) {
            say(what);
        }
    }
}
