//! That a refusal in unknown words is remembered for as long as it counts, and not longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::IntoResponse as _;
use serde_json::json;
use serri_relay::clock::Timestamp;
use serri_relay::event::{Attempt, Claimed, NextStep, Outcome, Probed, Settlement, UnknownRefusal, Verdict};
use serri_relay::store::Report;

use super::query;
use crate::answers::{Moody, number, post, said, states};
use crate::asked::{Ask as _, text};
use crate::store;
use crate::world::{World, ok, quick};

#[tokio::test]
async fn the_third_person_who_is_refused_in_the_same_unknown_words_holds_the_campaign_and_nobody_has_failed() {
    let in_turn = AtomicUsize::new(0);
    let blocked = move |campaign: &str, number: &str| match campaign {
        "other" => ok(),
        _ => {
            let trace = in_turn.fetch_add(1, Ordering::SeqCst);
            let body = json!({"message": format!("Sender blocked for {number}, trace ab{trace}-9")}).to_string();
            (http::StatusCode::BAD_REQUEST, body).into_response()
        }
    };
    let serri = Moody::new(blocked);
    let world = World::start_against(quick(), serri.router()).await;
    post(&world, "welcome", 0..2).await;
    states(&world, "failed", 2).await;
    post(&world, "other", 100..101).await;
    states(&world, "sent", 1).await;
    // another campaign says nothing, and a restart forgets nothing; the third of a hundred that come at once
    let world = world.restart().await;
    post(&world, "welcome", 2..60).await;
    world.until_holds(1).await;
    assert_eq!(world.holds().await[0]["campaign"], "welcome");
    world.until_ready("campaign=welcome", 60).await;
    let reason = text(&world.holds().await[0]["reason"]);
    assert!(
        reason.contains("3 people in a row were refused in the same words") && reason.contains("sender blocked for #"),
        "{reason}"
    );
    assert!(!reason.contains("98123"), "{reason}");
    let number_of_calls = serri.calls().len();
    assert!(number_of_calls < 60 + 64, "{number_of_calls}");
    assert_eq!(world.sends_of("state=failed").await.len(), 0);
    post(&world, "other", 101..110).await;
    states(&world, "sent", 10).await;
    serri.turns(|_, _| ok());
    states(&world, "sent", 70).await;
    world.settles("SELECT count(*) FROM refusals", "0").await;
    world.stop().await;
}

