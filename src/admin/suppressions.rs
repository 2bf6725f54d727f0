//! The list of numbers that must not be messaged: read, changed, and moved in and out as CSV.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, LONGEST, problem, unusable};
use super::input::{Body, Params};
use crate::clock::Timestamp;
use crate::event::act::Action;
use crate::event::view::{SuppressionStory, SuppressionView};
use crate::event::{BY_HAND, Suppression};

/// How many are on a page.
const PAGE: usize = 1_000;

/// How many are changed in one transaction.
const CHUNK: usize = 1_000;

/// Which page.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// A number and what becomes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    number: String,
    /// By which account it must not be messaged; all if left out.
    #[serde(default)]
    account: Option<String>,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
    /// Since when; now if left out. It stays as it was for one that is on the list already.
    #[serde(default)]
    since: Option<String>,
    /// Takes it off the list.
    #[serde(default)]
    remove: bool,
}

/// `GET /api/v1/suppressions`
pub async fn list(State(desk): State<Arc<Desk>>, Params(asked): Params<Asked>) -> Answer<Json<Value>> {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = asked.cursor.as_deref().and_then(|cursor| cursor.split_once(' ')).unwrap_or(("", ""));
    let after = (after.0.to_owned(), after.1.to_owned());
    let mut found = desk.archive.suppressions(after, limit + 1).await.map_err(unusable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{} {}", last.number, last.account));
    Ok(Json(json!({ "suppressions": found, "next": next })))
}

/// `GET /api/v1/suppressions/{number}`
pub async fn story(State(desk): State<Arc<Desk>>, Path(number): Path<String>) -> Answer<Json<SuppressionStory>> {
    let number = desk.number(&number)?;
    desk.archive.suppression(number).await.map(Json).map_err(unusable)
}

/// `POST /api/v1/suppressions`
pub async fn change(State(desk): State<Arc<Desk>>, Body(change): Body<Change>) -> Answer<Json<Value>> {
    let change = read(&desk, change)?;
    let number = change.number.clone();
    let changed = desk.act(Action::Suppress(vec![change])).await?.changed;
    Ok(Json(json!({ "number": number, "changed": changed })))
}

fn read(desk: &Desk, change: Change) -> Answer<Suppression> {
    let account = match change.account.as_deref().map(str::trim).filter(|account| !account.is_empty()) {
        // where there is one account, all are that one
        None if desk.accounts.len() == 1 && !change.remove => desk.accounts.keys().next().cloned().unwrap_or_default(),
        None | Some("*") => "*".to_owned(),
        Some(name) => desk.account(name)?,
    };
    if change.reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST) {
        return Err(problem(StatusCode::BAD_REQUEST, format!("a reason has at most {LONGEST} characters")));
    }
    let since = change.since.as_deref().map(|text| {
        let moment = text.parse::<jiff::Timestamp>().map_err(|_| {
            problem(
                StatusCode::BAD_REQUEST,
                format!("`since`: `{text}` is no moment; write it as 2026-12-01T09:00:00Z"),
            )
        });
        moment.map(|moment| Timestamp(moment.as_millisecond()))
    });
    let number = if account == "*" { desk.number(&change.number) } else { desk.number_of(&change.number, &account) }?;
    Ok(Suppression {
        account,
        number,
        add: !change.remove,
        reason: change.reason.filter(|reason| !reason.trim().is_empty()).unwrap_or_else(|| BY_HAND.into()),
        since: since.transpose()?,
    })
}

/// `GET /api/v1/suppressions.csv`
pub async fn export(State(desk): State<Arc<Desk>>) -> Answer<Response> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    writer.write_record(["number", "account", "reason", "since"]).map_err(failed)?;
    let mut after = (String::new(), String::new());
    loop {
        let page = desk.archive.suppressions(after.clone(), PAGE).await.map_err(unusable)?;
        let Some(last) = page.last() else { break };
        after = (last.number.clone(), last.account.clone());
        for SuppressionView { number, account, reason, since } in &page {
            writer.write_record([number, account, reason, since]).map_err(failed)?;
        }
    }
    let text = writer.into_inner().unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
}

/// `POST /api/v1/suppressions.csv`: numbers in the first column or in one called `number`; all or none.
pub async fn import(State(desk): State<Arc<Desk>>, body: String) -> Answer<Json<Value>> {
    let rows = rows(body.trim_start_matches('\u{FEFF}')).map_err(|detail| problem(StatusCode::BAD_REQUEST, detail))?;
    let mut changes = Vec::with_capacity(rows.len());
    for (line, change) in rows {
        let change = read(&desk, change)
            .map_err(|wrong| problem(wrong.status, format!("line {line}: {}; nothing was imported", wrong.detail)))?;
        changes.push(change);
    }
    let mut imported = 0;
    for chunk in changes.chunks(CHUNK) {
        imported += desk.act(Action::Suppress(chunk.to_vec())).await?.changed;
    }
    Ok(Json(json!({ "imported": imported })))
}

/// The rows of a list, each with its line.
fn rows(text: &str) -> Result<Vec<(u64, Change)>, String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut columns = (0, Some(1), Some(2), None);
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().any(|cell| cell.contains(['\n', '\r'])) {
            return Err(format!("line {line}: a quote is not closed; nothing was imported"));
        }
        let place = |name: &str| record.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        if index == 0
            && let Some(number) = place("number").or_else(|| place("phone"))
        {
            columns = (number, place("account"), place("reason"), place("since"));
            continue;
        }
        let cell = |column: Option<usize>| column.and_then(|column| record.get(column)).filter(|cell| !cell.is_empty());
        let Some(number) = cell(Some(columns.0)) else { continue };
        let change = Change {
            number: number.to_owned(),
            account: cell(columns.1).map(ToOwned::to_owned),
            reason: cell(columns.2).map(ToOwned::to_owned),
            since: cell(columns.3).map(ToOwned::to_owned),
            remove: false,
        };
        rows.push((line, change));
    }
    Ok(rows)
}
