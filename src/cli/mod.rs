//! The commands. Each has a file of its own with the same two things in it: its arguments, and `run`.
//!
//! Results go to standard output, logs and faults to standard error. Exit codes: 0 well, 1 a fault found, 2 misuse.

mod campaigns;
mod check;
mod health;
mod input;
mod kept;
mod learn;
mod new;
mod online;
mod operate;
mod post;
mod recipient;
mod sandbox;
mod schema;
mod serve;
mod source_diff;
mod sources;
mod trial;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annotate_snippets::Renderer;
use annotate_snippets::renderer::DecorStyle;
use clap::{Parser, Subcommand};

use crate::config::diagnostic::{Diagnostic, Place, Severity};
use crate::config::interpolate::Variables;
use crate::config::report::render;
use crate::mask;
use crate::route::check::Checked;

/// Turns the webhooks of CRMs, shops and forms into WhatsApp campaign sends through Serri, and loses none.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// The configuration directory.
    #[arg(long, global = true, env = "SERRI_RELAY_CONFIG", default_value = "config", value_name = "DIR")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay.
    Serve(serve::Arguments),
    /// Read the whole configuration and report every fault.
    Check(check::Arguments),
    /// Show what would be sent for a body, and send nothing.
    Try(trial::Arguments),
    /// Send a body to a running relay, signed as its source would sign it.
    Post(post::Arguments),
    /// Write a route file to start from.
    New(new::Arguments),
    /// Show what is known of each source.
    Sources(sources::Arguments),
    /// What came in, and what came of it.
    Events(operate::events::Arguments),
    /// What became of each send; replay or cancel some.
    Sends(operate::sends::Arguments),
    /// What is on hold, and why.
    Holds(operate::holds::Arguments),
    /// Numbers that must not be messaged.
    Suppress(operate::suppress::Arguments),
    /// Erase a person: events, sends, attempts; suppressions stay as a keyed hash.
    Forget(operate::forget::Arguments),
    /// Let a running relay take its configuration anew.
    Reload(operate::reload::Arguments),
    /// Run a stand-in for the Serri API.
    Sandbox(sandbox::Arguments),
    /// What the campaigns are that rules name, read from the accounts' APIs. Nothing is sent.
    Campaigns(campaigns::Arguments),
    /// Print a JSON Schema for editors.
    Schema(schema::Arguments),
    /// Ask a running relay whether it is ready, for a container's health check.
    Health(health::Arguments),
}

/// What every command is given.
struct Setting {
    dir: PathBuf,
    variables: Variables,
}

/// How a command ended.
type Ended = anyhow::Result<ExitCode>;

/// What a command ends with that was called in a way that means nothing.
const MISUSE: u8 = 2;

/// Reads the arguments and runs the command they name.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let setting = Setting { dir: arguments.config, variables: Variables::of_process() };
    let ended = match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments, &setting),
        Command::Check(arguments) => check::run(&arguments, &setting),
        Command::Try(arguments) => trial::run(&arguments, &setting),
        Command::Post(arguments) => post::run(&arguments, &setting),
        Command::New(arguments) => new::run(&arguments, &setting),
        Command::Sources(arguments) => sources::run(&arguments, &setting),
        Command::Events(arguments) => operate::events::run(&arguments, &setting),
        Command::Sends(arguments) => operate::sends::run(&arguments, &setting),
        Command::Holds(arguments) => operate::holds::run(&arguments, &setting),
        Command::Suppress(arguments) => operate::suppress::run(&arguments, &setting),
        Command::Forget(arguments) => operate::forget::run(&arguments, &setting),
        Command::Reload(arguments) => operate::reload::run(&arguments, &setting),
        Command::Campaigns(arguments) => campaigns::run(&arguments, &setting),
        Command::Sandbox(arguments) => sandbox::run(&arguments, &setting),
        Command::Schema(arguments) => schema::run(&arguments, &setting),
        Command::Health(arguments) => health::run(&arguments, &setting),
    };
    ended.unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

impl Setting {
    /// Reads and checks the configuration for a command that needs one route: another route's faults are shown and do
    /// not matter.
    fn checked_for(&self, route: &str) -> Option<Checked> {
        let (checked, mut diagnostics) = crate::route::check::check(&self.dir, &self.variables);
        // other routes' warnings are for `check`
        let own = Path::new("routes").join(route);
        let is_own = |place: &Place| Path::new(&place.source.name).with_extension("").ends_with(&own);
        diagnostics.retain(|diagnostic| {
            diagnostic.severity == Severity::Error
                || diagnostic.about.routes().any(|other| other == route)
                || diagnostic.place.as_ref().is_some_and(is_own)
        });
        show(&diagnostics, &self.variables);
        let well =
            |checked: &Checked| checked.routes.contains_key(route) || !checked.written.routes.contains_key(route);
        checked.filter(|checked| well(checked))
    }
}

/// Shows faults on standard error, each with its line.
fn show(diagnostics: &[Diagnostic], variables: &Variables) {
    let renderer = if std::io::stderr().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    for diagnostic in diagnostics {
        complain(&format!("{}\n", render(diagnostic, variables, &renderer)));
    }
}

/// Writes a line to standard output. Whoever reads it may have gone, as `head` does.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A text that moves no cursor and begins no line, whatever a file or its name holds.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Writes a line to standard error, without a URL's password.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", mask::credentials(line));
}

/// Runs a future to its end, for commands that talk over the network.
fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // what hangs past the grace must not hold the process
    runtime.shutdown_background();
    Ok(result)
}
