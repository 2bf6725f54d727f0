//! Whether the counts and the rows that belong to others agree with the rows they are about. It looks at every row.

use futures_util::future::BoxFuture;
use rusqlite::{Connection, Result};

use super::reader::Look;
use super::states::sql;
use crate::store::{Audit, StoreError};

/// Each finds a sentence for whatever does not agree.
const CHECKS: [&str; 6] = [
    "SELECT format('%d of %s, `%s`, are counted in state %d, and %d are there', sum(counted), account, campaign, state, sum(found))
       FROM (SELECT account, campaign, state, count AS counted, 0 AS found FROM send_counts
             UNION ALL SELECT account, campaign, state, 0, count(*) FROM sends GROUP BY account, campaign, state)
      GROUP BY account, campaign, state HAVING sum(counted) <> sum(found)",
    // what was removed still counts for its hour, so that there may be fewer than were counted
    "SELECT format('%d events of %s are there, and fewer were counted', count(*), e.route) FROM events e GROUP BY e.route
     HAVING count(*) > (SELECT coalesce(sum(h.count), 0) FROM hourly_counts h WHERE h.outcome = 100 AND h.route = e.route)",
    sql!("SELECT format('%d sends are in state %d, and fewer were counted', count(*), s.state) FROM sends s WHERE s.state >= " sent " GROUP BY s.state
     HAVING count(*) > (SELECT coalesce(sum(h.count), 0) FROM hourly_counts h WHERE h.outcome = s.state)"),
    "SELECT format('an attempt of send %d is kept, and the send is not', send) FROM attempts
      WHERE NOT EXISTS (SELECT 1 FROM sends WHERE id = send AND erased_at IS NULL)",
    "SELECT format('a change of send %d is kept, and the send is not', send) FROM changes
      WHERE NOT EXISTS (SELECT 1 FROM sends WHERE id = send AND erased_at IS NULL)",
    "SELECT format('an attempt to read the rest of event %d is kept, and the event is not', event) FROM lookup_attempts
      WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq = event AND erased_at IS NULL)",
];

impl<S: Look> Audit for S {
    fn inconsistencies(&self) -> BoxFuture<'_, std::result::Result<Vec<String>, StoreError>> {
        self.read(found)
    }
}

fn found(db: &Connection) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for check in CHECKS {
        let mut select = db.prepare_cached(check)?;
        all.extend(select.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn whatever_does_not_agree_is_found() {
        let mut db = Connection::open_in_memory().expect("a store");
        schema::migrate(&mut db).expect("a schema");
        db.execute_batch(
            "INSERT INTO events (seq, route, source, id, type, received_at, envelope, body) VALUES (1, 'shop', 's', 'a', '', 1, '{}', x'');
             INSERT INTO sends (id, event, route, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at)
             VALUES (1, 1, 'shop', 'r', 'default', 'c', '+1', '{}', 10, 0, 1, 1, 1);
             INSERT INTO send_counts VALUES ('default', 'c', 10, 1);
             INSERT INTO hourly_counts VALUES (0, 'shop', '', '', '', 100, 1), (0, 'shop', 'r', 'default', 'c', 10, 1);
             INSERT INTO attempts VALUES (1, 1, 1, 1, 200, 'sent', '', '');
             INSERT INTO changes VALUES (1, 1, 0, NULL, NULL, NULL);
             INSERT INTO lookup_attempts VALUES (1, 1, 1, 1, 200, 'found', '', '');",
        )
        .expect("rows");
        assert_eq!(found(&db), Ok(Vec::new()));
        for (wrong, said) in [
            ("UPDATE send_counts SET count = 2", "2 of default, `c`, are counted in state 10, and 1 are there"),
            ("DELETE FROM send_counts", "0 of default, `c`, are counted in state 10, and 1 are there"),
            (
                "UPDATE hourly_counts SET count = 0 WHERE outcome = 100",
                "1 events of shop are there, and fewer were counted",
            ),
            ("DELETE FROM hourly_counts WHERE outcome = 10", "1 sends are in state 10, and fewer were counted"),
            ("UPDATE attempts SET send = 2", "an attempt of send 2 is kept, and the send is not"),
            ("UPDATE changes SET send = 2", "a change of send 2 is kept, and the send is not"),
            ("UPDATE events SET erased_at = 1", "an attempt to read the rest of event 1 is kept, and the event is not"),
        ] {
            db.execute_batch(&format!("SAVEPOINT one; {wrong}")).expect("changed");
            assert_eq!(found(&db), Ok(vec![said.to_owned()]), "{wrong}");
            db.execute_batch("ROLLBACK TO one").expect("as before");
        }
    }
}
