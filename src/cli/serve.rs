//! `serri-relay serve`: run the relay until a signal ends it.

use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Ended, Setting, block_on, show};
use crate::clock::Clock;
use crate::config::report::one_line;
use crate::mask::CurrentSecrets;
use crate::relay::{self, Listeners, Reloads, Start};
use crate::route::check::Sending;
use crate::route::load::{Loaded, Origin};
use crate::route::reload::{ReloadRequest, ReloadRequests};
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
    let origin = Origin { dir: setting.dir.clone(), variables: setting.variables.clone(), sending };
    let loaded = match origin.load(None) {
        Ok(loaded) => loaded,
        Err(faults) => {
            show(&faults, &setting.variables);
            anyhow::bail!(
                "the relay does not start before the faults above are fixed; `serri-relay check` shows them again"
            );
        }
    };
    let secrets = Arc::new(CurrentSecrets::default());
    secrets.add(&loaded.secrets);
    // its last lines are written when this function ends, before the error that ended it is shown
    let _log = telemetry::init(&setting.variables, Arc::clone(&secrets)).map_err(anyhow::Error::msg)?;
    for warning in &loaded.warnings {
        // a line of the log, like all that follows
        tracing::warn!("{}", one_line(warning, &setting.variables));
    }
    // every caller and every call needs a file handle; the usual 1,024 are few
    if let Err(error) = rlimit::increase_nofile_limit(65_536) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    block_on(serve(loaded, origin, secrets))?
}

/// SIGXFSZ, on all platforms that Rust runs on but MIPS.
const FILE_SIZE_EXCEEDED: i32 = 25;

async fn serve(loaded: Loaded, origin: Origin, secrets: Arc<CurrentSecrets>) -> Ended {
    // a write beyond a limit on the size of files ends a process, unless it has a handler: then the write fails, and is
    // treated as a disk that is full
    let _handled = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED)).context("SIGXFSZ")?;
    let listeners = Listeners::bind(&loaded.checked.written.relay.value).await?;
    let (stop, reloads) = (CancellationToken::new(), Reloads::new());
    let mut signals = Signals::listen(reloads.ask.clone())?;
    let told = stop.clone();
    let signals = async move {
        signals.wait_for_the_end().await;
        told.cancel();
        // a second signal ends it at once
        signals.wait_for_the_end().await;
    };
    let start = Start { loaded, origin, listeners, clock: Clock::system(), secrets, reloads };
    tokio::select! {
        ended = relay::serve(start, stop) => {
            ended?;
            Ok(ExitCode::SUCCESS)
        }
        () = signals => anyhow::bail!("ended by a second signal; what was in flight is treated as uncertain at the next start"),
    }
}

/// The signals that a relay hears.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    reload: ReloadRequests,
    /// Whether there was a terminal at the start, and nobody said by `nohup` that its end is not to be minded.
    ends_with_terminal: bool,
}

impl Signals {
    fn listen(reload: ReloadRequests) -> anyhow::Result<Self> {
        let ends_with_terminal = has_terminal() && !is_hangup_ignored();
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("SIGHUP")?,
            reload,
            ends_with_terminal,
        })
    }

    /// Waits for a signal that ends the relay. SIGHUP takes the configuration anew, unless it says that the terminal was
    /// closed which the relay was started from.
    async fn wait_for_the_end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    if self.ends_with_terminal && !has_terminal() {
                        return;
                    }
                    // the relay may be at its end
                    let _ = self.reload.send(ReloadRequest { by: "SIGHUP", answer: None });
                }
            }
        }
    }
}

/// Whether the process has a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP was ignored when the process began. Linux tells; elsewhere it was not.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
