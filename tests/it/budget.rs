//! No event takes longer than its budget allows, whatever it holds and whatever the rules do with it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use serri_relay::clock::Timestamp;
use serri_relay::decode::{DecodeError, Exceeded};
use serri_relay::event::{Envelope, Made, NewEvent};
use serri_relay::map::Scope;
use serri_relay::map::lint::filter_names;
use serri_relay::map::template::Template;
use serri_relay::route::example::call_of;

use crate::asked::{Ask as _, texts};
use crate::world::{Setup, World, proven};

/// Far more than any of it takes in a build for tests, and far less than it took before there was a budget.
const SOON: Duration = Duration::from_secs(10);

/// What of the processor this thread has had: the load of the machine does not count.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// How long something takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = processor_time();
    let done = work();
    (done, processor_time().saturating_sub(before))
}

/// What a route's rules make of a body.
fn read(route: &str, body: Value) -> Vec<NewEvent> {
    read_with(Setup::new(), route, body).unwrap()
}

fn read_with(setup: Setup, route: &str, body: Value) -> Result<Vec<NewEvent>, DecodeError> {
    let setup = setup.route("r", route);
    setup.write("http://127.0.0.1:9/");
    let checked = setup.checked();
    let route = &checked.routes["r"];
    let file = &checked.written.routes["r"];
    let profile_spec = serri_relay::route::profile_spec_of(&file.value, &checked.written).unwrap();
    let sample = serri_relay::config::source::SampleSpec { body, ..Default::default() };
    route.read(&route.authentication.assume(call_of(&sample, &profile_spec)), Timestamp(0))
}

fn reasons(made: &Made) -> Vec<String> {
    made.sends.iter().filter_map(|send| send.content.as_ref().err().map(ToString::to_string)).collect()
}

/// 900 KB of entries that look like a form's answers.
fn answers() -> Value {
    (0..45_000).map(|n| json!({"k": format!("{n:05}")})).collect()
}

#[test]
fn what_walks_a_long_list_is_bounded_in_every_key() {
    let event = json!({"phone": "9812345670", "list": answers()});
    let pick = "event.list | pick(k='none') or event.list | pick('k.k', 'none')";
    let all = [pick; 12].join(" or ");
    for (key, rule) in [
        ("when", format!("when: {all}")),
        ("for_each", format!("for_each: \"{all}\"")),
        ("templateParams[0]", format!("templateParams: [\"{{{{ {all} }}}}\"]")),
        (
            "templateParams[0]",
            format!("templateParams: [\"{{% for a in event.list %}}{{{{ ({pick}) | default('-') }}}}{{% endfor %}}\"]"),
        ),
        ("attributes.a", format!("attributes: {{ a: \"{{{{ {all} }}}}\" }}")),
        ("default_country", format!("default_country: \"{{{{ {all} }}}}\"")),
        ("key", format!("key: \"{{{{ {all} }}}}\"\n    cancel_on: meta.type == 'x'\n    delay: 1h")),
    ] {
        let route = format!(
            "source: generic\nauth: none\nsends:\n  - name: long\n    campaignName: c\n    destination: '{{{{ event.phone }}}}'\n    userName: A\n    {rule}\n"
        );
        let (events, took) = timed(|| read(&route, event.clone()));
        let said = reasons(&events[0].made);
        assert_eq!(said.len(), 1, "{rule}");
        assert!(said[0].starts_with(&format!("rule `long`, `{key}`: ")), "{said:?}");
        assert!(
            said[0].contains("it takes more than 200000 steps; is there a loop without end, or a list"),
            "{said:?}"
        );
        assert!(took < SOON, "{rule}: {took:?}");
    }
}

