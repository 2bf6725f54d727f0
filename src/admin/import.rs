//! Lists of numbers that must not be messaged, from CSV. A list is checked whole before anything of it is written; then it is
//! written in bounded steps, and one that broke off is finished by importing it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::rows::{Row, Rows};
use super::state::{AdminState, Answer, problem};
use super::suppressions::{Change, read};
use crate::cell;
use crate::event::Suppression;
use crate::event::act::{Action, STEP};
use crate::receive::Problem;

/// `POST /api/v1/suppressions.csv`: numbers in the first column or in one called `number`.
pub async fn import(State(admin): State<Arc<AdminState>>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let text = std::str::from_utf8(&body).map_err(|error| not_text(&body, error.valid_up_to()))?;
    let list = List { admin: &admin, text };
    let (mut imported, mut skipped) = (0, 0);
    let mut entries = list.entries();
    while let Some(part) = part(&mut entries).await {
        for entry in part {
            let (_, entry) = entry.map_err(|wrong| wrong.and("nothing was imported"))?;
            imported += usize::from(entry.is_some());
            skipped += usize::from(entry.is_none());
        }
    }
    let (mut changed, mut entries) = (0, list.entries());
    while let Some(part) = part(&mut entries).await {
        let first = part.iter().flatten().map(|(line, _)| *line).next().unwrap_or(1);
        let numbers = part.into_iter().flatten().filter_map(|(_, entry)| entry).collect();
        let acted = admin.act(Action::Import(numbers)).await;
        let broke_off = |problem| Wrong { line: first, problem }.and(BROKE_OFF);
        changed += acted.map_err(broke_off)?.changed;
    }
    Ok(Json(json!({ "imported": imported, "changed": changed, "skipped": skipped })))
}

/// The next entries; others have their turn in between, as checking a million numbers takes seconds.
async fn part<T>(entries: &mut impl Iterator<Item = T>) -> Option<Vec<T>> {
    tokio::task::yield_now().await;
    Some(entries.take(STEP).collect()).filter(|part: &Vec<T>| !part.is_empty())
}

/// What is said of a list of which a part was written.
const BROKE_OFF: &str = "the lines before are on the list: import the same list again to go on";

/// What is wrong with a line of a list. The answer has line and reason apart as well, for whoever knows the file's name.
pub struct Wrong {
    line: u64,
    problem: Problem,
}

impl Wrong {
    /// The same with what became of the list.
    fn and(self, outcome: &str) -> Self {
        let Problem { status, detail } = self.problem;
        Self { line: self.line, problem: Problem { status, detail: format!("{detail}; {outcome}") } }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let Self { line, problem: Problem { status, detail } } = self;
        let members = [("line", json!(line)), ("reason", json!(detail))];
        Problem { status, detail: format!("line {line}: {detail}") }.with(members)
    }
}

fn not_text(body: &[u8], valid: usize) -> Wrong {
    let line = Rows::of(std::str::from_utf8(body.get(..valid).unwrap_or_default()).unwrap_or_default()).lines_to_end();
    let detail = "the list is not UTF-8 text; save it as `CSV UTF-8`";
    Wrong { line, problem: problem(StatusCode::BAD_REQUEST, detail) }.and("nothing was imported")
}

/// A list as it was sent.
struct List<'a> {
    admin: &'a AdminState,
    text: &'a str,
}

impl List<'_> {
    /// Its entries with their lines; a row without a number has none.
    fn entries(&self) -> impl Iterator<Item = Result<(u64, Option<Suppression>), Wrong>> {
        let mut rows = Rows::of(self.text).peekable();
        let columns = rows.peek().and_then(|row| row.as_ref().ok()).and_then(|row| Columns::named(&row.cells));
        if columns.is_some() {
            rows.next();
        }
        let columns = columns.unwrap_or_default();
        rows.map(move |row| {
            let row = row.map_err(|malformed| Wrong {
                line: malformed.line(),
                problem: problem(StatusCode::BAD_REQUEST, malformed.to_string()),
            })?;
            let entry =
                columns.change(&row).and_then(|change| change.map(|change| read(self.admin, change)).transpose());
            entry.map(|entry| (row.line, entry)).map_err(|problem| Wrong { line: row.line, problem })
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
