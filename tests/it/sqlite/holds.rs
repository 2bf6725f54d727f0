//! What the file remembers of sends on hold.

use crate::asked::Ask as _;
use crate::holds::{no_credits, post_many};
use crate::world::{World, eventually, quick, scripted};

#[tokio::test]
async fn a_hold_uses_no_retries_up() {
    let setup = quick().set("delivery.concurrency=4");
    let world = World::start_against(setup, scripted(async |_| no_credits())).await;
    post_many(&world, 0, 100).await;
    eventually("the hold is there and was tried", async || {
        world.holds().await.iter().any(|hold| hold["campaign"].is_null() && hold["probes"].as_u64() > Some(2))
    })
    .await;
    assert_eq!(world.query("SELECT count(*) FROM sends WHERE state IN (0, 2) AND retries_used = 0"), [["100"]]);
    world.stop().await;
}
