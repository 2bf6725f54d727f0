//! What people see and do when rows of the file are not what they were.

use serde_json::{Value, json};

use super::execute;
use crate::asked::{Ask as _, state};
use crate::counts::{STRICT, post, stats};
use crate::operate::posted;
use crate::world::{ROUTE, Setup, World, quick};

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_counts_what_really_goes() {
    let once = ROUTE.replace("    when: not event.skip\n", "    when: not event.skip\n    once: { within: 30d }\n");
    let world = World::start(Setup::new().route("hello", &format!("body: form{once}"))).await;
    let batch = |names: &[(&str, &str)]| {
        let events: Vec<Value> = names.iter().map(|(id, phone)| json!({"id": id, "phone": phone})).collect();
        Value::from(events).to_string()
    };
    let replay = async |world: &World, ids: &str, yes: bool| {
        world.admin("POST", "/events/replay", Some(json!({"ids": [ids], "yes": yes}))).await.1
    };
    // two bodies that cannot be decoded; then the route is corrected
    world.post("hello", &batch(&[("e1", "9812345671"), ("e2", "9812345672"), ("e2", "9812345672")])).await;
    world.post("hello", &json!({"phone": "9812345673"}).to_string()).await;
    let world = World::start(world.stop().await.route("hello", &format!("body: json{once}"))).await;
    // e1 came again by itself, the second person is suppressed
    posted(&world, "e1", "welcome", "9812345671").await;
    world.delivered(1).await;
    world.admin("POST", "/suppressions", Some(json!({"number": "9812345672"}))).await;
    let told = replay(&world, "#1", false).await;
    assert_eq!((&told["does"]["send"], &told["does"]["skip"]), (&json!(0), &json!(3)), "{told}");
    let whys = told["steps"].to_string();
    for why in ["`e1` is kept already as #3", "must not be messaged", "stands in the body twice"] {
        assert!(whys.contains(why), "{why}: {whys}");
    }
    assert_eq!(replay(&world, "#1", true).await["replayed"], 0);
    // without ids the body's hash is the event's id, and was seen with the call that could not be decoded
    assert_eq!(replay(&world, "#2", true).await["replayed"], 1);
    world.delivered(2).await;
    let told = replay(&world, "#2", true).await;
    assert_eq!((&told["replayed"], &told["does"]["skip"]), (&json!(0), &json!(1)), "{told}");
    // and not again when the repetition of an id would count as a new event
    execute(&world.setup.database(), "UPDATE dedup_keys SET expires_at = 0");
    assert_eq!(replay(&world, "#2", true).await["replayed"], 0);
    // the same person had the same: neither a new send nor one that is asked for once more goes
    posted(&world, "e5", "welcome", "9812345671").await;
    world.until_sends("state=duplicate", 1).await;
    let mut again = world.sends().await;
    again.retain(|send| ["sent", "duplicate"].contains(&state(send).as_str()));
    assert!(again.len() >= 2, "{again:?}");
    for id in again.iter().map(|send| &send["id"]).take(2) {
        for yes in [false, true] {
            let ask = json!({"ids": [id], "again": true, "yes": yes});
            let (_, told) = world.admin("POST", "/sends/replay", Some(ask)).await;
            assert_eq!((&told["replayed"], &told["does"]["send"]), (&json!(0), &json!(0)), "{id}: {told}");
        }
    }
    assert_eq!(world.sandbox.messages().len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn the_hours_counts_outlive_what_was_counted() {
    let world = World::start(quick().route("strict", STRICT)).await;
    for n in 0..3 {
        post(&world, "hello", &n.to_string(), &format!("981234567{n}")).await;
    }
    post(&world, "hello", "0", "9812345670").await;
    post(&world, "strict", "x", "9812345670").await;
    world.post("hello", "{not json").await;
    world.until_sends("state=sent", 3).await;
    let before = stats(&world, "?by=route,campaign").await;
    let expected = json!([
        {"route": "hello", "campaign": "", "outcome": "received", "count": 4},
        {"route": "hello", "campaign": "", "outcome": "repeated", "count": 1},
        {"route": "hello", "campaign": "", "outcome": "undecodable", "count": 1},
        {"route": "hello", "campaign": "offer", "outcome": "sent", "count": 3},
        {"route": "strict", "campaign": "", "outcome": "failed", "count": 1},
        {"route": "strict", "campaign": "", "outcome": "received", "count": 1},
    ]);
    assert_eq!(Value::from(before.clone()), expected);
    let setup = world.stop().await;
    execute(&setup.database(), "DELETE FROM attempts; DELETE FROM sends; DELETE FROM events");
    let world = World::start(setup).await;
    assert_eq!(stats(&world, "?by=route,campaign").await, before);
    assert!(!world.metrics().await.contains("serri_relay_sends{"), "none is there any more");
    world.stop().await;
}
