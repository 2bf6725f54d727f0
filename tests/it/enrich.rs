//! What events leave out is read from their sender's API: durably, once, and whatever that API answers.

use std::sync::Arc;

use serde_json::{Value, json};
use serri_relay::authenticate::sign;
use serri_relay::clock::Clock;
use serri_relay::config::diagnostic::Severity;
use serri_relay::config::interpolate::Variables;
use serri_relay::deliver;
use serri_relay::route::check::check;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;
use serri_relay::store::{Store, open};
use tokio_util::sync::CancellationToken;

use crate::asked::{Ask, text, texts};
use crate::cli::relay;
use crate::crash::Process;
use crate::parts::{delivery, ended};
use crate::vendors::{ACCESS, TOKEN, Vendors};
use crate::world::{Setup, World, eventually};

const RULES: &str = r#"
sends:
  - name: welcome
    campaignName: welcome_lead
    destination: "{{ contact.phone }}"
    userName: "{{ contact.name }}"
    templateParams: ["{{ contact.first_name }}"]
"#;

pub fn meta(base: &str) -> String {
    format!(
        "source: meta-leads\nsecret: s3cret-for-tests\nverify_token: a-token-to-verify\nenrich: {{ base: '{base}/meta', token: {TOKEN} }}\n{RULES}"
    )
}

fn hubspot(base: &str) -> String {
    format!("source: hubspot\nsecret: s3cret-for-tests\nenrich: {{ base: '{base}/hubspot', token: {TOKEN} }}\n{RULES}")
}

fn bitrix(base: &str) -> String {
    format!("source: bitrix24\nsecret: s3cret-for-tests\nenrich: {{ base: '{base}/bitrix/{TOKEN}' }}\n{RULES}")
}

pub fn setup(name: &str, route: &str) -> Setup {
    Setup::new()
        .route(name, route)
        .set("server.public_url=https://hooks.example.com")
        .set("delivery.retry.initial=20ms")
        .set("delivery.retry.max=40ms")
        .set("delivery.hold_probe.initial=30ms")
        .set("delivery.hold_probe.max=60ms")
}

/// A lead as the Graph API gives it.
pub fn lead(phone: &str, name: &str) -> Value {
    json!({"created_time": "2025-12-30T08:59:59+0000", "id": "1", "field_data": [
        {"name": "full_name", "values": [name]}, {"name": "phone_number", "values": [phone]}]})
}

