//! What retention leaves in tables that no interface shows, and that the file becomes smaller.

use serri_relay::clock::Timestamp;
use serri_relay::event::act::Action;
use serri_relay::event::{Cancel, Kept, Made, NewEvent, Suppression};
use tempfile::TempDir;

use super::{execute, query};
use crate::retention::{DAY, deliver, pass, plain, sent, with};
use crate::store::{event, open, store};

fn rows(dir: &TempDir, sql: &str) -> Vec<Vec<String>> {
    query(&dir.path().join("relay.db"), sql)
}

fn size(dir: &TempDir) -> u64 {
    std::fs::metadata(dir.path().join("relay.db")).unwrap().len()
}

#[tokio::test]
async fn keys_cancellations_holds_and_changes_of_numbers_go_as_well() {
    let (dir, store) = store();
    let cancel = Cancel { account: "default".into(), key: "order 5".into(), route: "hello".into(), rule: "r".into() };
    let cancelling =
        |id, at| NewEvent { made: Made { cancels: vec![cancel.clone()], ..Made::default() }, ..event(id, at, &[]) };
    // an earlier event whose lookup is not over may still bring what is not wanted
    store.append(vec![NewEvent { lookup: true, ..event(1, 0, &[]) }]).await.unwrap();
    store.append(vec![cancelling(2, 0), event(3, 399 * DAY, &[])]).await.unwrap();
    let change = |number: &str, add| Suppression {
        account: "*".into(),
        number: number.into(),
        add,
        rule: None,
        reason: "asked".into(),
        since: None,
    };
    let changes = vec![change("+1", true), change("+1", false), change("+2", true)];
    store.act(Action::Suppress(changes), Timestamp(0)).await.unwrap();
    let (account, campaign) = (String::from("default"), String::new());
    let hold = Action::SetHold { account: account.clone(), campaign: campaign.clone(), reason: "by hand".into() };
    store.act(hold.clone(), Timestamp(0)).await.unwrap();
    store.act(Action::LiftHold { account, campaign }, Timestamp(0)).await.unwrap();
    store.act(hold, Timestamp(0)).await.unwrap();
    for _ in 0..24 {
        pass(&*store, 400 * DAY, 2).await;
    }
    assert_eq!(rows(&dir, "SELECT event FROM dedup_keys"), [["3"]], "the keys of the others are over");
    assert_eq!(rows(&dir, "SELECT event FROM cancels"), [["2"]]);
    assert_eq!(rows(&dir, "SELECT number FROM suppression_changes"), [["+2"]], "evidence, as long as it is suppressed");
    assert_eq!(rows(&dir, "SELECT ended_at IS NULL FROM holds"), [["1"]], "one that lasts stays");
    assert_eq!(
        rows(&dir, "SELECT id FROM notifications"),
        [["3"]],
        "the newest stays: the next gets a number of its own"
    );
    execute(&dir.path().join("relay.db"), "UPDATE lookups SET state = 11");
    pass(&*store, 400 * DAY, 2).await;
    assert_eq!(rows(&dir, "SELECT count(*) FROM cancels"), [["0"]]);
}

#[tokio::test]
async fn what_was_postponed_is_looked_at_again_until_it_has_gone() {
    let (dir, store) = store();
    store.append(vec![with(1, 0, "waits", &plain()), with(2, 399 * DAY, "default", &plain())]).await.unwrap();
    pass(&*store, 400 * DAY, 20).await;
    let postponed = || rows(&dir, "SELECT kind, id FROM postponed ORDER BY kind");
    assert_eq!(postponed(), [["events", "1"], ["sends", "1"]], "it waits");
    deliver(&*store, "waits", 400 * DAY, sent()).await;
    pass(&*store, 400 * DAY, 20).await;
    assert_eq!(rows(&dir, "SELECT count(*) FROM events WHERE erased_at IS NOT NULL"), [["1"]]);
    assert_eq!(postponed(), [["sends", "1"]], "it went just now");
    pass(&*store, 800 * DAY, 20).await;
    assert_eq!(postponed(), [["events", "2"], ["sends", "2"]], "nothing is left of the first, and the second waits");
}

#[tokio::test]
async fn the_file_becomes_smaller_and_the_relay_takes_that_for_no_loss() {
    let (dir, store) = store();
    let body = bytes::Bytes::from(format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000_000)));
    for id in 0..40 {
        store.append(vec![NewEvent { body: body.clone(), ..event(id, 0, &[]) }]).await.unwrap();
    }
    store.append(vec![event(100, 399 * DAY, &[])]).await.unwrap();
    let before = size(&dir);
    assert!(before > 38_000_000, "{before}");
    let removed = pass(&*store, 400 * DAY, 500).await;
    assert_eq!(removed.events, 40);
    assert!(removed.pages > 5_000, "{removed:?}");
    // whatever comes next finds a file that is whole
    for id in 101..110 {
        assert_eq!(store.append(vec![event(id, 400 * DAY, &["+1"])]).await, Ok(vec![Kept::New]));
        store.probe().await.unwrap();
    }
    store.close();
    drop(store);
    assert!(size(&dir) < 18_000_000, "all but a reserve is given back: {}", size(&dir));
    let store = open(&dir).unwrap();
    assert_eq!(store.append(vec![event(110, 400 * DAY, &["+1"])]).await, Ok(vec![Kept::New]));
    assert_eq!(rows(&dir, "PRAGMA integrity_check"), [["ok"]]);
}

#[tokio::test]
async fn a_small_file_of_an_earlier_release_learns_to_become_smaller() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
    store.close();
    drop(store);
    execute(&dir.path().join("relay.db"), "PRAGMA auto_vacuum = NONE; VACUUM");
    assert_eq!(rows(&dir, "PRAGMA auto_vacuum"), [["0"]]);
    let store = open(&dir).unwrap();
    assert_eq!(store.append(vec![event(1, 1, &["+1"]), event(2, 1, &[])]).await, Ok(vec![Kept::Duplicate, Kept::New]));
    assert_eq!(rows(&dir, "PRAGMA auto_vacuum"), [["2"]]);
}
