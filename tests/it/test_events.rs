//! Tests of a sender's own ("Send test notification") reach nobody, unless a route asks for them.

use serde_json::{Value, json};

use crate::asked::Ask as _;
use crate::map::mapped_of;
use crate::world::{Setup, World};

const RULE: &str = "campaignName: c\ndestination: \"+919812345670\"\nuserName: x";

/// Each sender's test, and the same as people cause it.
fn events() -> Vec<(&'static str, Value, Value)> {
    let lead = |name: &str, email: &str| {
        let fields = json!([{"name": "full_name", "values": [name]}, {"name": "email", "values": [email]}]);
        json!({"leadgen_id": "7", "lead": {"field_data": fields}})
    };
    let answers = |text: &str, email: &str| {
        json!({"event_type": "form_response", "form_response": {"token": "t", "answers": [
            {"type": "text", "text": text, "field": {"ref": "a"}}, {"type": "email", "email": email, "field": {"ref": "b"}}]}})
    };
    let meta = "<test lead: dummy data for full_name>";
    vec![
        ("shopify", json!({"id": 1, "test": true}), json!({"id": 1, "test": false})),
        ("meta-leads", lead(meta, "asha@example.com"), lead("Asha", "asha@example.com")),
        ("meta-leads", lead("Asha", "test@meta.com"), lead("Asha", "test@example.com")),
        ("meta-leads", json!({"leadgen_id": "444444444444"}), json!({"leadgen_id": "444444444445"})),
        ("generic", json!({"name": meta}), json!({"name": "test lead"})),
        ("zapier", json!({"data": {"name": meta}}), json!({"name": "{{name}}"})),
        ("make", json!({"fields": [{"name": "a", "values": [meta]}]}), json!({"fields": []})),
        ("pabbly", json!({"phone": "test lead: dummy data for phone_number"}), json!({"phone": ""})),
        ("generic", json!({"is_test": true}), json!({"is_test": false})),
        ("zapier", json!({"email": "test@meta.com"}), json!({"email": "atest@meta.com"})),
        ("gohighlevel-workflow", json!({"customData": {"city": meta}}), json!({"customData": {"city": "Pune"}})),
        ("google-ads", json!({"lead_id": "1", "is_test": true}), json!({"lead_id": "1", "is_test": false})),
        (
            "cashfree",
            json!({"type": "WEBHOOK", "data": {"test_object": {"test_key": "a"}}}),
            json!({"type": "PAYMENT_SUCCESS_WEBHOOK", "data": {}}),
        ),
        ("cal", json!({"triggerEvent": "PING"}), json!({"triggerEvent": "BOOKING_CREATED"})),
        ("intercom", json!({"topic": "ping"}), json!({"topic": "contact.user.created"})),
        ("typeform", answers("Lorem ipsum dolor", "asha@example.com"), answers("Lorem", "asha@example.com")),
        ("typeform", answers("Asha", "an_account@example.com"), answers("Asha", "account@example.com")),
    ]
}

#[test]
fn every_senders_test_makes_no_sends() {
    for (source, test, real) in events() {
        let head = format!("source: {source}\nauth: none\nhandshake: none");
        assert_eq!(mapped_of(&head, RULE, &test), Vec::<Value>::new(), "{source}: {test}");
        assert_eq!(mapped_of(&head, RULE, &real).len(), 1, "{source}: {real}");
        let asks = format!("{head}\ntest_events: send");
        assert_eq!(mapped_of(&asks, RULE, &test).len(), 1, "{source}: {test}");
    }
}

const ROUTE: &str = "source: shopify\nauth: none\nsends:\n  - { name: w, campaignName: w, destination: \"{{ contact.phone }}\", userName: x }\n";

#[tokio::test]
async fn a_test_is_answered_and_kept_and_nothing_comes_of_it_not_even_by_a_replay() {
    let world = World::start(Setup::new().route("shop", ROUTE)).await;
    let order = |id: u32, test: bool| json!({"id": id, "test": test, "phone": "+919812345670"}).to_string();
    let (status, answer) = world.post("shop", &order(1, true)).await;
    assert_eq!((status, &answer["status"], &answer["events"][0]["test"]), (200, &json!("test"), &json!(true)));
    assert_eq!(world.post("shop", &order(2, false)).await.1["status"], "accepted");
    let events = world.events().await;
    let seen: Vec<(Value, Value)> =
        events.iter().map(|event| (event["test"].clone(), event["sends"].clone())).collect();
    assert_eq!(seen, [(json!(true), json!(0)), (Value::Null, json!(1))]);
    world.delivered(1).await;
    let replay = json!({"ids": ["#1"], "yes": true});
    let (status, answer) = world.admin("POST", "/events/replay", Some(replay)).await;
    assert!((200..300).contains(&status), "{answer}");
    assert_eq!(world.sends().await.len(), 1, "{answer}");
    world.stop().await;
}