/// Posts a body as the route's sender would.
pub async fn post(setup: &Setup, base: &str, route: &str, body: Value) -> (u16, Value) {
    let checked = setup.checked();
    let profile_spec = profile_spec_of(&checked.written.routes[route].value, &checked.written).unwrap();
    let sample = serri_relay::config::source::SampleSpec { body, ..Default::default() };
    let mut call = call_of(&sample, &profile_spec);
    call.uri = format!("/webhooks/{route}").parse().unwrap();
    sign(&checked.routes[route].authentication, &mut call, Clock::system().now()).unwrap();
    let url = format!("{base}{}", call.uri);
    let sent = reqwest::Client::new().request(call.method, url).headers(call.headers).body(call.body).send().await;
    let answer = sent.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

pub fn leads(ids: &[&str]) -> Value {
    let change = |id: &&str| json!({"field": "leadgen", "value": {"leadgen_id": id, "page_id": "7", "created_time": 1_767_085_199}});
    json!({"object": "page", "entry": [{"id": "7", "time": 1_767_085_200, "changes": ids.iter().map(change).collect::<Vec<_>>()}]})
}

/// What each call for an event's lookup came to, with the status: `refused 404`.
fn outcomes(event: &Value) -> Vec<String> {
    let Some(attempts) = event["lookup_attempts"].as_array() else { return Vec::new() };
    attempts.iter().map(|call| format!("{} {}", text(&call["what"]), text(&call["status"]))).collect()
}

/// Waits until an event's lookup is `found` or `failed`; gives the event.
async fn looked_up(relay: &impl Ask, event: &str, end: &str) -> Value {
    eventually(&format!("the lookup of {event} is {end}"), async || relay.event(event).await["lookup"] == end).await;
    relay.event(event).await
}

#[tokio::test]
async fn leads_of_meta_are_read_before_the_rules_are_applied() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let mut asha = lead("+919812345670", "Asha Rao");
    asha["ad_id"] = serde_json::from_str("12345678901234567890123").unwrap();
    vendors.keep("11", asha);
    vendors.keep("12", lead("098123 45671", "इरा"));
    let world = World::start(setup("fb", &meta(&base))).await;
    let (status, answer) = post(&world.setup, &world.base, "fb", leads(&["11", "12"])).await;
    assert_eq!((status, &answer["status"]), (200, &json!("accepted")));
    let mut messages = world.delivered(2).await;
    messages.sort_by_key(|message| message["destination"].to_string());
    assert_eq!(messages[0]["destination"], "+919812345670");
    assert_eq!((&messages[1]["userName"], &messages[1]["templateParams"][0]), (&json!("इरा"), &json!("इरा")));
    assert!(vendors.calls().contains(&format!("/meta/11?access_token={TOKEN}")), "{:?}", vendors.calls());
    // repeated by Meta: neither read nor sent again
    assert_eq!(post(&world.setup, &world.base, "fb", leads(&["11", "12"])).await.1["status"], "duplicate");
    for event in ["#1", "#2"] {
        assert_eq!(outcomes(&looked_up(&world, event, "found").await), ["found 200"]);
    }
    let whole = text(&world.event("#1").await["body"]);
    assert!(whole.contains("field_data"), "{whole}");
    assert!(whole.contains("12345678901234567890123"), "no digit is lost: {whole}");
    let metrics = world.http.get(format!("{}/metrics", world.admin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"serri_relay_lookups_total{route="fb",outcome="found"} 2"#), "{metrics}");
    assert_eq!(vendors.calls().len(), 2);
    world.stop().await.assert_unseen(&[TOKEN]);
}

#[tokio::test]
async fn what_an_api_says_decides_what_waits_and_what_ends() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", lead("+919812345670", "Asha"));
    let quick = setup("fb", &meta(&base)).set("delivery.retry.give_up_after=1ms");
    // an account's fault never uses a lead up, and what it says of the token is not kept
    let expired =
        json!({"error": {"message": format!("Session of {TOKEN} has expired"), "type": "OAuthException", "code": 190}});
    vendors.fail(4, 400, None, &expired);
    let world = World::start(quick).await;
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    world.delivered(1).await;
    let outcomes = texts(world.event("#1").await["lookup_attempts"].as_array().unwrap(), "what");
    assert_eq!(outcomes, ["account", "account", "account", "account", "found"]);
    // what cannot be read ends at once, and the event is kept
    post(&world.setup, &world.base, "fb", leads(&["404"])).await;
    let reason = text(&looked_up(&world, "#2", "failed").await["lookup_reason"]);
    assert!(reason.starts_with("400: Unsupported get request."), "{reason}");
    assert_eq!(world.events().await.len(), 2);
    // what would pass is given up in the end
    vendors.fail(9, 503, None, &json!({}));
    post(&world.setup, &world.base, "fb", leads(&["12"])).await;
    let reason = text(&looked_up(&world, "#3", "failed").await["lookup_reason"]);
    assert!(reason.starts_with("given up after"), "{reason}");
    world.stop().await.assert_unseen(&[TOKEN]);
}

#[tokio::test]
async fn passing_faults_are_waited_out() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep(
        "70119",
        json!({"id": "70119", "properties": {"firstname": "Asha", "phone": "+919812345670", "secret_note": "x"}}),
    );
    vendors.fail(1, 429, Some("0"), &json!({"status": "error", "message": "You have reached your ten_secondly_rolling limit.", "errorType": "RATE_LIMIT"}));
    vendors.fail(1, 477, None, &json!({"message": "Migration in progress"}));
    vendors.fail(1, 502, None, &json!("<html>"));
    vendors.fail(1, 200, None, &json!("no object"));
    vendors.fail(1, 302, None, &json!({}));
    let world = World::start(setup("hs", &hubspot(&base))).await;
    let event = json!([{"eventId": 1, "subscriptionId": 2, "portalId": 3, "occurredAt": 4, "subscriptionType": "contact.creation", "objectId": 70119}]);
    post(&world.setup, &world.base, "hs", event).await;
    // an answer without `properties` is HubSpot's word that there is nothing: it ends there
    let first = looked_up(&world, "#1", "failed").await;
    assert_eq!(outcomes(&first), ["transient 429", "transient 477", "transient 502", "refused 200"]);
    let other = json!([{"eventId": 2, "subscriptionId": 2, "portalId": 3, "occurredAt": 4, "subscriptionType": "contact.creation", "objectId": 70119}]);
    post(&world.setup, &world.base, "hs", other).await;
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    assert_eq!(outcomes(&world.event("#2").await), ["transient 302", "found 200"]);
    let calls = vendors.calls();
    assert!(
        calls[0].starts_with("/hubspot/crm/v3/objects/contacts/70119?properties=phone%2Cmobilephone"),
        "{}",
        calls[0]
    );
    world.stop().await.assert_unseen(&[TOKEN, "secret_note"]);
}

