//! Lists of numbers that must not be messaged, from CSV. A list is checked whole before anything of it is written; then it is
//! written in bounded steps, and one that broke off is finished by importing it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::cell;
use super::desk::{Answer, Desk, problem};
use super::rows::{Row, Rows};
use super::suppressions::{Change, read};
use crate::event::Suppression;
use crate::event::act::{Action, STEP};
use crate::receive::Problem;

/// `POST /api/v1/suppressions.csv`: numbers in the first column or in one called `number`.
pub async fn import(State(desk): State<Arc<Desk>>, body: Bytes) -> Answer<Json<Value>> {
    let text = std::str::from_utf8(&body).map_err(|error| not_text(&body, error.valid_up_to()))?;
    let list = List { desk: &desk, text };
    let (mut imported, mut skipped) = (0, 0);
    let mut entries = list.entries();
    while let Some(part) = part(&mut entries).await {
        for entry in part {
            let (_, entry) =
                entry.map_err(|wrong| Problem { detail: wrong.detail + "; nothing was imported", ..wrong })?;
            imported += usize::from(entry.is_some());
            skipped += usize::from(entry.is_none());
        }
    }
    let (mut changed, mut entries) = (0, list.entries());
    while let Some(part) = part(&mut entries).await {
        let first = part.iter().flatten().map(|(line, _)| *line).next().unwrap_or(1);
        let numbers = part.into_iter().flatten().filter_map(|(_, entry)| entry).collect();
        let acted = desk.act(Action::Import(numbers)).await;
        changed += acted.map_err(|wrong| broke_off(wrong, first))?.changed;
    }
    Ok(Json(json!({ "imported": imported, "changed": changed, "skipped": skipped })))
}

/// The next entries; others have their turn in between, as checking a million numbers takes seconds.
async fn part<T>(entries: &mut impl Iterator<Item = T>) -> Option<Vec<T>> {
    tokio::task::yield_now().await;
    Some(entries.take(STEP).collect()).filter(|part: &Vec<T>| !part.is_empty())
}

fn not_text(body: &[u8], valid: usize) -> Problem {
    let lines = Rows::of(std::str::from_utf8(body.get(..valid).unwrap_or_default()).unwrap_or_default()).lines_to_end();
    let detail = format!("line {lines}: the list is not UTF-8 text; save it as `CSV UTF-8`; nothing was imported");
    problem(StatusCode::BAD_REQUEST, detail)
}

fn broke_off(wrong: Problem, line: u64) -> Problem {
    let detail =
        format!("line {line}: {}; the lines before are on the list: import the same list again to go on", wrong.detail);
    Problem { detail, ..wrong }
}

/// A list as it was sent.
struct List<'a> {
    desk: &'a Desk,
    text: &'a str,
}

impl List<'_> {
    /// Its entries with their lines; a row without a number has none.
    fn entries(&self) -> impl Iterator<Item = Answer<(u64, Option<Suppression>)>> {
        let mut rows = Rows::of(self.text).peekable();
        let columns = rows.peek().and_then(|row| row.as_ref().ok()).and_then(|row| Columns::named(&row.cells));
        if columns.is_some() {
            rows.next();
        }
        let columns = columns.unwrap_or_default();
        rows.map(move |row| {
            let row = row.map_err(|malformed| problem(StatusCode::BAD_REQUEST, malformed.to_string()))?;
            let entry =
                columns.change(&row).and_then(|change| change.map(|change| read(self.desk, change)).transpose());
            let at_line = |wrong: Problem| Problem { detail: format!("line {}: {}", row.line, wrong.detail), ..wrong };
            entry.map(|entry| (row.line, entry)).map_err(at_line)
        })
    }
}

/// Which column holds what.
struct Columns {
    number: usize,
    account: Option<usize>,
    reason: Option<usize>,
    since: Option<usize>,
}

impl Default for Columns {
    /// Those of a list without a header.
    fn default() -> Self {
        Self { number: 0, account: Some(1), reason: Some(2), since: None }
    }
}

impl Columns {
    /// As a header names them; `None`: it is not a header.
    fn named(cells: &[String]) -> Option<Self> {
        let place = |name: &str| cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        let number = place("number").or_else(|| place("phone"))?;
        Some(Self { number, account: place("account"), reason: place("reason"), since: place("since") })
    }

    /// What a row asks for; `None`: it has no number.
    fn change(&self, row: &Row) -> Answer<Option<Change>> {
        let at = |column: Option<usize>| {
            let text = column.and_then(|column| row.cells.get(column)).map(|text| cell::imported(text));
            text.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        let Some(number) = at(Some(self.number)) else { return Ok(None) };
        if is_rounded(&number) {
            let detail = format!("`{number}`: a spreadsheet has rounded the number; format its column as text");
            return Err(problem(StatusCode::BAD_REQUEST, detail));
        }
        let change =
            Change { number, account: at(self.account), reason: at(self.reason), since: at(self.since), remove: false };
        Ok(Some(change))
    }
}

/// `9.19812E+11`
fn is_rounded(number: &str) -> bool {
    let parts = number.split_once(['E', 'e']);
    parts.is_some_and(|(digits, power)| {
        digits.starts_with(|c: char| c.is_ascii_digit()) && power.trim_start_matches('+').parse::<u8>().is_ok()
    })
}
