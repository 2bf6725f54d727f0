//! Calls that people make by hand, and `check` where machines call it.

use std::process::Output;

use serde_json::{Value, json};

use crate::asked::Ask as _;
use crate::cli::relay;
use crate::world::{Setup, World};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Routes as `new` writes them, of senders that pack their events in every way.
const SOURCES: [&str; 7] = ["generic", "shopify", "elementor", "jotform", "99acres", "justdial", "tally"];

fn setup() -> Setup {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    for source in SOURCES {
        assert!(relay(&setup.config(), &["new", &format!("r-{source}"), "--source", source]).status.success());
    }
    setup
}

async fn post(world: &World, arguments: &[&str]) -> Output {
    let config = world.setup.config();
    let all: Vec<String> =
        ["post"].iter().chain(arguments).chain(&["--url", &world.base]).map(|text| (*text).to_owned()).collect();
    tokio::task::spawn_blocking(move || relay(&config, &all.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
        .unwrap()
}

#[tokio::test]
async fn with_a_key_a_call_by_hand_messages_the_number_that_was_named_and_nobody_else() {
    let world = World::start(setup()).await;
    for source in SOURCES {
        let route = format!("r-{source}");
        let refused = post(&world, &[&route]).await;
        let said = text(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("account `default` has a key") && said.contains("--to"),
            "{source}: {said}"
        );
        let aimed = post(&world, &[&route, "--to", "+91 90000 00007"]).await;
        assert!(aimed.status.success(), "{source}: {}{}", text(&aimed.stdout), text(&aimed.stderr));
    }
    let numbers: Vec<Value> = world.sends().await.iter().map(|send| send["destination"].clone()).collect();
    assert_eq!(numbers, vec![json!("+919000000007"); SOURCES.len()]);
    // one that would message somebody besides
    let path = world.setup.dir.path().join("two.json");
    std::fs::write(&path, r#"{"phone": "98123 45670 / 98123 45671", "name": "Asha"}"#).unwrap();
    let two = post(&world, &["r-generic", path.to_str().unwrap(), "--to", "+919000000007"]).await;
    assert!(text(&two.stderr).contains("would message +919812345670 as well"), "{}", text(&two.stderr));
    let wrong = post(&world, &["r-generic", "--to", "12"]).await;
    assert!(text(&wrong.stderr).contains("--to 12"), "{}", text(&wrong.stderr));
    world.stop().await;
}

#[tokio::test]
async fn where_nobody_else_is_reached_a_call_by_hand_needs_no_number() {
    for setting in ["accounts.default.redirect_to=+919000000007", "accounts.default.dry_run=true"] {
        let world = World::start(setup().set(setting)).await;
        let posted = post(&world, &["r-generic"]).await;
        assert!(posted.status.success(), "{setting}: {}", text(&posted.stderr));
        world.stop().await;
    }
}

#[test]
fn try_takes_the_usual_sample_where_nothing_is_named() {
    let setup = setup();
    for source in SOURCES {
        let tried = relay(&setup.config(), &["try", &format!("r-{source}")]);
        assert!(text(&tried.stdout).contains("+919812345670"), "{source}: {}", text(&tried.stderr));
    }
}

#[test]
fn check_can_be_strict_and_speaks_to_machines() {
    let setup = Setup::new().route(
        "warned",
        "source: generic\nauth: { query: { name: key } }\nsecret: short-secret\nsends:\n  - { name: w, campaignName: w, destination: \"{{ contact.phone }}\", userName: x }\n",
    );
    setup.write("http://127.0.0.1:9/");
    let check = |more: &[&str]| relay(&setup.config(), &[&["check"], more].concat());
    assert!(check(&[]).status.success());
    assert!(!check(&["--strict"]).status.success(), "a warning counts");
    let output = check(&["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.success(), &report["well"], &report["errors"]), (true, &json!(true), &json!(0)));
    let first = &report["faults"][0];
    assert_eq!((&first["severity"], &first["line"], &first["column"]), (&json!("warning"), &json!(3), &json!(9)));
    assert!(first["file"].as_str().unwrap().ends_with("routes/warned.yaml") && first["hint"].is_string(), "{report}");
    assert!(!text(&output.stdout).contains("short-secret"));
    setup.write("http://127.0.0.1:9/");
    std::fs::write(setup.config().join("routes/broken.yaml"), "source: generic\nsends: 5\n").unwrap();
    let output = check(&["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.success(), &report["well"]), (false, &json!(false)));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn check_without_secrets_finds_all_faults_but_theirs() {
    let route = "source: close\nsecret: ${CLOSE_SECRET}\nsends:\n  - { name: w, campaignName: w, destination: \"{{ contact.phone }}\", userName: \"{{ contact.name }}\" }\nexamples:\n  - { name: e, sample: contact, sends: [{ destination: \"+919812345670\" }] }\n";
    let other = "source: shopify\nsecret: ${file:/run/secrets/nowhere}\nsends:\n  - { name: w, campaignName: w, destination: \"{{ contact.phone }}\", userName: x }\n";
    let setup =
        Setup::new().route("close", route).route("shop", other).set("accounts.default.api_key=${SERRI_API_KEY}");
    setup.write("http://127.0.0.1:9/");
    let check = |more: &[&str]| relay(&setup.config(), &[&["check"], more].concat());
    let said = text(&check(&[]).stderr);
    assert!(said.contains("`CLOSE_SECRET` is not set") && said.contains("/run/secrets/nowhere"), "{said}");
    let without = check(&["--no-secrets", "--strict"]);
    assert!(without.status.success(), "{}", text(&without.stderr));
    assert!(text(&without.stdout).contains("2 route(s), 1 example(s)"), "{}", text(&without.stdout));
    let broken = route.replace("contact.phone", "contact.phon");
    std::fs::write(setup.config().join("routes/close.yaml"), broken).unwrap();
    let found = check(&["--no-secrets"]);
    assert!(!found.status.success() && text(&found.stderr).contains("did you mean `phone`"), "{}", text(&found.stderr));
    std::fs::write(setup.config().join("routes/close.yaml"), route.replace("${CLOSE_SECRET}", "${event.secret}"))
        .unwrap();
    assert!(!check(&["--no-secrets"]).status.success(), "that is not a variable");
}
