//! `serri-relay sandbox`: the stand-in for the Serri API, on its own.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Ended, Setting, block_on, say};
use crate::clock::Clock;
use crate::listen::{self, Reach};
use crate::serri::sandbox::{CASES, PATH, Sandbox};

/// The arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Address and port.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: String,
}

/// Runs it.
pub fn run(arguments: &Arguments, _: &Setting) -> Ended {
    block_on(async {
        let listener = TcpListener::bind(&arguments.listen)
            .await
            .with_context(|| format!("cannot listen on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        say(&format!(
            "the Serri sandbox is running; it sends nothing to anybody\n\n  endpoint   http://{address}{PATH}\n  its inbox  http://{address}/messages\n"
        ));
        say("campaigns and numbers that misbehave:\n");
        CASES
            .iter()
            .for_each(|case| say(&format!("  {:<24} {:<15} {}", case.campaign, case.number.unwrap_or(""), case.about)));
        say("  sandbox_params_N                         takes exactly N templateParams");
        let reach = Reach::of(address);
        if reach == Reach::Beyond {
            say("\nother computers can reach it; messages that it shows hold names and numbers");
        }
        let router = Sandbox::new(Clock::system()).guarded(reach);
        let stop = CancellationToken::new();
        let told = stop.clone();
        tokio::select! {
            () = listen::serve(listener, router, Duration::from_secs(30), stop) => {}
            _ = tokio::signal::ctrl_c() => told.cancel(),
        }
        Ok(ExitCode::SUCCESS)
    })?
}
