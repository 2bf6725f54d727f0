//! Rules from the outside: YAML in, payloads out.

use serde_json::{Value, json};
use serri_relay::config::interpolate::Variables;
use serri_relay::route::check::check;
use serri_relay::route::example::shown;

use crate::world::Setup;

/// What a rule (its YAML, without the name) makes of an event of `generic`.
pub fn mapped(rule: &str, event: &Value) -> Vec<Value> {
    mapped_of("source: generic\nauth: none", rule, event)
}

/// What a rule makes of an event of a route of which the head is given.
pub fn mapped_of(head: &str, rule: &str, event: &Value) -> Vec<Value> {
    let rule: String = rule.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
    let route =
        format!("{head}\nsends:\n  - name: r\n{rule}examples:\n  - name: e\n    body: {event}\n    sends: []\n");
    let setup = Setup::new().route("r", &route);
    setup.write("http://127.0.0.1:9/");
    let (checked, diagnostics) = check(&setup.config(), &Variables::default());
    let checked = checked.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let route = checked.routes.get("r").unwrap_or_else(|| {
        panic!(
            "{:#?}",
            diagnostics.iter().map(serri_relay::config::diagnostic::Diagnostic::one_line).collect::<Vec<_>>()
        )
    });
    let file = &checked.written.routes["r"];
    let profile_spec = serri_relay::route::profile_spec_of(&file.value, &checked.written).unwrap();
    let sample = serri_relay::config::source::SampleSpec { body: event.clone(), ..Default::default() };
    let authentic = route.authentication.assume(serri_relay::route::example::call_of(&sample, &profile_spec));
    let events = route.read(&authentic, serri_relay::clock::Timestamp(0)).unwrap();
    events.iter().flat_map(|event| event.made.sends.iter().map(shown)).collect()
}

fn error(rule: &str, event: &Value) -> String {
    error_of("source: generic\nauth: none", rule, event)
}

/// Why a rule makes no send of an event.
pub fn error_of(head: &str, rule: &str, event: &Value) -> String {
    mapped_of(head, rule, event)[0]["error"].as_str().unwrap_or("it was mapped").to_owned()
}

const BASE: &str = "campaignName: c\ndestination: '{{ event.phone }}'\nuserName: Asha\n";

fn with(more: &str) -> String {
    format!("{BASE}{more}")
}

#[test]
fn a_number_without_country_code_is_of_the_country_that_the_event_names() {
    let to = |more: &str, event: &Value| {
        let send = mapped(&with(more), event).remove(0);
        send["destination"].as_str().or(send["error"].as_str()).unwrap_or_default().to_owned()
    };
    let of = |country: &str| json!({"phone": "(702) 234-5678", "country": country});
    // the account's country is IN, where it would be a number, too
    assert_eq!(to("", &json!({"phone": "(702) 234-5678"})), "+917022345678");
    for country in ["US", "USA", "United States", "अमेरिका", "États-Unis", "+1", "us "] {
        assert_eq!(to("", &of(country)), "+17022345678", "{country}");
    }
    // valid in the account's country and not in the event's: it is nobody's
    for country in ["NO", "Norway", "Norwegen"] {
        assert!(to("", &of(country)).contains("not a valid phone number of"), "{country}: {}", to("", &of(country)));
    }
    let unknown = to("", &of("Wonderland"));
    assert!(unknown.contains("`Wonderland` is not the name of a country"), "{unknown}");
    // a number in full has its country in itself; a rule's country goes before the event's, and an empty one does not count
    assert_eq!(to("", &json!({"phone": "+917022345678", "country": "Wonderland"})), "+917022345678");
    assert_eq!(to("default_country: IN", &of("US")), "+917022345678");
    assert_eq!(to("default_country: '{{ event.home }}'", &of("US")), "+17022345678");
    assert_eq!(to("default_country: '{{ event.country }}'", &of("Canada")), "+17022345678");
    // a number that the rule says itself has nothing to do with whom the event is about
    let own = mapped("campaignName: c\ndestination: 98123 45670\nuserName: Asha", &of("US"));
    assert_eq!(own[0]["destination"], "+919812345670");
}

