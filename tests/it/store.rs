//! What every store must do, and what this one does when its file cannot be used.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serri_relay::clock::Timestamp;
use serri_relay::event::act::Action;
use serri_relay::event::remap::Remapped;
use serri_relay::event::view::Filter;
use serri_relay::event::{
    AccountTurn, Attempt, Claimed, Content, HoldScope, HoldTurn, Kept, Made, NewEvent, NewSend, NextStep, Notification,
    OnUncertain, Outcome, Reach, Returned, SendGuards, SendId, SendOptions, Settlement, UncertainPolicy,
};
use serri_relay::store::{ClaimRequest, Engine, Lease, OpenError, Quota, Recovered, Report, StoreError, TestScope};
use tempfile::TempDir;

use crate::database::{execute, lock, query};
use crate::world::eventually;

const WINDOW: Duration = Duration::from_secs(60);

pub fn store() -> (TempDir, Arc<dyn Engine>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).unwrap();
    (dir, store)
}

pub fn open(dir: &TempDir) -> Result<Arc<dyn Engine>, OpenError> {
    serri_relay::store::open(&format!("sqlite:{}", dir.path().join("relay.db").display()))
}

pub fn event(id: u8, at: i64, to: &[&str]) -> NewEvent {
    let send = |to: &&str| NewSend {
        rule: "r".into(),
        account: "default".into(),
        item: 0,
        version: 0,
        content: Ok(Content {
            campaign: "c".into(),
            destination: (*to).into(),
            payload: format!("{{\"to\":\"{to}\"}}"),
            options: SendOptions::default(),
        }),
    };
    NewEvent {
        route: "hello".into(),
        source: "generic".into(),
        id: id.to_string(),
        kind: String::new(),
        fingerprint: [id; 16],
        window: WINDOW,
        received_at: Timestamp(at),
        body: "{}".into(),
        envelope: "{}".into(),
        fault: None,
        lookup: false,
        made: Made { sends: to.iter().map(send).collect(), ..Made::default() },
    }
}

fn uncertain(on_uncertain: OnUncertain, tries: u32) -> UncertainPolicy {
    UncertainPolicy { on_uncertain, tries: NonZeroU32::new(tries).unwrap() }
}

pub fn request(now: i64, count: usize) -> ClaimRequest {
    ClaimRequest {
        now: Timestamp(now),
        lease: Lease { lasts: Duration::from_secs(1), ran: Duration::from_millis(now.try_into().unwrap()) },
        quotas: vec![Quota { account: "default".into(), count, limits: Vec::new() }],
        uncertain: uncertain(OnUncertain::Retry, 2),
        latest: None,
        correction: None,
    }
}

pub async fn claim(store: &Arc<dyn Engine>, now: i64, count: usize) -> Vec<Claimed> {
    store.claim(request(now, count)).await.unwrap().sends
}

pub fn settlement(send: &Claimed, next_step: NextStep) -> Settlement {
    let attempt = Attempt {
        at: Timestamp(0),
        took: Duration::ZERO,
        status: Some(200),
        answer: "ok".into(),
        outcome: Outcome::Sent { message_id: None },
    };
    Settlement { id: send.id, number: send.attempts + 1, attempt, next_step, probed: None, reached: true }
}

async fn settle(store: &Arc<dyn Engine>, send: &Claimed, next_step: NextStep) {
    let report = Report { settlements: vec![settlement(send, next_step)], ..Report::default() };
    store.settle(Arc::new(report), Timestamp(0)).await.unwrap();
}

pub fn sent() -> NextStep {
    NextStep::Sent { message_id: None }
}

fn to(sends: &[Claimed]) -> Vec<&str> {
    sends.iter().map(|send| send.destination.as_str()).collect()
}

#[tokio::test]
async fn an_event_seen_within_its_window_is_a_duplicate() {
    let (_dir, store) = store();
    assert_eq!(
        store.append(vec![event(1, 0, &["+1"]), event(1, 0, &["+1"]), event(2, 0, &[])]).await,
        Ok(vec![Kept::New, Kept::Duplicate, Kept::New])
    );
    assert_eq!(store.append(vec![event(1, 59_999, &["+1"])]).await, Ok(vec![Kept::Duplicate]));
    assert_eq!(store.append(vec![event(1, 60_000, &["+1"])]).await, Ok(vec![Kept::New]));
    assert_eq!(claim(&store, 60_000, 9).await.len(), 1, "the second to the same person waits for the first");
}

