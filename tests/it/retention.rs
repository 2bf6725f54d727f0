//! What is past its time is removed in small steps, and nothing that is still needed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use serri_relay::clock::{Clock, Timestamp};
use serri_relay::config::interpolate::Variables;
use serri_relay::event::stats::{Dimension, Stat, StatsFilter};
use serri_relay::event::{Attempt, Content, Made, NewEvent, NewSend, NextStep, Once, Outcome, SendOptions, Settlement};
use serri_relay::retention::{Periods, Retention};
use serri_relay::route::check::check;
use serri_relay::store::sweep::{Removed, Stage, SweepRequest};
use serri_relay::store::{ClaimRequest, Engine, MemoryStore, Quota, Report, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::asked::{Ask, states_of, text};
use crate::store::{event, open, request, store};
use crate::world::{ROUTE, Setup, World};

pub const DAY: i64 = 86_400_000;
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
pub async fn pass(store: &dyn Store, now: i64, most: usize) -> Removed {
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
pub fn with(id: u8, at: i64, account: &str, sends: &[SendOptions]) -> NewEvent {
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
pub async fn deliver(store: &dyn Store, account: &str, at: i64, next_step: NextStep) {
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

pub fn sent() -> NextStep {
    NextStep::Sent { message_id: Some("m".into()) }
}

pub fn plain() -> Vec<SendOptions> {
    vec![SendOptions::default()]
}

/// What is left of events: the sender's id, whether it is erased, and the states of its sends.
async fn kept(store: &Arc<dyn Engine>) -> Vec<String> {
    let state_of = |send: &Value| format!("{}{}", send["state"].as_str().unwrap(), erased(send));
    let shown = |event: &Value| {
        let is_erased = event.get("erased_at").is_some();
        assert_eq!(event["body"] == "", is_erased, "what is erased holds nothing: {event}");
        let made = event["made"].as_array().unwrap().iter().map(state_of).collect::<Vec<_>>();
        format!("{}{}: {}", text(&event["id"]), erased(event), made.join(", "))
    };
    store.whole_events().await.iter().map(shown).collect()
}

fn erased(of: &Value) -> &'static str {
    if of.get("erased_at").is_some() { " erased" } else { "" }
}

/// That of these sends nothing is left but what keeps them from being sent again.
async fn assert_erased(store: &Arc<dyn Engine>, ids: [usize; 2]) {
    for id in ids {
        let send = store.send(id).await;
        assert!(send["destination"] == "" && send["payload"].is_null(), "{send}");
        assert!(send.get("reason").is_none() && send.get("message_id").is_none(), "{send}");
        assert!(store.attempts(id).await.is_empty(), "{send}");
    }
}

/// That the counts are those of what is there, and nothing is kept of what is not.
async fn assert_consistent(store: &Arc<dyn Engine>) {
    assert_eq!(store.inconsistencies().await, Ok(Vec::new()));
}

/// What happened in each hour.
async fn hourly(store: &Arc<dyn Engine>) -> Vec<Stat> {
    let by = vec![Dimension::Hour, Dimension::Route, Dimension::Rule, Dimension::Account, Dimension::Campaign];
    let (since, until) = (Timestamp(0), Timestamp(i64::MAX));
    store.stats(StatsFilter { since, until, by, ..StatsFilter::default() }, 1_000).await.unwrap()
}

#[tokio::test]
async fn what_is_past_its_time_goes_and_what_is_needed_stays() {
    let (_dir, store) = store();
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
    let before = hourly(&store).await;
    assert!(before.len() > 5, "{before:?}");

    let removed = pass(&*store, 400 * DAY, 100).await;
    let left = ["2: waiting", "5: ", "6: uncertain", "7 erased: sent", "8 erased: sent", "9: sent"];
    assert_eq!(kept(&store).await, left);
    assert_eq!((removed.events, removed.events_erased, removed.sends, removed.sends_erased), (3, 3, 1, 0));
    assert_eq!(hourly(&store).await, before, "what happened in each hour outlives its rows");
    assert_consistent(&store).await;

    // what waited goes all the same, and its event with it when its time has come
    deliver(&*store, "waits", 400 * DAY, sent()).await;
    pass(&*store, 401 * DAY, 100).await;
    assert_eq!(kept(&store).await[0], "2 erased: sent");
    pass(&*store, 800 * DAY, 100).await;
    let left = ["5: ", "6: uncertain", "9 erased: sent erased"];
    assert_eq!(kept(&store).await, left, "the newest rows stay, empty, so that no number is given twice");
    assert_consistent(&store).await;
    store.append(vec![with(10, 800 * DAY, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 800 * DAY, sent()).await;
    pass(&*store, 801 * DAY, 100).await;
    assert_eq!(kept(&store).await, ["5: ", "6: uncertain", "10: sent"]);
}

#[tokio::test]
async fn what_a_person_gets_once_is_not_sent_again_although_its_time_is_over() {
    let (_dir, store) = store();
    let once = SendOptions { once: Some(Once { key: [7; 16], within: 730 * DAYS }), ..SendOptions::default() };
    let moment =
        SendOptions { key: Some("order 5".into()), about_at: Some(Timestamp(700 * DAY)), ..SendOptions::default() };
    store.append(vec![with(1, 0, "default", &[once.clone(), moment.clone()])]).await.unwrap();
    deliver(&*store, "default", 0, sent()).await;
    store.append(vec![event(2, 500 * DAY, &[])]).await.unwrap();
    store.append(vec![with(3, 500 * DAY, "default", &plain())]).await.unwrap();
    let removed = pass(&*store, 500 * DAY, 100).await;
    assert_eq!((removed.sends, removed.sends_erased), (0, 2));
    assert_erased(&store, [1, 2]).await;
    store.append(vec![with(4, 501 * DAY, "default", &[once.clone(), moment])]).await.unwrap();
    deliver(&*store, "default", 501 * DAY, sent()).await;
    assert_eq!(states_of(&store.sends_of("event=4").await), ["duplicate", "duplicate"]);
    let removed = pass(&*store, 731 * DAY, 100).await;
    assert_eq!((removed.sends, removed.events), (2, 2), "now the window is over, and the moment");
    store.append(vec![with(5, 731 * DAY, "default", &[once])]).await.unwrap();
    deliver(&*store, "default", 731 * DAY, sent()).await;
    assert_eq!(states_of(&store.sends_of("event=5").await), ["sent"]);
}

#[tokio::test]
async fn thousands_go_in_small_steps_and_a_pass_that_was_broken_off_is_taken_up() {
    let (dir, store) = store();
    let fingerprint = |number: u64| {
        let mut fingerprint = [0; 16];
        fingerprint[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        fingerprint
    };
    let many = |from: u64, at: i64| -> Vec<NewEvent> {
        let one = |number: u64| NewEvent { fingerprint: fingerprint(number), ..event(0, at, &[&format!("+{number}")]) };
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
    let store = open(&dir).unwrap();
    let half = store.events().await.iter().filter(|event| event.get("erased_at").is_some()).count();
    assert_eq!(half, 1_160, "each step does something, and is on disk");
    let removed = pass(&*store, 501 * DAY, 20).await;
    assert_eq!((removed.events, removed.events_erased, removed.sends), (2_000, 840, 2_000));
    assert_eq!(store.events().await.len(), 1_000);
    let sends = store.sends().await;
    assert_eq!((sends.len(), sends.iter().all(|send| send["attempts"] == 1)), (1_000, true));
    assert_consistent(&store).await;
    for _ in 0..23 {
        pass(&*store, 501 * DAY, 500).await;
    }
    for (from, is_known) in [(0, false), (10_000, false), (500_000, true)] {
        for number in from..from + 1_000 {
            let seen = store.seen(fingerprint(number)).await.unwrap();
            assert_eq!(seen.is_some(), is_known, "{number}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn what_was_erased_says_so_and_is_not_replayed() {
    let world = World::hello().await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670","campaign":"sandbox_invalid_number"}"#).await;
    world.until_sends("state=failed", 1).await;
    let setup = world.stop().await;
    let store = setup.store();
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
    let retention = Retention {
        store: Arc::clone(store) as Arc<dyn Store>,
        clock: wall.clone(),
        periods: watch::channel(periods).1,
    };
    running.spawn(retention.run(stop.clone()));
    (stop, running)
}

/// How many events it keeps with what they hold.
async fn whole_events_of(store: &Arc<MemoryStore>) -> usize {
    Ask::events(store).await.iter().filter(|event| event.get("erased_at").is_none()).count()
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
    assert_eq!(whole_events_of(&store).await, 4, "not at once after the start");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(whole_events_of(&store).await, 3, "the first is 90 days old");
    wall.advance(15 * DAYS);
    tokio::time::sleep(20 * DAYS / 24).await;
    assert_eq!(whole_events_of(&store).await, 3, "a clock that was set ahead is not believed at once");
    tokio::time::sleep(5 * DAYS / 24).await;
    assert_eq!(whole_events_of(&store).await, 2, "but after a day");
    // another process, and a clock that is far ahead from its start on
    stop.cancel();
    assert_eq!(running_one.join_all().await.len(), 1, "it ends when it is told to");
    wall.advance(400 * DAYS);
    let (stop, running_two) = running(&wall, &store);
    tokio::time::sleep(20 * DAYS / 24).await;
    assert_eq!(whole_events_of(&store).await, 2);
    // one more: it does not begin to doubt anew
    stop.cancel();
    running_two.join_all().await;
    let (stop, _running) = running(&wall, &store);
    tokio::time::sleep(2 * DAYS / 24).await;
    assert_eq!(whole_events_of(&store).await, 2);
    tokio::time::sleep(4 * DAYS / 24).await;
    assert_eq!(whole_events_of(&store).await, 0, "the newest keeps its row, but not what it held");
    stop.cancel();
}

#[tokio::test]
async fn what_is_dated_in_the_future_keeps_nothing_that_came_later() {
    let (_dir, store) = store();
    store.append(vec![with(1, 5_000 * DAY, "later", &plain()), with(2, 0, "default", &plain())]).await.unwrap();
    deliver(&*store, "default", 0, sent()).await;
    store.append(vec![with(3, 400 * DAY, "waits", &plain())]).await.unwrap();
    pass(&*store, 400 * DAY, 10).await;
    assert_eq!(kept(&store).await, ["1: waiting", "3: waiting"]);
    // at last its own time is over, too
    deliver(&*store, "later", 5_000 * DAY, sent()).await;
    pass(&*store, 9_000 * DAY, 10).await;
    assert_eq!(kept(&store).await, ["3: waiting"]);
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
    assert_eq!(whole_events_of(&store).await, 2);
    tokio::time::sleep(5 * DAYS / 24).await;
    assert_eq!(whole_events_of(&store).await, 0);
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
