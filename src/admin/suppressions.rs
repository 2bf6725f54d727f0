//! The list of numbers that must not be messaged: read, changed, and printed as CSV.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as Stream;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Body, Params};
use super::state::{AdminState, Answer, LONGEST, problem, unusable};
use crate::cell;
use crate::clock::Timestamp;
use crate::event::act::Action;
use crate::event::view::{SuppressionStory, SuppressionView};
use crate::event::{BY_HAND, Suppression};
use crate::store::StoreError;

/// How many are on a page.
const PAGE: usize = 1_000;

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
    pub number: String,
    /// By which account it must not be messaged; all if left out.
    #[serde(default)]
    pub account: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when; now if left out. It stays as it was for one that is on the list already.
    #[serde(default)]
    pub since: Option<String>,
    /// Takes it off the list.
    #[serde(default)]
    pub remove: bool,
}

/// `GET /api/v1/suppressions`
pub async fn list(State(admin): State<Arc<AdminState>>, Params(asked): Params<Asked>) -> Answer<Json<Value>> {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = asked.cursor.as_deref().and_then(|cursor| cursor.split_once(' ')).unwrap_or(("", ""));
    let after = (after.0.to_owned(), after.1.to_owned());
    let mut found = admin.archive.suppressions(after, limit + 1).await.map_err(unusable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{} {}", last.number, last.account));
    let hashed = admin.archive.hashed_suppressions().await.map_err(unusable)?;
    Ok(Json(json!({ "suppressions": found, "hashed": hashed, "next": next })))
}

/// `GET /api/v1/suppressions/{number}`
pub async fn story(State(admin): State<Arc<AdminState>>, Path(number): Path<String>) -> Answer<Json<SuppressionStory>> {
    let number = admin.number(&number)?;
    admin.archive.suppression(number).await.map(Json).map_err(unusable)
}

/// `POST /api/v1/suppressions`
pub async fn change(State(admin): State<Arc<AdminState>>, Body(change): Body<Change>) -> Answer<Json<Value>> {
    let change = read(&admin, change)?;
    let number = change.number.clone();
    let changed = admin.act(Action::Suppress(vec![change])).await?.changed;
    Ok(Json(json!({ "number": number, "changed": changed })))
}

/// A change as the store takes it.
pub fn read(admin: &AdminState, change: Change) -> Answer<Suppression> {
    let account = match change.account.as_deref().map(str::trim).filter(|account| !account.is_empty()) {
        // where there is one account, all are that one
        None if admin.accounts.len() == 1 && !change.remove => {
            admin.accounts.keys().next().cloned().unwrap_or_default()
        }
        None | Some("*") => "*".to_owned(),
        Some(name) => admin.account(name)?,
    };
    if change.reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST) {
        return Err(problem(StatusCode::BAD_REQUEST, format!("a reason has at most {LONGEST} characters")));
    }
    let since = change.since.as_deref().map(|text| {
        let moment = text.parse::<jiff::Timestamp>().map_err(|_| {
            problem(
                StatusCode::BAD_REQUEST,
                format!("`since`: `{text}` is not a moment; write it as 2026-12-01T09:00:00Z"),
            )
        });
        moment.map(|moment| Timestamp(moment.as_millisecond()))
    });
    let number = if account == "*" { admin.number(&change.number) } else { admin.number_of(&change.number, &account) }?;
    Ok(Suppression {
        account,
        number,
        add: !change.remove,
        rule: None,
        reason: change.reason.filter(|reason| !reason.trim().is_empty()).unwrap_or_else(|| BY_HAND.into()),
        since: since.transpose()?,
    })
}

/// `GET /api/v1/suppressions.csv`, page by page: the list may be long.
pub async fn export(State(admin): State<Arc<AdminState>>) -> Answer<Response> {
    let first = admin.archive.suppressions((String::new(), String::new()), PAGE).await.map_err(unusable)?;
    let head = written(&[["number", "account", "reason", "since"]]);
    let rest = stream::try_unfold(Some((head, first)), move |state| {
        let admin = Arc::clone(&admin);
        async move {
            let Some((before, page)) = state else { return Ok::<_, StoreError>(None) };
            let cells = |entry: &SuppressionView| {
                let SuppressionView { number, account, reason, since } = entry.clone();
                [number, account, reason, since]
            };
            let text = before + &written(&page.iter().map(cells).collect::<Vec<_>>());
            let Some(last) = page.last() else { return Ok(Some((text, None))) };
            let next = admin.archive.suppressions((last.number.clone(), last.account.clone()), PAGE).await?;
            Ok(Some((text, Some((String::new(), next)))))
        }
    });
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], Stream::from_stream(rest)).into_response())
}

/// Rows as CSV.
fn written<T: AsRef<str>>(rows: &[[T; 4]]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // into memory, and each row has four cells: neither can fail
    let _ = rows.iter().try_for_each(|row| {
        let cells = row.each_ref().map(|text| cell::exported(text.as_ref()));
        writer.write_record(cells.iter().map(|cell| cell.as_bytes()))
    });
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
