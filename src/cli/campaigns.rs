//! `serri-relay campaigns`: what the campaigns are that rules name, read from the accounts' APIs. Nothing is sent.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::online::{self, Answers, User};
use super::operate::table;
use super::{Ended, Setting, block_on, complain, say, show};
use crate::config::campaigns::{CampaignsFile, FILE};
use crate::config::diagnostic::Severity;
use crate::route::check::{Checked, check};
use crate::serri::campaign::{Details, Read};

/// The arguments of `campaigns`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show each campaign that a rule names: whether it is there and live, its parameters, and the rules.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write what the campaigns are into campaigns.yaml beside relay.yaml, so that `check` knows it without asking.
    Pull,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let (checked, diagnostics) = check(&setting.dir, &setting.variables);
    let faults: Vec<_> = diagnostics.into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
    // a count that does not fit is what one wants to look up here
    let Some(mut checked) = checked else {
        show(&faults, &setting.variables);
        return Ok(ExitCode::FAILURE);
    };
    let answers = block_on(online::ask(&checked))??;
    match arguments.what {
        What::List { json } => list(&answers, json)?,
        What::Pull => pull(&answers, &checked, setting)?,
    }
    let wrong = answers.diagnostics(&mut checked);
    let is_well = !wrong.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    show(&wrong, &setting.variables);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(answers: &Answers, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let entries: Vec<Value> = answers
            .campaigns
            .iter()
            .map(|(campaign, (users, read))| {
                let Details { live, status, params, media } = details(read);
                let rules: Vec<Value> =
                    users.iter().map(|user| json!({ "route": user.route, "rule": user.rule })).collect();
                json!({
                    "account": campaign.account, "name": campaign.name, "found": matches!(read, Read::Found(_)),
                    "live": live, "status": status, "params": params, "media": media, "rules": rules,
                    "problem": problem(read),
                })
            })
            .collect();
        say(&serde_json::to_string_pretty(&json!({ "campaigns": entries }))?);
        return Ok(());
    }
    let rows = answers.campaigns.iter().map(|(campaign, (users, read))| {
        let Details { params, media, .. } = details(read);
        let rules: Vec<String> = users.iter().map(|User { route, rule, .. }| format!("{route}: {rule}")).collect();
        vec![
            campaign.account.clone(),
            campaign.name.clone(),
            state(read),
            params.map_or_else(|| "?".to_owned(), |params| params.to_string()),
            media.map_or("?", |media| if media { "yes" } else { "no" }).to_owned(),
            rules.join(", "),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    table(&["account", "campaign", "state", "params", "media", "rules"], &rows);
    Ok(())
}

fn details(read: &Read) -> Details {
    if let Read::Found(details) = read { details.clone() } else { Details::default() }
}

fn problem(read: &Read) -> Option<&str> {
    match read {
        Read::Found(_) => None,
        Read::Missing(said) | Read::Account(said) | Read::Unreadable(said) | Read::Unreached(said) => Some(said),
    }
}

fn state(read: &Read) -> String {
    match read {
        Read::Found(Details { live: Some(true), .. }) => "live".to_owned(),
        Read::Found(Details { live: Some(false), .. }) => "not live".to_owned(),
        Read::Found(Details { status, .. }) => status.clone().unwrap_or_else(|| "there".to_owned()),
        Read::Missing(_) => "missing".to_owned(),
        Read::Account(_) => "key refused".to_owned(),
        Read::Unreadable(_) => "cannot be read".to_owned(),
        Read::Unreached(_) => "no answer".to_owned(),
    }
}

/// What the first lines of the file say.
const HEAD: &str = "# yaml-language-server: $schema=schema/campaigns.json
# Written by `serri-relay campaigns pull`, which asks the API of each account. `check` compares the rules with it.
";

fn pull(answers: &Answers, checked: &Checked, setting: &Setting) -> anyhow::Result<()> {
    let found = answers.found();
    let count = found.campaigns.len();
    // of an account that could not be asked now, what was known stays
    let is_asked = |account: &str| {
        answers.campaigns.iter().any(|(campaign, (_, read))| {
            campaign.account == account && matches!(read, Read::Found(_) | Read::Missing(_))
        })
    };
    let is_there = |account: &str| checked.written.relay.value.accounts.contains_key(account);
    let old = checked.written.campaigns.campaigns.iter();
    let kept = old.filter(|known| is_there(&known.account) && !is_asked(&known.account)).cloned();
    let mut campaigns: Vec<_> = found.campaigns.into_iter().chain(kept).collect();
    campaigns.sort_by(|one, other| (&one.account, &one.name).cmp(&(&other.account, &other.name)));
    let path = setting.dir.join(FILE);
    if campaigns.is_empty() {
        complain("nothing is known of any campaign; nothing was written");
        return Ok(());
    }
    let file = CampaignsFile { campaigns };
    let lines: Vec<String> = file.campaigns.iter().map(|known| format!("  - {}\n", json!(known))).collect();
    std::fs::write(&path, format!("{HEAD}campaigns:\n{}", lines.concat()))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    say(&format!("{count} campaign(s) written to `{}`", path.display()));
    Ok(())
}
