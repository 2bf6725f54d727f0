//! Very many sends in a file of which a part cannot be read, or of which one reading sees a part.

use serde_json::{Value, json};
use serri_relay::event::State;
use serri_relay::event::view::Filter;

use super::{execute, query};
use crate::bulk::Bulk;

/// More events than two readings look at, each with a send that went.
const ROWS: &str = "
    INSERT INTO events (seq, route, source, id, type, received_at, envelope, body)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120001)
      SELECT i, 'hello', 'generic', 'e' || i, '', 1, '{}', CAST('{\"id\":\"e' || i || '\",\"phone\":\"98' || (10000000 + i) || '\"}' AS BLOB) FROM n;
    INSERT INTO sends (event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, route)
      SELECT seq, 'welcome', 'default', 'c', '+9198' || (10000000 + seq), '{}', 10, 9000000000000, 0, 1, 1, 'hello' FROM events;";

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_breaks_off_while_it_is_planned_writes_what_was_planned_and_says_how_far_it_came() {
    let bulk = Bulk::failed(1_200).await;
    let change = |sql: &str| execute(&bulk.setup.database(), sql);
    let failed = json!({"filter": {"state": "failed"}, "yes": true});
    // newest first: the event of the 1101st cannot be read, and later the third page
    for (spoil, restore, replayed) in [
        (
            "UPDATE events SET envelope = CAST(x'ff' AS TEXT) WHERE seq = 100",
            "UPDATE events SET envelope = '{}'",
            1_100,
        ),
        (
            "UPDATE sends SET state = 11 WHERE id <= 1200; UPDATE sends SET reason = CAST(x'ff' AS TEXT) WHERE id = 100",
            "UPDATE sends SET reason = NULL WHERE id = 100",
            1_000,
        ),
    ] {
        change(spoil);
        let (status, told) = bulk.ask("POST", "/sends/replay", failed.to_string()).await;
        let detail = told["detail"].as_str().unwrap();
        let said = format!("; {replayed} were replayed before: ask for the same again to go on");
        assert!(status == 503 && detail.ends_with(&said), "{told}");
        let ready = query(&bulk.setup.database(), "SELECT count(*) FROM sends WHERE state = 0");
        assert_eq!(ready, [[replayed.to_string()]]);
        change(restore);
        assert_eq!(bulk.post("/sends/replay", failed.clone()).await["replayed"], 1_200 - replayed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_cannot_read_on_says_how_far_it_came() {
    let bulk = Bulk::waiting(1_200).await;
    let spoil = "UPDATE sends SET reason = CAST(x'ff' AS TEXT) WHERE id = 100";
    execute(&bulk.setup.database(), spoil);
    let all = json!({"filter": {"campaign": "c"}, "yes": true});
    let (status, told) = bulk.ask("POST", "/sends/cancel", all.to_string()).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 503 && detail.contains("1000 were cancelled before: ask for the same again"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_far_back_is_found_by_short_readings() {
    let bulk = Bulk::of(std::iter::empty(), usize::MAX).await;
    let rows = format!("BEGIN; {ROWS} COMMIT; UPDATE sends SET state = 11 WHERE id IN (1, 60000)");
    execute(&bulk.setup.database(), &rows);
    let filter = Filter { state: Some(State::Failed.into()), ..Filter::default() };
    let page = bulk.store.sends(filter.clone()).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("70002")), "one reading looks at a part of history");
    let page = bulk.store.events(filter).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("70002")));
    for (list, number) in [("sends", "id"), ("events", "number")] {
        let (_, told) = bulk.ask("GET", &format!("/{list}?state=failed"), String::new()).await;
        let found: Vec<i64> =
            told[list].as_array().unwrap().iter().map(|entry| entry[number].as_i64().unwrap()).collect();
        assert_eq!((found, &told["next"]), (vec![60_000, 1], &Value::Null), "{list}");
    }
    // what stands in a body takes more readings, and a page that ends before it is full says where to go on
    for filter in [
        Filter { text: Some("\"E1\"".into()), ..Filter::default() },
        Filter { number: Some("+919810000001".into()), ..Filter::default() },
    ] {
        let (mut found, mut readings, mut filter) = (Vec::new(), 0, filter);
        loop {
            let page = bulk.store.events(filter.clone()).await.unwrap();
            found.extend(page.items.iter().map(|event| event.number));
            readings += 1;
            let Some(next) = page.next else { break };
            filter.cursor = Some(next);
        }
        assert_eq!(found, [1], "{filter:?}");
        assert!(readings >= 3, "{readings}");
    }
    let told = bulk.post("/sends/replay", json!({"filter": {"state": "failed"}, "yes": true})).await;
    assert_eq!((&told["count"], &told["replayed"]), (&json!(2), &json!(2)));
}
