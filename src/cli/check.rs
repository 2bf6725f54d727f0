//! `serri-relay check`: every fault of the configuration at once.

use std::process::ExitCode;

use clap::Args;

use super::{Ended, Setting, complain, learn, say, show};
use crate::config::diagnostic::Severity;
use crate::route::check::check;

/// The arguments of `check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write what was accepted of each campaign so far into `campaigns:` of relay.yaml.
    #[arg(long)]
    learn: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    if arguments.learn {
        learn::run(setting)?;
    }
    let (checked, faults) = check(&setting.dir, &setting.variables);
    show(&faults, &setting.variables);
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let warnings = faults.len() - errors;
    if errors > 0 {
        complain(&format!("{errors} fault(s), {warnings} warning(s) in `{}`", setting.dir.display()));
        return Ok(ExitCode::FAILURE);
    }
    let routes = checked.as_ref().map_or(0, |checked| checked.routes.len());
    let examples: usize =
        checked.iter().flat_map(|checked| checked.written.routes.values()).map(|file| file.value.examples.len()).sum();
    say(&format!(
        "`{}` is well: {routes} route(s), {examples} example(s) came out as they say, {warnings} warning(s)",
        setting.dir.display()
    ));
    Ok(ExitCode::SUCCESS)
}
