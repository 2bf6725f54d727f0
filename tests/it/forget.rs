//! Erasing a person: whatever is kept of them goes, also from the bytes of the files, and of nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use serri_relay::clock::Timestamp;
use serri_relay::event::act::Action;
use serri_relay::event::erasure::{Erased, ErasureStep, Person, SearchCursor};
use serri_relay::event::{BY_HAND, NextStep, Suppression};
use serri_relay::store::{Engine, Report, Upkeep};
use tokio::sync::Notify;

use crate::asked::{Ask, text, texts};
use crate::enrich;
use crate::operate::command;
use crate::sqlite::query;
use crate::store::{claim, event, open, sent, settlement, store};
use crate::vendors::{TOKEN, Vendors};
use crate::world::{Setup, World, assert_unseen, ok, scripted};

/// Rules for all that may happen to a person.
const SHOP: &str = r#"
source: generic
auth: bearer
secret: s3cret-for-tests
key: "{{ event.order }}"
sends:
  - name: welcome
    when: meta.type == 'lead'
    campaignName: "{{ event.campaign | default('welcome') }}"
    destination: "{{ contact.phone }}"
    userName: "{{ contact.name }}"
    templateParams: ["{{ event.city }}"]
  - name: gift
    when: meta.type == 'gifts'
    for_each: event.people
    campaignName: gift
    destination: "{{ item.phone }}"
    userName: "{{ item.name }}"
  - name: later
    when: meta.type == 'cart'
    delay: 1h
    key: "{{ event.order }}"
    cancel_on: meta.type == 'order'
    campaignName: later
    destination: "{{ contact.phone }}"
    userName: "{{ contact.name }}"
  - { name: leave, when: meta.type == 'leave', suppress: add, destination: "{{ contact.phone }}" }
"#;