#[test]
fn a_plus_that_a_form_did_not_escape_is_a_plus() {
    let to = |phone: &str| {
        mapped("campaignName: c\ndestination: '{{ contact.phone }}'\nuserName: A", &json!({"phone": phone}))
    };
    assert_eq!(to(" 4917112345678")[0]["destination"], "+4917112345678");
    assert_eq!(to(" 9812345670")[0]["destination"], "+919812345670", "there is no such number with a plus");
    let either = to(" 8215441234")[0]["error"].clone();
    assert!(either.as_str().unwrap().contains("begins with a space, which was a plus"), "{either}");
}

#[test]
fn every_field_of_serri_can_be_filled() {
    let rule = with(
        r#"
source: "{{ event.from }}"
media: { url: "https://cdn.example.com/{{ event.file }}", filename: "{{ event.file }}" }
location: { latitude: "{{ event.lat }}", longitude: 73.8567, name: Shop, address: "{{ event.none }}" }
templateParams: ["{{ event.n }}", "{{ event.list }}", 7, true]
tags: [a, "{{ event.list }}", "{{ event.none }}"]
attributes: { amount: "{{ event.amount }}", vip: "{{ event.vip }}", none: "{{ event.none }}" }
paramsFallbackValue: { FirstName: user }
buttons:
  - { type: button, sub_type: url, index: 0, parameters: [{ type: text, text: "{{ event.n }}" }] }
carouselCards:
  - { card_index: 0, components: [{ type: body, parameters: [{ type: text, text: "{{ event.from }}" }] }] }
"#,
    );
    let event = json!({"phone": "+919812345670", "from": "Web", "file": "a b.pdf", "lat": "18.52", "n": 1499.50, "list": ["x", 2], "amount": 1499.5, "vip": true, "none": null});
    assert_eq!(
        mapped(&rule, &event),
        [json!({
            "rule": "r", "campaignName": "c", "destination": "+919812345670", "userName": "Asha", "source": "Web",
            "media": {"url": "https://cdn.example.com/a%20b.pdf", "filename": "a b.pdf"},
            "location": {"latitude": 18.52, "longitude": 73.8567, "name": "Shop"},
            "templateParams": ["1499.5", "x, 2", "7", "true"],
            "tags": ["a", "x", "2"],
            "attributes": {"amount": "1499.5", "vip": "true"},
            "paramsFallbackValue": {"FirstName": "user"},
            "buttons": [{"type": "button", "sub_type": "url", "index": 0, "parameters": [{"type": "text", "text": "1499.5"}]}],
            "carouselCards": [{"card_index": 0, "components": [{"type": "body", "parameters": [{"type": "text", "text": "Web"}]}]}],
        })]
    );
}

#[test]
fn a_send_for_each_entry_of_a_list() {
    let rule = "for_each: event.guests\nwhen: event.guests\ncampaignName: c\ndestination: '{{ item.phone }}'\nuserName: '{{ item.name }}'\n";
    let sends = mapped(
        rule,
        &json!({"guests": [{"name": "A", "phone": "9812345670"}, {"name": "B"}, {"name": "C", "phone": "9812345671"}]}),
    );
    assert_eq!(
        sends.iter().map(|s| s["destination"].clone()).collect::<Vec<_>>(),
        [json!("+919812345670"), json!(null), json!("+919812345671")]
    );
    assert_eq!(sends[1]["error"], "rule `r`, `destination`: `item.phone` is not there, or empty");
    assert_eq!(mapped(rule, &json!({"guests": []})), Vec::<Value>::new());
}

#[test]
fn what_is_required_and_missing_stops_the_send_and_is_named() {
    let phone = json!({"phone": "9812345670", "blank": " "});
    assert_eq!(
        error(&with("templateParams: ['Hi {{ event.plan.name }}']"), &phone),
        "rule `r`, `templateParams[0]`: `event.plan.name` is not there, or empty"
    );
    assert_eq!(
        error(&with("templateParams: [a, '{{ event.blank }}']"), &phone),
        "rule `r`, `templateParams[1]`: `event.blank` is not there, or empty"
    );
    assert_eq!(
        error(&with("templateParams: ['{{ event.none | default(\"\") }}']"), &phone),
        "rule `r`, `templateParams[0]`: it comes out empty"
    );
    assert_eq!(
        error("campaignName: '{{ event.c }}'\ndestination: '{{ event.phone }}'\nuserName: x", &phone),
        "rule `r`, `campaignName`: `event.c` is not there, or empty"
    );
    assert_eq!(
        error(BASE, &json!({"phone": "12"})),
        "rule `r`, `destination`: it is not a valid phone number of IN or with a country code"
    );
    assert_eq!(
        error(
            &with("media: { url: '{{ event.u }}' }"),
            &json!({"phone": "9812345670", "u": "http://169.254.169.254/"})
        ),
        "rule `r`, `media.url`: `169.254.169.254` is not a public address"
    );
    assert!(
        error(
            &with("templateParams: ['{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}']"),
            &phone
        )
        .contains("more than 200000 steps")
    );
}

