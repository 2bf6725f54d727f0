//! `serri-relay serve`: run the relay until a signal ends it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Ended, Setting, block_on, show};
use crate::clock::Clock;
use crate::config::fault::Severity;
use crate::relay::{self, Listeners};
use crate::route::check::{Checked, check};
use crate::telemetry;

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_: &Arguments, setting: &Setting) -> Ended {
    let (checked, faults) = check(&setting.dir, &setting.variables);
    let sound = faults.iter().all(|fault| fault.severity == Severity::Warning);
    let Some(checked) = checked.filter(|_| sound) else {
        show(&faults);
        anyhow::bail!(
            "the relay does not start before the faults above are mended; `serri-relay check` shows them again"
        );
    };
    telemetry::init(&setting.variables, checked.secrets()).map_err(anyhow::Error::msg)?;
    for warning in &faults {
        // a line of the log, like all that follows
        tracing::warn!("{}", warning.one_line());
    }
    // every caller and every call needs a file handle; the usual 1,024 are few
    if let Err(error) = rlimit::increase_nofile_limit(65_536) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    block_on(serve(checked))?
}

/// SIGXFSZ, on all platforms that Rust runs on but MIPS.
const FILE_SIZE_EXCEEDED: i32 = 25;

async fn serve(checked: Checked) -> Ended {
    // a write beyond a limit on the size of files ends a process, unless it has a handler: then the write fails, and is
    // treated as a disk that is full
    let _handled = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED)).context("SIGXFSZ")?;
    let listeners = Listeners::bind(&checked.written.relay.value).await?;
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).context("SIGTERM")?, signal(SignalKind::interrupt()).context("SIGINT")?);
    let told = stop.clone();
    let signals = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
        // a second signal ends it at once
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::select! {
        ended = relay::serve(checked, listeners, Clock::system(), stop) => {
            ended?;
            Ok(ExitCode::SUCCESS)
        }
        () = signals => anyhow::bail!("ended by a second signal; what was in flight is treated as uncertain at the next start"),
    }
}