#[tokio::test]
async fn a_call_half_done_is_not_done() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1"]), event(2, 0, &["+2"])]).await.unwrap();
    // the same call again, longer this time: nothing doubles, nothing is missing
    let kept = store.append(vec![event(1, 1, &["+1"]), event(2, 1, &["+2"]), event(3, 1, &["+3"])]).await.unwrap();
    assert_eq!(kept, [Kept::Duplicate, Kept::Duplicate, Kept::New]);
    store.close();
    assert_eq!(query(&dir.path().join("relay.db"), "SELECT count(*) FROM sends"), [["3"]]);
}

#[tokio::test]
async fn sends_are_handed_out_once_and_in_order_of_arrival() {
    let (_dir, store) = store();
    for n in 1..=5 {
        store.append(vec![event(n, n.into(), &[&format!("+{n}")])]).await.unwrap();
    }
    let first = claim(&store, 10, 2).await;
    assert_eq!(to(&first), ["+1", "+2"]);
    settle(&store, &first[0], NextStep::Retry { due: Timestamp(100), reason: "x".into(), since: None }).await;
    assert_eq!(to(&claim(&store, 50, 1).await), ["+3"]);
    assert_eq!(to(&claim(&store, 100, 9).await), ["+1", "+4", "+5"], "of those due the one that came first goes first");
    assert_eq!(to(&claim(&store, 100, 9).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_person_is_never_handed_out_twice_at_once() {
    let (_dir, store) = store();
    store.append(vec![event(1, 0, &["+1", "+1", "+2"]), event(2, 0, &["+1", "+3"])]).await.unwrap();
    let first = claim(&store, 0, 9).await;
    assert_eq!(to(&first), ["+1", "+2", "+3"]);
    assert_eq!(claim(&store, 0, 9).await.len(), 0);
    settle(&store, &first[0], sent()).await;
    let second = claim(&store, 0, 9).await;
    assert_eq!(to(&second), ["+1"]);
    assert!(second[0].id > first[0].id);
    settle(&store, &second[0], NextStep::Failed { reason: "x".into() }).await;
    assert_eq!(to(&claim(&store, 0, 9).await), ["+1"]);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_treated_as_uncertain() {
    for (policy, state) in [(OnUncertain::Retry, "2"), (OnUncertain::Hold, "12")] {
        let (dir, store) = store();
        store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
        let lost = claim(&store, 0, 1).await.remove(0);
        // the wall clock may jump as it likes: a lease runs by a clock that does not
        let jumped = ClaimRequest { now: Timestamp(9_000_000), uncertain: uncertain(policy, 2), ..request(999, 1) };
        assert_eq!(store.claim(jumped).await.unwrap().sends.len(), 0);
        assert_eq!(
            store.claim(ClaimRequest { uncertain: uncertain(policy, 2), ..request(999, 1) }).await.unwrap().sends.len(),
            0
        );
        store.claim(ClaimRequest { uncertain: uncertain(policy, 2), ..request(1_000, 1) }).await.unwrap();
        assert_eq!(query(&dir.path().join("relay.db"), "SELECT state, attempts FROM sends"), [[state, "1"]]);
        // the first caller comes back: its word no longer counts
        settle(&store, &lost, sent()).await;
        assert_eq!(query(&dir.path().join("relay.db"), "SELECT state FROM sends"), [[state]]);
    }
}

#[tokio::test]
async fn who_is_being_sent_to_at_every_kill_is_reached_as_often_as_uncertain_tries_allows_and_no_more() {
    for (tries, lease_runs_out) in [(1, false), (2, false), (2, true), (3, false), (3, true)] {
        let (dir, mut store) = store();
        store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
        let (mut calls, mut now) = (0, 0);
        for _ in 0..5 {
            now += 10_000;
            let request = ClaimRequest { uncertain: uncertain(OnUncertain::Retry, tries), ..request(now, 1) };
            calls += u32::try_from(store.claim(request).await.unwrap().sends.len()).unwrap();
            if !lease_runs_out {
                drop(store);
                store = open(&dir).unwrap();
                store.recover(Timestamp(now), uncertain(OnUncertain::Retry, tries)).await.unwrap();
            }
        }
        assert_eq!(calls, tries, "a lease that ran out: {lease_runs_out}");
        assert_eq!(query(&dir.path().join("relay.db"), "SELECT state FROM sends"), [["12"]], "a person decides");
    }
}

#[tokio::test]
async fn what_was_in_flight_when_the_process_died_is_recovered() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1", "+1", "+2"])]).await.unwrap();
    assert_eq!(claim(&store, 0, 9).await.len(), 2);
    drop(store);
    let store = open(&dir).unwrap();
    assert_eq!(
        store.recover(Timestamp(5), uncertain(OnUncertain::Retry, 2)).await,
        Ok(Recovered { repeated: 2, held: 0 })
    );
    assert_eq!(store.recover(Timestamp(5), uncertain(OnUncertain::Retry, 2)).await, Ok(Recovered::default()));
    let again = claim(&store, 5, 9).await;
    assert_eq!((to(&again), again[0].attempts), (vec!["+1", "+2"], 1));
    assert_eq!(
        query(&dir.path().join("relay.db"), "SELECT count(*) FROM attempts WHERE outcome = 'uncertain'"),
        [["2"]]
    );
}

/// What is not to reach the customer: by its own options, by its account, by its route.
#[tokio::test]
async fn a_test_that_died_in_flight_counts_as_having_reached_nobody() {
    let dry = SendGuards { dry_run: true, ..SendGuards::default() };
    let to_tester = SendGuards { redirect_to: Some("+9".into()), ..SendGuards::default() };
    let kinds = [
        (dry, None, "0", ""),
        (to_tester, None, "0", ""),
        (SendGuards::default(), Some((TestScope::Account, "default")), "0", ""),
        (SendGuards::default(), Some((TestScope::Route, "hello")), "0", ""),
        (SendGuards::default(), Some((TestScope::Account, "other")), "12", "5000"),
        (SendGuards::default(), None, "12", "5000"),
    ];
    for (guards, mode, state, reached_at) in kinds {
        for died in [true, false] {
            let (dir, store) = store();
            store.keep_test_modes(mode.iter().map(|(mode, name)| (*mode, (*name).to_owned())).collect()).await.unwrap();
            let mut event = event(1, 0, &["+1"]);
            event.made.sends[0].content.as_mut().unwrap().options.guards = guards.clone();
            store.append(vec![event]).await.unwrap();
            assert_eq!(claim(&store, 0, 1).await.len(), 1);
            if died {
                store.recover(Timestamp(5_000), uncertain(OnUncertain::Hold, 2)).await.unwrap();
            } else {
                // its lease runs out
                let later = ClaimRequest { uncertain: uncertain(OnUncertain::Hold, 2), ..request(5_000, 0) };
                store.claim(later).await.unwrap();
            }
            let found = query(&dir.path().join("relay.db"), "SELECT state, reached_at FROM sends");
            assert_eq!(found, [[state, reached_at]], "{guards:?} {mode:?} {died}");
        }
    }
}

#[tokio::test]
async fn a_hold_that_nothing_waits_for_ends_and_is_told_and_one_set_by_hand_lasts() {
    let (dir, store) = store();
    let path = dir.path().join("relay.db");
    store.append(vec![event(1, 0, &["+1", "+2"])]).await.unwrap();
    let sends = claim(&store, 0, 2).await;
    let stopped = |scope| NextStep::Blocked { scope, reason: "402".into(), probe_at: Timestamp(60_000) };
    settle(&store, &sends[0], stopped(HoldScope::Campaign)).await;
    // the other waits for its own moment, in the same campaign
    settle(&store, &sends[1], NextStep::Retry { due: Timestamp(90_000), reason: "x".into(), since: None }).await;
    let cancel =
        |send: &Claimed| Action::Cancel { ids: vec![send.id], filter: Filter::default(), reason: "wrong".into() };
    store.act(cancel(&sends[0]), Timestamp(1_000)).await.unwrap();
    assert_eq!(store.claim(request(60_000, 1)).await.unwrap().holds, [], "something waits for its moment");
    store.act(cancel(&sends[1]), Timestamp(61_000)).await.unwrap();
    let ended = store.claim(request(62_000, 1)).await.unwrap().holds;
    assert_eq!(ended.iter().map(|change| change.turn).collect::<Vec<_>>(), [HoldTurn::Emptied]);
    assert_eq!(query(&path, "SELECT count(*) FROM holds WHERE ended_at IS NULL"), [["0"]]);
    // an account that is no longer asked for is found by the reminders; what was set by hand stays
    store.append(vec![event(2, 0, &["+3"])]).await.unwrap();
    let send = claim(&store, 63_000, 1).await.remove(0);
    settle(&store, &send, stopped(HoldScope::Account)).await;
    store.act(cancel(&send), Timestamp(64_000)).await.unwrap();
    let hold = Action::SetHold { account: "default".into(), campaign: "c".into(), reason: "by hand".into() };
    store.act(hold, Timestamp(64_000)).await.unwrap();
    let reminders = store.remind(Timestamp(65_000), Timestamp(0)).await.unwrap();
    let ended =
        |reminder: &Notification| matches!(reminder, Notification::Hold(change) if change.turn == HoldTurn::Emptied);
    assert_eq!(reminders.iter().filter(|reminder| ended(reminder)).count(), 1, "{reminders:?}");
    assert_eq!(query(&path, "SELECT by FROM holds WHERE ended_at IS NULL"), [["hand"]]);
}

#[tokio::test]
async fn sends_left_uncertain_are_gathered_and_outages_told_once_also_over_a_restart() {
    let (dir, store) = store();
    store.append((1..=4).map(|n| event(n, 0, &[&format!("+{n}")])).collect()).await.unwrap();
    let sends = claim(&store, 0, 4).await;
    let hold = || NextStep::NeedsDecision { reason: "no answer".into(), probe_at: None };
    let due = async |store: &Arc<dyn Engine>, now: i64| {
        let due = store.remind(Timestamp(now), Timestamp(now - 1_000)).await.unwrap();
        due.into_iter()
            .map(|notification| match notification {
                Notification::Account(change) => change.turn,
                Notification::Hold(change) => panic!("{change:?}"),
            })
            .collect::<Vec<_>>()
    };
    settle(&store, &sends[0], hold()).await;
    assert_eq!(due(&store, 10_000).await, [AccountTurn::Uncertain { recent: 1, waiting: 1 }], "the first at once");
    settle(&store, &sends[1], hold()).await;
    settle(&store, &sends[2], hold()).await;
    assert_eq!(due(&store, 10_999).await, [], "others wait until somebody may be reminded");
    let reach = async |store: &Arc<dyn Engine>, reach, now| {
        store.reach_changed("default".into(), reach, Timestamp(now)).await.unwrap().map(|change| change.turn)
    };
    let gone = Reach::Unreachable { since: Timestamp(5) };
    assert_eq!(reach(&store, Reach::Reachable, 11_000).await, None);
    assert_eq!(reach(&store, gone, 11_000).await, Some(AccountTurn::OutageBegan { waiting: 0 }));
    drop(store);
    let store = open(&dir).unwrap();
    assert_eq!(reach(&store, gone, 11_500).await, None, "people know");
    assert_eq!(store.unreachable().await.unwrap(), ["default"]);
    // the fourth was under way when it died
    store.recover(Timestamp(11_600), uncertain(OnUncertain::Hold, 2)).await.unwrap();
    assert_eq!(due(&store, 11_700).await, [AccountTurn::Uncertain { recent: 3, waiting: 4 }]);
    assert_eq!(due(&store, 99_000).await, [], "nothing new, and nothing waits for the account");
    assert_eq!(reach(&store, Reach::Reachable, 99_000).await, Some(AccountTurn::OutageEnded { waited: 0 }));
    assert_eq!(store.notifications(Timestamp(0)).await.unwrap().len(), 4);
}

#[tokio::test]
async fn only_what_still_waits_and_is_still_meant_is_cancelled() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1"]), event(2, 0, &["+2"]), event(3, 0, &["+3"])]).await.unwrap();
    let first = claim(&store, 0, 1).await;
    let cancel = |campaign: &str| Action::Cancel {
        ids: (0..5).map(SendId).collect(),
        filter: Filter { campaign: Some(campaign.into()), ..Filter::default() },
        reason: "wrong price".into(),
    };
    assert_eq!(store.act(cancel("other"), Timestamp(1)).await.unwrap().changed, 0);
    assert_eq!(store.act(cancel("c"), Timestamp(1)).await.unwrap().changed, 2, "one is being sent");
    assert_eq!(store.act(cancel("c"), Timestamp(1)).await.unwrap().changed, 0);
    settle(&store, &first[0], sent()).await;
    let tally = store.tally(Filter { limit: Some(2), ..Filter::default() }).await.unwrap();
    assert_eq!((tally.found, tally.waiting, tally.oldest, tally.before), (2, 0, Some(SendId(2)), 4));
    store.close();
    assert_eq!(query(&dir.path().join("relay.db"), "SELECT state FROM sends ORDER BY id"), [["10"], ["15"], ["15"]]);
}

#[tokio::test]
async fn what_was_not_begun_is_given_back() {
    let (_dir, store) = store();
    store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
    let send = claim(&store, 0, 1).await.remove(0);
    let report = Report { returned: vec![Returned { id: send.id, start: None }], ..Report::default() };
    store.settle(Arc::new(report), Timestamp(0)).await.unwrap();
    assert_eq!(claim(&store, 0, 1).await, [send]);
}

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

#[tokio::test]
async fn a_probe_of_a_hold_overtakes_nothing_of_its_person_that_is_to_be_tried_again() {
    for scope in [HoldScope::Account, HoldScope::Campaign] {
        let (_dir, store) = store();
        store.append(vec![event(1, 0, &["+1"]), event(2, 0, &["+1"]), event(3, 0, &["+2"])]).await.unwrap();
        let sends = claim(&store, 0, 9).await;
        assert_eq!(to(&sends), ["+1", "+2"]);
        let retry = NextStep::Retry { due: Timestamp(90_000), reason: "it cannot be reached".into(), since: None };
        settle(&store, &sends[0], retry).await;
        let stopped = NextStep::Blocked { scope, reason: "402".into(), probe_at: Timestamp(60_000) };
        settle(&store, &sends[1], stopped).await;
        assert_eq!(to(&claim(&store, 60_000, 9).await), ["+2"], "{scope:?}: the first to +1 still waits");
    }
}

#[tokio::test]
async fn the_next_due_time_is_told() {
    let (_dir, store) = store();
    store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
    let send = claim(&store, 0, 1).await.remove(0);
    settle(&store, &send, NextStep::Retry { due: Timestamp(500), reason: "x".into(), since: None }).await;
    assert_eq!(store.claim(request(499, 1)).await.unwrap().next_due, Some(Timestamp(500)));
    assert_eq!(claim(&store, 500, 1).await.len(), 1);
}

#[tokio::test]
async fn two_relays_cannot_share_a_file() {
    let (dir, store) = store();
    assert!(matches!(open(&dir), Err(OpenError::InUse(_))));
    drop(store);
    assert!(open(&dir).is_ok());
    for url in ["postgres://x", "sqlite:", "relay.db", "sqlite::memory:"] {
        assert!(matches!(serri_relay::store::open(url), Err(OpenError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_recovers() {
    let (dir, store) = store();
    let other = lock(&dir.path().join("relay.db"));
    let refused = store.append(vec![event(1, 0, &[])]).await;
    assert_eq!(refused, Err(StoreError::Unavailable("another program holds a lock on the file".into())));
    assert!(store.probe().await.is_err());
    other.release();
    assert_eq!(store.append(vec![event(1, 0, &[])]).await, Ok(vec![Kept::New]));
    eventually("it is ready again", async || store.probe().await.is_ok()).await;
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_a_restored_one_used() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
    drop(store);
    let path = dir.path().join("relay.db");
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![b'x'; sound.len()]).unwrap();
    let store = open(&dir).unwrap();
    assert!(store.append(vec![event(2, 0, &[])]).await.is_err_and(|e| e.to_string().contains("damaged")));
    assert!(store.probe().await.is_err());
    std::fs::write(&path, sound).unwrap();
    eventually("the restored file is used", async || store.probe().await.is_ok()).await;
    assert_eq!(store.append(vec![event(1, 0, &[]), event(2, 0, &[])]).await, Ok(vec![Kept::Duplicate, Kept::New]));
}

#[tokio::test]
async fn a_file_that_was_moved_away_takes_nothing_until_it_is_back() {
    let (dir, store) = store();
    let files = ["relay.db", "relay.db-wal", "relay.db-shm"];
    store.append(vec![event(1, 0, &[])]).await.unwrap();
    let aside = tempfile::tempdir().unwrap();
    for name in files {
        let _ = std::fs::rename(dir.path().join(name), aside.path().join(name));
    }
    // not one event goes into a file that nobody will find, and no empty one takes its place
    for n in 2..5 {
        assert!(store.append(vec![event(n, 0, &[])]).await.is_err());
    }
    assert!(!dir.path().join("relay.db").exists());
    for name in files {
        let _ = std::fs::rename(aside.path().join(name), dir.path().join(name));
    }
    eventually("it is used again", async || store.append(vec![event(5, 0, &[])]).await.is_ok()).await;
    assert_eq!(store.append(vec![event(1, 0, &[])]).await, Ok(vec![Kept::Duplicate]));
}

#[tokio::test]
async fn a_file_that_was_emptied_takes_nothing() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &[])]).await.unwrap();
    std::fs::write(dir.path().join("relay.db"), "").unwrap();
    for n in 2..5 {
        assert!(store.append(vec![event(n, 0, &[])]).await.is_err());
    }
    assert!(store.probe().await.is_err());
}

#[tokio::test]
async fn a_file_of_a_newer_relay_is_left_alone() {
    let (dir, store) = store();
    drop(store);
    execute(&dir.path().join("relay.db"), "PRAGMA user_version = 99");
    let store = open(&dir).unwrap();
    assert!(store.probe().await.is_err_and(|e| e.to_string().contains("newer relay")));
}

#[tokio::test]
async fn concurrent_appends_share_commits_and_none_is_lost() {
    let (dir, store) = store();
    let store = Arc::new(store);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50_u8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..20_u8 {
                let mut event = event(0, 0, &[&format!("+{task}-{n}")]);
                event.fingerprint = [task, n, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
                assert_eq!(store.append(vec![event]).await, Ok(vec![Kept::New]));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        query(&dir.path().join("relay.db"), "SELECT count(*), count(DISTINCT destination) FROM sends"),
        [["1000", "1000"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_out_as_it_comes_goes_once_and_to_a_person_one_by_one() {
    let (_dir, store) = store();
    let store = Arc::new(store);
    // 200 events of three sends to five people in all, while the deliverer asks all the time
    let people: Vec<String> = (0..5).map(|n| format!("+91981234567{n}")).collect();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..200_u8 {
        let (store, people) = (Arc::clone(&store), people.clone());
        calls.spawn(async move {
            let to: Vec<&str> = (0..3).map(|k| people[(usize::from(n) + k) % 5].as_str()).collect();
            store.append(vec![event(n, 0, &to)]).await.unwrap();
        });
    }
    let (mut done, mut now) = (std::collections::BTreeSet::new(), 0);
    while done.len() < 600 {
        now += 1;
        let claimed = store.claim(request(now, 7)).await.unwrap().sends;
        let people: std::collections::BTreeSet<&str> = claimed.iter().map(|send| &*send.destination).collect();
        assert_eq!(people.len(), claimed.len(), "two to one person at once: {claimed:?}");
        for send in &claimed {
            assert!(done.insert(send.id), "twice: {send:?}");
            assert_eq!(send.payload, format!("{{\"to\":\"{}\"}}", send.destination));
            settle(&store, send, sent()).await;
        }
    }
    calls.join_all().await;
    assert_eq!(store.claim(request(now + 1, 7)).await.unwrap().sends, []);
}
