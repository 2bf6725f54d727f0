//! Can one thing come under two ids, and two things under one? Source by source.

use serde_json::{Value, json};
use serri_relay::clock::Timestamp;
use serri_relay::config::source::SampleSpec;
use serri_relay::event::NewEvent;
use serri_relay::route::check::Checked;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;

use crate::world::Setup;
use serri_relay::config::shipped::SOURCES;

/// A call as its sender makes it: headers and body.
struct Told(&'static [(&'static str, &'static str)], Value);

/// Two calls of a source, and whether they tell of the same thing.
struct Pair {
    source: &'static str,
    what: &'static str,
    calls: [Told; 2],
    same: bool,
}

fn pairs() -> Vec<Pair> {
    let order = |id: u64, changed: &str| json!({"id": id, "date_modified_gmt": changed, "billing": {}});
    let created = &[("X-WC-Webhook-Topic", "order.created"), ("X-WC-Webhook-Source", "https://shop.example.com/")];
    let updated = &[("X-WC-Webhook-Topic", "order.updated"), ("X-WC-Webhook-Source", "https://shop.example.com/")];
    let (early, late) = ("2026-11-20T10:00:01", "2026-11-20T10:00:04");
    let pair = |source, what, calls, same| Pair { source, what, calls, same };
    vec![
        pair(
            "woocommerce",
            "an order is created once, and told twice, some seconds apart",
            [Told(created, order(601, early)), Told(created, order(601, late))],
            true,
        ),
        pair("woocommerce", "two orders", [Told(created, order(601, early)), Told(created, order(602, early))], false),
        pair(
            "woocommerce",
            "an order that is changed twice",
            [Told(updated, order(601, early)), Told(updated, order(601, late))],
            false,
        ),
        pair(
            "woocommerce",
            "an order that is created and changed",
            [Told(created, order(601, early)), Told(updated, order(601, early))],
            false,
        ),
        pair(
            "shopify",
            "two subscriptions to one topic",
            [
                Told(
                    &[
                        ("X-Shopify-Topic", "orders/create"),
                        ("X-Shopify-Webhook-Id", "w1"),
                        ("X-Shopify-Event-Id", "e1"),
                    ],
                    json!({"id": 701}),
                ),
                Told(
                    &[
                        ("X-Shopify-Topic", "orders/create"),
                        ("X-Shopify-Webhook-Id", "w2"),
                        ("X-Shopify-Event-Id", "e1"),
                    ],
                    json!({"id": 701}),
                ),
            ],
            true,
        ),
        pair(
            "shopify",
            "one act that made an order and paid it",
            [
                Told(&[("X-Shopify-Topic", "orders/create"), ("X-Shopify-Event-Id", "e1")], json!({"id": 701})),
                Told(&[("X-Shopify-Topic", "orders/paid"), ("X-Shopify-Event-Id", "e1")], json!({"id": 701})),
            ],
            false,
        ),
        pair(
            "shopify",
            "one act that changed two orders",
            [
                Told(&[("X-Shopify-Topic", "orders/updated"), ("X-Shopify-Event-Id", "e1")], json!({"id": 701})),
                Told(&[("X-Shopify-Topic", "orders/updated"), ("X-Shopify-Event-Id", "e1")], json!({"id": 702})),
            ],
            false,
        ),
        pair(
            "shopify",
            "an app of before there were event ids",
            [
                Told(&[("X-Shopify-Topic", "orders/create"), ("X-Shopify-Webhook-Id", "w1")], json!({"id": 701})),
                Told(&[("X-Shopify-Topic", "orders/create"), ("X-Shopify-Webhook-Id", "w2")], json!({"id": 701})),
            ],
            false,
        ),
        pair(
            "calendly",
            "two subscriptions tell of one booking",
            [
                Told(
                    &[],
                    json!({"event": "invitee.created", "created_at": "2026-11-26T12:41:02.000000Z", "payload": {"uri": "https://api.calendly.com/i/1"}}),
                ),
                Told(
                    &[],
                    json!({"event": "invitee.created", "created_at": "2026-11-26T12:41:02.400000Z", "payload": {"uri": "https://api.calendly.com/i/1"}}),
                ),
            ],
            true,
        ),
        pair(
            "calendly",
            "a booking and its cancellation",
            [
                Told(&[], json!({"event": "invitee.created", "payload": {"uri": "https://api.calendly.com/i/1"}})),
                Told(&[], json!({"event": "invitee.canceled", "payload": {"uri": "https://api.calendly.com/i/1"}})),
            ],
            false,
        ),
        pair(
            "calendly",
            "two bookings",
            [
                Told(&[], json!({"event": "invitee.created", "payload": {"uri": "https://api.calendly.com/i/1"}})),
                Told(&[], json!({"event": "invitee.created", "payload": {"uri": "https://api.calendly.com/i/2"}})),
            ],
            false,
        ),
        pair(
            "cal",
            "two webhooks tell of one booking",
            [
                Told(
                    &[],
                    json!({"triggerEvent": "BOOKING_CREATED", "createdAt": "2026-11-26T12:41:02.193Z", "payload": {"uid": "u"}}),
                ),
                Told(
                    &[],
                    json!({"triggerEvent": "BOOKING_CREATED", "createdAt": "2026-11-26T12:41:02.201Z", "payload": {"uid": "u"}}),
                ),
            ],
            true,
        ),
        pair(
            "cal",
            "two seats of one booking",
            [
                Told(
                    &[],
                    json!({"triggerEvent": "BOOKING_CREATED", "payload": {"uid": "u", "responses": {"email": {"value": "a@example.com"}}}}),
                ),
                Told(
                    &[],
                    json!({"triggerEvent": "BOOKING_CREATED", "payload": {"uid": "u", "responses": {"email": {"value": "b@example.com"}}}}),
                ),
            ],
            false,
        ),
        pair(
            "cal",
            "a booking of which two recordings are ready",
            [
                Told(
                    &[],
                    json!({"triggerEvent": "RECORDING_READY", "createdAt": "2026-11-26T12:41:02.193Z", "payload": {"uid": "u"}}),
                ),
                Told(
                    &[],
                    json!({"triggerEvent": "RECORDING_READY", "createdAt": "2026-11-26T13:41:02.201Z", "payload": {"uid": "u"}}),
                ),
            ],
            false,
        ),
        pair(
            "activecampaign",
            "two lists in one second",
            [
                Told(
                    &[],
                    json!({"type": "subscribe", "date_time": "2026-11-26T12:41:02+05:30", "contact": {"id": "1"}, "list": "3"}),
                ),
                Told(
                    &[],
                    json!({"type": "subscribe", "date_time": "2026-11-26T12:41:02+05:30", "contact": {"id": "1"}, "list": "4"}),
                ),
            ],
            false,
        ),
        pair(
            "cashfree",
            "a payment that failed and was made again",
            [
                Told(
                    &[],
                    json!({"type": "PAYMENT_FAILED_WEBHOOK", "data": {"payment": {"cf_payment_id": 1, "payment_status": "FAILED"}}}),
                ),
                Told(
                    &[],
                    json!({"type": "PAYMENT_SUCCESS_WEBHOOK", "data": {"payment": {"cf_payment_id": 2, "payment_status": "SUCCESS"}}}),
                ),
            ],
            false,
        ),
        pair(
            "cashfree",
            "a refund that is told again",
            [
                Told(
                    &[],
                    json!({"type": "REFUND_STATUS_WEBHOOK", "event_time": "2026-11-26T12:41:02+05:30", "data": {"refund": {"cf_refund_id": 1, "refund_status": "SUCCESS"}}}),
                ),
                Told(
                    &[],
                    json!({"type": "REFUND_STATUS_WEBHOOK", "event_time": "2026-11-26T12:51:02+05:30", "data": {"refund": {"cf_refund_id": 1, "refund_status": "SUCCESS"}}}),
                ),
            ],
            true,
        ),
        pair(
            "cashfree",
            "two orders by a payment form",
            [
                Told(&[], json!({"type": "PAYMENT_FORM_ORDER_WEBHOOK", "data": {"order": {"transaction_id": 1}}})),
                Told(&[], json!({"type": "PAYMENT_FORM_ORDER_WEBHOOK", "data": {"order": {"transaction_id": 2}}})),
            ],
            false,
        ),
        pair(
            "hubspot",
            "a call that is repeated",
            [
                Told(
                    &[],
                    json!([{"eventId": 1, "subscriptionId": 2, "portalId": 3, "objectId": 4, "occurredAt": 5, "attemptNumber": 0}]),
                ),
                Told(
                    &[],
                    json!([{"eventId": 1, "subscriptionId": 2, "portalId": 3, "objectId": 4, "occurredAt": 5, "attemptNumber": 1}]),
                ),
            ],
            true,
        ),
        pair(
            "hubspot",
            "two contacts under one event id",
            [
                Told(&[], json!([{"eventId": 1, "subscriptionId": 2, "portalId": 3, "objectId": 4, "occurredAt": 5}])),
                Told(&[], json!([{"eventId": 1, "subscriptionId": 2, "portalId": 3, "objectId": 6, "occurredAt": 5}])),
            ],
            false,
        ),
        pair(
            "leadsquared",
            "a lead that is made and changed in one second",
            [
                Told(&[], json!({"ProspectID": "p", "ModifiedOn": "2026-11-26 12:41:02"})),
                Told(&[], json!({"Before": {}, "After": {"ProspectID": "p", "ModifiedOn": "2026-11-26 12:41:02"}})),
            ],
            false,
        ),
        pair(
            "leadsquared",
            "a call that comes three times",
            [
                Told(&[], json!({"ProspectID": "p", "ModifiedOn": "2026-11-26 12:41:02"})),
                Told(&[], json!({"ProspectID": "p", "ModifiedOn": "2026-11-26 12:41:02"})),
            ],
            true,
        ),
        pair(
            "pipedrive",
            "two webhooks tell of one change",
            [
                Told(
                    &[],
                    json!({"meta": {"webhook_id": "1", "action": "create", "entity": "person", "id": "e5", "entity_id": "7"}}),
                ),
                Told(
                    &[],
                    json!({"meta": {"webhook_id": "2", "action": "create", "entity": "person", "id": "e5", "entity_id": "7"}}),
                ),
            ],
            true,
        ),
        pair(
            "pipedrive",
            "two changes of one person, as v1 tells them",
            [
                Told(&[], json!({"event": "updated.person", "meta": {"id": 7, "timestamp_micro": 1}})),
                Told(&[], json!({"event": "updated.person", "meta": {"id": 7, "timestamp_micro": 2}})),
            ],
            false,
        ),
        pair(
            "tally",
            "two webhooks of one form",
            [
                Told(&[], json!({"eventId": "a", "eventType": "FORM_RESPONSE", "data": {"responseId": "r"}})),
                Told(&[], json!({"eventId": "b", "eventType": "FORM_RESPONSE", "data": {"responseId": "r"}})),
            ],
            true,
        ),
        pair(
            "typeform",
            "a form's two webhooks",
            [
                Told(&[], json!({"event_id": "a", "event_type": "form_response", "form_response": {"token": "t"}})),
                Told(&[], json!({"event_id": "b", "event_type": "form_response", "form_response": {"token": "t"}})),
            ],
            true,
        ),
        pair(
            "webflow",
            "an account that is made and changed",
            [
                Told(&[], json!({"triggerType": "user_account_added", "payload": {"id": "1"}})),
                Told(&[], json!({"triggerType": "user_account_updated", "payload": {"id": "1"}})),
            ],
            false,
        ),
        pair(
            "stripe",
            "two things of one kind",
            [Told(&[], json!({"id": "evt_1", "type": "a"})), Told(&[], json!({"id": "evt_2", "type": "a"}))],
            false,
        ),
        pair(
            "generic",
            "an order that is made and shipped",
            [
                Told(&[], json!({"type": "order.created", "id": 1042})),
                Told(&[], json!({"type": "order.shipped", "id": 1042})),
            ],
            false,
        ),
        pair(
            "generic",
            "an order that is told twice, with something that changed meanwhile",
            [
                Told(&[], json!({"type": "order.created", "id": 1042, "try": 1})),
                Told(&[], json!({"type": "order.created", "id": 1042, "try": 2})),
            ],
            true,
        ),
        pair(
            "generic",
            "two kinds of event that the headers name",
            [
                Told(&[("X-Event-Id", "7"), ("X-Event-Type", "created")], json!({"n": 1})),
                Told(&[("X-Event-Id", "7"), ("X-Event-Type", "shipped")], json!({"n": 1})),
            ],
            false,
        ),
        pair(
            "zapier",
            "a thing of which two kinds of event tell",
            [Told(&[], json!({"type": "created", "id": 5})), Told(&[], json!({"type": "paid", "id": 5}))],
            false,
        ),
    ]
}

/// A route of each source, and what its events are called.
struct Ids(Checked);

impl Ids {
    fn new() -> Self {
        let route = |setup: Setup, (source, _): &(&str, &str)| {
            setup.route(source, &format!("source: {source}\nauth: none\nhandshake: none\nsends: []\n"))
        };
        let setup = SOURCES.iter().fold(Setup::new(), route);
        setup.write("http://127.0.0.1:9/");
        Self(setup.checked())
    }

    /// What a repetition of the event is recognized by.
    fn of(&self, source: &str, sample: &SampleSpec) -> [u8; 16] {
        self.event(source, sample).fingerprint
    }

    fn event(&self, source: &str, sample: &SampleSpec) -> NewEvent {
        let route = &self.0.routes[source];
        let spec = profile_spec_of(&self.0.written.routes[source].value, &self.0.written).unwrap();
        let mut events = route.read(&route.authentication.assume(call_of(sample, &spec)), Timestamp(0)).unwrap();
        events.remove(0)
    }
}

#[test]
fn one_thing_has_one_id_and_two_have_two() {
    let ids = Ids::new();
    for Pair { source, what, calls, same } in pairs() {
        let [one, other] = calls.map(|Told(headers, body)| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            ids.of(source, &SampleSpec { headers, body, ..SampleSpec::default() })
        });
        assert_eq!(one == other, same, "{source}, {what}");
    }
}