#[tokio::test]
async fn one_call_serves_the_events_of_one_record_and_none_that_came_later() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let contact = |phone: &str| json!({"id": "5", "properties": {"firstname": "Asha", "phone": phone}});
    let change = |id: i64, kind: &str| json!({"eventId": id, "subscriptionId": 2, "portalId": 3, "occurredAt": 4, "subscriptionType": kind, "propertyName": "city", "objectId": 5});
    vendors.keep("5", contact("+919812345670"));
    let world = World::start(setup("hs", &hubspot(&base))).await;
    let batch: Vec<Value> =
        (0..20).map(|id| change(id, "contact.propertyChange")).chain([change(99, "contact.deletion")]).collect();
    post(&world.setup, &world.base, "hs", Value::Array(batch)).await;
    world.delivered(20).await;
    assert_eq!(vendors.calls().len(), 1, "one record, one call");
    // a deletion is looked up nowhere; it has no phone, and says so
    let unmapped = texts(&world.sends_of("state=failed").await, "reason");
    assert_eq!(unmapped, ["rule `welcome`, `destination`: `contact.phone` is not there, or empty"]);
    // the number changes, and the event that says so is answered with the new one
    vendors.keep("5", contact("+919812345679"));
    post(&world.setup, &world.base, "hs", json!([change(100, "contact.propertyChange")])).await;
    assert_eq!(world.delivered(21).await[20]["destination"], "+919812345679");
    world.stop().await;
}

