//! Lookups: outcomes that the file does not take, and what it remembers of them.

use serde_json::json;

use super::{execute, lock};
use crate::asked::Ask as _;
use crate::enrich::{lead, leads, meta, post, setup};
use crate::vendors::Vendors;
use crate::world::{World, eventually};

#[tokio::test]
async fn a_store_that_is_busy_for_a_while_costs_no_lookup() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", lead("+919812345670", "Asha"));
    vendors.fail(1, 429, Some("0"), &json!({}));
    let world = World::start(setup("fb", &meta(&base))).await;
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    let other = lock(&world.setup.database());
    eventually("the relay notices", async || {
        let ready = world.http.get(format!("{}/readyz", world.base)).send().await.unwrap();
        ready.status() == 503
    })
    .await;
    other.release();
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    world.settles("SELECT state FROM lookups", "10").await;
    assert_eq!(world.sends().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_lookup_that_cannot_be_written_fails_alone_and_stops_neither_its_route_nor_the_shutdown() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    (11..20).for_each(|id| vendors.keep(&id.to_string(), lead(&format!("+9198123456{id}"), "Asha Rao")));
    let world = World::start(setup("fb", &meta(&base))).await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON lookup_attempts WHEN NEW.event = 1 BEGIN SELECT RAISE(ABORT, 'unlucky'); END";
    execute(&world.setup.database(), refuse);
    post(&world.setup, &world.base, "fb", leads(&["11", "12"])).await;
    world.settles("SELECT state FROM lookups WHERE event = 1", "11").await;
    assert!(world.query("SELECT reason FROM lookups WHERE event = 1")[0][0].contains("unlucky"));
    // the one that came with it, and those that come later
    post(&world.setup, &world.base, "fb", leads(&["13", "14", "15", "16", "17", "18", "19"])).await;
    world.delivered(8).await;
    // what it left out is read when somebody asks for it
    execute(&world.setup.database(), "DROP TRIGGER refuse");
    let (_, answer) = world.admin("POST", "/events/replay", Some(json!({"ids": ["#1"], "yes": true}))).await;
    assert_eq!(answer["replayed"], 1, "{answer}");
    world.delivered(9).await;
    world.stop().await;
}

#[tokio::test]
async fn a_lookup_of_which_nothing_can_be_written_is_left_to_its_lease() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    ["11", "12"].iter().for_each(|id| vendors.keep(id, lead(&format!("+9198123456{id}"), "Asha Rao")));
    let world = World::start(setup("fb", &meta(&base))).await;
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF attempts ON lookups WHEN NEW.event = 1 BEGIN SELECT RAISE(ABORT, 'unlucky'); END";
    execute(&world.setup.database(), refuse);
    post(&world.setup, &world.base, "fb", leads(&["11", "12"])).await;
    world.delivered(1).await;
    assert_eq!(world.query("SELECT state FROM lookups WHERE event = 1"), [["2"]]);
    world.stop().await;
}

#[tokio::test]
async fn the_time_that_a_token_was_refused_is_not_counted() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", lead("+919812345670", "Asha"));
    let world = World::start(setup("fb", &meta(&base)).set("delivery.retry.give_up_after=1h")).await;
    vendors.fail(3, 401, None, &json!({"error": {"code": 190}}));
    vendors.fail(1, 503, None, &json!({}));
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    world.delivered(1).await;
    let rows = world.query("SELECT retrying_since > received_at, attempts FROM lookups JOIN events ON seq = event");
    assert_eq!(rows, [["1", "5"]]);
    world.stop().await;
}
