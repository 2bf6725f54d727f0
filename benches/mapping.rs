//! What mapping costs: a 1 KB order through eight templates, and a phone number beside it; then the whole way from the
//! proven bytes to what is stored.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly, and talks"
)]

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serri_relay::clock::Timestamp;
use serri_relay::config::interpolate::Variables;
use serri_relay::config::source::BodyFormat;
use serri_relay::event::{Contact, Envelope, Event};
use serri_relay::map::{Allowance, Rule, RuleContext, RulePlace, Scope, SendOptionPlaces, SendOptionRules};
use serri_relay::phone::{Country, normalise};
use serri_relay::route::check::check;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;

const ROUTE: &str = include_str!("route.yaml");

fn mapping(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("routes")).expect("a directory");
    std::fs::write(dir.path().join("routes/shop.yaml"), ROUTE.replace("SECRET", "a-secret-for-the-benchmark"))
        .expect("a route");
    let (checked, faults) = check(dir.path(), &Variables::default());
    let checked = checked.expect("sound settings");
    let route = checked.routes.get("shop").unwrap_or_else(|| panic!("{faults:?}"));
    let sample = &checked.written.sources["shopify"].value.samples["order"];
    let mut sample = sample.clone();
    sample.body["note"] = serde_json::Value::from("Please ring the bell twice. ".repeat(19));
    let profile_spec = profile_spec_of(&checked.written.routes["shop"].value, &checked.written).expect("a source");
    let call = call_of(&sample, &profile_spec);
    println!("body: {} bytes", call.body.len());
    let body = call.body.clone();
    c.bench_function("the body, as serde_json reads it", |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(&body).expect("JSON"));
    });
    c.bench_function("the body, with its depth and repeated keys", |b| {
        b.iter(|| serri_relay::body::parse(BodyFormat::Json, Some("application/json"), &body, "").expect("JSON"));
    });
    let authentic = route.authentication.assume(call);
    let file = &checked.written.routes["shop"];
    let place = RulePlace { file: &file.node, index: 0, country: None };
    let relay = &checked.written.relay;
    let places = SendOptionPlaces {
        route: Some(&file.node),
        rule: None,
        relay: &relay.node,
        account: "default",
        country: Some(Country::INDIA),
    };
    let option_rules = SendOptionRules::compile(&file.value.options, places, Arc::default()).expect("no options");
    let rule = Rule::compile(&file.value.sends[0], place, "default", None, option_rules).expect("a rule");
    let context = RuleContext { country: Some(Country::INDIA), received_at: Timestamp(0) };
    let scope = scope_of(sample.body);
    let allowance = Allowance { sends: 1_000, bytes: 16 << 20 };
    c.bench_function("map: eight templates and a number", |b| {
        b.iter(|| rule.apply(&scope, context, &mut allowance.clone()));
    });
    c.bench_function("a number in full: +91 98123 45670", |b| {
        b.iter(|| normalise("+91 98123 45670", Some(Country::INDIA)));
    });
    c.bench_function("a number of the country: 098123 45670", |b| {
        b.iter(|| normalise("098123 45670", Some(Country::INDIA)));
    });
    c.bench_function("the same without plus: 919812345670", |b| {
        b.iter(|| normalise("919812345670", Some(Country::INDIA)));
    });
    c.bench_function("all: decode, describe, map, make what is stored", |b| {
        b.iter(|| route.read(&authentic, Timestamp(0)).expect("mapped"));
    });
}

/// What the templates see of the order.
fn scope_of(value: serde_json::Value) -> Scope {
    let contact = Contact {
        phone: "+91 98123 45670".into(),
        name: "Asha Rao".into(),
        first_name: "Asha".into(),
        ..Contact::default()
    };
    let scope = Scope::of_value(&value, &Scope::of_envelope(&Envelope::default()));
    let event = Event {
        id: "5544332211".into(),
        kind: "orders/create".into(),
        value,
        contact,
        window: Duration::from_secs(604_800),
    };
    scope.with_event(&event, "shop", "shopify", Timestamp(0))
}

criterion_group!(benches, mapping);
criterion_main!(benches);
