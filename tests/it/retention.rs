//! What is past its time is removed in small steps, and nothing that is still needed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serri_relay::clock::{Clock, Timestamp};
use serri_relay::config::interpolate::Variables;
use serri_relay::event::act::Action;
use serri_relay::event::{
    Attempt, Cancel, Content, Kept, Made, NewEvent, NewSend, NextStep, Once, Outcome, SendOptions, Settlement,
    Suppression,
};
use serri_relay::retention::{Periods, Retention};
use serri_relay::route::check::check;
use serri_relay::store::sweep::{Removed, Stage, SweepRequest};
use serri_relay::store::{ClaimRequest, Engine, MemoryStore, Quota, Report, Store};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::asked::Ask as _;
use crate::sqlite::{execute, query};
use crate::store::{event, open, request, store};
use crate::world::{ROUTE, Setup, World};

const DAY: i64 = 86_400_000;
const DAYS: Duration = Duration::from_secs(86_400);

/// One step at a time, of a store whose events are kept for 90 days and whose sends for a year.
fn step_of(now: i64, stage: Stage, most: usize) -> SweepRequest {
    SweepRequest {
        now: Timestamp(now),
        events_before: Some(Timestamp(now - 90 * DAY)),
        sends_before: Some(Timestamp(now - 365 * DAY)),
        stage,
        most,
    }
}

/// A whole pass.
async fn pass(store: &dyn Store, now: i64, most: usize) -> Removed {
    let (mut stage, mut removed) = (Some(Stage::Begin), Removed::default());
    while let Some(at) = stage {
        let swept = store.sweep(step_of(now, at, most)).await.unwrap();
        let Removed { events, events_erased, sends, sends_erased, dedup_keys, pages, .. } = swept.removed;
        let most = u64::try_from(most).unwrap();
        // an event goes with its last send
        assert!(events <= most && events_erased + sends + sends_erased + dedup_keys + pages <= most, "{swept:?}");
        removed.add(swept.removed);
        stage = swept.next;
    }
    removed
}