#[tokio::test]
async fn bitrix_is_asked_for_the_kind_of_record_and_its_webhooks_url_is_never_seen() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let record = |phone: &str| json!({"result": {"ID": "7", "NAME": "Asha", "LAST_NAME": "Rao", "PHONE": [{"ID": "1", "VALUE_TYPE": "WORK", "VALUE": phone, "TYPE_ID": "PHONE"}]}, "time": {"start": 1}});
    vendors.keep("crm.lead.get/7", record("+919812345670"));
    vendors.keep("crm.contact.get/7", record("+919812345671"));
    vendors.fail(2, 503, None, &json!({"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}));
    vendors.fail(2, 401, None, &json!({"error": "INVALID_CREDENTIALS", "error_description": format!("no {TOKEN}")}));
    let world = World::start(setup("b24", &bitrix(&base))).await;
    for event in ["ONCRMLEADADD", "ONCRMCONTACTADD", "ONCRMDEALADD"] {
        let body = json!({"event": event, "data": {"FIELDS": {"ID": "7"}}, "ts": "1767085200"});
        assert_eq!(post(&world.setup, &world.base, "b24", body).await.0, 200, "{event}");
    }
    let messages = world.delivered(2).await;
    let mut to: Vec<_> = messages.iter().map(|message| message["destination"].as_str().unwrap()).collect();
    to.sort_unstable();
    assert_eq!(to, ["+919812345670", "+919812345671"]);
    assert!(vendors.calls().contains(&format!("/bitrix/{TOKEN}/crm.contact.get?id=7")), "{:?}", vendors.calls());
    world.stop().await.assert_unseen(&[TOKEN]);
}

#[tokio::test]
async fn an_activity_of_leadsquared_is_read_with_two_keys_and_neither_is_seen() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let lead =
        json!({"ProspectID": "p1", "FirstName": "Asha", "LastName": "Rao", "Phone": "+91-9812345670", "Mobile": null});
    vendors.keep("p1", lead);
    vendors.fail(1, 429, None, &json!({"Status": "Error", "ExceptionMessage": "API calls exceeded the limit"}));
    let refused = json!({"Status": "Error", "ExceptionMessage": format!("no access with {ACCESS} and {TOKEN}")});
    vendors.fail(1, 401, None, &refused);
    let route = format!(
        "source: leadsquared\nsecret: s3cret-for-tests\nenrich: {{ base: '{base}/leadsquared', token: '{ACCESS}:{TOKEN}', rate: 100/s }}\n{RULES}"
    );
    let world = World::start(setup("lsq", &route)).await;
    let activity = |id: &str, lead: &str| json!({"ProspectActivityId": id, "RelatedProspectId": lead, "ActivityEvent": "201", "ModifiedOn": "2026-11-26 12:41:02"});
    assert_eq!(post(&world.setup, &world.base, "lsq", activity("a1", "p1")).await.0, 200);
    let message = world.delivered(1).await.remove(0);
    assert_eq!((&message["destination"], &message["userName"]), (&json!("+919812345670"), &json!("Asha Rao")));
    assert_eq!(outcomes(&world.event("#1").await), ["transient 429", "account 401", "found 200"]);
    assert_eq!(
        vendors.calls().last().unwrap(),
        &format!(
            "/leadsquared/LeadManagement.svc/Leads.GetById?id=p1&accessKey=u%24r0123456789abcdef&secretKey={TOKEN}"
        )
    );
    // nobody is there
    post(&world.setup, &world.base, "lsq", activity("a2", "p2")).await;
    let reason = text(&looked_up(&world, "#2", "failed").await["lookup_reason"]);
    assert!(reason.contains("there is no `0` in the answer"), "{reason}");
    // one that brings its lead is not read
    let mut whole = activity("a3", "p1");
    whole["Current"] = json!({"FirstName": "Ira", "Mobile": "+91-9812345671"});
    let calls = vendors.calls().len();
    post(&world.setup, &world.base, "lsq", whole).await;
    assert_eq!(world.delivered(2).await[1]["destination"], "+919812345671");
    assert_eq!(vendors.calls().len(), calls);
    world.stop().await.assert_unseen(&[TOKEN, ACCESS]);
}

#[tokio::test]
async fn a_hostile_id_stays_one_step_of_the_path() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let world = World::start(setup("fb", &meta(&base))).await;
    post(&world.setup, &world.base, "fb", leads(&["../../hubspot/x?a=b#c", "..", "%2e%2e", ".\n.", "a\r\nb"])).await;
    for event in 1..=5 {
        looked_up(&world, &format!("#{event}"), "failed").await;
    }
    let mut calls = vendors.calls();
    calls.sort();
    assert_eq!(
        calls,
        [
            format!("/meta/%252e%252e?access_token={TOKEN}"),
            format!("/meta/..%2F..%2Fhubspot%2Fx%3Fa=b%23c?access_token={TOKEN}")
        ]
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_lookup_it_reads_again_and_sends_once() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", lead("+919812345670", "Asha"));
    // until the kill nothing is answered well
    vendors.fail(10_000, 503, None, &json!({}));
    let world = World::start(Setup::new()).await;
    let endpoint = world.setup.checked().written.relay.value.accounts["default"].endpoint.clone();
    let setup = setup("fb", &meta(&base));
    setup.write(endpoint.written());
    for _ in 0..3 {
        let mut process = Process::serve(&setup);
        assert_eq!(post(&setup, &process.base, "fb", leads(&["11"])).await.0, 200);
        let before = vendors.calls().len();
        eventually("it is asked for", async || vendors.calls().len() > before + 2).await;
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }
    vendors.faults.lock().unwrap().clear();
    vendors.fail(1, 401, None, &json!({"error": {"message": "expired", "code": 190}}));
    let process = Process::serve(&setup);
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    looked_up(&process, "#1", "found").await;
    assert_eq!((process.events().await.len(), process.sends().await.len()), (1, 1));
    let log = process.log.lock().unwrap().clone();
    assert!(log.contains("put a new token into the route's `enrich`"), "{log}");
    assert!(log.contains("lookup attempted") && !log.contains(TOKEN) && !log.contains("9812345670"), "{log}");
    process.signal("TERM");
    world.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_lookup_survives_that_the_route_looks_nothing_up_any_more() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.fail(10_000, 401, None, &json!({"status": "error", "message": "expired"}));
    let world = World::start(setup("hs", &hubspot(&base))).await;
    let event = json!([{"eventId": 1, "subscriptionId": 2, "portalId": 3, "occurredAt": 4, "subscriptionType": "contact.propertyChange", "propertyName": "phone", "propertyValue": "+919812345670", "objectId": 5}]);
    post(&world.setup, &world.base, "hs", event).await;
    eventually("it is asked for", async || !outcomes(&world.event("#1").await).is_empty()).await;
    let Setup { dir, .. } = world.stop().await;
    let plain = "source: hubspot\nsecret: s3cret-for-tests\nsends:\n  - { name: welcome, campaignName: c, destination: '{{ contact.phone }}', userName: there }\n";
    let again = Setup::in_dir(dir).route("hs", plain).set("server.public_url=https://hooks.example.com");
    let world = World::start(again).await;
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    world.stop().await;
}

#[test]
fn mistakes_in_enrich_are_found_before_anything_is_read() {
    let faults = |enrich: &str| {
        let route =
            format!("source: meta-leads\nsecret: s3cret-for-tests-of-all\nverify_token: t\nenrich: {enrich}\n{RULES}");
        let setup = Setup::new().route("fb", &route);
        setup.write("http://127.0.0.1:9/");
        let faults = check(&setup.config(), &Variables::default()).1;
        faults.iter().map(|fault| (fault.severity == Severity::Error, fault.one_line())).collect::<Vec<_>>()
    };
    for (enrich, wanted) in [
        ("{ into: lead }", "`enrich` has no `token`"),
        ("{ token: '  ' }", "`enrich` has no `token`"),
        ("{ token: \"a\\nb\" }", "line break"),
        ("{ token: t, base: graph.facebook.com }", "`enrich.base` is not a URL"),
        ("{ token: t, path: '{{ evnt.id }}' }", "there is no variable `evnt`"),
        ("{ token: t, retry_when: event.code == 4 }", "there is no variable `event`"),
        ("{ token: t, hold_when: answer.code = 4 }", "unexpected"),
        ("{ token: t, auth: { queries: [a, b] } }", "`enrich.token` is not 2 values joined by colons"),
        ("{ token: 't:', auth: { queries: [a, b] } }", "`enrich.token` is not 2 values joined by colons"),
        ("{ token: t, rate: soon }", "is not a rate"),
        ("{ token: t, auth: { header: 'a b' } }", "is not a valid header name"),
        ("{ token: t, tokn: t }", "did you mean `token`?"),
        ("{ token: t, base: 'https://u:pw@graph.example' }", "not a URL of scheme, host and path alone"),
        ("{ token: t, base: 'https://graph.example/?key=1' }", "not a URL of scheme, host and path alone"),
        ("{ token: t, path: 'a/../{{ event.x }}' }", "`..` cannot stand in `enrich.path`"),
        ("{ token: t, path: 'a?b={{ event.x }}' }", "cannot stand in `enrich.path`"),
        ("{ token: t, path: '{{ contact.phone }}' }", "there is no variable `contact`"),
        ("{ token: t, into: a.b }", "`enrich.into` is one name"),
        ("{ token: t, take: 'a[0].b' }", "not a path of names"),
    ] {
        let found = faults(enrich);
        assert!(found.iter().any(|(error, line)| *error && line.contains(wanted)), "{enrich}: {found:#?}");
    }
    assert_eq!(faults("{ token: EAAG0123456789 }"), []);
    let unset = faults("{ token: not-set-yet }");
    assert!(unset.iter().any(|(error, line)| !error && line.contains("not set yet")), "{unset:#?}");
    // without it, whoever asks for a phone is warned
    let route = format!("source: meta-leads\nsecret: s3cret-for-tests-of-all\nverify_token: t\n{RULES}");
    let setup = Setup::new().route("fb", &route);
    setup.write("http://127.0.0.1:9/");
    let warnings = check(&setup.config(), &Variables::default()).1;
    assert!(warnings.iter().any(|warning| warning.one_line().contains("brings no phone number")), "{warnings:#?}");
}

#[tokio::test]
async fn nothing_is_asked_with_a_token_that_was_never_put_in() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let route = meta(&base).replace(TOKEN, "not-set-yet");
    let world = World::start(setup("fb", &route).set("delivery.retry.max=1h").set("delivery.retry.initial=1h")).await;
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    eventually("it is known why", async || outcomes(&world.event("#1").await) == ["account "]).await;
    assert_eq!(vendors.calls(), Vec::<String>::new());
    world.stop().await;
}

