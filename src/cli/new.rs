//! `serri-relay new`: a route file to start from, with the source's own sample as its first example.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::schema::{self, Kind};
use super::sources::{address, indented, way};
use super::{Ended, Setting, say, show};
use crate::config::auth::{AuthKeyword, AuthSpec};
use crate::config::diagnostic::did_you_mean;
use crate::config::enrich::NOT_SET;
use crate::config::handshake::HandshakeSpec;
use crate::config::one_or_many::OneOrMany;
use crate::config::source::{SourceFile, USUAL_NUMBER};
use crate::config::{self, Extent, is_route_name};

/// The arguments of `new`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The route's name: its address is /webhooks/ROUTE. CLIENT/NAME for one of a client's routes.
    route: String,
    /// The kind of sender; `serri-relay sources` lists them.
    #[arg(long)]
    source: String,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let name = &arguments.route;
    if !is_route_name(name) {
        bail!(
            "`{name}` becomes part of an address; use a-z, 0-9, - and _, or CLIENT/NAME for a route of a client (NAME is not `client`: that file holds for all its routes)"
        );
    }
    let (written, faults) = config::read(&setting.dir, &setting.variables, Extent::All);
    let Some(written) = written else {
        show(&faults, &setting.variables);
        return Ok(ExitCode::FAILURE);
    };
    let Some(source) = written.sources.get(&arguments.source) else {
        let known = || written.sources.keys().map(String::as_str);
        let hint = did_you_mean(&arguments.source, known()).map_or_else(
            || format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        );
        bail!("there is no source `{}`; {hint}", arguments.source);
    };
    let path = setting.dir.join("routes").join(format!("{name}.yaml"));
    let path = Some(path.with_extension("yml")).filter(|other| other.exists()).unwrap_or(path);
    if path.exists() {
        bail!("`{}` is there already; choose another name, or edit it", path.display());
    }
    let random = secret(&source.value);
    write(&path, &text(name, (&source.name, &source.value), &random))?;
    let schema = setting.dir.join("schema/route.json");
    if !schema.exists() {
        write(&schema, &format!("{}\n", schema::text(Kind::Route)?))?;
    }
    let config =
        if setting.dir == Path::new("config") { String::new() } else { format!(" --config {}", setting.dir.display()) };
    say(&format!("wrote {}\n\nnext:", path.display()));
    say("  edit it: the campaign's name, and what stands in its template");
    let signs_url = source.value.profile_spec.auth.iter().flat_map(OneOrMany::as_slice).any(AuthSpec::signs_url);
    if signs_url && written.relay.value.server.public_url().is_none() {
        say("  set server.public_url in relay.yaml: this source signs the URL, and nothing starts without it");
    }
    say(&format!("  serri-relay{config} check"));
    if let Some(sample) = source.value.usual_sample().or_else(|| source.value.samples.keys().next()) {
        say(&format!("  serri-relay{config} try {name} {sample}     # what would be sent, and nothing sent"));
        say(&format!("  serri-relay{config} post {name} {sample}    # to a running relay, signed"));
    }
    say(&format!("  serri-relay{config} sources {}     # how to set it up at the sender", source.name));
    let base = written.relay.value.server.public_url();
    let secret =
        setting.variables.get(&variable(name, "SECRET")).filter(|secret| !secret.is_empty()).unwrap_or(&random);
    say(&format!("\nthe URL for the sender: {}", address(base, name, &source.value, secret)));
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The variable that holds something of a route: one that every shell can set.
fn variable(route: &str, what: &str) -> String {
    let name: String =
        route.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let lead = if name.starts_with(|c: char| c.is_ascii_digit()) { "ROUTE_" } else { "" };
    format!("{lead}{name}_{what}")
}

fn text(route: &str, (name, source): (&str, &SourceFile), secret: &str) -> String {
    let secret_variable = variable(route, "SECRET");
    let mut text = format!(
        "# yaml-language-server: $schema={}/schema/route.json\n# POST /webhooks/{route}: {}\nsource: {name}\n",
        if route.contains('/') { "../.." } else { ".." },
        source.title
    );
    if source.profile_spec.auth.is_none() {
        text.push_str("auth: bearer   # Authorization: Bearer <secret>; other ways: docs/ROUTES.md\n");
    }
    if !source.profile_spec.auth.iter().flat_map(OneOrMany::as_slice).any(AuthSpec::brings_its_key) {
        let _ = writeln!(
            text,
            "secret: ${{{secret_variable}:-{secret}}}   # {}: set {secret_variable}. The value here is random, for trying out",
            source
                .profile_spec
                .auth
                .as_ref()
                .and_then(|auth| auth.as_slice().first())
                .map_or_else(|| "what it shows".to_owned(), way)
        );
    }
    if source.profile_spec.handshake.as_ref().is_some_and(HandshakeSpec::wants_a_token) {
        let variable = variable(route, "VERIFY_TOKEN");
        let _ = writeln!(
            text,
            "verify_token: ${{{variable}:-{}}}   # type the same at the sender; set {variable} to keep it out of this file",
            random()
        );
    }
    text.push_str(&enrich(route, source));
    let Some(starter) = source.starter.as_deref() else {
        let why = source
            .no_phone
            .as_deref()
            .unwrap_or("")
            .trim()
            .lines()
            .fold(String::new(), |text, line| format!("{text}# {line}\n"));
        let _ = write!(text, "# Events are taken, proven and kept; no rule can send yet:\n{why}sends: []\n");
        return text;
    };
    let _ = write!(text, "sends:\n{}", indented(starter));
    if let Some(sample) = source.usual_sample() {
        let _ = write!(
            text,
            "examples:   # run by `serri-relay check`\n  - name: the source's own sample\n    sample: {sample}\n    sends:\n      - {{ destination: \"+91{USUAL_NUMBER}\" }}\n"
        );
    }
    text
}

/// What a route has to add so that the relay can read what the source's events leave out.
fn enrich(route: &str, source: &SourceFile) -> String {
    let Some(spec) = source.profile_spec.enrich.as_ref().filter(|spec| !spec.needs.is_empty()) else {
        return String::new();
    };
    // where the usual event has all, the call is an offer
    let lead = if source.usual_sample().is_some_and(|name| source.samples.get(name).is_some_and(|s| s.lookup.is_none()))
    {
        "# "
    } else {
        ""
    };
    let mut text = format!("{lead}enrich:   # reads what the events leave out\n");
    for (key, what) in &spec.needs {
        let variable = variable(route, if key == "base" { "API" } else { "READ_TOKEN" });
        let placeholder = if key == "base" { format!("https://{NOT_SET}.example") } else { NOT_SET.to_owned() };
        let _ = writeln!(text, "{lead}  {key}: ${{{variable}:-{placeholder}}}   # set {variable}: {what}");
    }
    text
}

/// A secret nobody guesses, in the form the source's scheme needs.
fn secret(source: &SourceFile) -> String {
    let standard = source.profile_spec.auth.as_ref().is_some_and(|auth| {
        auth.as_slice().iter().any(|way| matches!(way, AuthSpec::Keyword(AuthKeyword::StandardWebhooks)))
    });
    if standard {
        use base64::Engine as _;
        return format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(random()));
    }
    random()
}

/// 24 bytes from the system's generator, in hex.
fn random() -> String {
    let bytes = (0..2).flat_map(|_| uuid::Uuid::new_v4().into_bytes()).take(24);
    bytes.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
