//! The recipe for abandoned carts, with the events that Shopify sends.

use serde_json::{Value, json};
use serri_relay::authenticate::sign;
use serri_relay::clock::Clock;
use serri_relay::config::source::SampleSpec;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;

use crate::asked::{Ask as _, states_of, text};
use crate::recipes::recipe;
use crate::world::{Setup, World};

/// The recipe at work, with another delay.
async fn shop(delay: &str) -> World {
    let mut route = recipe("carts");
    assert_eq!(route["sends"][0]["delay"], "1h");
    route["sends"][0]["delay"] = json!(delay);
    World::start(Setup::new().route("carts", &route.to_string())).await
}

/// Calls as Shopify would; each act has an event id of its own.
async fn tell(world: &World, topic: &str, event: &str, body: Value) -> String {
    let checked = world.setup.checked();
    let spec = profile_spec_of(&checked.written.routes["carts"].value, &checked.written).unwrap();
    let headers = [("X-Shopify-Topic", topic), ("X-Shopify-Event-Id", event), ("X-Shopify-Webhook-Id", event)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let mut call = call_of(&SampleSpec { headers, body, ..SampleSpec::default() }, &spec);
    call.uri = "/webhooks/carts".parse().unwrap();
    sign(&checked.routes["carts"].authentication, &mut call, Clock::system().now()).unwrap();
    let sent = world.http.request(call.method, format!("{}{}", world.base, call.uri)).headers(call.headers);
    let (status, answer) = world.call(sent.body(call.body)).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer["status"])
}

/// A checkout with what is known of its person.
fn checkout(token: &str, item: &str, person: &Value) -> Value {
    let mut body = json!({"id": 1, "token": token, "completed_at": null, "currency": "INR", "total_price": "1499.00", "phone": null,
        "abandoned_checkout_url": format!("https://shop.example.com/7/checkouts/ac/{token}/recover"), "line_items": [{"title": item, "price": "1499.00"}]});
    body.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
    body
}

/// The order of a checkout.
fn order(id: u64, checkout: Option<&str>) -> Value {
    json!({"id": id, "name": format!("#{id}"), "token": format!("order-{id}"), "checkout_token": checkout, "checkout_id": 1, "currency": "INR",
        "total_price": "1499.00", "customer": {"first_name": "Asha", "phone": "+919812345670"}, "line_items": []})
}

async fn begin(world: &World, token: &str, places: &[Value]) {
    tell(world, "checkouts/create", &format!("{token}-0"), checkout(token, "Item 0", &json!({}))).await;
    for (index, place) in places.iter().enumerate() {
        let (event, item) = (format!("{token}-{}", index + 1), format!("Item {}", index + 1));
        tell(world, "checkouts/update", &event, checkout(token, &item, place)).await;
    }
}

/// Wherever the number stands.
fn places() -> [Value; 5] {
    [
        json!({"phone": "+91 98123 45670"}),
        json!({"shipping_address": {"phone": "098123 45670", "country_code": "IN"}}),
        json!({"billing_address": {"phone": "98123-45670", "country_code": "IN"}}),
        json!({"customer": {"first_name": "Asha", "phone": "+919812345670"}}),
        json!({"customer": {"first_name": "Asha"}, "shipping_address": {"phone": "98123 45670"}}),
    ]
}

#[tokio::test]
async fn a_cart_that_is_changed_five_times_is_reminded_of_once_with_what_is_in_it() {
    // longer than six calls take
    let world = shop("4s").await;
    begin(&world, "c1", &places()).await;
    let message = world.delivered(1).await.remove(0);
    assert_eq!(message["templateParams"], json!(["Asha", "Item 5", "₹1,499"]));
    assert_eq!(message["destination"], "+919812345670");
    assert_eq!(message["buttons"][0]["parameters"][0]["text"], "7/checkouts/ac/c1/recover");
    world.until_states(&["cancelled", "cancelled", "cancelled", "cancelled", "sent"]).await;
    assert_eq!(world.sandbox.messages().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn an_order_cancels_the_reminder_of_its_checkout_and_sends_one_message() {
    let world = shop("1h").await;
    begin(&world, "c1", &places()).await;
    begin(&world, "c2", &places()[..1]).await;
    // of the point of sale: it is about no cart
    tell(&world, "orders/create", "o0", order(1041, None)).await;
    let carts = async || states_of(&world.sends_of("campaign=cart_reminder").await);
    let mut wanted = ["cancelled", "cancelled", "cancelled", "cancelled", "waiting delay", "waiting delay"];
    assert_eq!(carts().await, wanted);
    tell(&world, "orders/create", "o1", order(1042, Some("c1"))).await;
    wanted[4] = "cancelled";
    assert_eq!(carts().await, wanted);
    // what else Shopify tells of the same: by another subscription, and the checkout that was completed
    assert_eq!(tell(&world, "orders/create", "o1", order(1042, Some("c1"))).await, "duplicate");
    let mut completed = checkout("c1", "Item 5", &places()[0]);
    completed["completed_at"] = json!("2026-11-26T18:11:02+05:30");
    assert_eq!(tell(&world, "checkouts/update", "c1-9", completed).await, "ignored");
    assert_eq!(carts().await, wanted);
    let orders: Vec<Value> =
        world.delivered(2).await.iter().map(|message| message["templateParams"][1].clone()).collect();
    assert_eq!(orders, ["#1041", "#1042"]);
    world.stop().await;
}

#[tokio::test]
async fn two_carts_of_one_person_are_one_reminder_a_day() {
    let world = shop("1s").await;
    begin(&world, "c1", &places()[..1]).await;
    begin(&world, "c2", &places()[1..2]).await;
    world.until_states(&["sent", "duplicate"]).await;
    assert_eq!(world.sandbox.messages().len(), 1);
    world.stop().await;
}