/// The person is Zzyzx, with the number 98123 45670; nobody else has either.
fn asha(id: &str, kind: &str, more: Value) -> Value {
    let mut event = json!({"id": id, "type": kind, "phone": "+91 98123-45670", "name": "Zzyzx", "city": "Pune"});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn ira(id: &str, kind: &str, more: Value) -> Value {
    let mut event = json!({"id": id, "type": kind, "phone": "098123 45671", "name": "Ira", "city": "Pune"});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

async fn post(world: &World, event: Value) -> Value {
    let (status, answer) = world.post("shop", &event.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// What may not be found anywhere afterwards.
const TRACES: [&str; 6] = ["9812345670", "98123 45670", "98123-45670", "12345670", "Zzyzx", "45670"];

/// No row of any table says anything of the person, and no byte of the files.
fn assert_gone(world: &World) {
    assert_no_row(&world.setup);
    world.setup.assert_unseen(&TRACES);
}

fn assert_no_row(setup: &Setup) {
    let path = setup.database();
    for table in query(&path, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
        for row in query(&path, &format!("SELECT * FROM {}", table[0])) {
            for value in &row {
                assert!(!TRACES.iter().any(|trace| value.contains(trace)), "{}: {row:?}", table[0]);
            }
        }
    }
}

/// How many rows each table has that is about Ira.
fn of_others(world: &World) -> Vec<Vec<Vec<String>>> {
    ["SELECT id, event, destination, payload, state, attempts, message_id FROM sends WHERE destination = '+919812345671' ORDER BY id",
     "SELECT a.* FROM attempts a JOIN sends s ON s.id = a.send WHERE s.destination = '+919812345671'",
     "SELECT number, account, reason FROM suppressions WHERE number = '+919812345671'",
     "SELECT seq, id, body FROM events WHERE CAST(body AS TEXT) LIKE '%45671%' AND type <> 'gifts'",
     "SELECT hour, route, outcome, sum(count) FROM hourly_counts WHERE outcome IN (10, 11, 14, 100, 102) GROUP BY hour, route, outcome"]
        .map(|sql| world.query(sql))
        .to_vec()
}

/// A Serri that never answers for the campaign `slow`, until it is told to.
fn serri(release: Arc<Notify>) -> axum::Router {
    scripted(move |call: Value| {
        let release = Arc::clone(&release);
        async move {
            match call["campaignName"].as_str().unwrap_or("") {
                "slow" => {
                    release.notified().await;
                    json!({"success": "true", "submitted_message_id": "m-2", "destination": "+919812345670"})
                        .to_string()
                        .into_response()
                }
                "refused" => refused(&call),
                _ => ok(),
            }
        }
    })
}

fn refused(call: &Value) -> Response {
    let said = json!({"message": format!("Invalid Number {} of {}", call["destination"], call["userName"])});
    (axum::http::StatusCode::BAD_REQUEST, said.to_string()).into_response()
}

/// A relay that keeps something of the person in every way there is.
async fn kept(release: Arc<Notify>) -> (World, Vendors) {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let meta = format!(
        "source: meta-leads\nsecret: s3cret-for-tests\nverify_token: a-token-to-verify\nenrich: {{ base: '{base}/meta', token: {TOKEN} }}\nsends:\n  - {{ name: lead, campaignName: lead, destination: \"{{{{ contact.phone }}}}\", userName: there }}\n"
    );
    let said = json!({"error": {"message": "no access to the lead of 0 98123-45670", "code": 1}});
    vendors.fail(1_000, 503, None, &said);
    let setup = Setup::new()
        .route("shop", SHOP)
        .route("fb", &meta)
        .set("server.public_url=https://hooks.example.com")
        .set("delivery.retry.initial=1h")
        .set("delivery.retry.max=1h");
    let world = World::start_against(setup, serri(release)).await;
    // suppressed by hand before, and back again: what was decided names them
    for remove in [false, true] {
        let body = json!({"number": "9812345670", "reason": "Zzyzx called", "remove": remove});
        assert_eq!(world.admin("POST", "/suppressions", Some(body)).await.0, 200);
    }
    enrich::post(&world.setup, &world.base, "fb", enrich::leads(&["11"])).await;
    world.settles("SELECT count(*) FROM lookup_attempts", "1").await;
    for one in ["asha", "ira"] {
        let about = |id: &str, kind: &str, more| {
            let id = format!("{one}-{id}");
            if one == "asha" { asha(&id, kind, more) } else { ira(&id, kind, more) }
        };
        post(&world, about("sent", "lead", json!({}))).await;
        post(&world, about("refused", "lead", json!({"campaign": "refused"}))).await;
        post(&world, about("cart", "cart", json!({"order": format!("order of {one}")}))).await;
        post(&world, about("cart again", "cart", json!({"order": format!("order of {one}")}))).await;
    }
    let people = json!([{"phone": "9812345670", "name": "Zzyzx"}, {"phone": "9812345671", "name": "Ira"}]);
    post(&world, json!({"id": "both", "type": "gifts", "people": people})).await;
    world.until_sends("state=sent", 4).await;
    world.until_sends("state=failed", 2).await;
    // what is said of a person by hand
    let hold = json!({"account": "default", "campaign": "held", "reason": "Mrs Rao, 98123 45670, complained"});
    assert_eq!(world.admin("POST", "/holds", Some(hold)).await.0, 200);
    post(&world, asha("held", "lead", json!({"campaign": "held"}))).await;
    // a key that is their number, cancelled before it was there
    post(&world, asha("ordered", "order", json!({"order": "for 919812345670"}))).await;
    post(&world, asha("failed", "lead", json!({"city": ""}))).await;
    post(&world, asha("nothing", "other", json!({"phone": 9_812_345_670_u64}))).await;
    assert_eq!(world.post("shop", r#"{"id":"x","name":"Zzyzx","phone":"+91 98123 45670""#).await.0, 400);
    post(&world, asha("slow", "lead", json!({"campaign": "slow"}))).await;
    world.until_sends("state=sending", 1).await;
    post(&world, asha("left", "leave", json!({}))).await;
    (world, vendors)
}

async fn forget(world: &World, number: &str) -> Value {
    let (status, told) = world.admin("POST", "/forget", Some(json!({"number": number, "yes": true}))).await;
    assert_eq!(status, 200, "{told}");
    for what in ["erased", "file_rewritten", "log_emptied"] {
        assert_eq!(told[what], true, "{told}");
    }
    told
}

#[tokio::test]
async fn a_person_is_gone_from_every_table_and_from_the_bytes_of_the_files_and_others_stay() {
    let release = Arc::new(Notify::new());
    let (world, _vendors) = kept(Arc::clone(&release)).await;
    let before = of_others(&world);
    let (_, told) = world.admin("POST", "/forget", Some(json!({"number": "98123 45670"}))).await;
    assert_eq!(told["erased"], false, "{told}");
    let counts = json!({"events": 13, "blanked": 1, "sends": 8, "under_way": 1, "attempts": 4, "lookups": 1, "suppressions": 1, "others_waiting": 0});
    assert_eq!(told["counts"], counts, "what would go");
    assert_eq!(of_others(&world), before);
    assert_eq!(forget(&world, "098123-45670").await["counts"], counts, "and what went");
    assert_gone(&world);
    assert_eq!(of_others(&world), before);
    // the call under way ends: nothing is written of it
    release.notify_waiters();
    let free = "SELECT count(*) FROM attempts a WHERE NOT EXISTS (SELECT 1 FROM sends WHERE id = a.send AND erased_at IS NULL)";
    post(&world, ira("after", "lead", json!({}))).await;
    world.settles("SELECT count(*) FROM sends WHERE state = 10 AND event = (SELECT max(seq) FROM events)", "1").await;
    assert_eq!(world.query(free), [["0"]]);
    assert_gone(&world);
    // what was counted agrees with what is there
    let counted =
        world.query("SELECT account, campaign, state, count FROM send_counts WHERE count > 0 ORDER BY 1, 2, 3");
    let rows = world.query("SELECT account, campaign, state, count(*) FROM sends GROUP BY 1, 2, 3 ORDER BY 1, 2, 3");
    assert_eq!(counted, rows);
    // the same call once more is still a duplicate, and does not bring them back; a new one is not answered by a message
    assert_eq!(post(&world, asha("asha-sent", "lead", json!({}))).await["status"], "duplicate");
    assert_gone(&world);
    let world = world.restart().await;
    post(&world, asha("new", "lead", json!({}))).await;
    world.until_sends("number=+919812345670&state=suppressed", 1).await;
    let reason = text(&world.sends_of("number=+919812345670&state=suppressed").await[0]["reason"]);
    assert!(reason.contains("the number was erased on 20") && reason.contains("kept as a hash"), "{reason}");
    forget(&world, "+919812345670").await;
    assert_gone(&world);
    world.stop().await.assert_unseen(&TRACES);
}

#[tokio::test]
async fn what_stays_of_an_event_says_that_it_was_erased_and_is_not_replayed() {
    let (world, _vendors) = kept(Arc::default()).await;
    forget(&world, "9812345670").await;
    let events = world.events().await;
    let shared = text(&events.iter().find(|event| event["type"] == "gifts").unwrap()["number"]);
    let told = world.event(&format!("#{shared}")).await;
    assert!(told["erased_at"].is_string() && told["id"] == "erased" && told["body"] == "", "{told}");
    assert_eq!(told["made"].as_array().unwrap().len(), 1, "the other person's message");
    let gift = json!({"filter": {"campaign": "gift"}, "again": true, "yes": true});
    let (status, told) = world.admin("POST", "/sends/replay", Some(gift)).await;
    let why = told["steps"][0]["why"].as_str().unwrap();
    assert!(status == 200 && why.contains("was erased on") && told["replayed"] == 0, "{told}");
    // the newest send keeps its row, and nothing else
    let (_, told) =
        world.admin("POST", "/sends/replay", Some(json!({"filter": {"campaign": "slow"}, "yes": true}))).await;
    assert_eq!((&told["does"]["fail"], &told["replayed"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!(world.admin("GET", "/sends", None).await.0, 200);
    assert_eq!(world.admin("GET", "/events", None).await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_number_is_erased_however_it_was_spelled() {
    let world = World::start(Setup::new().route("shop", SHOP)).await;
    let spelled = [
        "+91 98123 45670",
        "9812345670",
        "0 98123-45670",
        "919812345670",
        "00919812345670",
        r"+91\u00a098123\u00A045670",
    ];
    for (id, phone) in spelled.iter().enumerate() {
        let body = format!(r#"{{"id":"e{id}","type":"other","phone":"{phone}","note":"Zzyzx"}}"#);
        assert_eq!(world.post("shop", &body).await.0, 200);
    }
    for number in ["98123456701", "198123456700", "9812345671"] {
        post(&world, json!({"id": number, "type": "other", "phone": number})).await;
    }
    let told = forget(&world, "tel:+91 98123 45670").await;
    assert_eq!(told["counts"]["events"], spelled.len());
    assert_eq!(world.events().await.len(), 3, "longer numbers, and others, are somebody else's");
    world.setup.assert_unseen(&["Zzyzx"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_first_and_lists_erasures_without_saying_of_whom() {
    let setup = Setup::new().route("shop", SHOP).set("accounts.default.api_key=");
    let world = World::start(setup).await;
    let run = |arguments: &[&str]| {
        let (well, said) = command(&world, arguments);
        assert!(well, "{arguments:?}: {said}");
        said
    };
    let said = run(&["forget", "9812345670"]);
    assert_eq!(
        said,
        "nothing is kept about +919812345670\nnothing was changed: add --yes to do it; it cannot be undone\n"
    );
    post(&world, asha("sent", "lead", json!({}))).await;
    world.until_sends("state=sent", 1).await;
    run(&["suppress", "add", "98123 45670", "--reason", "Zzyzx left"]);
    let told = run(&["forget", "098123 45670"]);
    assert!(told.contains("+919812345670: 1 event(s), 1 send(s), 1 attempt(s), 0 lookup(s) would be erased"), "{told}");
    assert!(told.contains("1 suppression(s) kept as a hash") && told.contains("add --yes"), "{told}");
    let inbox = async || {
        let response = world.http.get(format!("{}/sandbox/messages", world.admin)).send().await.unwrap();
        response.text().await.unwrap().contains("Zzyzx")
    };
    assert!(inbox().await);
    let told = run(&["forget", "098123 45670", "--yes"]);
    assert!(told.contains("1 event(s), 1 send(s), 1 attempt(s), 0 lookup(s) erased\n"), "{told}");
    assert!(!inbox().await, "the sandbox forgets as well");
    assert_gone(&world);
    let shown = run(&["suppress", "show", "9812345670"]);
    assert!(shown.contains("is messaged by no account") || shown.contains("is not messaged by default"), "{shown}");
    assert!(shown.contains("the number was erased on") && shown.contains("kept as a hash"), "{shown}");
    for list in [run(&["suppress", "list"]), run(&["suppress", "export"])] {
        assert!(list.contains("1 more number(s)") && !list.contains("45670"), "{list}");
    }
    let list = run(&["forget", "--list"]);
    assert!(list.contains("under_way") && list.lines().count() == 2 && !list.contains("45670"), "{list}");
    // suppressed again by number, and then taken off: both go
    run(&["suppress", "add", "9812345670"]);
    run(&["suppress", "remove", "9812345670", "--yes"]);
    assert!(run(&["suppress", "show", "9812345670"]).contains("may be messaged"));
    assert_eq!(world.query("SELECT count(*) FROM hashed_suppressions"), [["0"]]);
    let (well, said) = command(&world, &["forget", "call me"]);
    assert!(!well && said.contains("is not a valid phone number"), "{said}");
    world.stop().await;
}

#[tokio::test]
async fn a_waiting_message_to_somebody_else_that_names_the_person_goes_first() {
    let rule = SHOP.replace(
        "    userName: \"{{ contact.name }}\"\n    templateParams",
        "    userName: \"{{ event.agent }}\"\n    templateParams",
    );
    let world = World::start(Setup::new().route("shop", &rule)).await;
    let hold = json!({"account": "default", "campaign": "held"});
    world.admin("POST", "/holds", Some(hold.clone())).await;
    for (id, campaign) in [("gone", "welcome"), ("waits", "held")] {
        post(&world, ira(id, "lead", json!({"campaign": campaign, "agent": "call 98123 45670"}))).await;
    }
    world.delivered(1).await;
    world.until_sends("state=sent", 1).await;
    assert_eq!(forget(&world, "9812345670").await["counts"]["others_waiting"], 1);
    world.admin("POST", "/holds/lift", Some(hold)).await;
    assert_eq!(world.delivered(2).await[1]["userName"], "call 98123 45670");
    world.until_sends("state=sent", 2).await;
    assert_eq!(forget(&world, "9812345670").await["counts"]["others_waiting"], 0);
    assert_gone(&world);
    assert_eq!(world.sends_of("number=+919812345671").await.len(), 2);
    assert_eq!(world.list("events", "event=erased").await.len(), 2, "they still came of something");
    // whoever got them can be erased as well
    let counts = forget(&world, "9812345671").await["counts"].clone();
    assert_eq!((&counts["sends"], &counts["events"]), (&json!(2), &json!(0)), "what they came of is erased: {counts}");
    assert!(world.sends().await.iter().all(|send| send["destination"] == ""));
    world.stop().await;
}

/// Erases whatever is found, as the API does; no more than so many steps.
async fn erase(store: &Arc<dyn Engine>, number: &str, mut steps: usize) -> Erased {
    let person = Person::of(number).unwrap();
    let (mut erased, mut cursor) = (Erased::default(), Some(SearchCursor::default()));
    erased += store.erase(person.clone(), ErasureStep::Suppressions, Timestamp(7)).await.unwrap();
    while let Some(at) = cursor {
        let traces = store.traces(person.clone(), at).await.unwrap();
        for trace in traces.found {
            if steps == 0 {
                return erased;
            }
            steps -= 1;
            erased += store.erase(person.clone(), ErasureStep::Traces(vec![trace]), Timestamp(7)).await.unwrap();
        }
        cursor = traces.next;
    }
    erased
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_is_finished_by_the_next() {
    for steps in 0..5 {
        let (dir, mut store) = store();
        for id in 1..=4 {
            let mut one = event(id, 0, &["+919812345670", "+919812345671"]);
            one.body = br#"{"phone":"9812345670","name":"Zzyzx"}"#.to_vec().into();
            store.append(vec![one]).await.unwrap();
        }
        let mut first = erase(&store, "+919812345670", steps).await;
        // the process dies between two steps
        drop(store);
        store = open(&dir).unwrap();
        first += erase(&store, "+919812345670", usize::MAX).await;
        assert_eq!((first.sends, first.events, first.blanked), (4, 4, 4), "after {steps}");
        assert!(erase(&store, "+919812345670", usize::MAX).await.is_nothing());
        assert!(store.upkeep(Upkeep::EmptyLog).await.unwrap());
        let mut left = Ask::sends(&store).await;
        left.retain(|send| send.get("erased_at").is_none());
        assert_eq!(texts(&left, "destination"), ["+919812345671"; 4]);
    }
}

#[tokio::test]
async fn no_number_is_given_away_again_while_its_call_is_under_way() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+919812345670"])]).await.unwrap();
    let under_way = claim(&store, 0, 1).await.remove(0);
    assert_eq!(erase(&store, "+919812345670", usize::MAX).await.under_way, 1);
    store.append(vec![event(2, 0, &["+919812345671"])]).await.unwrap();
    let other = claim(&store, 0, 1).await.remove(0);
    assert_ne!(other.id, under_way.id);
    let report = Report { settlements: vec![settlement(&under_way, sent())], ..Report::default() };
    store.settle(Arc::new(report), Timestamp(0)).await.unwrap();
    let path = dir.path().join("relay.db");
    assert_eq!(query(&path, "SELECT count(*) FROM attempts"), [["0"]]);
    assert_eq!(query(&path, "SELECT state FROM sends WHERE erased_at IS NULL"), [["2"]]);
    assert_eq!(query(&path, "SELECT event FROM dedup_keys ORDER BY event"), [["1"], ["2"]], "nor an event's");
}

/// What a page holds that was moved, split or written anew often keeps copies of what stood there before.
#[tokio::test]
async fn among_thousands_of_others_no_copy_is_left_in_any_page() {
    let (dir, store) = store();
    let number = |n: u32| format!("+9198{:08}", 10_000_000 + n * 7_919 % 90_000_000);
    let (mut names, mut events) = (BTreeMap::new(), Vec::new());
    for n in 0..3_000_u32 {
        let mut one = event(0, 0, &[&number(n)]);
        one.id = format!("e{n}");
        one.fingerprint[..4].copy_from_slice(&n.to_le_bytes());
        let long = "x".repeat(usize::try_from(n % 61 * 45 + n / 1_000 % 2 * n % 7 * 800).unwrap());
        one.body = format!(r#"{{"phone":"{}","name":"Person{n}.","note":"{long}"}}"#, number(n)).into();
        names.insert(number(n), format!("Person{n}."));
        events.push(one);
        if events.len() == 50 {
            store.append(std::mem::take(&mut events)).await.unwrap();
        }
    }
    loop {
        let sends = claim(&store, 2, 300).await;
        let settlements: Vec<_> = sends
            .iter()
            .map(|send| {
                let due = Timestamp(1);
                let reason = format!("try again {}", send.destination);
                let fate = if send.attempts < 2 { NextStep::Retry { due, reason, since: None } } else { sent() };
                settlement(send, fate)
            })
            .collect();
        if settlements.is_empty() {
            break;
        }
        store.settle(Arc::new(Report { settlements, ..Report::default() }), Timestamp(0)).await.unwrap();
    }
    let suppress = |number: &String| Suppression {
        account: "*".into(),
        number: number.clone(),
        add: true,
        rule: None,
        reason: BY_HAND.into(),
        since: None,
    };
    let all: Vec<&String> = names.keys().rev().collect();
    // by number, with others to come between them: pages are split
    for part in [0, 1, 2].map(|third| all.iter().skip(third).step_by(3)) {
        let changes = part.map(|number| suppress(number)).collect();
        store.act(Action::Suppress(changes), Timestamp(0)).await.unwrap();
    }
    let gone: Vec<String> = [0, 777, 1_500, 2_999].map(number).to_vec();
    for number in &gone {
        erase(&store, number, usize::MAX).await;
    }
    assert!(store.upkeep(Upkeep::Rewrite).await.unwrap());
    assert!(store.upkeep(Upkeep::EmptyLog).await.unwrap());
    for number in &gone {
        let national = number.strip_prefix("+91").unwrap();
        assert_unseen(dir.path(), &[national, &names[number]]);
    }
    // and it works on
    store.append(vec![event(250, 0, &["+919812345671"])]).await.unwrap();
    assert_eq!(claim(&store, 3, 1).await.len(), 1);
}
