//! What the file does not take, and whose fault that is.

use std::sync::Arc;

use serri_relay::clock::Timestamp;
use serri_relay::event::remap::Remapped;
use serri_relay::event::{HoldScope, NewSend, NextStep, OnUncertain, Returned, SendId};
use serri_relay::store::Report;

use super::{execute, lock, query};
use crate::store::{claim, event, sent, settlement, store, to, uncertain};
use crate::world::eventually;

#[tokio::test]
async fn a_report_is_written_whole_or_not_at_all_and_loses_no_beginning_of_a_hold() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1", "+2"])]).await.unwrap();
    let sends = claim(&store, 0, 2).await;
    let stopped = NextStep::Blocked { scope: HoldScope::Account, reason: "402".into(), probe_at: Timestamp(60_000) };
    let report = Arc::new(Report {
        settlements: vec![settlement(&sends[0], stopped)],
        returned: vec![Returned { id: sends[1].id, start: None }],
    });
    let path = dir.path().join("relay.db");
    let other = lock(&path);
    assert!(store.settle(Arc::clone(&report), Timestamp(0)).await.is_err());
    other.release();
    assert_eq!(query(&path, "SELECT count(*) FROM holds"), [["0"]]);
    assert_eq!(query(&path, "SELECT count(*) FROM sends WHERE state = 2"), [["2"]]);
    let mut holds = Vec::new();
    eventually("it is written", async || match store.settle(Arc::clone(&report), Timestamp(0)).await {
        Ok(reported) => {
            holds = reported.holds;
            true
        }
        Err(_) => false,
    })
    .await;
    assert_eq!(holds.len(), 1, "the beginning of the hold is reported: {holds:?}");
    assert_eq!(query(&path, "SELECT count(*) FROM sends WHERE state = 0"), [["2"]]);
}

#[tokio::test]
async fn a_send_whose_outcome_cannot_be_written_keeps_no_other_from_being_claimed() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1", "+2", "+3"])]).await.unwrap();
    let sends = claim(&store, 0, 2).await;
    let path = dir.path().join("relay.db");
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON attempts WHEN NEW.send = 1 BEGIN SELECT RAISE(ABORT, 'unlucky'); END";
    execute(&path, refuse);
    let settlements = sends.iter().map(|send| settlement(send, sent())).collect();
    store.settle(Arc::new(Report { settlements, ..Report::default() }), Timestamp(0)).await.unwrap();
    assert_eq!(query(&path, "SELECT state FROM sends ORDER BY id"), [["2"], ["10"], ["0"]]);
    // its lease ends
    let much_later = 1_000_000_000;
    assert_eq!(to(&claim(&store, much_later, 1).await), ["+3"]);
    assert_eq!(query(&path, "SELECT state, reached_at FROM sends WHERE id = 1"), [["12", "1000000000"]]);
    // and so it is at the start
    execute(&path, "UPDATE sends SET state = 2 WHERE id = 1");
    let recovered = store.recover(Timestamp(much_later), uncertain(OnUncertain::Retry, 3)).await.unwrap();
    assert_eq!((recovered.held, recovered.repeated), (1, 1));
}

#[tokio::test]
async fn a_send_that_cannot_be_mapped_again_fails_alone() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1", "+2"])]).await.unwrap();
    let path = dir.path().join("relay.db");
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF payload ON sends WHEN NEW.id = 1 BEGIN SELECT RAISE(ABORT, 'unlucky'); END";
    execute(&path, refuse);
    let made = event(2, 0, &["+1", "+2"]).made.sends.into_iter();
    let remapped = made
        .zip(1..)
        .map(|(send, id)| Remapped { id: SendId(id), new: Some(NewSend { version: 7, ..send }) })
        .collect();
    store.remap(Arc::new(remapped), Timestamp(0)).await.unwrap();
    assert_eq!(query(&path, "SELECT state, version FROM sends ORDER BY id"), [["11", "0"], ["0", "7"]]);
    assert!(query(&path, "SELECT reason FROM sends WHERE id = 1")[0][0].contains("unlucky"));
}
