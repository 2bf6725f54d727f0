//! Values as senders write them, in each place where somebody reads them.

use serde_json::{Value, json};

use crate::map::{error_of, mapped, mapped_of};

/// Meta's test leads go on like all others here.
const HEAD: &str = "source: generic\nauth: none\ntest_events: send";

/// Takes the field `x` of an event, and gives it back from where it went.
type Place = (&'static str, &'static str, fn(&Value) -> Value);

const PLACES: [Place; 9] = [
    ("a parameter", "templateParams: [\"{{ event.x }}\"]", |send| send["templateParams"][0].clone()),
    ("a part of one", "templateParams: [\"Hello {{ event.x }}!\"]", |send| {
        let text = send["templateParams"][0].as_str().unwrap_or_default();
        json!(text.strip_prefix("Hello ").and_then(|text| text.strip_suffix('!')))
    }),
    ("one by a filter", "templateParams: [\"{{ event.x | one_line }}\"]", |send| send["templateParams"][0].clone()),
    ("one with a default", "templateParams: [\"{{ event.x | default('there') }}\"]", |send| {
        send["templateParams"][0].clone()
    }),
    ("a script", "templateParams: [\"{% if true %}{{ event.x }}{% endif %}\"]", |send| {
        send["templateParams"][0].clone()
    }),
    ("an attribute", "attributes: { x: \"{{ event.x }}\" }", |send| send["attributes"]["x"].clone()),
    ("a fallback", "paramsFallbackValue: { x: \"{{ event.x }}\" }", |send| send["paramsFallbackValue"]["x"].clone()),
    ("the source", "source: \"{{ event.x }}\"", |send| send["source"].clone()),
    ("a file's name", "media: { url: \"https://example.com/a.pdf\", filename: \"{{ event.x }}\" }", |send| {
        send["media"]["filename"].clone()
    }),
];

fn rule(more: &str) -> String {
    format!("campaignName: w\ndestination: \"+919812345670\"\nuserName: Asha\n{more}")
}

#[test]
fn a_value_is_what_people_read_wherever_it_stands() {
    for (given, read) in [
        (json!("Pune"), "Pune"),
        (json!(["Pune"]), "Pune"),
        (json!([["Pune"]]), "Pune"),
        (json!(["Mon", "Tue"]), "Mon, Tue"),
        (json!(["Mon", "", null, "Tue"]), "Mon, Tue"),
        (json!("[\"Mon\",\"Tue\"]"), "Mon, Tue"),
        (json!(["{{day}}", "Tue"]), "Tue"),
        (json!([1, 2.50]), "1, 2.5"),
        (json!({"first": "Asha", "last": "Rao"}), "Asha Rao"),
        (json!({"firstName": "Asha", "lastName": null}), "Asha"),
        (json!("D&#039;Souza"), "D'Souza"),
        (json!(["Men&#8217;s", "Rao &amp; Sons"]), "Men’s, Rao & Sons"),
        (json!({"first": "Meera", "last": "D&#039;Souza"}), "Meera D'Souza"),
    ] {
        for (place, more, of) in PLACES {
            let sends = mapped(&rule(more), &json!({ "x": given }));
            assert_eq!(of(&sends[0]), read, "{given} as {place}: {sends:?}");
        }
    }
}

#[test]
fn what_holds_nothing_is_missing_wherever_it_stands() {
    for given in [
        json!([]),
        json!({}),
        json!([""]),
        json!([null, []]),
        json!({"first": "", "last": null}),
        json!("{{contact.first_name}}"),
        json!("{{contact.first_name}} {{contact.last_name}}"),
        json!("null"),
        json!("undefined"),
        json!("[object Object]"),
        json!("<test lead: dummy data for full_name>"),
        json!("%FIRSTNAME%"),
        json!("[your-name]"),
        json!(["[object Object]"]),
    ] {
        for (place, more, of) in PLACES {
            let event = json!({ "x": given });
            if place == "one with a default" {
                assert_eq!(of(&mapped_of(HEAD, &rule(more), &event)[0]), "there", "{given}");
            } else if more.starts_with("templateParams") {
                let reason = error_of(HEAD, &rule(more), &event);
                assert!(reason.contains("templateParams[0]"), "{given} as {place}: {reason}");
            } else {
                let sends = mapped_of(HEAD, &rule(more), &event);
                assert_eq!(of(&sends[0]), Value::Null, "{given} as {place}: {sends:?}");
            }
        }
    }
}

#[test]
fn a_list_is_several_tags() {
    let tags =
        |given: Value| mapped(&rule("tags: [lead, \"{{ event.x }}\"]"), &json!({ "x": given }))[0]["tags"].clone();
    assert_eq!(tags(json!(["pune", "Rao &amp; Sons", "", "null"])), json!(["lead", "pune", "Rao & Sons"]));
    assert_eq!(tags(json!("pune")), json!(["lead", "pune"]));
    assert_eq!(tags(json!([])), json!(["lead"]));
}

#[test]
fn a_condition_sees_a_placeholder_as_missing() {
    let sends = |when: &str, event: &Value| mapped(&rule(&format!("when: {when}")), event).len();
    let event = json!({"city": "{{contact.city}}", "list": [], "name": "D&#039;Souza"});
    assert_eq!(sends("event.city", &event), 0);
    assert_eq!(sends("event.city is not defined", &event), 1);
    assert_eq!(sends("event.list", &event), 0);
    assert_eq!(sends("event.name == \"D'Souza\"", &event), 1);
}

#[test]
fn all_parameters_may_come_from_one_list() {
    let params = |given: Value| mapped(&rule("templateParams: \"{{ event.x }}\""), &json!({ "x": given }))[0].clone();
    assert_eq!(params(json!(["Asha", 2, ["a", "b"]]))["templateParams"], json!(["Asha", "2", "a, b"]));
    assert_eq!(params(json!("Asha"))["templateParams"], json!(["Asha"]));
    for (given, place) in
        [(json!(["Asha", ""]), "templateParams[1]"), (json!(null), "templateParams`"), (json!([]), "templateParams`")]
    {
        let send = params(given.clone());
        assert!(send["error"].as_str().is_some_and(|reason| reason.contains(place)), "{given}: {send}");
    }
}
