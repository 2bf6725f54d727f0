//! What is counted by the hour, as it is written down.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use super::states::SendState;
use crate::clock::Timestamp;
use crate::event::stats::Counted;

/// How long an hour is, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// The hour of a moment, since 1970, UTC.
pub fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

/// When an hour began.
pub fn start_of(hour: i64) -> Timestamp {
    Timestamp(hour.saturating_mul(HOUR_MS))
}

/// The numbers that stand for what is counted of events; sends are counted by the number of their state.
pub const RECEIVED: i64 = 100;
pub const REPEATED: i64 = 101;
pub const UNDECODABLE: i64 = 102;
const OF_EVENTS: [(i64, Counted); 3] =
    [(RECEIVED, Counted::Received), (REPEATED, Counted::Repeated), (UNDECODABLE, Counted::Undecodable)];

/// What was counted, as it is read.
pub struct Outcome(pub Counted);

impl FromSql for Outcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        if let Some((_, counted)) = OF_EVENTS.into_iter().find(|(known, _)| *known == number) {
            return Ok(Self(counted));
        }
        let state = SendState::column_result(value).map_err(|_| FromSqlError::OutOfRange(number))?;
        Ok(Self(Counted::Send(state.shown())))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, Result};

    use super::super::schema::{self, Problem};

    /// A file of an earlier release with history.
    fn of_an_earlier_release() -> std::result::Result<Connection, Problem> {
        let mut db = Connection::open_in_memory()?;
        schema::migrate_to(&mut db, 8)?;
        db.execute_batch(
            "INSERT INTO events (route, source, id, type, received_at, envelope, body, fault) VALUES
               ('shop', 's', 'a', '', 1, '{}', x'', NULL), ('shop', 's', 'b', '', 3600000, '{}', x'', 'broken'), ('form', 's', 'c', '', 2, '{}', x'', NULL);
             INSERT INTO sends (event, route, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at)
             VALUES (1, 'shop', 'r', 'default', 'c', '+1', '{}', 0, 0, 0, 1, 1), (1, 'shop', 'r', 'default', 'c', '+2', '{}', 10, 0, 1, 1, 3600001),
                    (3, 'form', 'r', 'default', 'd', '+3', '{}', 11, 0, 1, 1, 2), (3, 'form', 'r', 'default', 'c', '+4', '{}', 10, 0, 1, 1, 3600002);",
        )?;
        schema::migrate(&mut db)?;
        Ok(db)
    }

    fn rows(db: &Connection, sql: &str) -> Vec<String> {
        let mut select = db.prepare(sql).expect("a statement");
        let rows = select.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.collect::<Result<_>>().expect("read")
    }

    #[test]
    fn history_of_an_earlier_release_is_counted() {
        let db = of_an_earlier_release().expect("a file");
        assert_eq!(
            rows(&db, "SELECT account || ' ' || campaign || ' ' || state || ' ' || count FROM send_counts"),
            ["default c 0 1", "default c 10 2", "default d 11 1"]
        );
        assert_eq!(
            rows(
                &db,
                "SELECT hour || ' ' || route || ' ' || campaign || ' ' || outcome || ' ' || count FROM hourly_counts"
            ),
            [
                "0 form  100 1",
                "0 form d 11 1",
                "0 shop  100 1",
                "1 form c 10 1",
                "1 shop  100 1",
                "1 shop  102 1",
                "1 shop c 10 1"
            ]
        );
    }

    #[test]
    fn what_is_removed_still_counts_for_its_hour() {
        let db = of_an_earlier_release().expect("a file");
        db.execute_batch(
            "UPDATE sends SET state = 13, changed_at = 7200000 WHERE id = 1; DELETE FROM sends; DELETE FROM events",
        )
        .expect("removed");
        assert_eq!(rows(&db, "SELECT account || count FROM send_counts WHERE count <> 0"), Vec::<String>::new());
        assert_eq!(
            rows(&db, "SELECT hour || ' ' || outcome || ' ' || sum(count) FROM hourly_counts GROUP BY hour, outcome"),
            ["0 11 1", "0 100 2", "1 10 2", "1 100 1", "1 102 1", "2 13 1"]
        );
    }
}
