//! `serri-relay sources diff`: how a file in `sources/` differs from the shipped source that it replaces.
//!
//! Only texts are compared: the file may have faults, and nothing of it is filled in.

use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use similar::TextDiff;

use super::{Ended, Setting, complain, say};
use crate::config::diagnostic::did_you_mean;
use crate::config::{file, is_name, own_source, shipped};

/// The arguments of `sources diff`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The source.
    name: String,
}

/// As of diff(1): 1 says that they differ.
const TROUBLE: u8 = 2;

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    Ok(compare(&arguments.name, setting).unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        ExitCode::from(TROUBLE)
    }))
}

fn compare(name: &str, setting: &Setting) -> Ended {
    let dir = &setting.dir;
    ensure!(dir.is_dir(), "there is no configuration directory `{}`; name it with --config DIR", dir.display());
    let own = if is_name(name) { own_source(dir, name) } else { None };
    let Some(shipped) = shipped::source(name) else {
        if let Some(own) = own {
            bail!("`{}` replaces no shipped source: none is named `{name}`", own.display());
        }
        let hint = did_you_mean(name, shipped::SOURCES.iter().map(|(known, _)| *known))
            .map_or_else(|| "`serri-relay sources` lists them".to_owned(), |meant| format!("did you mean `{meant}`?"));
        bail!("there is no shipped source `{name}`; {hint}");
    };
    let Some(own) = own else {
        let path = dir.join("sources").join(format!("{name}.yaml"));
        bail!("there is no `{}`: the shipped source is in use, and there is nothing to compare", path.display());
    };
    let path = own.display().to_string();
    let text = file::read(&own, file::LARGEST_YAML)
        .with_context(|| format!("cannot read `{path}`; it must be a file that you may read, and UTF-8"))?;
    if shipped::is_same(&text, shipped) {
        say(&format!("`{path}` is the same as the shipped source, and can be deleted"));
        return Ok(ExitCode::SUCCESS);
    }
    // other line ends would make every line differ
    let [shipped, text] = [shipped, &text].map(|text| text.replace("\r\n", "\n"));
    let diff = TextDiff::from_lines(&shipped, &text);
    say(diff.unified_diff().header(&format!("shipped/{name}.yaml"), &path).to_string().trim_end_matches('\n'));
    Ok(ExitCode::FAILURE)
}
