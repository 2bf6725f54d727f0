//! `serri-relay suppress`: numbers that must not be messaged.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Refused, Relay, Sent, entries, field, more, step, table};
use crate::cli::{Ended, Setting, complain, say};

/// The arguments of `suppress`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    relay: Relay,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Never message a number again.
    Add {
        #[command(flatten)]
        number: Number,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// A number may be messaged again.
    Remove {
        #[command(flatten)]
        number: Number,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Tell whether a number may be messaged, and how that came.
    Show {
        /// The number.
        number: String,
    },
    /// List them.
    List {
        /// How many, by number.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Where the last page ended.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Add all numbers of a CSV file: a column `number`, and perhaps `account`, `reason` and `since`.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Print all as CSV.
    Export,
}

#[derive(Debug, Args)]
struct Number {
    /// The number.
    number: String,
    /// By this account; by all if left out.
    #[arg(long)]
    account: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let admin = arguments.relay.connect(setting)?;
    match &arguments.command {
        Command::Add { number, reason } => {
            let body = json!({ "number": number.number, "account": number.account, "reason": reason });
            if let Some(json) = admin.json(Method::POST, "/suppressions", &[], Sent::Json(body))? {
                say(&format!("{} is not messaged any more", field(&json, "number")));
            }
        }
        Command::Remove { number, yes: true } => {
            let body = json!({ "number": number.number, "account": number.account, "remove": true });
            if let Some(json) = admin.json(Method::POST, "/suppressions", &[], Sent::Json(body))? {
                match field(&json, "changed").as_str() {
                    "0" => say(&format!("{} was not on the list", field(&json, "number"))),
                    _ => say(&format!("{} may be messaged again", field(&json, "number"))),
                }
            }
        }
        Command::Remove { number, .. } => {
            say(&format!("{} would be messaged again; nothing was changed: add --yes to do it", number.number));
        }
        Command::Show { number } => {
            if let Some(json) =
                admin.json(Method::GET, &format!("/suppressions/{}", step(number)), &[], Sent::Nothing)?
            {
                let suppressed = entries(&json, "suppressions");
                let by = suppressed.iter().map(|entry| field(entry, "account")).collect::<Vec<_>>().join(", ");
                let number = field(&json, "number");
                match by.as_str() {
                    "" => say(&format!("{number} may be messaged")),
                    "*" => say(&format!("{number} is messaged by no account")),
                    _ => say(&format!("{number} is not messaged by {by}")),
                }
                // of somebody who was erased there is nothing else to tell
                for entry in suppressed.iter().filter(|_| entries(&json, "history").is_empty()) {
                    say(&format!(
                        "{}: {}, since {}",
                        field(entry, "account"),
                        field(entry, "reason"),
                        field(entry, "since")
                    ));
                }
                show_changes(entries(&json, "history"));
            }
        }
        Command::List { limit, cursor } => {
            let query: Vec<_> = std::iter::once(("limit", limit.to_string()))
                .chain(cursor.clone().map(|cursor| ("cursor", cursor)))
                .collect();
            if let Some(json) = admin.json(Method::GET, "/suppressions", &query, Sent::Nothing)? {
                let row =
                    |entry: &Value| ["number", "account", "since", "reason"].map(|key| field(entry, key)).to_vec();
                let rows: Vec<Vec<String>> = entries(&json, "suppressions").iter().map(row).collect();
                table(&["number", "account", "since", "reason"], &rows);
                more(&json);
                if let Some(hashed) = hashed(&json) {
                    say(&hashed);
                }
            }
        }
        Command::Import { file } => {
            let text = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            let answered = admin.json(Method::POST, "/suppressions.csv", &[], Sent::Csv(text));
            if let Some(json) = answered.map_err(|error| in_file(file, &error))? {
                say(&format!(
                    "{} number(s) imported, {} of them new or with a new reason",
                    field(&json, "imported"),
                    field(&json, "changed")
                ));
                if field(&json, "skipped") != "0" {
                    say(&format!("{} row(s) without a number were left out", field(&json, "skipped")));
                }
            }
        }
        Command::Export => {
            let text = admin.ask(Method::GET, "/suppressions.csv", &[], Sent::Nothing)?;
            say(text.trim_end());
            let query = [("limit", "1".to_owned())];
            let listed = admin.ask(Method::GET, "/suppressions", &query, Sent::Nothing)?;
            if let Some(hashed) = hashed(&serde_json::from_str(&listed)?) {
                complain(&hashed);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How many more there are of whom nobody knows the number, if there are any.
fn hashed(json: &Value) -> Option<String> {
    let count = json.get("hashed").and_then(Value::as_u64).filter(|count| *count > 0)?;
    Some(format!(
        "{count} more number(s) of people who were erased are not messaged; they are kept as hashes, and left out here"
    ))
}

/// A fault of a line says which file it is in, so that editors find it.
fn in_file(file: &Path, error: &anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(Refused { line: Some(line), reason: Some(reason), .. }) => {
            anyhow::anyhow!("{}:{line}: {reason}", file.display())
        }
        _ => anyhow::anyhow!("{}: {error:#}; importing the same file again is safe", file.display()),
    }
}

/// What was decided about numbers, if anything was.
pub fn show_changes(changes: &[Value]) {
    if !changes.is_empty() {
        let columns = ["at", "what", "number", "account", "reason"];
        let rows: Vec<Vec<String>> =
            changes.iter().map(|change| columns.map(|key| field(change, key)).to_vec()).collect();
        say("");
        table(&columns, &rows);
    }
}