#[test]
fn an_event_has_a_budget_over_all_rules_and_entries() {
    // each entry's parameter costs less than an evaluation may, a thousand of them more than an event may
    let route = "source: generic\nauth: none\nsends:\n  - name: each\n    for_each: event.people\n    campaignName: c\n    destination: '{{ item }}'\n    userName: A\n    templateParams: [\"{{ (event.list | pick(k='none')).x | default('-') }}\"]\n";
    let people: Vec<String> = (0..1_000).map(|n| format!("98123{n:05}")).collect();
    let list: Value = (0..5_000).map(|n| json!({"k": n})).collect();
    let (events, took) = timed(|| read(route, json!({"people": people, "list": list})));
    let sends = &events[0].made.sends;
    let said = reasons(&events[0].made);
    assert!(sends[0].content.is_ok() && sends.len() < 500, "{}", sends.len());
    let reason = "rule `each`, `templateParams[0]`: the rules take more than 4 million steps for this event, and make nothing more of it; shorten the lists that they go through (`for_each`, `pick`, `map`), or make fewer rules";
    assert_eq!(said, [reason], "one send says why the rest is missing");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn the_events_of_a_call_share_a_budget_and_a_replay_has_its_own() {
    let route = "source: generic\nauth: none\nevent: { each: events, id: event.id }\nsends:\n  - name: pick\n    campaignName: c\n    destination: '{{ event.phone }}'\n    userName: A\n    templateParams: [\"{{ (event.list | pick(k='none')).x | default('-') }}\"]\n";
    let list: Value = (0..30).map(|n| json!({"k": n})).collect();
    let template = "source: generic\nauth: none\nevent: { each: events, id: event.id }\nsends:\n  - name: loops\n    campaignName: c\n    destination: '{{ event.phone }}'\n    userName: A\n    templateParams: [\"{% for a in range(9000) %}{% if a > 10000 %}x{% endif %}{% endfor %}-\"]\n";
    let entries = |many: u32| -> Vec<Value> {
        (0..many).map(|n| json!({"id": n, "phone": "9812345670", "list": list})).collect()
    };
    let light = read(route, json!({"events": entries(1_000)}));
    assert!(light.iter().all(|event| reasons(&event.made).is_empty()), "a large call of a real kind is not a problem");
    let (heavy, took) = timed(|| read(template, json!({"events": entries(1_000)})));
    let said: Vec<String> = heavy.iter().flat_map(|event| reasons(&event.made)).collect();
    assert_eq!(heavy.len(), 1_000, "no event is lost");
    assert!(heavy[0].made.is_something() && said.len() > 500, "{}", said.len());
    assert!(
        said[0].starts_with("rule `loops`, `") && said[0].contains("the events of this call take more than"),
        "{said:?}"
    );
    assert!(took < SOON, "{took:?}");
}

/// 900 leads with 71 answers each, 830 KB in all: no rule is costly, and all of them together are for one call.
fn leads(count: u32) -> Value {
    let answers: Vec<Value> = (0..71).map(|n| json!({"k": n})).collect();
    let lead = |n| json!({"id": n, "kind": "lead", "phone": format!("98123{n:05}"), "answers": answers});
    json!({"leads": (1..=count).map(lead).collect::<Vec<_>>()})
}

const LEADS: &str =
    "source: generic\nauth: bearer\nsecret: s3cret-for-tests\nevent: { each: leads, id: event.id, type: event.kind }\n";

/// A route for them, of many rules that each look for an answer.
fn plans() -> String {
    let rule = |n: u32| {
        format!(
            "  - name: p{n}\n    when: (event.answers | pick(k='plan')).v == 'p{n}'\n    campaignName: c\n    destination: '{{{{ event.phone }}}}'\n    userName: A\n"
        )
    };
    let last = "  - name: all\n    campaignName: c\n    destination: '{{ event.phone }}'\n    userName: A\n    key: '{{ event.id }}'\n    cancel_on: meta.type == 'lead'\n    delay: 1h\n";
    format!("{LEADS}sends:\n{}{last}", (0..30).map(rule).collect::<String>())
}

#[test]
fn what_an_event_is_does_not_depend_on_what_others_used_up() {
    let setup = Setup::new().set("server.call_limit.sends=100000").set("server.call_limit.stored=64MiB");
    let events = read_with(setup, &plans(), leads(900)).unwrap();
    for (n, event) in events.iter().enumerate() {
        assert_eq!((event.id.as_str(), event.kind.as_str()), ((n + 1).to_string().as_str(), "lead"));
        assert_eq!(event.made.cancels.len(), 1, "{n}");
    }
    assert_eq!(events.len(), 900);
    let said: Vec<usize> = events.iter().map(|event| reasons(&event.made).len()).collect();
    assert_eq!((said[0], said[899]), (0, 1), "the last ones are those for which nothing was left");
}

#[test]
fn a_call_whose_events_cannot_be_told_apart_in_time_is_refused() {
    let pick = "\"(event.answers | pick(k='none')).v\"";
    let rule = "sends:\n  - name: all\n    campaignName: c\n    destination: '{{ event.phone }}'\n    userName: A\n";
    let route = format!("{LEADS}contact: {{ phone: [{}, event.phone] }}\n{rule}", [pick; 45].join(", "));
    let events = read(&route, leads(300));
    assert!(events.iter().all(|event| reasons(&event.made).is_empty()), "fewer are taken");
    let refused = read_with(Setup::new(), &route, leads(900));
    assert_eq!(refused.err(), Some(DecodeError::Exceeded(Exceeded::Steps(40_000_000))));
}

#[tokio::test]
async fn a_call_that_takes_too_many_steps_is_kept_and_its_events_can_be_replayed() {
    let world = World::start(Setup::new().route("r", &plans())).await;
    let (status, answer) = world.post("r", &leads(900).to_string()).await;
    assert_eq!((status, answer["events"].as_array().map(Vec::len)), (200, Some(900)), "{answer}");
    let kept = texts(&world.sends_of("event=900").await, "reason");
    assert_eq!(kept.len(), 1, "one send says why");
    assert!(kept[0].contains("more than 20 million steps together"), "{kept:?}");
    let (_, done) = world.admin("POST", "/events/replay", Some(json!({"ids": ["900"], "yes": true}))).await;
    assert_eq!(done["does"]["send"], 1, "{done}");
    world.stop().await;
}

#[test]
fn rules_that_are_broken_do_not_count_as_sends() {
    let broken = |n: u32| {
        format!("  - name: b{n}\n    campaignName: c\n    destination: '{{{{ event.none }}}}'\n    userName: A\n")
    };
    let route = format!("{LEADS}sends:\n{}", (0..3).map(broken).collect::<String>());
    let events = read(&route, leads(900));
    assert_eq!(events.iter().map(|event| reasons(&event.made).len()).sum::<usize>(), 2_700);
}

#[test]
fn half_a_million_entries_make_one_reason_and_no_sends() {
    let route = "source: generic\nauth: none\nsends:\n  - name: each\n    for_each: LIST\n    campaignName: c\n    destination: '{{ event.phone }}'\n    userName: A\n";
    for list in ["event.list", "\"event.list[1:]\"", "\"[event.phone] * 5000000\"", "event.list + event.list"] {
        let body = json!({"phone": "9812345670", "list": vec![1; 500_000]});
        let (events, took) = timed(|| read(&route.replace("LIST", list), body));
        let said = reasons(&events[0].made);
        assert_eq!(events[0].made.sends.len(), 1, "{list}");
        assert!(said[0].starts_with("rule `each`, `for_each`: it makes more than the 1000 sends"), "{said:?}");
        assert!(took < SOON, "{list}: {took:?}");
    }
}

#[test]
fn what_grows_is_an_error_of_that_send() {
    let event = json!({"phone": "9812345670", "text": "x".repeat(60_000), "list": vec!["y".repeat(500); 1_500]});
    for (key, rule) in [
        ("payload", "attributes: { a: '{{ event.text }}', b: '{{ event.text }}' }"),
        ("tags[0]", "tags: ['{{ event.list }}']"),
        ("templateParams[0]", "templateParams: ['{{ [event.text] * 100000 }}']"),
        ("templateParams[0]", "templateParams: ['a{{ [event.text] * 100000 }}']"),
        ("attributes.a", "attributes: { a: '{{ event }}' }"),
        ("attributes.a", "attributes: { a: '{{ ([event] * 100000) | tojson }}' }"),
        ("attributes.a", "attributes: { a: '{{ event.text ~ event.text }}' }"),
        ("attributes.a", "attributes: { a: '{{ event.text * 1000000000 }}' }"),
    ] {
        let route = format!(
            "source: generic\nauth: none\nsends:\n  - name: r\n    campaignName: c\n    destination: '{{{{ event.phone }}}}'\n    userName: A\n    {rule}\n"
        );
        let (events, took) = timed(|| read(&route, event.clone()));
        let said = reasons(&events[0].made);
        assert!(said.len() == 1 && said[0].starts_with(&format!("rule `r`, `{key}`: ")), "{rule}: {said:?}");
        assert!(said[0].len() < 1_000, "a reason repeats no text of the event: {}", said[0].len());
        assert!(took < SOON, "{rule}: {took:?}");
    }
}

/// Large values, in the shapes that a body can have.
fn large_values() -> Vec<(&'static str, Value)> {
    const SIZE: usize = 1 << 17;
    let deep = (0..100).fold(json!("x"), |inner, _| json!([inner, "y".repeat(SIZE / 100)]));
    let wide: serde_json::Map<String, Value> = (0..SIZE / 16).map(|n| (n.to_string(), json!(n))).collect();
    vec![
        ("one text", json!("a".repeat(SIZE))),
        ("spaces", json!(" ".repeat(SIZE))),
        ("signs", json!("<&\n\"'%{é".repeat(SIZE / 8))),
        ("texts", json!(vec!["abc"; SIZE / 6])),
        ("objects", (0..SIZE / 14).map(|n| json!({"k": n})).collect()),
        ("long keys", json!({"k".repeat(SIZE / 2): {"k".repeat(SIZE / 2): 1}})),
        ("wide", wide.into()),
        ("deep", deep),
    ]
}

/// What a filter is called with besides: nothing, what it needs, and the megabyte itself.
fn arguments(filter: &str) -> &'static [&'static str] {
    match filter {
        "pick" => &["(k='none')", "(k=event.v)", "('k', 'none')", "(event.v, 'x')", "('a.b.c', event.v)"],
        "money" => &["('INR')", "(event.v)"],
        "date" => &["", "('%Y')", "(event.v)", "('%Y', event.v)"],
        "truncate" => &["(10)", "(1000000)", "(10, event.v)"],
        "map" => {
            &["('upper')", "(attribute='k')", "('pick', k=1)", "('default', event.v)", "('replace', 'a', event.v)"]
        }
        "select" | "reject" => &["", "('in', event.v)", "('eq', event.v)", "('startingwith', event.v)"],
        "selectattr" | "rejectattr" => &["('k')", "('k', 'in', event.v)", "('k', 'eq', 'x')"],
        "replace" => &["('a', 'bb')", "('', event.v)", "(event.v, 'x')", "('a', event.v)"],
        "join" | "split" => &["", "('a')", "('')", "(event.v)"],
        "batch" | "slice" => &["(1)", "(1000000)", "(3, event.v)"],
        "indent" => &["(4)", "(1000000)"],
        "groupby" | "attr" => &["('k')", "(event.v)"],
        "sort" => &["", "(reverse=true)", "(attribute='k')"],
        "unique" => &["", "(attribute='k')"],
        "chain" | "zip" => &["", "(event.v)"],
        "default" | "d" | "first_of" => &["(event.v)", "('', event.v)", "(event.v, event.v)"],
        "format" => &["(event.v)"],
        _ => &["", "(event.v)"],
    }
}