/// An event with sends through an account.
fn with(id: u8, at: i64, account: &str, sends: &[SendOptions]) -> NewEvent {
    let send = |(item, options): (usize, &SendOptions)| NewSend {
        rule: "r".into(),
        account: account.into(),
        item: u32::try_from(item).unwrap(),
        version: 0,
        content: Ok(Content {
            campaign: "c".into(),
            destination: format!("+91{id:03}{item}"),
            payload: json!({"to": "Asha"}).to_string(),
            options: options.clone(),
        }),
    };
    let made = Made { sends: sends.iter().enumerate().map(send).collect(), ..Made::default() };
    NewEvent { made, body: r#"{"name":"Asha"}"#.into(), ..event(id, at, &[]) }
}

/// Sends what is ready of an account.
async fn deliver(store: &dyn Store, account: &str, at: i64, next_step: NextStep) {
    let quotas = vec![Quota { account: account.into(), count: 1_000, limits: Vec::new() }];
    let claims = store.claim(ClaimRequest { quotas, ..request(at, 0) }).await.unwrap();
    let outcome = match &next_step {
        NextStep::Sent { .. } => Outcome::Sent { message_id: None },
        _ => Outcome::Uncertain { reason: "silence".into() },
    };
    let settled = |send: &serri_relay::event::Claimed| Settlement {
        id: send.id,
        number: send.attempts + 1,
        attempt: Attempt {
            at: Timestamp(at),
            took: Duration::ZERO,
            status: Some(200),
            answer: "Asha".into(),
            outcome: outcome.clone(),
        },
        next_step: next_step.clone(),
        probed: None,
        reached: true,
    };
    let settlements = claims.sends.iter().map(settled).collect();
    store.settle(Arc::new(Report { settlements, ..Report::default() }), Timestamp(at)).await.unwrap();
}

fn sent() -> NextStep {
    NextStep::Sent { message_id: Some("m".into()) }
}

fn plain() -> Vec<SendOptions> {
    vec![SendOptions::default()]
}

fn rows(dir: &TempDir, sql: &str) -> Vec<Vec<String>> {
    query(&dir.path().join("relay.db"), sql)
}

/// That the counts are those of the rows.
fn assert_counted(dir: &TempDir) {
    let counted =
        rows(dir, "SELECT account, campaign, state, count FROM send_counts WHERE count <> 0 ORDER BY 1, 2, 3");
    let there = rows(dir, "SELECT account, campaign, state, count(*) FROM sends GROUP BY 1, 2, 3 ORDER BY 1, 2, 3");
    assert_eq!(counted, there);
}

const KEPT: &str = "SELECT e.id, length(e.body) > 0, e.erased_at IS NOT NULL,
    (SELECT group_concat(state || CASE payload WHEN '' THEN ' erased' ELSE '' END) FROM sends WHERE event = e.seq) FROM events e ORDER BY seq";

#[tokio::test]
async fn what_is_past_its_time_goes_and_what_is_needed_stays() {
    let (dir, store) = store();
    let lookup = |id| NewEvent { lookup: true, ..with(id, 0, "default", &[]) };
    let broken = NewEvent { fault: Some("not JSON".into()), ..with(4, 0, "default", &[]) };
    let old = vec![
        with(1, 0, "default", &plain()),
        with(2, 0, "waits", &plain()),
        with(3, 0, "default", &[]),
        broken,
        lookup(5),
    ];
    store.append(old).await.unwrap();
    deliver(&*store, "default", 0, sent()).await;
    store.append(vec![with(6, 0, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 0, NextStep::NeedsDecision { reason: "silence".into(), probe_at: None }).await;
    // replayed long after it came, so that its end was not long ago
    store.append(vec![with(7, 0, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 300 * DAY, sent()).await;
    store.append(vec![with(8, 200 * DAY, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 200 * DAY, sent()).await;
    store.append(vec![with(9, 399 * DAY, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 399 * DAY, sent()).await;
    let hourly = "SELECT * FROM hourly_counts ORDER BY 1, 2, 3, 4, 5, 6";
    let before = rows(&dir, hourly);

    let removed = pass(&*store, 400 * DAY, 100).await;
    let kept = [
        ["2", "1", "0", "0"],
        ["5", "1", "0", ""],
        ["6", "1", "0", "12"],
        ["7", "0", "1", "10"],
        ["8", "0", "1", "10"],
        ["9", "1", "0", "10"],
    ];
    assert_eq!(rows(&dir, KEPT), kept);
    assert_eq!((removed.events, removed.events_erased, removed.sends, removed.sends_erased), (3, 3, 1, 0));
    assert_eq!(rows(&dir, "SELECT count(*) FROM attempts WHERE send NOT IN (SELECT id FROM sends)"), [["0"]]);
    assert_eq!(rows(&dir, hourly), before, "what happened in each hour outlives its rows");
    assert_counted(&dir);

    // what waited goes all the same, and its event with it when its time has come
    deliver(&*store, "waits", 400 * DAY, sent()).await;
    pass(&*store, 401 * DAY, 100).await;
    assert_eq!(rows(&dir, KEPT)[0], ["2", "0", "1", "10"]);
    pass(&*store, 800 * DAY, 100).await;
    let kept = [["5", "1", "0", ""], ["6", "1", "0", "12"], ["9", "0", "1", "10 erased"]];
    assert_eq!(rows(&dir, KEPT), kept, "the newest rows stay, empty, so that no number is given twice");
    assert_counted(&dir);
    store.append(vec![with(10, 800 * DAY, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 800 * DAY, sent()).await;
    pass(&*store, 801 * DAY, 100).await;
    assert_eq!(rows(&dir, KEPT).last().unwrap()[0], "10");
    assert!(!rows(&dir, KEPT).iter().any(|row| row[0] == "9"));
}

#[tokio::test]
async fn what_a_person_gets_once_is_not_sent_again_although_its_time_is_over() {
    let (dir, store) = store();
    let once = SendOptions { once: Some(Once { key: [7; 16], within: 730 * DAYS }), ..SendOptions::default() };
    let moment =
        SendOptions { key: Some("order 5".into()), about_at: Some(Timestamp(700 * DAY)), ..SendOptions::default() };
    store.append(vec![with(1, 0, "default", &[once.clone(), moment.clone()])]).await.unwrap();
    deliver(&*store, "default", 0, sent()).await;
    store.append(vec![event(2, 500 * DAY, &[])]).await.unwrap();
    store.append(vec![with(3, 500 * DAY, "default", &plain())]).await.unwrap();
    let removed = pass(&*store, 500 * DAY, 100).await;
    assert_eq!((removed.sends, removed.sends_erased), (0, 2));
    let left =
        "SELECT payload || destination || coalesce(reason, '') || coalesce(message_id, '') FROM sends WHERE event = 1";
    assert_eq!(rows(&dir, left), [[""], [""]]);
    assert_eq!(rows(&dir, "SELECT count(*) FROM attempts"), [["0"]]);
    store.append(vec![with(4, 501 * DAY, "default", &[once.clone(), moment])]).await.unwrap();
    deliver(&*store, "default", 501 * DAY, sent()).await;
    assert_eq!(rows(&dir, "SELECT state FROM sends WHERE event = 4"), [["16"], ["16"]], "both are duplicates");
    let removed = pass(&*store, 731 * DAY, 100).await;
    assert_eq!((removed.sends, removed.events), (2, 2), "now the window is over, and the moment");
    store.append(vec![with(5, 731 * DAY, "default", &[once])]).await.unwrap();
    deliver(&*store, "default", 731 * DAY, sent()).await;
    assert_eq!(rows(&dir, "SELECT state FROM sends WHERE event = 5"), [["10"]]);
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
async fn thousands_go_in_small_steps_and_a_pass_that_was_broken_off_is_taken_up() {
    let (dir, store) = store();
    let many = |from: u64, at: i64| -> Vec<NewEvent> {
        let one = |number: u64| {
            let mut fingerprint = [0; 16];
            fingerprint[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            NewEvent { fingerprint, ..event(0, at, &[&format!("+{number}")]) }
        };
        (from..from + 1_000).map(one).collect()
    };
    for at in [0, 10, 500] {
        store.append(many(u64::try_from(at).unwrap() * 1_000, at * DAY)).await.unwrap();
        deliver(&*store, "default", at * DAY, sent()).await;
    }
    let mut stage = Stage::Begin;
    for _ in 0..60 {
        stage = store.sweep(step_of(501 * DAY, stage, 20)).await.unwrap().next.unwrap();
    }
    store.close();
    drop(store);
    let half = rows(&dir, "SELECT count(*) FROM events WHERE erased_at IS NOT NULL");
    assert_eq!(half, [["1160"]], "each step does something, and is on disk");
    let store = open(&dir).unwrap();
    let removed = pass(&*store, 501 * DAY, 20).await;
    assert_eq!((removed.events, removed.events_erased, removed.sends), (2_000, 840, 2_000));
    assert_eq!(rows(&dir, "SELECT count(*) FROM events"), [["1000"]]);
    assert_eq!(rows(&dir, "SELECT count(*) FROM attempts"), [["1000"]]);
    assert_eq!(rows(&dir, "SELECT count(*) FROM postponed"), [["0"]]);
    assert_counted(&dir);
    for _ in 0..23 {
        pass(&*store, 501 * DAY, 500).await;
    }
    assert_eq!(rows(&dir, "SELECT count(*) FROM dedup_keys"), [["1000"]]);
}

fn size(dir: &TempDir) -> u64 {
    std::fs::metadata(dir.path().join("relay.db")).unwrap().len()
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

#[tokio::test]
async fn what_was_erased_says_so_and_is_not_replayed() {
    let world = World::hello().await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670","campaign":"sandbox_invalid_number"}"#).await;
    world.until_sends("state=failed", 1).await;
    let setup = world.stop().await;
    let store: Arc<dyn Engine> = serri_relay::store::open(&format!("sqlite:{}", setup.database().display())).unwrap();
    let later = Clock::system().now().after(100 * DAYS).0;
    let removed = pass(&*store, later, 100).await;
    assert_eq!((removed.events_erased, removed.sends), (1, 0));
    store.close();
    drop(store);
    let world = World::start(Setup::in_dir(setup.dir)).await;
    let (_, event) = world.admin("GET", "/events/e1", None).await;
    assert_eq!((&event["body"], &event["envelope"]), (&json!(""), &json!({})), "{event}");
    let date = event["erased_at"].as_str().unwrap().to_owned();
    for (path, chosen) in [("/events/replay", json!({"ids": ["e1"]})), ("/sends/replay", json!({"ids": [1]}))] {
        let (status, answer) = world.admin("POST", path, Some(chosen)).await;
        assert_eq!((status, &answer["does"]["fail"]), (200, &json!(1)), "{answer}");
        let why = answer["steps"][0]["why"].as_str().unwrap();
        assert_eq!(why, format!("what the event held was erased on {date}; it cannot be replayed"));
    }
    let (_, send) = world.admin("GET", "/sends/1", None).await;
    assert_eq!(send["destination"], "+919812345670", "the send is kept for longer: {send}");
    world.stop().await;
}

/// A relay's retention under a clock of its own, which runs as fast as the test wants.
fn running(wall: &Clock, store: &Arc<MemoryStore>) -> (CancellationToken, JoinSet<()>) {
    let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
    let periods = Periods { events: Some(90 * DAYS), sends: Some(365 * DAYS) };
    let retention = Retention { store: Arc::clone(store) as Arc<dyn Store>, clock: wall.clone(), periods };
    running.spawn(retention.run(stop.clone()));
    (stop, running)
}

fn events_in(store: &MemoryStore) -> String {
    store.query("SELECT count(*) FROM events WHERE erased_at IS NULL").unwrap()[0][0].clone()
}

#[tokio::test(start_paused = true)]
async fn passes_are_made_now_and_then_and_not_while_the_clock_is_doubted() {
    let wall = Clock::running_from(Timestamp(1_000 * DAY));
    let store = Arc::new(MemoryStore::new().unwrap());
    for (id, day) in [(1, 910), (2, 920), (3, 930), (4, 999)] {
        serri_relay::store::Intake::append(&*store, vec![event(id, day * DAY, &[])]).await.unwrap();
    }
    let (stop, running_one) = running(&wall, &store);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(events_in(&store), "4", "not at once after the start");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(events_in(&store), "3", "the first is 90 days old");
    wall.advance(15 * DAYS);
    tokio::time::sleep(20 * DAYS / 24).await;
    assert_eq!(events_in(&store), "3", "a clock that was set ahead is not believed at once");
    tokio::time::sleep(5 * DAYS / 24).await;
    assert_eq!(events_in(&store), "2", "but after a day");
    // another process, and a clock that is far ahead from its start on
    stop.cancel();
    assert_eq!(running_one.join_all().await.len(), 1, "it ends when it is told to");
    wall.advance(400 * DAYS);
    let (stop, running_two) = running(&wall, &store);
    tokio::time::sleep(20 * DAYS / 24).await;
    assert_eq!(events_in(&store), "2");
    // one more: it does not begin to doubt anew
    stop.cancel();
    running_two.join_all().await;
    let (stop, _running) = running(&wall, &store);
    tokio::time::sleep(2 * DAYS / 24).await;
    assert_eq!(events_in(&store), "2");
    tokio::time::sleep(4 * DAYS / 24).await;
    assert_eq!(events_in(&store), "0", "the newest keeps its row, but not what it held");
    stop.cancel();
}

#[tokio::test]
async fn what_is_dated_in_the_future_keeps_nothing_that_came_later() {
    let (dir, store) = store();
    store.append(vec![with(1, 5_000 * DAY, "later", &plain()), with(2, 0, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 0, sent()).await;
    store.append(vec![with(3, 400 * DAY, "later", &plain())]).await.unwrap();
    pass(&*store, 400 * DAY, 10).await;
    assert_eq!(rows(&dir, "SELECT id FROM events ORDER BY seq"), [["1"], ["3"]]);
    // at last its own time is over, too
    execute(&dir.path().join("relay.db"), "UPDATE sends SET state = 10, changed_at = 0 WHERE event = 1");
    pass(&*store, 9_000 * DAY, 10).await;
    assert_eq!(rows(&dir, "SELECT id FROM events ORDER BY seq"), [["3"]]);
}

#[tokio::test(start_paused = true)]
async fn a_first_pass_over_an_old_file_does_not_believe_any_clock() {
    let wall = Clock::running_from(Timestamp(1_000 * DAY));
    let store = Arc::new(MemoryStore::new().unwrap());
    serri_relay::store::Intake::append(&*store, vec![event(1, 500 * DAY, &[]), event(2, 501 * DAY, &[])])
        .await
        .unwrap();
    let (stop, _running) = running(&wall, &store);
    tokio::time::sleep(20 * DAYS / 24).await;
    assert_eq!(events_in(&store), "2");
    tokio::time::sleep(5 * DAYS / 24).await;
    assert_eq!(events_in(&store), "0");
    stop.cancel();
}

#[test]
fn check_finds_what_is_kept_for_too_short_a_time() {
    let capped = format!("{ROUTE}    cap: 1/400d\n");
    for (retention, route, wrong) in [
        ("events=90d", ROUTE, None),
        ("events=forever", ROUTE, Some("sends would be removed before their events")),
        ("events=6d", ROUTE, Some("repetitions")),
        ("sends=89d", ROUTE, Some("sends would be removed before their events")),
        ("sends=2w", ROUTE, Some("90d, 1y or forever")),
        ("sends=forever", &capped, None),
        ("sends=399d", &capped, Some("the cap counts what was sent in a longer time than sends are kept for (399d)")),
    ] {
        let setup = Setup::new().route("hello", route).set(&format!("store.retention.{retention}"));
        setup.write("http://127.0.0.1:1");
        let (_, diagnostics) = check(&setup.config(), &Variables::default());
        let found: Vec<String> =
            diagnostics.iter().map(serri_relay::config::diagnostic::Diagnostic::one_line).collect();
        match wrong {
            None => assert!(!found.iter().any(|diagnostic| diagnostic.contains("kept")), "{retention}: {found:?}"),
            Some(wrong) => assert!(found.iter().any(|diagnostic| diagnostic.contains(wrong)), "{retention}: {found:?}"),
        }
    }
}
