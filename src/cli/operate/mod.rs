//! The commands that work on a running relay, by its admin API: the same that a desk or a script would use.

pub mod events;
pub mod forget;
pub mod holds;
pub mod reload;
pub mod sends;
pub mod suppress;

pub mod moment;

mod export;
mod show;
mod which;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::tz::TimeZone;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Setting, block_on, complain, say};
use crate::config;
use crate::config::relay::RelayFile;
use crate::outbound::client_for;

pub use show::{entries, field, table};

use export::{Csv, Reader};
use moment::in_zone;
use show::{legible_lines, more, show_sends, state_of, step};
use which::{Paging, Pairs, Which, WhichEvents, filter, is_said};

/// Which relay, and how it is shown.
#[derive(Debug, Default, Args)]
pub struct Relay {
    /// Where the relay's admin listener is; by default where the settings say.
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,
    /// Print the API's JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Show times in UTC instead of this computer's time zone.
    #[arg(long, global = true)]
    utc: bool,
}

/// How many entries one page has at most, and how many of a list are shown unless somebody says otherwise.
const PAGE: usize = 1_000;
const SHOWN: usize = 50;

/// A problem that the relay tells.
#[derive(Debug, Deserialize, Error)]
#[error("{detail}")]
struct Refused {
    detail: String,
    /// The line of what was sent that is wrong, and what is wrong there.
    line: Option<u64>,
    reason: Option<String>,
    /// What keeps a configuration from being taken.
    #[serde(default)]
    faults: Vec<String>,
}

/// A running relay.
pub struct Admin {
    base: String,
    token: String,
    is_json: bool,
    /// In which times are shown.
    zone: TimeZone,
}

impl Relay {
    /// The relay of the settings, or the one that was named.
    ///
    /// # Errors
    ///
    /// If the settings cannot be read.
    pub fn connect(&self, setting: &Setting) -> anyhow::Result<Admin> {
        let admin = Admin::of(self.admin.as_deref(), setting)?;
        Ok(Admin { is_json: self.json, zone: moment::zone(self.utc), ..admin })
    }
}

impl Admin {
    /// The relay of the settings, or the one at an address.
    ///
    /// # Errors
    ///
    /// If the settings cannot be read.
    pub fn of(named: Option<&str>, setting: &Setting) -> anyhow::Result<Self> {
        let read = config::read(&setting.dir, &setting.variables, config::Extent::Used).0;
        let settings = read.map(|written| written.relay.value);
        let token = settings.as_ref().map_or_else(
            || setting.variables.get("SERRI_RELAY_ADMIN_TOKEN").unwrap_or("").to_owned(),
            |settings| settings.admin.token.trim().to_owned(),
        );
        let with_scheme =
            |named: &str| if named.contains("://") { named.to_owned() } else { format!("http://{named}") };
        let named = named.map(with_scheme);
        let base = named.or_else(|| settings.as_ref().map(admin_url));
        let base = base.with_context(|| {
            format!("the settings in `{}` cannot be read; name the relay with --admin", setting.dir.display())
        })?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token, is_json: false, zone: TimeZone::UTC })
    }
}

/// The admin listener as this computer reaches it.
fn admin_url(settings: &RelayFile) -> String {
    format!("http://{}", settings.admin.listen.here())
}

/// What is sent along.
pub enum Sent {
    Nothing,
    Json(Value),
    Csv(Vec<u8>),
}

