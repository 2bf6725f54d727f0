//! What senders leave unclear, decided as their users would expect.

use serde_json::{Value, json};

use crate::asked::Ask as _;
use crate::cli::relay;
use crate::map::mapped_of;
use crate::world::{Setup, World};

const RULE: &str =
    "campaignName: c\ndestination: \"{{ contact.phone }}\"\nuserName: \"{{ contact.name | default('there') }}\"";

fn to(source: &str, event: &Value) -> String {
    let send = mapped_of(&format!("source: {source}\nauth: none\nhandshake: none"), RULE, event).remove(0);
    send["destination"].as_str().or(send["error"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn of_several_numbers_the_one_that_gets_messages_is_taken() {
    let office = "+912022355342";
    let tally = |first: Value, second: Value| {
        let field =
            |key: &str, value: Value| json!({"key": key, "label": key, "type": "INPUT_PHONE_NUMBER", "value": value});
        json!({"data": {"responseId": "r", "fields": [field("a", first), field("b", second)]}})
    };
    for (source, event) in [
        (
            "close",
            json!({"event": {"id": "e", "data": {"phones": [{"type": "office", "phone": office}, {"type": "mobile", "phone": "98123 45670"}]}}}),
        ),
        (
            "close",
            json!({"event": {"id": "e", "data": {"phones": [{"type": "office", "phone": ""}, {"type": "direct", "phone": "98123 45670"}]}}}),
        ),
        (
            "close",
            json!({"event": {"id": "e", "data": {"contacts": [{"phones": [{"type": "office", "phone": office}, {"type": "mobile", "phone": "98123 45670"}]}]}}}),
        ),
        (
            "pipedrive",
            json!({"data": {"phones": [{"label": "work", "value": "", "primary": true}, {"label": "home", "value": "98123 45670", "primary": false}]}}),
        ),
        (
            "pipedrive",
            json!({"current": {"phone": [{"label": "work", "value": "", "primary": true}, {"label": "mobile", "value": "98123 45670", "primary": false}]}}),
        ),
        ("tally", tally(json!(null), json!("98123 45670"))),
        ("tally", tally(json!(""), json!("98123 45670"))),
        ("justdial", json!({"leadid": "1", "mobileno": "9812345670", "dncmobile": 0, "customername": "Asha Rao"})),
        ("justdial", json!({"leadid": "1", "mobile": "9812345670", "phone": "022 - 22355342"})),
        (
            "cashfree",
            json!({"type": "PAYMENT_FORM_ORDER_WEBHOOK", "data": {"order": {"transaction_id": 1, "customer_details": {"customer_phone": "9812345670", "customer_name": "Asha"}}}}),
        ),
        (
            "webflow",
            json!({"triggerType": "form_submission", "payload": {"id": "1", "data": {"Phone number 2": 9_812_345_670_u64}}}),
        ),
    ] {
        assert_eq!(to(source, &event), "+919812345670", "{source}: {event}");
    }
}

/// What the rule that `new` writes makes of a call.
async fn starter(source: &str, route: &str, calls: &[(&[(&str, &str)], Value)]) -> Vec<Value> {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    assert!(relay(&setup.config(), &["new", route, "--source", source]).status.success());
    let path = setup.config().join(format!("routes/{route}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap();
    let unproven: String =
        text.lines().filter(|line| !line.starts_with("secret:")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, format!("{unproven}auth: none\n")).unwrap();
    let world = World::start(setup).await;
    for (headers, body) in calls {
        let request =
            world.http.post(world.url(route)).header("content-type", "application/json").body(body.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (status, answer) = world.call(request).await;
        assert_eq!(status, 200, "{answer}");
    }
    let sends = world.sends().await;
    world.stop().await;
    sends
}

#[test]
fn a_receipt_has_the_amount_that_was_paid_and_waits_until_it_was() {
    let source = std::fs::read_to_string("config/sources/stripe.yaml").unwrap();
    let (_, rule) = source.split_once("starter: |\n  - name: receipt\n").unwrap();
    let rule: String = rule.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    let amount = |kind: &str, status: &str, amount: u32, currency: &str| {
        let details = json!({"name": "Asha Rao", "phone": "+919812345670"});
        let object = json!({"amount_total": amount, "currency": currency, "payment_status": status, "customer_details": details});
        let event = json!({"id": "evt_1", "type": format!("checkout.session.{kind}"), "data": {"object": object}});
        let sends = mapped_of("source: stripe\nauth: none", &rule, &event);
        sends.first().map(|send| send["templateParams"][1].as_str().unwrap_or_default().to_owned())
    };
    for (kind, status, minor, currency, shown) in [
        ("completed", "paid", 149_950, "inr", Some("₹1,499.50")),
        ("completed", "paid", 1_499, "jpy", Some("¥1,499")),
        ("completed", "paid", 1_500, "krw", Some("KRW 1,500")),
        ("completed", "paid", 12_500, "kwd", Some("KWD 12.500")),
        ("completed", "no_payment_required", 0, "usd", Some("$0")),
        ("completed", "unpaid", 100, "eur", None),
        ("async_payment_succeeded", "paid", 4_950, "eur", Some("€49.50")),
    ] {
        assert_eq!(amount(kind, status, minor, currency).as_deref(), shown, "{kind} {status} {minor} {currency}");
    }
}

#[tokio::test]
async fn a_draft_of_the_checkout_is_no_order_and_the_order_that_it_becomes_is_one() {
    let order = |status: &str, second: u32| {
        json!({"id": 501, "number": "501", "status": status, "currency": "INR", "total": "799.00",
            "date_modified_gmt": format!("2026-11-20T10:00:0{second}"), "billing": {"first_name": "Asha", "phone": "9812345670", "country": "IN"}})
    };
    let created: &[(&str, &str)] =
        &[("X-WC-Webhook-Topic", "order.created"), ("X-WC-Webhook-Source", "https://shop.example.com/")];
    let calls =
        [(created, order("checkout-draft", 1)), (created, order("processing", 2)), (created, order("processing", 3))];
    assert_eq!(starter("woocommerce", "shop", &calls).await.len(), 1);
}

#[tokio::test]
async fn highlevels_custom_webhook_comes_as_it_was_written() {
    let route = "source: gohighlevel-workflow\nsecret: s3cret-of-highlevel\nsends:\n  - { name: w, campaignName: w, destination: \"{{ contact.phone }}\", userName: \"{{ contact.name }}\" }\n";
    let world = World::start(Setup::new().route("ghl", route)).await;
    let url = world.url("ghl");
    let json = world
        .http
        .post(&url)
        .header("content-type", "application/json")
        .body(json!({"contact": {"firstName": "Asha", "phone": "98123 45671"}}).to_string());
    let form = world
        .http
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("customData%5Bname%5D=Asha&phone=98123+45672");
    let get = world.http.get(format!("{url}?name=Asha&phone=98123+45673"));
    for request in [json, form, get] {
        let (status, answer) = world.call(request.header("X-Relay-Key", "s3cret-of-highlevel")).await;
        assert_eq!((status, &answer["events"][0]["sends"]), (200, &json!(1)), "{answer}");
    }
    let numbers: Vec<Value> = world.sends().await.iter().map(|send| send["destination"].clone()).collect();
    assert_eq!(numbers, ["+919812345671", "+919812345672", "+919812345673"]);
    world.stop().await;
}
