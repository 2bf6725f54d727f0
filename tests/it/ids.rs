//! Can one thing come under two ids, and two things under one? Source by source.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use serri_relay::clock::Timestamp;
use serri_relay::config::source::SampleSpec;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;

use crate::cli::relay;
use crate::world::Setup;

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
    ]
}

#[test]
fn one_thing_has_one_id_and_two_have_two() {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    for source in pairs().iter().map(|pair| pair.source).collect::<BTreeSet<_>>() {
        assert!(relay(&setup.config(), &["new", source, "--source", source]).status.success());
    }
    let checked = setup.checked();
    let id = |source: &str, Told(headers, body): &Told| {
        let headers: BTreeMap<String, String> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sample = SampleSpec { headers, body: body.clone(), ..SampleSpec::default() };
        let route = &checked.routes[source];
        let spec = profile_spec_of(&checked.written.routes[source].value, &checked.written).unwrap();
        let events = route.read(&route.authentication.assume(call_of(&sample, &spec)), Timestamp(0)).unwrap();
        events[0].id.clone()
    };
    for Pair { source, what, calls: [one, other], same } in pairs() {
        let (one, other) = (id(source, &one), id(source, &other));
        assert_eq!(one == other, same, "{source}, {what}: {one} and {other}");
    }
}