#[test]
fn parameters_are_made_fit_for_whatsapp() {
    let event = json!({"phone": "9812345670", "text": "a\n\nb\tc      d    e\u{0}f", "long": "é".repeat(2_000)});
    let sends = mapped(&with("templateParams: ['{{ event.text }}', '{{ event.long }}']"), &event);
    assert_eq!(sends[0]["templateParams"][0], "a b c d    e f");
    assert_eq!(sends[0]["templateParams"][1].as_str().unwrap().chars().count(), 1_024);
}

#[test]
fn numbers_take_the_country_that_is_nearest() {
    let rule = with("default_country: '{{ event.country }}'");
    let to = |event: Value| mapped(&rule, &event)[0]["destination"].clone();
    assert_eq!(to(json!({"phone": "050 123 4567", "country": "AE"})), "+971501234567");
    assert_eq!(to(json!({"phone": "98123 45670"})), "+919812345670");
    assert_eq!(to(json!({"phone": "98123 45670", "country": "India"})), "+919812345670");
}

#[test]
fn big_integers_and_all_scripts_survive() {
    let event = json!({"phone": "9812345670", "id": u64::MAX, "neg": i64::MIN, "name": "आशा 👩🏽‍💻 O'Neil"});
    let sends = mapped(&with("templateParams: ['{{ event.id }}', '{{ event.neg }}', '{{ event.name }}']"), &event);
    assert_eq!(sends[0]["templateParams"], json!([u64::MAX.to_string(), i64::MIN.to_string(), "आशा 👩🏽‍💻 O'Neil"]));
}

#[test]
fn a_condition_chooses_and_a_broken_one_says_so() {
    assert_eq!(
        mapped(&with("when: event.total | float > 1000"), &json!({"phone": "9812345670", "total": "999"})),
        Vec::<Value>::new()
    );
    assert_eq!(
        mapped(&with("when: event.total | float > 1000"), &json!({"phone": "9812345670", "total": "1001"})).len(),
        1
    );
    assert!(
        error(&with("when: event.total | float > 1000"), &json!({"phone": "9812345670", "total": "many"}))
            .starts_with("rule `r`, `when`: ")
    );
}

#[test]
fn what_a_card_or_a_button_leads_to_is_public_like_media() {
    let card = "carouselCards:\n  - { card_index: 0, components: [{ type: header, parameters: [{ type: image, image: { link: \"{{ event.link }}\" } }] }] }\n";
    let button = "buttons:\n  - { type: button, sub_type: flow, index: 0, parameters: [{ type: action, action: { url: \"{{ event.link }}\" } }] }\n";
    for private in
        ["http://127.0.0.1/a.jpg", "http://[2002:7f00:1::]/", "http://example.com\\@127.0.0.1/", "//10.0.0.1/x"]
    {
        let event = json!({"phone": "9812345670", "link": private});
        for (rule, key) in [(card, "carouselCards"), (button, "buttons")] {
            let said = error(&with(rule), &event);
            assert!(said.starts_with(&format!("rule `r`, `{key}")), "{private} in {key}: {said}");
        }
    }
    let event = json!({"phone": "9812345670", "link": "https://cdn.example.com/a.jpg"});
    assert_eq!(mapped(&with(card), &event)[0]["error"], json!(null));
    // the end of the template's own URL
    let event = json!({"phone": "9812345670", "link": "orders/1001?x=1"});
    assert_eq!(mapped(&with(button), &event)[0]["error"], json!(null));
}