#[tokio::test]
async fn without_any_key_or_token_the_samples_answer_stands_and_the_sandbox_shows_the_message() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let route = meta(&base).replace(TOKEN, "not-set-yet");
    let world = World::start(setup("fb", &route).set("accounts.default.api_key=")).await;
    let (_, answer) = post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    assert_eq!(answer["events"], json!([{"id": "11", "sends": 0, "lookup": true}]));
    let inbox = format!("{}/sandbox/messages", world.admin);
    eventually("the sandbox has it", async || {
        world.http.get(&inbox).send().await.unwrap().text().await.unwrap().contains("+919812345670")
    })
    .await;
    assert_eq!(vendors.calls(), Vec::<String>::new());
    world.stop().await;
}

#[test]
fn try_tells_what_would_be_read_and_what_an_answer_would_come_to() {
    let setup = setup("fb", &meta("https://graph.example"));
    let setup = setup.route("b24", &bitrix("https://acme.example/rest/1")).route("plain", crate::world::ROUTE);
    setup.write("http://127.0.0.1:9/");
    let file = |name: &str, json: &Value| {
        let path = setup.dir.path().join(name);
        std::fs::write(&path, json.to_string()).unwrap();
        path.display().to_string()
    };
    let body = file("body.json", &leads(&["11"]));
    let run = |arguments: &[&str]| {
        let output = relay(&setup.config(), arguments);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let said = run(&["try", "fb", &body]);
    assert!(said.contains("the rest is read from https://graph.example/meta/11") && !said.contains(TOKEN), "{said}");
    let found = file("found.json", &lead("+919812345670", "Asha"));
    let said = run(&["try", "fb", &body, "--lookup", &found]);
    assert!(said.contains("sends campaign `welcome_lead` to +919812345670"), "{said}");
    let expired = file("expired.json", &json!({"error": {"message": "Session has expired", "code": 190}}));
    let said = run(&["try", "fb", &body, "--lookup", &expired]);
    assert!(said.contains("Session has expired") && said.contains("waits until that is fixed"), "{said}");
    let said = run(&["try", "fb", "lead"]);
    assert!(said.contains("the sample's own answer") && said.contains("Asha Rao"), "{said}");
    let form = file("form", &Value::Null);
    std::fs::write(&form, "event=ONCRMLEADADD&data[FIELDS][ID]=7&ts=1").unwrap();
    let said = run(&["try", "b24", &form]);
    assert!(said.contains("(enrich.base)/crm.lead.get?id=7") && !said.contains(TOKEN), "{said}");
    let hello = file("hello.json", &json!({"phone": "+919812345670"}));
    let said = run(&["try", "plain", &hello, "--lookup", &found]);
    assert!(said.contains("reads nothing for these events"), "{said}");
}

/// An event of an app, about a contact.
fn contact_event(id: i64, contact: i64) -> Value {
    json!([{"eventId": id, "subscriptionId": 2, "portalId": 3, "occurredAt": 4, "subscriptionType": "contact.creation", "objectId": contact}])
}

#[tokio::test]
async fn two_routes_with_their_own_tokens_never_get_each_others_records() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let of = |portal: &str| {
        format!(
            "source: hubspot\nsecret: s3cret-for-tests\nenrich: {{ base: '{base}/portals', token: {portal} }}\n{RULES}"
        )
    };
    let person = |name: &str, phone: &str| json!({"id": "101", "properties": {"firstname": name, "phone": phone}});
    vendors.keep("portal-a/101", person("Asha", "+919812345670"));
    vendors.keep("portal-b/101", person("Ravi", "+919812345671"));
    let world = World::start(setup("a", &of("portal-a")).route("b", &of("portal-b"))).await;
    for n in 0..5 {
        let (a, b) = (contact_event(n, 101), contact_event(n, 101));
        let both = tokio::join!(post(&world.setup, &world.base, "a", a), post(&world.setup, &world.base, "b", b));
        assert_eq!((both.0.0, both.1.0), (200, 200));
    }
    let messages = world.delivered(10).await;
    for (name, phone) in [("Asha", "+919812345670"), ("Ravi", "+919812345671")] {
        assert_eq!(messages.iter().filter(|m| m["destination"] == phone && m["userName"] == name).count(), 5, "{name}");
    }
    world.stop().await;
}

