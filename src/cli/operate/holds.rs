//! `serri-relay holds`: what is on hold, and why.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Relay, Sent, entries, field, table};
use crate::cli::{Ended, Setting, say};

/// The arguments of `holds`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    relay: Relay,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what is on hold.
    List,
    /// Put an account or a campaign on hold until the hold is lifted by hand.
    Set {
        #[command(flatten)]
        whose: Whose,
        /// Why, for whoever finds it.
        #[arg(long)]
        reason: Option<String>,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Let it go on.
    Lift {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, Args)]
struct Whose {
    /// The account.
    account: String,
    /// A campaign of it; the whole account if left out.
    #[arg(long)]
    campaign: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let admin = arguments.relay.connect(setting)?;
    let named = |whose: &Whose, reason: &Option<String>| json!({ "account": whose.account, "campaign": whose.campaign.clone().unwrap_or_default(), "reason": reason });
    let answered = match &arguments.command {
        Command::List => admin.json(Method::GET, "/holds", &[], Sent::Nothing)?,
        Command::Set { whose, reason, yes: true } => {
            admin.json(Method::POST, "/holds", &[], Sent::Json(named(whose, reason)))?
        }
        Command::Set { whose, .. } => {
            let what = whose.campaign.as_ref().map_or_else(
                || format!("account `{}`", whose.account),
                |campaign| format!("campaign `{campaign}` of account `{}`", whose.account),
            );
            say(&format!(
                "every send of {what} would wait until the hold is lifted; nothing was changed: add --yes to do it"
            ));
            return Ok(ExitCode::SUCCESS);
        }
        Command::Lift { whose } => admin.json(Method::POST, "/holds/lift", &[], Sent::Json(named(whose, &None)))?,
    };
    if let Some(json) = answered {
        let row = |hold: &Value| {
            let whose = match hold["route"].as_str() {
                Some(route) => format!("enrich of {route}"),
                None => field(hold, "account"),
            };
            let rest = ["campaign", "waiting", "since", "by", "probe_at", "reason"].map(|key| field(hold, key));
            std::iter::once(whose).chain(rest).collect()
        };
        let rows: Vec<Vec<String>> = entries(&json, "holds").iter().map(row).collect();
        if rows.is_empty() {
            say("nothing is on hold");
        } else {
            table(&["account", "campaign", "waiting", "since", "by", "tried next", "reason"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}
