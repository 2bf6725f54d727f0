//! `serri-relay post`: a call to a running relay, signed as its source would sign it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use reqwest::Url;

use super::input::Input;
use super::{Ended, Setting, block_on, complain, say};
use crate::authenticate::sign;
use crate::clock::Clock;
use crate::config::relay::RelayFile;
use crate::outbound::client_for;

/// The arguments of `post`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Where the relay is; by default where the settings say it listens.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let Some(checked) = setting.checked_for(&arguments.input.route) else { return Ok(ExitCode::FAILURE) };
    let (route, mut call, _) = arguments.input.call(&checked)?;
    let query = if call.query().is_empty() { String::new() } else { format!("?{}", call.query()) };
    call.uri = format!("/webhooks/{}{query}", route.name).parse().context("the address")?;
    sign(&route.authentication, &mut call, Clock::system().now())?;
    let base = arguments.url.clone().unwrap_or_else(|| base_url(&checked.written.relay.value));
    let url = format!("{}{}", base.trim_end_matches('/'), call.uri);
    let url = Url::parse(&url).with_context(|| format!("`{base}` is not a URL"))?;
    let answered = block_on(async move {
        let request = client_for(&url)?.request(call.method, url);
        let response = request.headers(call.headers).body(call.body).send().await;
        let response = response
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("{base} does not answer; is the relay running? (`serri-relay serve`)"))?;
        let status = response.status();
        anyhow::Ok((status, response.text().await?))
    })?;
    let (status, body) = answered?;
    say(&format!("{status}\n{body}"));
    match status.as_u16() {
        404 => complain("hint: the relay read its routes when it started; start it again after `new` or an edit"),
        401 => complain(
            "hint: `post` signs with the secret as this terminal has it; the relay may have been started with another",
        ),
        _ => {}
    }
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The webhook listener as this computer reaches it.
pub fn base_url(settings: &RelayFile) -> String {
    let address = settings.server.listen.here();
    format!("http://{address}")
}