#[tokio::test]
async fn neither_idle_routes_nor_hanging_apis_stop_a_routes_lookups() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    *vendors.hanging.lock().unwrap() = Some("/meta".to_owned());
    let mut setup = setup("zz", &format!("{}\n", hubspot(&base).replace(", token:", ", rate: unlimited, token:")));
    for n in 0..6 {
        setup = setup.route(&format!("idle{n}"), crate::world::ROUTE).route(&format!("hangs{n}"), &meta(&base));
    }
    for n in 0..60 {
        vendors.keep(&n.to_string(), json!({"properties": {"firstname": "Asha", "phone": format!("+9198123{n:05}")}}));
    }
    let world = World::start(setup).await;
    for n in 0..6 {
        let ids: Vec<String> = (0..20).map(|id| format!("{n}-{id}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!(post(&world.setup, &world.base, &format!("hangs{n}"), leads(&ids)).await.0, 200);
    }
    let events: Vec<Value> = (0..60).map(|n| contact_event(n, n)[0].clone()).collect();
    post(&world.setup, &world.base, "zz", Value::Array(events)).await;
    world.delivered(60).await;
    drop(world);
}

#[tokio::test]
async fn lookups_that_wait_do_not_keep_new_ones_from_their_turn() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let slow = meta(&base).replace(", token:", ", rate: 20/s, token:");
    let setup = setup("fb", &slow).set("delivery.hold_probe.initial=30ms").set("delivery.hold_probe.max=60ms");
    let world = World::start(setup).await;
    // forty whose token lacks a permission, tried again all the time
    vendors.keep("new", lead("+919812345670", "Asha"));
    let held: Vec<String> = (0..40).map(|n| format!("held-{n}")).collect();
    *vendors.refused.lock().unwrap() = Some("/meta/held".to_owned());
    post(&world.setup, &world.base, "fb", leads(&held.iter().map(String::as_str).collect::<Vec<_>>())).await;
    for event in 1..=40 {
        let event = format!("#{event}");
        eventually("it is tried", async || !outcomes(&world.event(&event).await).is_empty()).await;
    }
    post(&world.setup, &world.base, "fb", leads(&["new"])).await;
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345670");
    // and the new ones do not keep those: the permission is given
    *vendors.refused.lock().unwrap() = None;
    held.iter().for_each(|id| vendors.keep(id, lead("+919812345671", "Ravi")));
    world.delivered(41).await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_read_is_taken_as_it_is_and_what_proves_the_caller_is_kept_nowhere() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    // the code is a word that stands in the record, too
    let route =
        format!("source: bitrix24\nsecret: s3cret-for-tests\nenrich: {{ base: '{base}/bitrix/{TOKEN}' }}\n{RULES}");
    let name = format!("Best {TOKEN}");
    vendors.keep("crm.lead.get/7", json!({"result": {"NAME": name, "PHONE": [{"VALUE": "+919812345670"}]}}));
    let odd = "EAAtoken/abc+def==";
    let spelled = "EAAtoken%2Fabc%2Bdef%3D%3D";
    let meta = meta(&base).replace(TOKEN, &format!("'{odd}'"));
    let world = World::start(setup("b24", &route).route("fb", &meta)).await;
    let body = json!({"event": "ONCRMLEADADD", "data": {"FIELDS": {"ID": "7"}}, "ts": "1"});
    post(&world.setup, &world.base, "b24", body).await;
    assert_eq!(world.delivered(1).await[0]["userName"], name);
    vendors.fail(
        1,
        401,
        None,
        &json!({"error": {"message": format!("no {odd}: ?access_token={spelled}"), "code": 190}}),
    );
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    eventually("it is refused", async || outcomes(&world.event("#2").await).contains(&"account 401".into())).await;
    world.stop().await.assert_unseen(&[odd, spelled]);
}

