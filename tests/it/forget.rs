//! Erasing a person: whatever is kept of them goes, also from the bytes of the files, and of nobody else.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use serri_relay::clock::Timestamp;
use serri_relay::event::erasure::{Erased, ErasureStep, Person, SearchCursor};
use serri_relay::store::{Engine, Report, Upkeep};
use tokio::sync::Notify;

use crate::asked::{Ask, states_of, text, texts, until};
use crate::counts::stats;
use crate::enrich;
use crate::operate::command;
use crate::store::{claim, event, open, sent, settlement, store};
use crate::vendors::{TOKEN, Vendors};
use crate::world::{Setup, World, ok, scripted};

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

/// What is kept of Ira: sends with their calls, suppressions, events; and what was counted of all, but for what an erasure
/// cancels.
async fn of_others(world: &World) -> Vec<Value> {
    let mut found = Vec::new();
    for send in world.sends_of("number=+919812345671").await {
        let mut send = world.send(text(&send["id"]).parse().unwrap()).await;
        // the sender's id of an event goes with whoever else it was about
        send.as_object_mut().unwrap().remove("event");
        found.push(send);
    }
    found.extend(world.suppressions().await.into_iter().filter(|one| one["number"] == "+919812345671"));
    let is_of_ira = |event: &Value| event["type"] != "gifts" && event["body"].to_string().contains("45671");
    found.extend(world.whole_events().await.into_iter().filter(is_of_ira));
    found.extend(stats(world, "?by=hour,route").await.into_iter().filter(|stat| stat["outcome"] != "cancelled"));
    found
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
    until("it was tried to read who it is about", async || {
        let event = world.event("#1").await;
        if event["lookup_attempts"].as_array().is_some_and(|tries| tries.len() == 1) {
            Ok(())
        } else {
            Err(event.to_string())
        }
    })
    .await;
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
    let before = of_others(&world).await;
    let (_, told) = world.admin("POST", "/forget", Some(json!({"number": "98123 45670"}))).await;
    assert_eq!(told["erased"], false, "{told}");
    let counts = json!({"events": 13, "blanked": 1, "sends": 8, "under_way": 1, "attempts": 4, "lookups": 1, "suppressions": 1, "others_waiting": 0});
    assert_eq!(told["counts"], counts, "what would go");
    assert_eq!(of_others(&world).await, before);
    assert_eq!(forget(&world, "098123-45670").await["counts"], counts, "and what went");
    world.setup.assert_unseen(&TRACES);
    assert_eq!(of_others(&world).await, before);
    // the call under way ends: nothing is written of it
    release.notify_waiters();
    post(&world, ira("after", "lead", json!({}))).await;
    world.until_sends("event=after&state=sent", 1).await;
    world.setup.assert_unseen(&TRACES);
    // the same call once more is still a duplicate, and does not bring them back; a new one is not answered by a message
    assert_eq!(post(&world, asha("asha-sent", "lead", json!({}))).await["status"], "duplicate");
    world.setup.assert_unseen(&TRACES);
    // what was counted agrees with what is there, and no call is kept of what is not
    let setup = world.stop().await;
    assert_eq!(setup.store().inconsistencies().await, Ok(Vec::new()));
    let world = World::start_against(setup, serri(release)).await;
    post(&world, asha("new", "lead", json!({}))).await;
    world.until_sends("number=+919812345670&state=suppressed", 1).await;
    let reason = text(&world.sends_of("number=+919812345670&state=suppressed").await[0]["reason"]);
    assert!(reason.contains("the number was erased on 20") && reason.contains("kept as a hash"), "{reason}");
    forget(&world, "+919812345670").await;
    world.setup.assert_unseen(&TRACES);
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
    world.setup.assert_unseen(&TRACES);
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
    assert_eq!(world.admin("GET", "/suppressions", None).await.1["hashed"], 0);
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
    world.setup.assert_unseen(&TRACES);
    assert_eq!(world.sends_of("number=+919812345671").await.len(), 2);
    assert_eq!(world.list("events", "event=erased").await.len(), 2, "they still came of something");
    // whoever got them can be erased as well
    let counts = forget(&world, "9812345671").await["counts"].clone();
    assert_eq!((&counts["sends"], &counts["events"]), (&json!(2), &json!(0)), "what they came of is erased: {counts}");
    assert!(world.sends().await.iter().all(|send| send["destination"] == ""));
    world.stop().await;
}

/// Erases whatever is found, as the API does; no more than so many steps.
pub async fn erase(store: &Arc<dyn Engine>, number: &str, mut steps: usize) -> Erased {
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
    let (_dir, store) = store();
    store.append(vec![event(1, 0, &["+919812345670"])]).await.unwrap();
    let under_way = claim(&store, 0, 1).await.remove(0);
    assert_eq!(erase(&store, "+919812345670", usize::MAX).await.under_way, 1);
    store.append(vec![event(2, 0, &["+919812345671"])]).await.unwrap();
    let other = claim(&store, 0, 1).await.remove(0);
    assert_ne!(other.id, under_way.id);
    let report = Report { settlements: vec![settlement(&under_way, sent())], ..Report::default() };
    store.settle(Arc::new(report), Timestamp(0)).await.unwrap();
    assert!(store.attempts(1).await.is_empty() && store.attempts(2).await.is_empty());
    let mut left = Ask::sends(&store).await;
    left.retain(|send| send.get("erased_at").is_none());
    assert_eq!(states_of(&left), ["sending"]);
    let seen = async |id| store.seen([id; 16]).await.unwrap();
    assert_eq!((seen(1).await, seen(2).await), (Some(1), Some(2)), "nor an event's");
}
