//! `serri-relay check`: every fault of the configuration at once.

use std::process::ExitCode;

use clap::Args;

use serde_json::{Value, json};

use super::{Ended, Setting, block_on, complain, learn, online, say, show};
use crate::config::conceal::Concealed;
use crate::config::diagnostic::{Diagnostic, Place, Severity, once_each};
use crate::config::interpolate::Variables;
use crate::route::check::{Purpose, Sending, examine};

/// The arguments of `check`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Arguments {
    /// Write what was accepted of each campaign so far into `campaigns:` of relay.yaml.
    #[arg(long)]
    learn: bool,
    /// Warnings count as faults.
    #[arg(long)]
    strict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Variables and files that are not there are not faults: for a machine that has no secrets, as one that checks a repository.
    #[arg(long)]
    no_secrets: bool,
    /// Ask the API of each account whether its key is valid, and whether the campaigns that rules name are there, live, and take
    /// what the rules give. Nothing is sent.
    #[arg(long, conflicts_with = "no_secrets")]
    online: bool,
}

/// What `check` found.
struct Report {
    diagnostics: Vec<Diagnostic>,
    faults: usize,
    warnings: usize,
    routes: usize,
    examples: usize,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    if arguments.learn {
        learn::run(setting)?;
    }
    let stood_in = arguments.no_secrets.then(|| setting.variables.with_stand_ins());
    let variables = stood_in.as_ref().unwrap_or(&setting.variables);
    let purpose = if arguments.online { Purpose::Ask } else { Purpose::Check };
    let (mut checked, mut diagnostics) = examine(&setting.dir, variables, Sending::AsConfigured, purpose);
    if let Some(checked) = checked.as_mut().filter(|_| arguments.online) {
        let answers = block_on(online::ask(checked))??;
        diagnostics.extend(answers.diagnostics(checked));
        diagnostics = once_each(diagnostics);
    }
    // what is said of a stand-in is not said of the secret
    diagnostics.retain(|diagnostic| !diagnostic.place.as_ref().is_some_and(|place| variables.stand_in_at(place)));
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let report = Report {
        faults: count(Severity::Error),
        warnings: count(Severity::Warning),
        routes: checked.as_ref().map_or(0, |checked| checked.routes.len()),
        examples: checked
            .iter()
            .flat_map(|checked| checked.written.routes.values())
            .map(|file| file.value.examples.len())
            .sum(),
        diagnostics,
    };
    let is_well = report.faults == 0 && (report.warnings == 0 || !arguments.strict);
    if arguments.json {
        say(&serde_json::to_string_pretty(&json_of(&report, is_well, variables))?);
    } else {
        tell(&report, is_well, setting, variables);
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(report: &Report, is_well: bool, setting: &Setting, variables: &Variables) {
    let Report { diagnostics, faults, warnings, routes, examples } = report;
    show(diagnostics, variables);
    let dir = setting.dir.display();
    if is_well {
        say(&format!(
            "`{dir}` is well: {routes} route(s), {examples} example(s) came out as they say, {warnings} warning(s)"
        ));
    } else {
        complain(&format!("{faults} fault(s), {warnings} warning(s) in `{dir}`"));
    }
}

fn json_of(report: &Report, is_well: bool, variables: &Variables) -> Value {
    let Report { diagnostics, faults, warnings, routes, examples } = report;
    let list: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let concealed = Concealed::of(diagnostic, variables);
            let (line, column) = diagnostic.place.as_ref().map(Place::line_column).unzip();
            json!({
                "severity": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
                "file": diagnostic.place.as_ref().map(|place| place.source.name.clone()),
                "line": line,
                "column": column,
                "message": concealed.hide(&diagnostic.message),
                "routes": diagnostic.about.routes().collect::<Vec<_>>(),
                "hint": diagnostic.hint.as_deref().map(|hint| concealed.hide(hint)),
            })
        })
        .collect();
    json!({
        "well": is_well, "errors": faults, "warnings": warnings, "routes": routes, "examples": examples, "faults": list,
    })
}
