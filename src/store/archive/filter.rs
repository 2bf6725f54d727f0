//! The conditions of lists, and their pages.

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, Result, Row, params_from_iter};

use crate::event::view::{Filter, Page};
use crate::store::states;

/// How many are on a page, unless somebody says otherwise; and at most.
const PAGE: (usize, usize) = (50, 1_000);

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

    /// A name, if one is asked for.
    pub fn text(&mut self, condition: &str, value: Option<&String>) {
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

    /// The states that are asked for are numbers of ours.
    pub fn states(&mut self, before: &str, filter: &Filter, after: &str) {
        let Some(state) = filter.state else { return };
        self.sql += if self.sql.is_empty() { " WHERE " } else { " AND " };
        let states: Vec<String> = states::kept(state).iter().map(ToString::to_string).collect();
        self.sql.extend([before, " (", &states.join(", "), after]);
    }
}

/// What a filter finds, newest first, from where the last page ended. `number` is the column that numbers them.
pub fn list<T>(
    db: &Connection,
    (select, mut conditions): (&str, Where),
    (filter, number): (&Filter, &str),
    read: impl FnMut(&Row<'_>) -> Result<T>,
    number_of: impl Fn(&T) -> i64,
) -> Result<Page<T>> {
    let limit = filter.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
    if let Some(before) = filter.cursor.as_ref().and_then(|cursor| cursor.parse::<i64>().ok()) {
        conditions.and(&format!("{number} < ?"), before);
    }
    let sql = format!("{select}{} ORDER BY {number} DESC LIMIT {}", conditions.sql, limit + 1);
    let mut items =
        db.prepare(&sql)?.query_map(params_from_iter(conditions.bound), read)?.collect::<Result<Vec<_>>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| number_of(last).to_string());
    Ok(Page { items, next })
}