#[tokio::test]
async fn an_event_that_came_to_nothing_after_its_lookup_counts_when_it_is_repeated() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", json!({"id": "11", "field_data": [{"name": "full_name", "values": ["Asha"]}]}));
    let world = World::start(setup("fb", &meta(&base))).await;
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    looked_up(&world, "#1", "found").await;
    vendors.keep("11", lead("+919812345670", "Asha"));
    assert_eq!(post(&world.setup, &world.base, "fb", leads(&["11"])).await.1["status"], "accepted");
    world.delivered(1).await;
    // an answer that says of itself that it is none
    vendors.fail(1, 200, None, &json!({"error": {"message": "odd", "code": 100}}));
    post(&world.setup, &world.base, "fb", leads(&["12"])).await;
    looked_up(&world, "#3", "failed").await;
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_is_not_asked_for_one_record_again_and_again() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    *vendors.hanging.lock().unwrap() = Some("/hubspot".to_owned());
    let quick = setup("hs", &hubspot(&base).replace(", token:", ", rate: unlimited, token:"));
    let world = World::start(quick.set("delivery.timeout=200ms")).await;
    let events: Vec<Value> = (0..40).map(|id| contact_event(id, 7)[0].clone()).collect();
    post(&world.setup, &world.base, "hs", Value::Array(events)).await;
    let attempted = async || world.whole_events().await.iter().map(|event| outcomes(event).len()).sum::<usize>();
    eventually("forty attempts are over", async || attempted().await >= 40).await;
    let attempts = attempted().await;
    assert!(vendors.calls().len() * 3 < attempts, "{} calls for {attempts} attempts", vendors.calls().len());
    // and when it answers again, all of them have it
    *vendors.hanging.lock().unwrap() = None;
    vendors.keep("7", json!({"properties": {"firstname": "Asha", "phone": "+919812345670"}}));
    world.delivered(40).await;
    world.stop().await;
}

#[tokio::test]
async fn half_a_token_is_a_token_and_an_empty_error_is_none() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let world = World::start(setup("fb", &meta(&base))).await;
    // a reason is cut at 200 characters: right through the token
    let long = json!({"error": {"message": format!("{}{TOKEN}", "x".repeat(190)), "code": 190}});
    vendors.fail(2, 400, None, &long);
    let mut found = lead("+919812345670", "Asha");
    found["error"] = json!("");
    vendors.keep("11", found);
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    world.delivered(1).await;
    world.stop().await.assert_unseen(&["EAAGtheTok"]);
}

#[tokio::test]
async fn lookups_end_with_a_store_that_was_closed_before_them() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    *vendors.hanging.lock().unwrap() = Some("/meta".to_owned());
    let world = World::start(setup("fb", &meta(&base)).set("delivery.timeout=200ms")).await;
    post(&world.setup, &world.base, "fb", leads(&["11"])).await;
    eventually("one attempt is over", async || !outcomes(&world.event("#1").await).is_empty()).await;
    let setup = world.stop().await;
    let store = open(&format!("sqlite:{}", setup.database().display())).unwrap();
    let (clock, stop, before) = (Clock::system(), CancellationToken::new(), vendors.calls().len());
    let delivery = delivery(Arc::clone(&store) as Arc<dyn Store>, setup.checked().routes, [&clock, &clock]);
    let running = async {
        eventually("one is under way", async || vendors.calls().len() > before).await;
        store.close();
        stop.cancel();
    };
    let both = tokio::join!(ended(deliver::run(delivery.unchanging(), stop.clone())), running);
    assert_eq!(both.0, "ended");
}

