//! What mapping costs: a 1 KB order through eight templates, and a phone number beside it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly, and talks"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use serri_relay::clock::Timestamp;
use serri_relay::config::interpolate::Variables;
use serri_relay::map::phone::normalise;
use serri_relay::route::check::check;
use serri_relay::route::example::call_of;
use serri_relay::route::manner_of;

const ROUTE: &str = r#"
source: shopify
secret: a-secret-for-the-benchmark
sends:
  - name: order confirmation
    when: meta.type == "orders/create"
    campaignName: order_confirmation
    destination: "DESTINATION"
    userName: "{{ contact.name | default('there') }}"
    templateParams:
      - "{{ contact.first_name | default('there') }}"
      - "{{ event.name }}"
      - "{{ event.total_price | money(event.currency) }}"
      - "{{ event.shipping_address.city }}"
    tags: [customer, "{{ event.financial_status }}"]
    attributes: { city: "{{ event.shipping_address.city }}" }
"#;

fn mapping(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("routes")).expect("a directory");
    std::fs::write(dir.path().join("routes/shop.yaml"), ROUTE.replace("DESTINATION", "{{ contact.phone }}"))
        .expect("a route");
    let (checked, faults) = check(dir.path(), &Variables::default());
    let checked = checked.expect("sound settings");
    let route = checked.routes.get("shop").unwrap_or_else(|| panic!("{faults:?}"));
    let sample = &checked.written.sources["shopify"].value.samples["order"];
    let mut sample = sample.clone();
    sample.body["note"] = serde_json::Value::from("Please ring the bell twice. ".repeat(14));
    let manner = manner_of(&checked.written.routes["shop"].value, &checked.written).expect("a source");
    let call = call_of(&sample, &manner);
    println!("body: {} bytes", call.body.len());
    let authentic = route.authentication.assume(call);
    c.bench_function("decode, describe and map a 1 KB order (8 templates, 1 number)", |b| {
        b.iter(|| route.read(&authentic, Timestamp(0)).expect("mapped"));
    });
    c.bench_function("normalise a phone number", |b| b.iter(|| normalise("+91 98123 45670", "IN")));
}

criterion_group!(benches, mapping);
criterion_main!(benches);
