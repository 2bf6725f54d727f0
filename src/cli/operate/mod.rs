//! The commands that work on a running relay, by its admin API: the same that a desk or a script would use.

pub mod events;
pub mod forget;
pub mod holds;
pub mod reload;
pub mod sends;
pub mod suppress;

use anyhow::Context as _;
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Setting, block_on, say};
use crate::config;
use crate::config::relay::RelayFile;
use crate::outbound::client_for;

/// Which relay, and how it is shown.
#[derive(Debug, Default, Args)]
pub struct Relay {
    /// Where the relay's admin listener is; by default where the settings say.
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,
    /// Print the API's JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// Which sends or events.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// That came by this route.
    #[arg(long)]
    route: Option<String>,
    /// That this rule made.
    #[arg(long)]
    rule: Option<String>,
    /// Of this campaign.
    #[arg(long)]
    campaign: Option<String>,
    /// Of this account.
    #[arg(long)]
    account: Option<String>,
    /// In this state: waiting, sending, sent, failed, uncertain, expired, suppressed, cancelled, duplicate.
    #[arg(long)]
    state: Option<String>,
    /// To this number.
    #[arg(long)]
    number: Option<String>,
    /// Of the event with this id.
    #[arg(long)]
    event: Option<String>,
    /// Made since this moment, as 2026-12-01T09:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// Made before this moment.
    #[arg(long)]
    until: Option<String>,
}

impl Which {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("route", &self.route),
            ("rule", &self.rule),
            ("campaign", &self.campaign),
            ("account", &self.account),
            ("state", &self.state),
            ("number", &self.number),
            ("event", &self.event),
            ("since", &self.since),
            ("until", &self.until),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }

    /// As the API takes it; `None` if nothing is asked for.
    fn filter(&self) -> Option<Value> {
        let pairs = self.pairs();
        let map = pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
        Some(Value::Object(map)).filter(|filter| filter != &json!({}))
    }
}

/// The page of a list.
#[derive(Debug, Args)]
pub struct Paging {
    /// How many, newest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Where the last page ended.
    #[arg(long)]
    cursor: Option<String>,
}

/// How many entries one page has at most.
const PAGE: usize = 1_000;

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
}

impl Relay {
    /// The relay of the settings, or the one that was named.
    ///
    /// # Errors
    ///
    /// If the settings cannot be read.
    pub fn connect(&self, setting: &Setting) -> anyhow::Result<Admin> {
        let read = config::read(&setting.dir, &setting.variables, config::Extent::Used).0;
        let settings = read.map(|written| written.relay.value);
        let token = settings.as_ref().map_or_else(
            || setting.variables.get("SERRI_RELAY_ADMIN_TOKEN").unwrap_or("").to_owned(),
            |settings| settings.admin.token.trim().to_owned(),
        );
        let with_scheme =
            |named: &String| if named.contains("://") { named.clone() } else { format!("http://{named}") };
        let named = self.admin.as_ref().map(with_scheme);
        let base = named.or_else(|| settings.as_ref().map(admin_url));
        let base = base.with_context(|| {
            format!("the settings in `{}` cannot be read; name the relay with --admin", setting.dir.display())
        })?;
        Ok(Admin { base: base.trim_end_matches('/').to_owned(), token, is_json: self.json })
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

    /// The same, read as JSON; shown as such if that is asked for, and then `None`.
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
        let json: Value = serde_json::from_str(&self.ask(method, path, query, sent)?).context("the relay's answer")?;
        if self.is_json {
            say(&serde_json::to_string_pretty(&json)?);
            return Ok(None);
        }
        Ok(Some(json))
    }
}

impl Admin {
    /// A page of a list. The relay answers before it is full if it would take long: then it is asked for the rest.
    ///
    /// # Errors
    ///
    /// As [`Admin::ask`].
    pub fn list(&self, key: &str, which: &Which, paging: &Paging) -> anyhow::Result<Option<Value>> {
        let (mut entries, mut next) = (Vec::new(), paging.cursor.clone());
        loop {
            let limit = paging.limit.min(PAGE).saturating_sub(entries.len());
            let mut query = which.pairs();
            query.push(("limit", limit.to_string()));
            query.extend(next.map(|cursor| ("cursor", cursor)));
            let text = self.ask(Method::GET, &format!("/{key}"), &query, Sent::Nothing)?;
            let mut page: Value = serde_json::from_str(&text).context("the relay's answer")?;
            if let Some(Value::Array(more)) = page.get_mut(key).map(Value::take) {
                entries.extend(more);
            }
            next = page.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
            if next.is_none() || entries.len() >= paging.limit.min(PAGE) {
                break;
            }
        }
        let json = json!({ key: entries, "next": next });
        if self.is_json {
            say(&serde_json::to_string_pretty(&json)?);
            return Ok(None);
        }
        Ok(Some(json))
    }
}

/// A name as a step of an address.
fn step(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A field as text; `-` if it is not there.
/// A field of what the API answers, as text.
pub fn field(json: &Value, key: &str) -> String {
    match json.get(key) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        // what a sender wrote must not move the cursor of whoever reads it
        Some(Value::String(text)) => legible(text),
        Some(other) => legible(&other.to_string()),
    }
}

/// Without what moves the cursor, or turns the direction in which the rest is read (Unicode UAX 9, 2).
fn legible(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let show = |c: char| if c.is_control() || turns(c) { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(show).collect()
}

/// The entries of a list.
pub fn entries<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Rows in columns as wide as they need to be.
fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let gap = width(column).saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(gap))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    say(&line(head.to_vec()));
    for row in rows {
        say(&line(row.iter().map(String::as_str).collect()));
    }
}

/// Where the next page begins, if there is one.
fn more(json: &Value) {
    if let Some(next) = json.get("next").and_then(Value::as_str) {
        say(&format!("more: --cursor {next}"));
    }
}

/// Where a send stands.
fn state_of(send: &Value) -> String {
    let state = match (field(send, "state"), field(send, "why"), field(send, "until")) {
        (state, why, _) if why == "-" => state,
        (state, why, until) if until == "-" => format!("{state} ({why})"),
        (state, why, until) => format!("{state} ({why} until {until})"),
    };
    match field(send, "detour").as_str() {
        "dry_run" => format!("{state} (dry run)"),
        // its route's or account's, when it went
        "-" if state == "sent" && field(send, "gone_at") == "-" => format!("{state} (not to the customer)"),
        "-" => state,
        number => format!("{state} (to {number} instead)"),
    }
}

/// Sends in a table.
fn show_sends(sends: &[Value]) {
    let row = |send: &Value| {
        let mut row = vec![field(send, "id"), state_of(send)];
        row.extend(
            ["destination", "campaign", "route", "rule", "account", "created_at", "reason"].map(|key| field(send, key)),
        );
        row
    };
    let head = ["id", "state", "number", "campaign", "route", "rule", "account", "made", "reason"];
    table(&head, &sends.iter().map(row).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sender_wrote_moves_no_cursor_and_turns_no_line() {
        let json = serde_json::json!({ "id": "a\u{202e}b\u{1b}[2Jc\r\u{2066}d", "name": "आशा \u{200d} راو" });
        assert_eq!(field(&json, "id"), r"a\u{202e}b\u{1b}[2Jc\r\u{2066}d");
        assert_eq!(field(&json, "name"), "आशा \u{200d} راو");
    }
}