#[test]
fn an_id_is_kept_as_its_sender_wrote_it() {
    let ids = Ids::new();
    for source in ["generic", "zapier", "make", "pabbly"] {
        let event = |body| ids.event(source, &SampleSpec { body, ..SampleSpec::default() });
        assert_eq!(event(json!({"type": "order.created", "id": 1042})).id, "1042", "{source}");
        assert_eq!(event(json!({"id": "lead-7"})).id, "lead-7", "{source}");
        for none in [json!("-"), json!("0"), json!(0), json!("None"), json!("null"), json!("N/A"), json!("undefined")] {
            let [one, other] = ["a", "b"].map(|note| event(json!({"type": "lead", "id": none, "note": note})));
            assert!(one.id.starts_with("sha256:"), "{source}: {none} is the id {}", one.id);
            assert_ne!(one.fingerprint, other.fingerprint, "{source}: {none}");
            assert_eq!(one.fingerprint, event(json!({"type": "lead", "id": none, "note": "a"})).fingerprint, "{none}");
        }
    }
}

#[test]
fn events_that_were_kept_before_are_known_again() {
    let ids = Ids::new();
    let known = |source: &str, body, was: &str| {
        let whole = serri_relay::decode::hash(format!("{source}\0{was}").as_bytes());
        let now = ids.of(source, &SampleSpec { body, ..SampleSpec::default() });
        assert_eq!(now.as_slice(), &whole[..16], "{source}: {was}");
    };
    known("generic", json!({"id": 1042}), "1042");
    known("zapier", json!({"type": "lead", "id": 1042}), "lead/1042");
    known("stripe", json!({"id": "evt_1", "type": "invoice.paid"}), "evt_1");
}

#[test]
fn what_lacks_an_id_never_has_that_of_something_else() {
    let ids = Ids::new();
    for (source, _) in SOURCES {
        let [one, other] = ["a", "b"].map(|note| {
            let (body, kind) = match *source {
                "jotform" => {
                    let part = "Content-Disposition: form-data; name=\"note\"";
                    (
                        json!(format!("--relay\r\n{part}\r\n\r\n{note}\r\n--relay--\r\n")),
                        Some("multipart/form-data; boundary=relay"),
                    )
                }
                "salesforce" => {
                    let soap = "xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"";
                    (json!(format!("<Envelope {soap}><Body><a><note>{note}</note></a></Body></Envelope>")), None)
                }
                "99acres" => (json!(format!("<a><note>{note}</note></a>")), None),
                _ => (json!({ "note": note }), None),
            };
            let headers = kind.map(|kind| ("Content-Type".to_owned(), kind.to_owned())).into_iter().collect();
            ids.of(source, &SampleSpec { headers, body, ..SampleSpec::default() })
        });
        assert_ne!(one, other, "{source}");
    }
}
