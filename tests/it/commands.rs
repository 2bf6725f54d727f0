//! What operators type: moments as they say them, lists for spreadsheets, replays of what a filter finds, events by what they
//! hold, and events tried against the rules as they are edited.

use std::process::Output;

use serde_json::{Value, json};

use crate::asked::{Ask as _, texts, until};
use crate::enrich;
use crate::operate::{command, posted};
use crate::vendors::{TOKEN, Vendors};
use crate::world::{ROUTE, Setup, World};

/// Runs a command in a time zone against the world's relay.
fn typed(world: &World, zone: &str, arguments: &[&str]) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_serri-relay"))
        .env("TZ", zone)
        .arg("--config")
        .arg(world.setup.config())
        .args(arguments)
        .args(["--admin", &world.admin])
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The numbers of the events that a list finds.
fn events_of(world: &World, arguments: &[&str]) -> Vec<i64> {
    let (well, said) = command(world, &[&["events", "list", "--json"], arguments].concat());
    assert!(well, "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    told["events"].as_array().unwrap().iter().map(|event| event["number"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_are_typed_and_shown_in_the_time_zone_of_the_computer() {
    let world = World::hello().await;
    posted(&world, "e1", "welcome", "9812345670").await;
    world.until_sends("state=sent", 1).await;
    let made: jiff::Timestamp = world.send(1).await["created_at"].as_str().unwrap().parse().unwrap();
    let kolkata = jiff::tz::TimeZone::get("Asia/Kolkata").unwrap();
    let clock = |at: jiff::Timestamp| at.to_zoned(kolkata.clone()).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let found = |zone: &str, more: &[&str]| {
        let output = typed(&world, zone, &[&["sends", "list"], more].concat());
        assert!(output.status.success(), "{}", err(&output));
        out(&output).lines().count() - 1
    };
    let hour = jiff::SignedDuration::from_hours(1);
    let (before, after) = (clock(made - hour), clock(made + hour));
    assert_eq!(found("Asia/Kolkata", &["--since", &before, "--until", &after]), 1);
    // the same hours of another zone are others
    assert_eq!(found("America/New_York", &["--since", &before]), 0);
    for (since, count) in [("yesterday", 1), ("30m", 1), ("7d", 1), (&made.to_string(), 1), ("2000-01-01", 1)] {
        assert_eq!(found("Asia/Kolkata", &["--since", since]), count, "{since}");
    }
    assert_eq!((found("UTC", &["--until", "yesterday"]), found("UTC", &["--until", "24h"])), (0, 0));
    let backwards = typed(&world, "UTC", &["sends", "list", "--since", "1h", "--until", "2h"]);
    assert!(!backwards.status.success() && err(&backwards).contains("nothing lies between"), "{}", err(&backwards));
    // wherever a moment is asked for
    for command in [&["sends", "cancel"][..], &["sends", "replay"], &["events", "replay"], &["events", "list"]] {
        let well = typed(&world, "UTC", &[command, &["--since", "yesterday"]].concat());
        assert!(well.status.success(), "{command:?}: {}", err(&well));
        let wrong = typed(&world, "Asia/Kolkata", &[command, &["--since", "noon"]].concat());
        let said = err(&wrong);
        assert_eq!(wrong.status.code(), Some(2), "{said}");
        for form in ["`noon`", "`yesterday`", "`7d`", "2026-11-25T09:00 (in Asia/Kolkata)"] {
            let form = if form == "`noon`" { "'noon'" } else { form };
            assert!(said.contains(form), "{form}: {said}");
        }
    }
    let shown = |arguments: &[&str]| out(&typed(&world, "Asia/Kolkata", arguments));
    let local = made.to_zoned(kolkata.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f+05:30").to_string();
    let utc = format!("{made:.3}");
    for arguments in [&["sends", "list"][..], &["sends", "show", "1"], &["events", "list"], &["events", "show", "e1"]] {
        let said = shown(arguments);
        assert!(said.contains(&local) && !said.contains(&utc), "{arguments:?}: {said}");
        let said = shown(&[arguments, &["--utc"]].concat());
        assert!(said.contains(&utc) && !said.contains("+05:30"), "{arguments:?}: {said}");
        assert!(shown(&[arguments, &["--json"]].concat()).contains(&utc), "{arguments:?}");
    }
    world.stop().await;
}

/// What a spreadsheet would read.
fn rows(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect()).collect();
    (head, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_printed_whole_for_spreadsheets_and_no_cell_of_it_is_a_formula() {
    let world = World::start(Setup::new().route("hello", &format!("dry_run: true{ROUTE}"))).await;
    let odd = "=HYPERLINK(\"http://x\"),\nsecond line \u{1b}[2J";
    posted(&world, odd, "@sum", "9812345670").await;
    world.post("hello", &json!({"id": "-1+1", "name": "nobody"}).to_string()).await;
    for part in 0..2 {
        let event = |n: usize| json!({"id": format!("e{part}-{n}"), "phone": format!("98{part}{n:07}")});
        world.post("hello", &(0..600).map(event).collect::<Value>().to_string()).await;
    }
    world.until_sends("state=sent", 1_201).await;
    for (list, count) in [("sends", 1_202), ("events", 1_202)] {
        let output = typed(&world, "Asia/Kolkata", &[list, "list", "--csv"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", err(&output));
        let (head, rows) = rows(&out(&output));
        assert_eq!(rows.len(), count, "all pages of {list}");
        // everything that the API says of an entry has its column
        for entry in world.list(list, "").await {
            for key in entry.as_object().unwrap().keys() {
                assert!(head.contains(key), "{list}: {key}");
            }
        }
        let column = |name: &str| head.iter().position(|column| column == name).unwrap();
        for cell in rows.iter().flatten() {
            assert!(!cell.starts_with(['=', '-', '@', '\t', '\r']) && !cell.contains('\u{1b}'), "{cell:?}");
        }
        let id = column(if list == "sends" { "event" } else { "id" });
        let last = &rows[count - 1];
        assert_eq!(last[id], "'=HYPERLINK(\"http://x\"),\nsecond line \\u{1b}[2J");
        let time = column(if list == "sends" { "created_at" } else { "received_at" });
        assert!(rows.iter().all(|row| row[time].ends_with("+05:30")), "{last:?}");
        if list == "sends" {
            assert_eq!(last[column("destination")], "+919812345670", "numbers stay as they are");
            assert_eq!((&*last[column("campaign")], &*last[column("detour")]), ("'@sum", "dry_run"));
            assert!(
                rows[count - 2][column("reason")].contains("`contact.phone` is not there"),
                "{:?}",
                rows[count - 2]
            );
        }
        let some = typed(&world, "UTC", &[list, "list", "--csv", "--limit", "3"]);
        assert!(out(&some).lines().count() == 4 && err(&some).contains("more: --cursor 1200"), "{}", err(&some));
    }
    let refused = typed(&world, "UTC", &["sends", "list", "--csv", "--state", "lost"]);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "a refusal is no list");
    assert!(err(&refused).contains("`lost`") && err(&refused).contains("`undecodable`"), "{}", err(&refused));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_finds_of_events_is_shown_with_its_messages_and_then_replayed() {
    let wrong = ROUTE.replace("contact.first_name | default('there')", "event.first");
    let world = World::start(Setup::new().route("hello", &wrong).route("other", &wrong)).await;
    for (id, phone) in [("e1", "9812345670"), ("e2", "9812345670"), ("e3", "9812345671")] {
        posted(&world, id, "welcome", phone).await;
    }
    world.post("hello", &json!({"id": "e4", "first": "Asha", "phone": "9812345672"}).to_string()).await;
    world.post("other", &json!({"id": "e5", "phone": "9812345673"}).to_string()).await;
    assert_eq!(world.post("hello", "{\"id\": \"e6\"").await.0, 400);
    world.until_sends("state=sent", 1).await;
    assert_eq!(events_of(&world, &["--state", "unmapped"]), [5, 3, 2, 1]);
    assert_eq!(events_of(&world, &["--state", "undecodable"]), [6]);
    assert_eq!(events_of(&world, &["--state", "sent"]), [4]);
    let once = ROUTE.replace("    when:", "    once: { within: 7d }\n    when:");
    let world = World::start(world.stop().await.route("hello", &once)).await;
    let which = ["events", "replay", "--route", "hello", "--since", "yesterday", "--state", "unmapped"];
    let (well, said) = command(&world, &which);
    assert!(well && said.contains("3 event(s) found"), "{said}");
    for told in [
        "the first messages:",
        "\"destination\": \"+919812345670\"",
        "1 send(s) left out, since they would end at once: 1 duplicate",
        "the person gets the same by another send of this replay",
        "2 send(s) would be replayed; nothing was changed: add --yes to do it",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(world.sandbox.messages().len(), 0);
    let filter = json!({"route": "hello", "state": "unmapped", "since": "2026-01-01T00:00:00Z"});
    let (_, told) = world.admin("POST", "/events/replay", Some(json!({ "filter": filter }))).await;
    assert_eq!(
        (&told["count"], &told["does"]["send"], &told["stopped"]),
        (&json!(3), &json!(2), &json!({"duplicate": 1}))
    );
    let (well, done) = command(&world, &[&which[..], &["--yes"]].concat());
    assert!(well && done.contains("2 send(s) replayed"), "{done}");
    // what was shown is what was sent, but for the key
    let sent: Vec<Value> = world.delivered(2).await;
    for payload in told["payloads"].as_array().unwrap() {
        let same = |message: &&Value| message["destination"] == payload["destination"];
        let message = sent.iter().find(same).unwrap();
        for (key, value) in payload.as_object().unwrap() {
            assert_eq!(&message[key], value, "{key}");
        }
        assert!(payload.get("apiKey").is_none());
    }
    assert_eq!(told["payloads"].as_array().unwrap().len(), 2);
    assert_eq!(events_of(&world, &["--route", "hello", "--state", "unmapped"]), [2], "one was the same as another");
    // the same again sends nothing
    let (_, said) = command(&world, &[&which[..], &["--yes"]].concat());
    assert!(said.contains("0 send(s) replayed"), "{said}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_events_about_one_appointment_a_replay_counts_and_sends_one_reminder() {
    let reminder =
        ROUTE.replace("    when:", "    key: \"{{ event.visit }}\"\n    at: \"{{ event.start }}\"\n    when:");
    let wrong = reminder.replace("contact.first_name | default('there')", "event.first");
    let world = World::start(Setup::new().route("hello", &wrong)).await;
    for (id, start) in [("e1", "2036-12-01T15:00:00Z"), ("e2", "2036-12-01T15:00:00Z"), ("e3", "2036-12-02T15:00:00Z")]
    {
        let event = json!({"id": id, "visit": "v1", "start": start, "phone": "9812345670"});
        world.post("hello", &event.to_string()).await;
    }
    let world = World::start(world.stop().await.route("hello", &reminder)).await;
    let filter = json!({"state": "unmapped"});
    let (_, told) = world.admin("POST", "/events/replay", Some(json!({ "filter": filter }))).await;
    assert_eq!((&told["does"]["send"], &told["stopped"]), (&json!(2), &json!({"duplicate": 1})), "{told}");
    let (_, done) = world.admin("POST", "/events/replay", Some(json!({ "filter": filter, "yes": true }))).await;
    assert_eq!((&done["replayed"], world.sends_of("state=waiting").await.len()), (&json!(2), 2), "{done}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_has_to_say_which_events_in_one_way() {
    let world = World::hello().await;
    posted(&world, "e1", "welcome", "9812345670").await;
    for arguments in
        [&["events", "replay"][..], &["sends", "replay", "--yes"], &["sends", "cancel", "1", "--route", "hello"]]
    {
        let output = typed(&world, "UTC", arguments);
        assert!(output.status.code() == Some(2) && err(&output).contains("say which"), "{}", err(&output));
    }
    for (path, body) in [
        ("/events/replay", json!({})),
        ("/events/replay", json!({"ids": ["e1"], "filter": {"route": "hello"}})),
        ("/events/replay", json!({"filter": {"text": " "}})),
        ("/sends/replay", json!({"filter": {"text": "Asha"}})),
        ("/sends/cancel", json!({"filter": {"state": "undecodable"}})),
    ] {
        assert_eq!(world.admin("POST", path, Some(body.clone())).await.0, 400, "{path} {body}");
    }
    let (_, told) =
        world.admin("POST", "/events/replay", Some(json!({"filter": {"route": "hello", "limit": 1}}))).await;
    assert_eq!((&told["count"], &told["does"]["skip"]), (&json!(1), &json!(1)), "{told}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_found_by_a_number_or_a_name_that_it_holds_though_no_send_came_of_it() {
    let world = World::hello().await;
    for (id, note) in [
        ("e1", "call +91 98123-45670"),
        ("e2", "098123 45670"),
        ("e3", "9812345670"),
        ("e4", "9812345671"),
        ("e5", "98123456701 is an order"),
    ] {
        world.post("hello", &json!({"id": id, "skip": true, "note": note}).to_string()).await;
    }
    world.post("hello", r#"{"id": "e6", "skip": true, "name": "\u0906\u0936\u093e R\u00c4O"}"#).await;
    assert_eq!(world.post("hello", r#"{"name": "Ravi Kumar", "phone": "+91 98123 45672""#).await.0, 400);
    posted(&world, "e8", "welcome", "9812345670").await;
    for number in ["98123 45670", "+919812345670", "098123-45670"] {
        assert_eq!(events_of(&world, &["--number", number]), [8, 3, 2, 1], "{number}");
    }
    assert_eq!(events_of(&world, &["--number", "98123 45670", "--limit", "2"]), [8, 3]);
    assert_eq!(events_of(&world, &["--number", "98123 45672"]), [7], "it could not be decoded");
    assert_eq!(events_of(&world, &["--text", "आशा räo"]), [6]);
    assert_eq!(events_of(&world, &["--text", "ravi kumar", "--state", "undecodable"]), [7]);
    assert_eq!(events_of(&world, &["--text", "call", "--number", "9812345670"]), [1]);
    assert_eq!(events_of(&world, &["--text", "application/json"]), [0; 0], "headers are not searched");
    assert_eq!(events_of(&world, &["--number", "98123 45679"]), [0; 0]);
    let (well, said) = command(&world, &["events", "list", "--number", "nobody"]);
    assert!(!well && said.contains("`nobody`") && said.contains("+919812345670"), "{said}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_event_is_tried_with_the_rules_as_they_are_being_edited() {
    let wrong = ROUTE.replace("contact.first_name | default('there')", "event.first");
    let world = World::start(Setup::new().route("hello", &wrong).route("other", &format!("body: form{ROUTE}"))).await;
    posted(&world, "e1", "welcome", "9812345670").await;
    world.post("other", &json!({"id": "e2", "phone": "9812345671"}).to_string()).await;
    let tried = |route: &str, event: &str| command(&world, &["try", route, "--event", event]);
    let (well, said) = tried("hello", "#1");
    assert!(!well && said.contains("`event.first` is not there"), "{said}");
    let routes = world.setup.config().join("routes");
    std::fs::write(routes.join("hello.yaml"), ROUTE.replace("contact.first_name | default('there')", "'edited'"))
        .unwrap();
    let (well, said) = tried("hello", "e1");
    assert!(well && said.contains("\"edited\"") && said.contains("+919812345670"), "{said}");
    // one that could not be decoded, and then can be
    let (well, said) = tried("other", "#2");
    assert!(!well && said.contains("cannot be decoded now"), "{said}");
    std::fs::write(routes.join("other.yaml"), format!("body: json{ROUTE}")).unwrap();
    let (well, said) = tried("other", "#2");
    assert!(well && said.contains("+919812345671"), "{said}");
    // by another route than its own
    let (well, said) = tried("other", "#1");
    assert!(well && said.contains("the event came by route `hello`"), "{said}");
    let (well, said) = tried("hello", "#9");
    assert!(!well && said.contains("there is no event `#9`"), "{said}");
    assert_eq!((world.sandbox.messages().len(), world.states().await), (0, vec!["failed".to_owned()]));
    assert!(command(&world, &["forget", "9812345670", "--yes"]).0);
    let (well, said) = tried("hello", "#1");
    assert!(!well && (said.contains("was erased on") || said.contains("there is no event")), "{said}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_event_is_posted_once_more_to_this_or_another_route() {
    let of_items = "title: Items\nbody: json\nevent: { each: orders, id: event.id }\nauth: bearer\n";
    let other = ROUTE.replace("s3cret-for-tests", "another-s3cret");
    let setup = Setup::new()
        .file("sources/items.yaml", of_items)
        .file("sources/sheet.yaml", "title: Sheet\nbody: xml\nevent: { id: event.id }\nauth: bearer\n")
        .route("sheet", &ROUTE.replace("source: generic", "source: sheet").replace("contact.", "event."))
        .route("hello", ROUTE)
        .route("other", &other)
        .route("items", &ROUTE.replace("source: generic", "source: items").replace("contact.", "event."));
    let world = World::start(setup).await;
    posted(&world, "e1", "welcome", "9812345670").await;
    world.delivered(1).await;
    let post = |route: &str, event: &str| {
        let output =
            typed(&world, "UTC", &["post", route, "--event", event, "--url", &world.base, "--to", "9812345671"]);
        (output.status.success(), format!("{}{}", out(&output), err(&output)))
    };
    // to another route it is a new event, which messages nobody but the number that was named
    for (number, event) in ["#1", "e1"].iter().enumerate() {
        let (well, said) = post("other", event);
        assert!(well, "{said}");
        let status = if number == 0 { "accepted" } else { "duplicate" };
        assert!(said.contains(&format!(r#""status":"{status}""#)), "{said}");
        assert_eq!(said.contains("events replay"), number == 1, "{said}");
    }
    let seen = world.delivered(2).await;
    assert_eq!(texts(&seen, "destination"), ["+919812345670", "+919812345671"]);
    assert_eq!(events_of(&world, &["--route", "other"]).len(), 1);
    let (well, said) = post("hello", "#1");
    assert!(well && said.contains(r#""status":"duplicate""#) && said.contains("events replay"), "{said}");
    // so does a part of a call that brought several, but not a route to which such things come in another form
    let items = r#"{"orders":[{"id":"i1","phone":"9812345672"},{"id":"i2","phone":"9812345673"}]}"#;
    let (status, answer) = world.post("items", items).await;
    assert_eq!((status, answer["events"][1]["sends"].as_u64()), (200, Some(1)), "{answer}");
    world.delivered(4).await;
    let (well, said) = post("items", "i1");
    assert!(well && said.contains(r#""status":"duplicate""#), "{said}");
    let (well, said) = post("sheet", "#1");
    assert!(!well && said.contains("as a call by itself") && said.contains("try sheet --event '#1'"), "{said}");
    let (well, said) = post("other", "nobody");
    assert!(!well && said.contains("nobody"), "{said}");
    assert_eq!(world.delivered(4).await.len(), 4);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_event_is_tried_with_what_was_read_of_it_or_with_what_might_be() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", enrich::lead("+919812345670", "Asha Rao"));
    let world = World::start(enrich::setup("fb", &enrich::meta(&base))).await;
    enrich::post(&world.setup, &world.base, "fb", enrich::leads(&["11", "404"])).await;
    world.delivered(1).await;
    until("a lookup has failed", async || match &world.event("#2").await["lookup"] {
        state if state == "failed" => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    let calls = vendors.calls().len();
    let (well, said) = command(&world, &["try", "fb", "--event", "#1"]);
    assert!(well && said.contains("+919812345670") && said.contains("Asha Rao"), "{said}");
    let (well, said) = command(&world, &["try", "fb", "--event", "#2"]);
    assert!(well && said.contains("the rest is read from") && !said.contains(TOKEN), "{said}");
    let answer = world.setup.dir.path().join("answer.json");
    std::fs::write(&answer, enrich::lead("+919812345671", "Ira").to_string()).unwrap();
    let (well, said) = command(&world, &["try", "fb", "--event", "#2", "--lookup", answer.to_str().unwrap()]);
    assert!(well && said.contains("+919812345671") && said.contains("Ira"), "{said}");
    assert_eq!((vendors.calls().len(), world.sandbox.messages().len()), (calls, 1), "nothing is read or sent");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_samples_is_taken_by_its_name() {
    let world = World::start(Setup::new().route("hello", &format!("dry_run: true{ROUTE}"))).await;
    let config = world.setup.config();
    let try_it = |more: &[&str]| {
        let relay = env!("CARGO_BIN_EXE_serri-relay");
        let mut command = std::process::Command::new(relay);
        command.arg("--config").arg(&config).args(["try", "hello"]).args(more).output().unwrap()
    };
    let form = try_it(&["--sample", "form", "--json"]);
    let told: Value = serde_json::from_slice(&form.stdout).unwrap();
    assert_eq!(told["events"][0]["event"].get("email"), None, "the JSON sample has one: {told}");
    let wrong = try_it(&["--sample", "fax"]);
    assert!(!wrong.status.success());
    assert_eq!(err(&wrong), "error: the source `generic` has no sample `fax`; there are: form, lead\n");
    assert_eq!(try_it(&["lead", "--sample", "form"]).status.code(), Some(2), "one of both");
    let posted = std::process::Command::new(env!("CARGO_BIN_EXE_serri-relay"))
        .arg("--config")
        .arg(&config)
        .args(["post", "hello", "--sample", "form", "--url", &world.base])
        .output()
        .unwrap();
    assert!(posted.status.success(), "{}", err(&posted));
    assert_eq!(world.event("#1").await["body"].get("email"), None);
    world.stop().await;
}
