//! `serri-relay sources`: what is known of each kind of sender.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::{Ended, Setting, say, show};
use crate::config::auth::{AuthForm, AuthKeyword, AuthSpec};
use crate::config::fault::did_you_mean;
use crate::config::source::{Confidence, OneOrMany, SourceFile};
use crate::config::{self, File, Written};

/// The arguments of `sources`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One source, in full.
    name: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let (written, faults) = config::read(&setting.dir, &setting.variables);
    let Some(written) = written else {
        show(&faults);
        return Ok(ExitCode::FAILURE);
    };
    match &arguments.name {
        None => written.sources.values().for_each(|source| {
            say(&format!("{:<20} {:<28} {}", source.name, source.value.title, proof(&source.value)));
        }),
        Some(name) => match written.sources.get(name) {
            Some(source) => tell(source, &written),
            None => {
                let known = || written.sources.keys().map(String::as_str);
                let hint = did_you_mean(name, known()).map_or_else(
                    || format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                bail!("there is no source `{name}`; {hint}");
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(source: &File<SourceFile>, written: &Written) {
    let SourceFile { title, about, facts, manner, samples, .. } = &source.value;
    say(&format!("{title} ({})\n", source.name));
    if let Some(about) = about {
        say(&format!("{}\n", about.trim()));
    }
    let base = written.relay.value.server.public_url.as_deref().unwrap_or("https://<your relay>");
    say(&format!("Webhook URL:  {}/webhooks/<route>", base.trim_end_matches('/')));
    say(&format!("Proof:        {}", proof(&source.value)));
    let event = manner.event.clone().unwrap_or_default();
    say(&format!(
        "Event id:     {}",
        event.id.as_deref().unwrap_or("none: equal bodies within a short time count as one event")
    ));
    say(&format!("Event type:   {}", event.kind.as_deref().unwrap_or("none")));
    let phone =
        manner.contact.as_ref().and_then(|contact| contact.phone.as_ref()).map(|phone| phone.as_slice().join(", "));
    say(&format!("Phone:        {}", phone.as_deref().unwrap_or("not known: name the field in the rule")));
    if let Some(facts) = facts {
        let sure = match facts.confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        say(&format!("Repeats:      {}", facts.retries.as_deref().unwrap_or("not known")));
        say(&format!("Confidence:   {sure}, from {}", facts.from.join("; ")));
    }
    for (name, sample) in samples {
        say(&format!(
            "\nSample `{name}`{}",
            sample.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default()
        ));
        sample.headers.iter().for_each(|(name, value)| say(&format!("  {name}: {value}")));
        let body = if let serde_json::Value::String(text) = &sample.body {
            text.clone()
        } else {
            serde_json::to_string_pretty(&sample.body).unwrap_or_default()
        };
        body.lines().for_each(|line| say(&format!("  {line}")));
    }
    say(&format!("\nStart a route:  serri-relay new my-route --source {}", source.name));
}

/// How a source proves itself, in some words.
fn proof(source: &SourceFile) -> String {
    let Some(auth) = &source.manner.auth else {
        return "no default: the route says (auth: bearer, header, query, hmac ...)".into();
    };
    auth.as_slice().iter().map(way).collect::<Vec<_>>().join(", or ")
}

fn way(spec: &AuthSpec) -> String {
    let header = |names: &OneOrMany<String>| names.as_slice().first().cloned().unwrap_or_default();
    match spec {
        AuthSpec::Keyword(AuthKeyword::None) => "nothing".into(),
        AuthSpec::Keyword(AuthKeyword::StandardWebhooks) => "signature in webhook-signature (Standard Webhooks)".into(),
        AuthSpec::Keyword(AuthKeyword::Bearer) | AuthSpec::Form(AuthForm::Bearer(_)) => "secret as bearer token".into(),
        AuthSpec::Keyword(AuthKeyword::Path) => "secret as the last step of the address".into(),
        AuthSpec::Form(AuthForm::Basic(_)) => "HTTP Basic".into(),
        AuthSpec::Form(AuthForm::Header(header)) => format!("secret in header {}", header.name),
        AuthSpec::Form(AuthForm::Query(query)) => format!("secret in the address: ?{}=...", query.name),
        AuthSpec::Form(AuthForm::Field(field)) => format!("secret in the body's field {}", field.path),
        AuthSpec::Form(AuthForm::Hmac(spec)) => format!("HMAC signature in {}", header(&spec.header)),
        AuthSpec::Form(AuthForm::Hash(spec)) => format!("hash in {}", header(&spec.header)),
        AuthSpec::Form(AuthForm::Ed25519(spec)) => format!("Ed25519 signature in {}", header(&spec.header)),
    }
}
