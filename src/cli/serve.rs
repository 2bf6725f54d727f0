//! `serri-relay serve`: run the relay until a signal ends it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Ended, Setting, block_on, show};
use crate::clock::Clock;
use crate::config::diagnostic::Severity;
use crate::relay::{self, Listeners};
use crate::route::check::{Checked, Sending, check_for};
use crate::telemetry;

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Send nothing for real: the sandbox stands in for Serri for every account, also for one that has a key.
    #[arg(long)]
    sandbox: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let sending = if arguments.sandbox { Sending::Sandbox } else { Sending::AsConfigured };
    let (checked, faults) = check_for(&setting.dir, &setting.variables, sending);
    let sound = faults.iter().all(|fault| fault.severity == Severity::Warning);
    let Some(checked) = checked.filter(|_| sound) else {
        show(&faults, &setting.variables);
        anyhow::bail!(
            "the relay does not start before the faults above are fixed; `serri-relay check` shows them again"
        );
    };
    // its last lines are written when this function ends, before the error that ended it is shown
    let _log = telemetry::init(&setting.variables, checked.secrets()).map_err(anyhow::Error::msg)?;
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
    let mut signals = Signals::listen()?;
    let told = stop.clone();
    let signals = async move {
        signals.next().await;
        told.cancel();
        // a second signal ends it at once
        signals.next().await;
    };
    tokio::select! {
        ended = relay::serve(checked, listeners, Clock::system(), stop) => {
            ended?;
            Ok(ExitCode::SUCCESS)
        }
        () = signals => anyhow::bail!("ended by a second signal; what was in flight is treated as uncertain at the next start"),
    }
}

/// The signals that ask the relay to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A terminal that was closed; `None` where it was ignored when the relay was started, as `nohup` does.
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
            hangup: (!is_hangup_ignored()).then(|| signal(SignalKind::hangup())).transpose().context("SIGHUP")?,
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = hangup => {}
        }
    }
}

/// Whether SIGHUP was ignored when the process began. Linux tells; elsewhere it is taken for a request to stop.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
