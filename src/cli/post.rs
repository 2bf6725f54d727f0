//! `serri-relay post`: a call to a running relay, signed as its source would sign it.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Url;

use super::input::Input;
use super::recipient::aimed_at;
use super::{Ended, Setting, block_on, complain, kept, say};
use crate::authenticate::sign;
use crate::clock::Clock;
use crate::config::relay::RelayFile;
use crate::outbound::client_for;
use crate::route::check::Checked;
use crate::route::{Route, TestMode, profile_spec_of};

/// The arguments of `post`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// An event that a running relay has, by its sender's id or # and its number, instead of a body.
    #[arg(long, value_name = "ID", conflicts_with_all = ["file", "sample", "headers", "query"])]
    event: Option<String>,
    /// Where the admin listener of the relay that has it is; by default where the settings say.
    #[arg(long, value_name = "URL", requires = "event")]
    admin: Option<String>,
    /// Where the relay is; by default where the settings say it listens.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Your own number, which takes the place of the one in the body: with a key a call by hand messages nobody else.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    let Some(checked) = setting.checked_for(&arguments.input.route) else { return Ok(ExitCode::FAILURE) };
    let (route, mut call) = match &arguments.event {
        Some(named) => {
            let route = arguments.input.route(&checked)?;
            let file = checked.written.routes.get(&route.name);
            let profile_spec = file.and_then(|file| profile_spec_of(&file.value, &checked.written)).unwrap_or_default();
            (route, kept::call(named, arguments.admin.as_deref(), (route, &profile_spec), setting)?)
        }
        None => {
            let (route, call, _) = arguments.input.call(&checked)?;
            (route, call)
        }
    };
    let now = Clock::system().now();
    if let Some(account) = reached(&checked, route) {
        let Some(number) = &arguments.to else {
            bail!(
                "account `{account}` has a key, so that this would message whoever the body names; \
                 add --to with your own number, or set `redirect_to` or `dry_run` in the route"
            );
        };
        call = aimed_at(number, route.account_country(), route, call, now)?;
    }
    let query = if call.query().is_empty() { String::new() } else { format!("?{}", call.query()) };
    call.uri = format!("/webhooks/{}{query}", route.name).parse().context("the address")?;
    sign(&route.authentication, &mut call, now)?;
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
        404 => complain(
            "hint: the relay takes changed files within some seconds; `serri-relay reload` takes them at once, or says why not",
        ),
        401 => complain(
            "hint: `post` signs with the secret as this terminal has it; the relay may have been started with another",
        ),
        200 if arguments.event.is_some() && body.contains(r#""status":"duplicate""#) => complain(
            "hint: the route has this event already, and one that it has makes no sends again; `serri-relay events replay` maps it anew",
        ),
        _ => {}
    }
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The account through which a route's sends reach people, if they do.
fn reached<'a>(checked: &'a Checked, route: &Route) -> Option<&'a str> {
    let written = &checked.written;
    let name = written.routes.get(&route.name).and_then(|file| file.value.account.as_deref()).unwrap_or("default");
    let has_key = written.relay.value.accounts.get(name).is_some_and(|account| !account.uses_sandbox());
    let is_tested = |test_mode: &TestMode| *test_mode != TestMode::default();
    let of_account = checked.accounts.get(name).is_some_and(|checked| is_tested(&checked.test_mode));
    (has_key && !of_account && !is_tested(route.test_mode())).then_some(name)
}

/// The webhook listener as this computer reaches it.
pub fn base_url(settings: &RelayFile) -> String {
    let address = settings.server.listen.here();
    format!("http://{address}")
}
