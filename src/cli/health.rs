//! `serri-relay health`: exit 0 if a running relay is ready.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reqwest::Url;

use super::post::base_url;
use super::{Ended, Setting, block_on, complain, say};
use crate::config;
use crate::outbound::client_for;

/// The arguments of `health`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the relay is; by default where the settings say it listens.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let settings =
        || config::read(&setting.dir, &setting.variables, config::Extent::Used).0.map(|written| written.relay.value);
    let Some(base) = arguments.url.clone().or_else(|| settings().map(|settings| base_url(&settings))) else {
        anyhow::bail!("the settings in `{}` cannot be read; name the relay with --url", setting.dir.display());
    };
    let url = format!("{}/readyz", base.trim_end_matches('/'));
    let url = Url::parse(&url).with_context(|| format!("`{base}` is not a URL"))?;
    let asked = block_on(async {
        let response = client_for(&url)?.get(url.clone()).timeout(Duration::from_secs(5)).send().await?;
        let ready = response.status().is_success();
        Ok::<_, reqwest::Error>((ready, response.text().await?))
    })?;
    match asked {
        Ok((true, _)) => {
            say("ready");
            Ok(ExitCode::SUCCESS)
        }
        Ok((false, body)) => {
            complain(&format!("not ready: {body}"));
            Ok(ExitCode::FAILURE)
        }
        Err(error) => anyhow::bail!("{url} does not answer: {error}"),
    }
}