impl Admin {
    /// Asks the API; a problem that it tells is an error.
    ///
    /// # Errors
    ///
    /// If there is no answer, or a problem.
    pub fn ask(&self, method: Method, path: &str, query: &[(&str, String)], sent: Sent) -> anyhow::Result<String> {
        let mut url = reqwest::Url::parse(&format!("{}/api/v1{path}", self.base))
            .with_context(|| format!("`{}` is not a URL", self.base))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = client_for(&url)?.request(method, url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let request = match sent {
            Sent::Nothing => request,
            Sent::Json(json) => request.header("content-type", "application/json").body(json.to_string()),
            Sent::Csv(text) => request.header("content-type", "text/csv").body(text),
        };
        let base = &self.base;
        let answered = block_on(async {
            let response = request
                .send()
                .await
                .map_err(reqwest::Error::without_url)
                .with_context(|| format!("{base} does not answer; is the relay running? (`serri-relay serve`)"))?;
            let status = response.status();
            anyhow::Ok((status, response.text().await?))
        })?;
        let (status, text) = answered?;
        if status.is_success() {
            return Ok(text);
        }
        let refused = serde_json::from_str::<Refused>(&text);
        Err(refused.map_or_else(|_| anyhow::anyhow!("{status}: {text}"), anyhow::Error::new))
    }

    /// An event, whole: by the sender's id, or `#` and its number.
    ///
    /// # Errors
    ///
    /// As [`Admin::ask`].
    pub fn event(&self, named: &str) -> anyhow::Result<Value> {
        let text = self.ask(Method::GET, &format!("/events/{}", step(named)), &[], Sent::Nothing)?;
        serde_json::from_str(&text).context("the relay's answer")
    }

    /// An answer, read as JSON; shown as such if that is asked for, and then `None`.
    ///
    /// # Errors
    ///
    /// As [`Admin::ask`].
    pub fn json(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        sent: Sent,
    ) -> anyhow::Result<Option<Value>> {
        self.shown(serde_json::from_str(&self.ask(method, path, query, sent)?).context("the relay's answer")?)
    }

    /// An answer with times as whoever asked reads them; printed as it is if JSON is asked for, and then `None`.
    fn shown(&self, mut json: Value) -> anyhow::Result<Option<Value>> {
        if self.is_json {
            say(&serde_json::to_string_pretty(&json)?);
            return Ok(None);
        }
        in_zone(&mut json, &self.zone);
        Ok(Some(json))
    }
}

impl Admin {
    /// A list, as far as it is shown at once. The relay answers before a page is full if it would take long: then it is asked
    /// for the rest.
    ///
    /// # Errors
    ///
    /// As [`Admin::ask`].
    pub fn list(&self, key: &str, pairs: &Pairs, paging: &Paging) -> anyhow::Result<Option<Value>> {
        let mut entries = Vec::new();
        let next =
            self.pages(key, pairs, &Paging { limit: paging.limit.or(Some(SHOWN)), ..paging.clone() }, |page| {
                entries.extend(page);
                Ok(Reader::Reads)
            })?;
        self.shown(json!({ key: entries, "next": next }))
    }

    /// Prints a list as CSV, all of it unless a limit is given.
    ///
    /// # Errors
    ///
    /// As [`Admin::ask`].
    pub fn export(&self, key: &str, pairs: &Pairs, paging: &Paging, columns: &[&str]) -> anyhow::Result<()> {
        if self.is_json {
            bail!("--csv and --json are two ways to print the same: leave one of them out");
        }
        // the first page comes before the line of names: a refusal is not a list
        let mut begun = None;
        let next = self.pages(key, pairs, paging, |page| {
            let csv = match &begun {
                Some(csv) => csv,
                None => {
                    let (csv, reader) = Csv::begin(columns, &self.zone)?;
                    if reader == Reader::Gone {
                        return Ok(reader);
                    }
                    begun.insert(csv)
                }
            };
            csv.page(page)
        })?;
        if let Some(next) = next {
            complain(&format!("more: --cursor {next}"));
        }
        Ok(())
    }

    /// Hands a list out page by page, from the cursor on, until it ends or there are as many as the limit says. Returns where
    /// it goes on.
    fn pages(
        &self,
        key: &str,
        pairs: &Pairs,
        paging: &Paging,
        mut each: impl FnMut(Vec<Value>) -> anyhow::Result<Reader>,
    ) -> anyhow::Result<Option<String>> {
        let (mut left, mut next) = (paging.limit, paging.cursor.clone());
        loop {
            let mut query = pairs.clone();
            query.push(("limit", left.map_or(PAGE, |left| left.min(PAGE)).to_string()));
            query.extend(next.map(|cursor| ("cursor", cursor)));
            let text = self.ask(Method::GET, &format!("/{key}"), &query, Sent::Nothing)?;
            let mut page: Value = serde_json::from_str(&text).context("the relay's answer")?;
            let entries = match page.get_mut(key).map(Value::take) {
                Some(Value::Array(entries)) => entries,
                _ => Vec::new(),
            };
            left = left.map(|left| left.saturating_sub(entries.len()));
            next = page.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
            if each(entries)? == Reader::Gone {
                return Ok(None);
            }
            if next.is_none() || left == Some(0) {
                return Ok(next);
            }
        }
    }
}