#[test]
fn every_filter_ends_soon_whatever_it_reads() {
    for (shape, value) in large_values() {
        let event = json!({"v": value});
        // again and again, for the two shapes that cost most
        let often = matches!(shape, "one text" | "texts");
        for filter in filter_names() {
            for argument in arguments(filter) {
                let once = format!("{{{{ event.v | {filter}{argument} }}}}");
                let again = ["event.v", "''"].map(|value| {
                    format!(
                        "{{% for a in range(3000) %}}{{% if {value} | {filter}{argument} %}}{{% endif %}}{{% endfor %}}"
                    )
                });
                for source in [once].into_iter().chain(again.into_iter().filter(|_| often)) {
                    let Ok(template) = Template::compile(&source) else { continue };
                    let scope = Scope::of_value(&event, &Scope::of_envelope(&Envelope::default()));
                    let (_, took) = timed(|| template.render(&scope));
                    assert!(took < SOON, "{source} on {shape}: {took:?}");
                }
            }
        }
    }
}

#[test]
fn no_input_makes_a_template_panic_or_run_on() {
    let names: Vec<&'static str> = filter_names().collect();
    let filter = proptest::sample::select(names).prop_flat_map(|name| {
        proptest::sample::select(arguments(name)).prop_map(move |argument| format!(" | {name}{argument}"))
    });
    let expression = (
        proptest::sample::select(vec!["event.v", "event", "'é'", "(event.v ~ event.v)", "[event.v] * 900"]),
        proptest::collection::vec(filter, 0..4),
    )
        .prop_map(|(value, filters)| format!("{value}{}", filters.concat()));
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,40}".prop_map(|text| json!(text)),
        Just(Value::Null)
    ];
    let value = leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map("[a-k.]{0,3}", inner, 0..8)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let script = any::<u8>();
    runner
        .run(&(expression, value, script), |(expression, value, script)| {
            let source = match script % 3 {
                0 => format!("{{{{ {expression} }}}}"),
                1 => format!("a {{{{ {expression} }}}}"),
                _ => format!("{{% for a in ({expression}) %}}{{{{ a }}}}{{% endfor %}}"),
            };
            if let Ok(template) = Template::compile(&source) {
                let scope = Scope::of_value(&json!({"v": value}), &Scope::of_envelope(&Envelope::default()));
                let (_, took) = timed(|| template.render(&scope));
                prop_assert!(took < SOON, "{source}: {took:?}");
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn an_event_that_costs_too_much_is_kept_with_the_reason_and_answered_as_kept() {
    let route = "source: generic\nauth: none\nsends:\n  - name: costly\n    campaignName: c\n    destination: '{{ event.phone }}'\n    userName: A\n    templateParams: [\"{% for a in event.list %}{{ (event.list | pick(k='none')).x | default('-') }}{% endfor %}\"]\n";
    let world = World::start(Setup::new().route("hello", route)).await;
    let body = json!({"phone": "9812345670", "list": answers()}).to_string();
    for _ in 0..3 {
        let (status, answer) = world.call(proven(&world.http, &world.url("hello"), body.clone())).await;
        assert_eq!(status, 200, "{answer}");
    }
    let kept = texts(&world.sends().await, "reason");
    assert_eq!(kept.len(), 3, "an event of which nothing came may come again");
    assert!(kept[0].starts_with("rule `costly`, `templateParams[0]`: it takes more than"), "{kept:?}");
    world.stop().await;
}