#[tokio::test]
async fn bad_numbers_whose_words_are_unknown_fail_once_others_have_passed_often_enough() {
    let bad = |_: &str, number: &str| match number {
        "+919812300000" | "+919812300001" | "+919812300002" => said(400, r#"{"message":"cannot be reached"}"#),
        _ => ok(),
    };
    let serri = Moody::new(bad);
    let world = World::start_against(quick().set("delivery.concurrency=1"), serri.router()).await;
    post(&world, "welcome", 0..3).await;
    world.until_hold_turns("began", 1).await;
    // as long as nobody else waits, nothing tells that they are at fault themselves
    post(&world, "welcome", 3..10).await;
    states(&world, "sent", 7).await;
    states(&world, "failed", 3).await;
    assert_eq!(world.hold_turns("began").await, 3, "each ended by somebody who was never refused");
    for person in 0..3 {
        let calls = serri.calls().iter().filter(|called| **called == number(person)).count();
        assert!(calls >= 4, "{person}: {calls}");
    }
    world.settles("SELECT count(*) FROM refusals", "0").await;
    world.stop().await;
}

#[tokio::test]
async fn where_a_place_is_free_only_now_and_then_nobody_fails_although_all_are_refused_again_and_again() {
    let room = Arc::new(AtomicUsize::new(0));
    let places = Arc::clone(&room);
    let serri = Moody::new(move |_, _| {
        let free = places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |places| places.checked_sub(1));
        if free.is_ok() { ok() } else { said(400, r#"{"message":"The tier of this sender is used up"}"#) }
    });
    let world = World::start_against(quick().set("delivery.concurrency=16"), serri.router()).await;
    post(&world, "welcome", 0..40).await;
    world.until_hold_turns("began", 1).await;
    for taken in 1..=6 {
        room.store(1, Ordering::SeqCst);
        states(&world, "sent", taken).await;
        // the same refusals begin the hold again, and nobody who was among them is lost
        world.settles("SELECT count(*) FROM holds", &(taken + 1).to_string()).await;
        // none of them under way, who would take the next place without ending the hold
        world.settles("SELECT count(*) FROM sends WHERE state = 0", &(40 - taken).to_string()).await;
    }
    serri.turns(|_, _| ok());
    states(&world, "sent", 40).await;
    world.settles("SELECT count(*) FROM refusals", "0").await;
    world.stop().await;
}

/// What follows from a call that began then: taken, or refused in the same words as ever.
fn settlement(send: &Claimed, at: i64, taken: Taken) -> Settlement {
    let (reason, text, later) = ("400: no".to_owned(), "#: no".to_owned(), Timestamp(at + 10));
    let (outcome, next_step, verdict) = match taken {
        Taken::Yes => (Outcome::Sent { message_id: None }, NextStep::Sent { message_id: None }, Verdict::Passed),
        Taken::No => (
            Outcome::Unknown { reason: reason.clone(), text: text.clone() },
            NextStep::Doubtful(UnknownRefusal { reason, text, probe_at: later, not_before: Timestamp(at - 1_000) }),
            Verdict::Unknown { lasts: later, unclear: Timestamp(at) },
        ),
    };
    let attempt =
        Attempt { at: Timestamp(at), took: Duration::ZERO, status: Some(400), answer: String::new(), outcome };
    let probed = send.probe.map(|probe| Probed { hold: probe.hold, verdict });
    Settlement { id: send.id, number: send.attempts + 1, attempt, next_step, probed, reached: true }
}

enum Taken {
    Yes,
    No,
}

#[tokio::test]
async fn what_was_under_way_when_the_hold_began_waits_with_it_and_three_who_are_refused_again_begin_it_again() {
    let (dir, store) = store::store();
    let settle = async |send: &Claimed, at, taken| {
        let report = Report { settlements: vec![settlement(send, at, taken)], ..Report::default() };
        store.settle(Arc::new(report), Timestamp(at)).await.unwrap();
    };
    let rows = |sql: &str| query(&dir.path().join("relay.db"), sql);
    let states = || rows("SELECT state FROM sends ORDER BY id").concat();
    store.append(vec![store::event(1, 0, &["+1", "+2", "+3", "+4", "+5"])]).await.unwrap();
    let sends = store.claim(store::request(0, 9)).await.unwrap().sends;
    for send in &sends[..2] {
        settle(send, 0, Taken::No).await;
    }
    assert_eq!(states(), ["11", "11", "2", "2", "2"]);
    for send in &sends[2..4] {
        settle(send, 0, Taken::No).await;
    }
    assert_eq!(states(), ["0", "0", "0", "0", "2"], "the third begins the hold, the fourth comes too late");
    // a probe at a time, and one that is refused in the same words is lost as little as the others
    let probes = store.claim(store::request(20, 9)).await.unwrap().sends;
    assert!(probes.len() == 1 && store.claim(store::request(20, 9)).await.unwrap().sends.is_empty());
    settle(&probes[0], 20, Taken::No).await;
    let probes = store.claim(store::request(40, 9)).await.unwrap().sends;
    settle(&probes[0], 40, Taken::Yes).await;
    assert_eq!(rows("SELECT ended_at, probes FROM holds"), [["40", "1"]]);
    settle(&sends[4], 0, Taken::No).await;
    assert_eq!(states().iter().filter(|state| **state == "0").count(), 4, "{:?}", states());
    // three who are refused once more begin the hold again, and what is under way waits with them
    let again = store.claim(store::request(60, 9)).await.unwrap().sends;
    assert_eq!(again.len(), 4);
    settle(&again[0], 60, Taken::No).await;
    settle(&again[1], 60, Taken::No).await;
    assert_eq!(states().iter().filter(|state| **state == "11").count(), 2, "{:?}", states());
    settle(&again[2], 60, Taken::No).await;
    settle(&again[3], 60, Taken::No).await;
    assert_eq!(states().iter().filter(|state| **state == "0").count(), 4, "{:?}", states());
    assert_eq!(rows("SELECT count(*) FROM holds"), [["2"]]);
    // two who are refused once more fail for good when somebody else is taken
    let probes = store.claim(store::request(80, 9)).await.unwrap().sends;
    settle(&probes[0], 80, Taken::Yes).await;
    let again = store.claim(store::request(90, 9)).await.unwrap().sends;
    assert_eq!(again.len(), 3);
    settle(&again[0], 90, Taken::No).await;
    settle(&again[1], 90, Taken::No).await;
    settle(&again[2], 90, Taken::Yes).await;
    assert_eq!(states().iter().filter(|state| **state == "11").count(), 2, "{:?}", states());
    assert_eq!(rows("SELECT count(*) FROM holds"), [["2"]]);
    assert_eq!(rows("SELECT count(*) FROM refusals"), [["0"]]);
}

#[tokio::test]
async fn who_was_refused_long_ago_does_not_count_with_who_is_refused_now() {
    let (dir, store) = store::store();
    let settle = async |send: &Claimed, at| {
        let report = Report { settlements: vec![settlement(send, at, Taken::No)], ..Report::default() };
        store.settle(Arc::new(report), Timestamp(at)).await.unwrap();
    };
    let states = || query(&dir.path().join("relay.db"), "SELECT state FROM sends ORDER BY id").concat();
    store.append(vec![store::event(1, 0, &["+1", "+2", "+3", "+4", "+5"])]).await.unwrap();
    let sends = store.claim(store::request(0, 9)).await.unwrap().sends;
    settle(&sends[0], 0).await;
    settle(&sends[1], 500).await;
    settle(&sends[2], 2_000).await;
    assert_eq!(states(), ["11", "11", "11", "2", "2"]);
    assert_eq!(query(&dir.path().join("relay.db"), "SELECT count(*) FROM refusals"), [["1"]]);
    settle(&sends[3], 2_500).await;
    settle(&sends[4], 3_000).await;
    assert_eq!(states(), ["11", "11", "0", "0", "0"], "the last three begin the hold, and the old two stay failed");
}
