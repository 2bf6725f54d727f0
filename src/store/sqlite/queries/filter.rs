//! The conditions of lists, and their pages.
//!
//! One reading looks at a bounded part of history, whatever the filter finds in it: a long one would keep the log from
//! being worked into the file.

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, Params, Result, Row, params_from_iter};

use crate::event::State;
use crate::event::view::{Filter, Page};
use crate::store::sqlite::states::SendState;

/// How many are on a page, unless somebody says otherwise; and at most.
const PAGE: (usize, usize) = (50, 1_000);

/// How many rows one reading looks at, at most: some tenths of a second.
const SPAN: i64 = 50_000;

/// The conditions of a filter with what they are bound to.
#[derive(Default)]
pub struct Where {
    sql: String,
    bound: Vec<Bound>,
}

impl Where {
    fn and(&mut self, condition: &str, value: impl Into<Bound>) {
        self.sql += if self.sql.is_empty() { " WHERE " } else { " AND " };
        self.bound.push(value.into());
        self.sql += &condition.replace('?', &format!("?{}", self.bound.len()));
    }

    /// A name or a number, if one is asked for.
    pub fn text<T: Clone + Into<Bound>>(&mut self, condition: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.and(condition, value.clone());
        }
    }

    /// From when, or until when.
    pub fn time(&mut self, condition: &str, value: Option<&String>) {
        let moment = value.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        if let Some(moment) = moment {
            self.and(condition, moment.as_millisecond());
        }
    }

    /// What is bound to nothing.
    pub fn plain(&mut self, condition: &str) {
        self.sql.extend([if self.sql.is_empty() { " WHERE " } else { " AND " }, condition]);
    }

    /// The states that are asked for are numbers of ours.
    pub fn states(&mut self, before: &str, state: State, after: &str) {
        let states: Vec<String> = SendState::all_of(state).map(|kept| (kept as i64).to_string()).collect();
        self.plain(&format!("{before} ({}{after}", states.join(", ")));
    }

    /// Only a part of history.
    pub fn within(&mut self, numbered: Numbered, span: Span) {
        self.and(&format!("{} < ?", numbered.column), span.before);
        self.and(&format!("{} >= ?", numbered.column), span.from);
    }

    /// The conditions as SQL.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// What they are bound to.
    pub fn bound(&self) -> impl Params {
        params_from_iter(self.bound.iter())
    }
}

/// What numbers the rows of a list: the column as the list calls it, and the table's key.
#[derive(Debug, Clone, Copy)]
pub struct Numbered {
    pub column: &'static str,
    pub table: &'static str,
    pub key: &'static str,
}

impl Numbered {
    /// The part of history that comes next: from where the last one ended, or from the newest row on.
    pub fn span(self, db: &Connection, filter: &Filter) -> Result<Span> {
        let given = filter.cursor.as_ref().and_then(|cursor| cursor.parse::<i64>().ok());
        let newest = || {
            let sql = format!("SELECT coalesce(max({}), 0) + 1 FROM {}", self.key, self.table);
            db.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0))
        };
        let newest = newest()?;
        let before = given.map_or(newest, |given| given.min(newest));
        let from = before.saturating_sub(SPAN).max(0);
        // what was removed leaves gaps, which are stepped over
        let older = format!("SELECT max({}) + 1 FROM {} WHERE {} < ?1", self.key, self.table, self.key);
        let next = db.prepare_cached(&older)?.query_row([from], |row| row.get(0))?;
        Ok(Span { before, from, next })
    }
}

/// A part of history: the numbers from `from` to just below `before`.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub before: i64,
    pub from: i64,
    /// Where the next one begins; `None`: there is nothing older.
    pub next: Option<i64>,
}

/// How many are on a page.
pub fn limit(filter: &Filter) -> usize {
    filter.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1)
}

/// A list of which a page is asked for.
pub struct Listing<'a> {
    /// The statement, up to its conditions.
    pub select: &'static str,
    pub conditions: Where,
    pub filter: &'a Filter,
    pub numbered: Numbered,
}

/// What a filter finds, newest first, from where the last page ended. There may be more after a page that is not full.
pub fn list<T>(
    db: &Connection,
    listing: Listing<'_>,
    read: impl FnMut(&Row<'_>) -> Result<T>,
    number_of: impl Fn(&T) -> i64,
) -> Result<Page<T>> {
    let Listing { select, mut conditions, filter, numbered } = listing;
    let limit = limit(filter);
    let span = numbered.span(db, filter)?;
    conditions.within(numbered, span);
    let sql = format!("{select}{} ORDER BY {} DESC LIMIT {}", conditions.sql(), numbered.column, limit + 1);
    let mut items = db.prepare(&sql)?.query_map(conditions.bound(), read)?.collect::<Result<Vec<_>>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more).map(number_of);
    let next = last.or(span.next).map(|number| number.to_string());
    Ok(Page { items, next })
}
