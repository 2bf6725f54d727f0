//! `serri-relay health`: exit 0 if a running relay is ready.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reqwest::{Method, Url};
use serde_json::Value;

use super::operate::{Relay, Sent, entries, field};
use super::post::base_url;
use super::{Ended, Setting, block_on, complain, plain, say};
use crate::config;
use crate::outbound::client_for;

/// The arguments of `health`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the relay is; by default where the settings say it listens.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Tells what is wrong with routes, where the admin listener can be reached. Nothing of it makes the relay less ready: the
/// others run.
fn tell_of_routes(setting: &Setting) {
    let told =
        Relay::default().connect(setting).and_then(|admin| admin.ask(Method::GET, "/routes", &[], Sent::Nothing));
    let Ok(text) = told else { return };
    let routes: Value = serde_json::from_str(&text).unwrap_or_default();
    for route in entries(&routes, "routes") {
        let name = field(route, "route");
        for fault in entries(route, "faults").iter().filter_map(Value::as_str) {
            let serves = field(route, "serves").replace('_', " ");
            say(&plain(&format!("route {name} has faults (serves {serves}): {fault}")));
        }
        if let Some(problem) = route["problem"].as_str() {
            say(&plain(&format!("route {name} {problem}")));
        }
    }
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
            tell_of_routes(setting);
            Ok(ExitCode::SUCCESS)
        }
        Ok((false, body)) => {
            complain(&format!("not ready: {body}"));
            Ok(ExitCode::FAILURE)
        }
        Err(error) => anyhow::bail!("{url} does not answer: {error}"),
    }
}
