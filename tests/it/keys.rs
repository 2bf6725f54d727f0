//! Accounts with a key, without one, and that lost theirs.

use std::time::Duration;

use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use serri_relay::clock::Clock;
use serri_relay::relay::{self, Start};
use serri_relay::route::check::Sending;
use serri_relay::route::load::Origin;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::asked::Ask as _;
use crate::world::{ROUTE, Setup, World, eventually, ok, scripted};

/// A relay in this directory, whose account has no key.
fn without_key(dir: TempDir) -> Setup {
    Setup::in_dir(dir).set("accounts.default.api_key=")
}

async fn ready_for(setup: &Setup, sending: Sending) -> Start {
    setup.write("http://127.0.0.1:9/");
    let origin = Origin { sending, ..setup.origin() };
    let loaded = origin.load(None).unwrap();
    Start { loaded, origin, ..setup.ready().await }
}

/// Starts a relay that is told to stop at once; what it said if it did not start.
async fn start(start: Start) -> Result<(), String> {
    let stop = CancellationToken::new();
    stop.cancel();
    relay::serve(start, stop).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_account_that_lost_its_key_does_not_start_unless_the_sandbox_is_meant() {
    let setup = Setup::new().route("hello", ROUTE);
    let world = World::start(without_key(setup.dir)).await;
    let setup = world.stop().await;
    // it never had one: as often as it likes
    assert_eq!(start(ready_for(&setup, Sending::AsConfigured).await).await, Ok(()));
    let world = World::start(Setup::in_dir(setup.dir)).await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await;
    world.delivered(1).await;
    let setup = without_key(world.stop().await.dir);
    let said = start(ready_for(&setup, Sending::AsConfigured).await).await.unwrap_err();
    for part in ["`default`", "api_key", "SERRI_API_KEY", "serve --sandbox"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(start(ready_for(&setup, Sending::Sandbox).await).await, Ok(()));
    setup.assert_unseen(&["key-of-the-test"]);
}

#[tokio::test]
async fn meant_for_the_sandbox_no_account_sends_for_real() {
    let setup = Setup::new().route("hello", &format!("account: other{ROUTE}")).account("other");
    let ready = ready_for(&setup, Sending::Sandbox).await;
    let accounts = &ready.loaded.checked.written.relay.value.accounts;
    assert!(accounts.len() == 2 && accounts.values().all(serri_relay::config::relay::AccountSpec::uses_sandbox));
    assert_eq!(start(ready).await, Ok(()));
}

#[tokio::test]
async fn what_the_sandbox_got_is_replayed_to_the_real_account_once() {
    let setup = Setup::new().route("hello", ROUTE);
    let world = World::start(without_key(setup.dir)).await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await;
    world.post("hello", r#"{"id":"e2","phone":"9812345671"}"#).await;
    world.until_sends("state=sent", 2).await;
    let hold = json!({"account": "default", "reason": "by hand"});
    assert_eq!(world.admin("POST", "/holds", Some(hold)).await.0, 200);
    world.post("hello", r#"{"id":"e3","phone":"9812345672"}"#).await;
    let world = World::start(Setup::in_dir(world.stop().await.dir)).await;
    assert!(world.sandbox.messages().is_empty(), "nothing goes by itself");
    for times in [1, 0] {
        let (_, answer) = world.admin("POST", "/events/replay", Some(json!({"ids": ["e1"], "yes": true}))).await;
        assert_eq!(answer["replayed"], times, "{answer}");
        world.until_sends("account=default&state=sent", 1).await;
    }
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    // all that is left, what waited among it
    let rest = json!({"filter": {"account": "default (sandbox)"}, "yes": true});
    let (_, answer) = world.admin("POST", "/sends/replay", Some(rest.clone())).await;
    assert_eq!(answer["replayed"], 2, "{answer}");
    world.delivered(3).await;
    world.until_sends("account=default&state=sent", 3).await;
    let (_, answer) = world.admin("POST", "/sends/replay", Some(rest)).await;
    assert_eq!(answer["replayed"], 0, "{answer}");
    assert_eq!(world.sends().await.len(), 3);
    world.stop().await;
}

/// A day before a visit.
fn reminder() -> String {
    format!("{ROUTE}    at: \"{{{{ event.start }}}}\"\n    before: 24h\n    key: \"{{{{ event.visit }}}}\"\n")
}

/// Events about one visit, in twenty hours: by their ids.
fn visits() -> impl Fn(&str) -> String {
    let start = Clock::system().now().after(Duration::from_secs(20 * 3_600)).to_string();
    move |id| json!({"id": id, "phone": "9812345670", "visit": "v1", "start": start}).to_string()
}

#[tokio::test]
async fn a_reminder_that_the_sandbox_got_does_not_stand_for_the_real_one() {
    let setup = Setup::new().route("hello", &reminder());
    let world = World::start(without_key(setup.dir)).await;
    let visit = visits();
    world.post("hello", &visit("e1")).await;
    world.until_sends("state=sent", 1).await;
    // the sandbox gets it once, too
    world.post("hello", &visit("e2")).await;
    world.until_state(2, "duplicate").await;
    let world = World::start(Setup::in_dir(world.stop().await.dir)).await;
    world.post("hello", &visit("e3")).await;
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    world.until_state(3, "sent").await;
    // and now the person had it: neither another event nor a replay of the first sends it again
    world.post("hello", &visit("e4")).await;
    world.until_state(4, "duplicate").await;
    let rest = json!({"filter": {"account": "default (sandbox)"}, "yes": true});
    let (_, answer) = world.admin("POST", "/sends/replay", Some(rest)).await;
    assert_eq!(answer["replayed"], 0, "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn reminders_of_one_moment_that_the_sandbox_got_are_replayed_as_one() {
    let setup = Setup::new().route("hello", &reminder());
    let world = World::start(without_key(setup.dir)).await;
    let visit = visits();
    world.post("hello", &visit("e1")).await;
    world.until_state(1, "sent").await;
    world.post("hello", &visit("e2")).await;
    world.until_state(2, "duplicate").await;
    let world = World::start(Setup::in_dir(world.stop().await.dir)).await;
    let rest = json!({"filter": {"account": "default (sandbox)"}, "yes": true});
    let (_, answer) = world.admin("POST", "/sends/replay", Some(rest)).await;
    assert_eq!(answer["replayed"], 1, "{answer}");
    world.until_sends("account=default&state=sent", 1).await;
    assert_eq!(world.sandbox.messages().len(), 1);
    world.stop().await;
}

#[test]
fn with_several_accounts_a_route_says_which_one_is_its_own() {
    let setup = Setup::new().route("hello", ROUTE).account("clinic");
    setup.write("http://127.0.0.1:9/");
    let output = crate::cli::relay(&setup.config(), &["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("hello.yaml:2:9") && said.contains("does not say which one"), "{said}");
    assert!(said.contains("there are: clinic, default"), "{said}");
    let setup = Setup::new().route("hello", &format!("account: clinic{ROUTE}")).account("clinic");
    setup.write("http://127.0.0.1:9/");
    assert_eq!(crate::cli::relay(&setup.config(), &["check"]).status.code(), Some(0));
}

/// A Serri that knows one key.
fn serri_with(key: &'static str) -> axum::Router {
    scripted(move |call: Value| {
        let is_known = call["apiKey"] == key;
        let refused = (http::StatusCode::UNAUTHORIZED, r#"{"message":"Invalid API key"}"#).into_response();
        std::future::ready(if is_known { ok() } else { refused })
    })
}

fn write_key(world: &World, key: &str) {
    let path = world.setup.config().join("relay.yaml");
    let mut settings: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    settings["accounts"]["default"]["api_key"] = key.into();
    std::fs::write(path, settings.to_string()).unwrap();
}

async fn reloaded(world: &World) {
    assert_eq!(world.admin("POST", "/reload", None).await.0, 200);
}

/// A relay whose account is on hold for its key, not to be probed for an hour.
async fn on_hold() -> World {
    let setup = Setup::new()
        .route("hello", ROUTE)
        .set("delivery.hold_probe.initial=1h")
        .set("delivery.hold_probe.max=1h")
        .set("reload.watch=false");
    let world = World::start_against(setup, serri_with("the-right-key")).await;
    assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200);
    world.until_holds(1).await;
    world
}

#[tokio::test]
async fn an_account_on_hold_is_tried_at_once_with_another_key() {
    let world = on_hold().await;
    write_key(&world, "another-wrong-key");
    reloaded(&world).await;
    eventually("it is tried", async || world.holds().await[0]["probes"] != 0).await;
    write_key(&world, "the-right-key");
    reloaded(&world).await;
    world.until_holds(0).await;
    world.until_state(1, "sent").await;
    world.stop().await;
}

#[tokio::test]
async fn so_is_one_that_gets_another_key_with_a_restart() {
    let world = on_hold().await.restart().await;
    let setup = world.stop().await;
    let setup = setup.set("accounts.default.api_key=the-right-key");
    let world = World::start_against(setup, serri_with("the-right-key")).await;
    world.until_holds(0).await;
    world.until_state(1, "sent").await;
    // the start with the same key tried nothing
    assert_eq!(world.attempts(1).await.len(), 2);
    world.stop().await;
}
