//! What every store must do.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serri_relay::clock::Timestamp;
use serri_relay::event::act::Action;
use serri_relay::event::view::Filter;
use serri_relay::event::{
    AccountTurn, Attempt, Claimed, Content, HoldScope, HoldTurn, Kept, Made, NewEvent, NewSend, NextStep, Notification,
    OnUncertain, Outcome, Reach, Returned, SendGuards, SendId, SendOptions, Settlement, UncertainPolicy,
};
use serri_relay::store::{ClaimRequest, Engine, Lease, OpenError, Quota, Recovered, Report, TestScope};
use tempfile::TempDir;

use crate::asked::{Ask, state, text, texts};

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
        test: false,
        lookup: false,
        made: Made { sends: to.iter().map(send).collect(), ..Made::default() },
    }
}

pub fn uncertain(on_uncertain: OnUncertain, tries: u32) -> UncertainPolicy {
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

pub fn to(sends: &[Claimed]) -> Vec<&str> {
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
    drop(store);
    assert_eq!(open(&dir).unwrap().sends().await.len(), 3);
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
    for (policy, state) in [(OnUncertain::Retry, "sending"), (OnUncertain::Hold, "uncertain")] {
        let (_dir, store) = store();
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
        assert_eq!((store.states().await, store.attempts(1).await.len()), (vec![state.to_owned()], 1));
        // the first caller comes back: its word no longer counts
        settle(&store, &lost, sent()).await;
        assert_eq!(store.states().await, [state]);
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
        assert_eq!(store.states().await, ["uncertain"], "a person decides");
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
    for (id, outcomes) in [(1, &["uncertain"][..]), (2, &[]), (3, &["uncertain"])] {
        assert_eq!(texts(&store.attempts(id).await, "what"), outcomes);
    }
}

/// What is not to reach the customer: by its own options, by its account, by its route.
#[tokio::test]
async fn a_test_that_died_in_flight_counts_as_having_reached_nobody() {
    let dry = SendGuards { dry_run: true, ..SendGuards::default() };
    let to_tester = SendGuards { redirect_to: Some("+9".into()), ..SendGuards::default() };
    let kinds = [
        (dry, None, "waiting due", None),
        (to_tester, None, "waiting due", None),
        (SendGuards::default(), Some((TestScope::Account, "default")), "waiting due", None),
        (SendGuards::default(), Some((TestScope::Route, "hello")), "waiting due", None),
        (SendGuards::default(), Some((TestScope::Account, "other")), "uncertain", Some("1970-01-01T00:00:05.000Z")),
        (SendGuards::default(), None, "uncertain", Some("1970-01-01T00:00:05.000Z")),
    ];
    for (guards, mode, wanted, reached_at) in kinds {
        for died in [true, false] {
            let (_dir, store) = store();
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
            let send = store.send(1).await;
            let found = (state(&send), send.get("gone_at").map(text));
            assert_eq!(found, (wanted.to_owned(), reached_at.map(str::to_owned)), "{guards:?} {mode:?} {died}");
        }
    }
}

#[tokio::test]
async fn a_hold_that_nothing_waits_for_ends_and_is_told_and_one_set_by_hand_lasts() {
    let (_dir, store) = store();
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
    assert_eq!(Ask::holds(&store).await, Vec::<Value>::new());
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
    assert_eq!(texts(&Ask::holds(&store).await, "by"), ["hand"]);
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
                other => panic!("{other:?}"),
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
    drop(store);
    assert_eq!(open(&dir).unwrap().states().await, ["sent", "cancelled", "cancelled"]);
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
async fn concurrent_appends_share_commits_and_none_is_lost() {
    let (_dir, store) = store();
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
    let sends = store.sends().await;
    let people: BTreeSet<String> = texts(&sends, "destination").into_iter().collect();
    assert_eq!((sends.len(), people.len()), (1_000, 1_000));
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
    let (mut done, mut now) = (BTreeSet::new(), 0);
    while done.len() < 600 {
        now += 1;
        let claimed = store.claim(request(now, 7)).await.unwrap().sends;
        let people: BTreeSet<&str> = claimed.iter().map(|send| &*send.destination).collect();
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