#[tokio::test]
async fn a_token_that_expired_holds_the_lookups_of_its_route_and_a_new_one_releases_them() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    let ops = Arc::new(crate::alerts::Ops::default());
    let served = ops.serve().await;
    *vendors.refused.lock().unwrap() = Some("/meta".to_owned());
    let setup = setup("fb", &meta(&base))
        .lists(&format!("alerts: [{{ webhook: '{}/hook' }}]", served.base))
        .set("delivery.hold_probe.initial=200ms")
        .set("delivery.hold_probe.max=300ms")
        .set("reload.watch=false");
    let world = World::start(setup).await;
    let ids: Vec<String> = (0..40).map(|n| format!("{}", 100 + n)).collect();
    for (n, id) in ids.iter().enumerate() {
        vendors.keep(id, lead(&format!("98123456{n:02}"), "Asha Rao"));
        post(&world.setup, &world.base, "fb", leads(&[id])).await;
    }
    eventually("they hear of it", async || ops.kinds("hook").contains(&"lookups.held".to_owned())).await;
    let told = ops.by("hook")[0].body.clone();
    assert_eq!(told["data"]["route"], "fb");
    assert!(text(&told["data"]["reason"]).contains("40"), "the reason has the status: {told}");
    let holds = world.holds().await;
    assert_eq!((holds.len(), &holds[0]["route"], &holds[0]["account"]), (1, &json!("fb"), &json!("")));
    // each is tried once; then one now and then finds out whether it is over
    eventually("each was tried", async || vendors.calls().len() >= ids.len() + 3).await;
    let tries = async |id: usize| outcomes(&world.event(&format!("#{id}")).await).len();
    let mut most = 0;
    for id in 1..=ids.len() {
        most = most.max(tries(id).await);
    }
    assert!(most <= 4, "what waits is not spent on a token that is refused: {most}");
    // over a restart people are not told again
    let world = world.restart().await;
    let before = vendors.calls().len();
    eventually("it is probed again", async || vendors.calls().len() >= before + 4).await;
    assert_eq!(ops.kinds("hook"), ["lookups.held"]);
    // a new token, taken while it runs
    *vendors.refused.lock().unwrap() = None;
    let path = world.setup.config().join("routes/fb.yaml");
    let route = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{route}\n# another token\n")).unwrap();
    assert_eq!(world.admin("POST", "/reload", None).await.0, 200);
    world.delivered(ids.len()).await;
    eventually("they hear of the end", async || ops.kinds("hook").contains(&"lookups.released".to_owned())).await;
    assert!(world.holds().await.is_empty());
    world.stop().await;
}

/// A relay whose lookups are on hold, not to be probed for an hour; so many wait.
async fn held_lookups(vendors: &Vendors, route: &str, count: usize, retry: &str) -> World {
    let setup = setup("fb", route)
        .set(&format!("delivery.retry.initial={retry}"))
        .set(&format!("delivery.retry.max={retry}"))
        .set("delivery.hold_probe.initial=1h")
        .set("delivery.hold_probe.max=1h")
        .set("reload.watch=false");
    let world = World::start(setup).await;
    for n in 0..count {
        let id = format!("{}", 100 + n);
        vendors.keep(&id, lead(&format!("98123456{n:02}"), "Asha Rao"));
        post(&world.setup, &world.base, "fb", leads(&[&id])).await;
    }
    world.until_holds(1).await;
    for n in 1..=count {
        eventually("each was tried", async || !outcomes(&world.event(&format!("#{n}")).await).is_empty()).await;
    }
    world
}

fn change_route(world: &World, change: impl Fn(&str) -> String) {
    let path = world.setup.config().join("routes/fb.yaml");
    let route = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(&route)).unwrap();
}

#[tokio::test]
async fn a_hold_of_lookups_outlasts_a_reload() {
    let vendors = Vendors::default();
    let base = vendors.start().await;
    *vendors.refused.lock().unwrap() = Some("/meta".to_owned());
    let world = held_lookups(&vendors, &meta(&base), 5, "1ms").await;
    *vendors.refused.lock().unwrap() = None;
    let before = vendors.calls().len();
    change_route(&world, |route| format!("{route}\n# nothing else\n"));
    assert_eq!(world.admin("POST", "/reload", None).await.0, 200);
    vendors.keep("900", lead("9812345699", "Asha Rao"));
    post(&world.setup, &world.base, "fb", leads(&["900"])).await;
    let messages = world.delivered(1).await;
    // what is new is tried once in any case; what waits is not tried anew
    assert_eq!((texts(&messages, "destination"), vendors.calls().len()), (vec!["+919812345699".into()], before + 1));
    assert_eq!(world.holds().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn lookups_on_hold_are_tried_at_once_with_another_token_also_after_a_restart() {
    for restarts in [false, true] {
        let vendors = Vendors::default();
        let base = vendors.start().await;
        let mut world = held_lookups(&vendors, &meta(&base).replace(TOKEN, "EAAGexpired"), 5, "1h").await;
        change_route(&world, |route| route.replace("EAAGexpired", TOKEN));
        if restarts {
            world = world.restart().await;
        } else {
            assert_eq!(world.admin("POST", "/reload", None).await.0, 200);
        }
        world.delivered(5).await;
        world.until_holds(0).await;
        world.stop().await;
    }
}
