//! Dates of events, as rules read them.

use serde_json::{Value, json};
use serri_relay::config::diagnostic::Diagnostic;
use serri_relay::config::interpolate::Variables;
use serri_relay::route::check::check;

use crate::map::mapped_of;
use crate::world::Setup;

const RULE: &str = "campaignName: c\ndestination: \"+919812345670\"\nuserName: x\n";

fn shown(head: &str, more: &str, date: &Value) -> String {
    let rule = format!("{RULE}templateParams: [\"{{{{ event.at | date('%Y-%m-%d %H:%M'{more}) }}}}\"]");
    let send = mapped_of(head, &rule, &json!({ "at": date })).remove(0);
    send["templateParams"][0].as_str().or(send["error"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_route_says_how_its_dates_are_meant() {
    let generic = "source: generic\nauth: none";
    assert_eq!(shown(generic, "", &json!("26/11/2026 18:11")), "2026-11-26 18:11");
    let unclear = shown(generic, "", &json!("03/04/2026"));
    assert!(unclear.contains("2026-04-03 or 2026-03-04") && unclear.contains("`dates: dmy`"), "{unclear}");
    for (dates, expected) in
        [("dmy", "2026-04-03 00:00"), ("mdy", "2026-03-04 00:00"), ("{ order: dmy }", "2026-04-03 00:00")]
    {
        assert_eq!(shown(&format!("{generic}\ndates: {dates}"), "", &json!("03/04/2026")), expected, "{dates}");
    }
    let kolkata = format!("{generic}\ndates: {{ order: mdy, zone: Asia/Kolkata }}");
    assert_eq!(shown(&kolkata, ", 'UTC'", &json!("03/04/2026 6:11 PM")), "2026-03-04 12:41");
    assert_eq!(shown(&kolkata, ", 'UTC'", &json!("2026-03-04T18:11:00Z")), "2026-03-04 18:11", "its own zone counts");
    assert_eq!(shown(&kolkata, ", 'UTC'", &json!(1_795_696_862)), "2026-11-26 12:41");
}

#[test]
fn a_source_states_the_zone_of_its_dates_and_a_route_may_add_the_order() {
    for source in ["indiamart", "justdial", "magicbricks"] {
        let head = format!("source: {source}\nauth: none");
        assert_eq!(shown(&head, ", 'UTC'", &json!("2026-11-26 18:11:02")), "2026-11-26 12:41", "{source}");
        let head = format!("{head}\ndates: dmy");
        assert_eq!(shown(&head, ", 'UTC'", &json!("03/04/2026 18:11")), "2026-04-03 12:41", "{source}");
    }
}

#[test]
fn a_reminder_goes_by_the_same_dates() {
    let at = |head: &str, date: &str| {
        let rule = format!("{RULE}key: \"{{{{ event.at }}}}\"\nat: \"{{{{ event.at }}}}\"\nbefore: 1h\ntimezone: UTC");
        let send = mapped_of(head, &rule, &json!({ "at": date })).remove(0);
        send["not_before"].as_str().or(send["error"].as_str()).unwrap_or(&send.to_string()).to_owned()
    };
    let generic = "source: generic\nauth: none\ndates: dmy";
    assert!(at(generic, "03/04/2030 10:00").contains("2030-04-03T09:00:00"), "{}", at(generic, "03/04/2030 10:00"));
    let zone = "source: generic\nauth: none\ndates: { zone: Asia/Kolkata }";
    assert!(at(zone, "3 April 2030, 3:30 PM").contains("2030-04-03T09:00:00"), "{}", at(zone, "3 April 2030, 3:30 PM"));
    assert!(at("source: generic\nauth: none", "03/04/2030 10:00").contains("`dates: dmy`"));
    assert!(at(generic, "03/04/2030").contains("without a time"));
}

#[test]
fn a_day_is_the_same_everywhere_and_dates_come_in_parts() {
    let generic = "source: generic\nauth: none";
    let kolkata = "source: generic\nauth: none\ndates: { zone: Asia/Kolkata }";
    for head in [generic, kolkata] {
        for day in [json!("2026-11-26"), json!("26 Nov 2026"), json!({"day": "26", "month": 11, "year": "2026"})] {
            assert_eq!(shown(head, ", 'America/New_York'", &day), "2026-11-26 00:00", "{day}");
        }
    }
    for (at, expected) in [
        (json!({"day": "6", "month": "1", "year": "2026", "hour": "6", "min": "5", "ampm": "PM"}), "2026-01-06 18:05"),
        (json!("/Date(1767085200000)/"), "2025-12-30 09:00"),
        (json!("/Date(1767085200000+0530)/"), "2025-12-30 09:00"),
    ] {
        assert_eq!(shown(generic, "", &at), expected, "{at}");
    }
    let other = shown(&format!("{generic}\ndates: ymd"), "", &json!("03/04/2026"));
    assert!(other.contains("write `dates: dmy` or `dates: mdy`") && !other.contains("or `dates: ymd`"), "{other}");
}

fn faults(setup: &Setup) -> Vec<String> {
    setup.write("http://127.0.0.1:9/");
    check(&setup.config(), &Variables::default()).1.iter().map(Diagnostic::one_line).collect()
}

#[test]
fn an_unclear_date_of_a_sample_or_an_example_is_a_fault() {
    let route = |head: &str, tail: &str| {
        format!(
            "{head}\nsecret: s3cret-of-all-the-dates\nsends:\n  - name: w\n    campaignName: c\n    destination: \"+919812345670\"\n    userName: x\n    templateParams: [\"{{{{ event.at | date }}}}\"]\n{tail}"
        )
    };
    let example = "examples:\n  - { name: e, body: { at: 03/04/2026 }, sends: [{ campaignName: c }] }\n";
    let by_example = faults(&Setup::new().route("r", &route("source: generic\nauth: bearer", example)));
    assert!(by_example.iter().any(|fault| fault.contains("2026-04-03 or 2026-03-04")), "{by_example:?}");
    let source = "title: Own\nbody: json\nauth: { header: { name: X-Key } }\nsamples:\n  a: { body: { at: 03/04/2026 } }\n  b: { body: { at: 05/04/2026 } }\n";
    let setup = Setup::new().file("sources/own.yaml", source).route("r", &route("source: own", ""));
    let by_sample = faults(&setup);
    let found: Vec<&String> = by_sample.iter().filter(|fault| fault.contains("write `dates: dmy`")).collect();
    assert_eq!(found.len(), 2, "{by_sample:?}");
    assert!(found[0].contains("r.yaml:8"), "{found:?}");
    assert_eq!(
        faults(&Setup::new().file("sources/own.yaml", source).route("r", &route("source: own\ndates: mdy", ""))),
        Vec::<String>::new()
    );
    let zone =
        faults(&Setup::new().route("r", &route("source: generic\nauth: bearer\ndates: { zone: Mars/Phobos }", "")));
    assert!(zone.iter().any(|fault| fault.contains("`Mars/Phobos` is not a time zone")), "{zone:?}");
}
