//! Send options: on a rule, a route or an account, the nearest wins.

use serde_json::{Value, json};
use serri_relay::config::diagnostic::Severity;
use serri_relay::config::interpolate::Variables;
use serri_relay::route::check::check;

use crate::asked::{Ask as _, millis, states_of, text, texts};
use crate::world::{ROUTE, Setup, World, eventually};

/// A rule with options, for events of one type.
fn rule(name: &str, options: &str) -> String {
    format!(
        "  - name: {name}\n    when: meta.type == '{name}'\n    campaignName: {name}\n    destination: \"{{{{ contact.phone }}}}\"\n    userName: there\n{options}"
    )
}

fn route(head: &str, rules: &[String]) -> String {
    format!("source: generic\nauth: bearer\nsecret: s3cret-for-tests\n{head}\nsends:\n{}", rules.concat())
}

async fn post(world: &World, route: &str, event: Value) {
    let (status, answer) = world.post(route, &event.to_string()).await;
    assert_eq!(status, 200, "{answer}");
}

async fn states(world: &World, campaign: &str) -> Vec<String> {
    states_of(&world.sends_of(&format!("campaign={campaign}")).await)
}

fn diagnostics(setup: &Setup) -> Vec<String> {
    setup.write("http://serri.example/api");
    let (_, diagnostics) = check(&setup.config(), &Variables::default());
    diagnostics.iter().map(serri_relay::config::diagnostic::Diagnostic::one_line).collect()
}

#[tokio::test]
async fn a_cart_is_reminded_of_unless_the_order_comes_by_whatever_route() {
    let cart = rule("cart", "    delay: 1h\n    key: \"{{ event.cart }}\"\n    cancel_on: meta.type == 'order'\n");
    let setup = Setup::new()
        .route("shop", &route("", &[cart]))
        .route("orders", &route("key: \"{{ event.cart }}\"", &[]).replace("sends:\n", "sends: []\n"));
    let world = World::start(setup).await;
    post(&world, "shop", json!({"id": "e1", "type": "cart", "cart": "c1", "phone": "9812345670"})).await;
    post(&world, "shop", json!({"id": "e2", "type": "cart", "cart": "c2", "phone": "9812345670"})).await;
    assert_eq!(states(&world, "cart").await, ["waiting delay", "waiting delay"]);
    // the cart is changed: one reminder, later
    post(&world, "shop", json!({"id": "e3", "type": "cart", "cart": "c2", "phone": "9812345670"})).await;
    assert_eq!(states(&world, "cart").await, ["waiting delay", "cancelled", "waiting delay"]);
    post(&world, "orders", json!({"id": "o1", "type": "order", "cart": "c1"})).await;
    assert_eq!(states(&world, "cart").await, ["cancelled", "cancelled", "waiting delay"]);
    assert_eq!(world.send(1).await["reason"], "cancelled by event `o1` of route `orders`");
    // what comes late by its event's number brings nothing back
    let (_, told) = world.admin("POST", "/events/replay", Some(json!({"ids": ["e1"], "yes": true}))).await;
    assert_eq!(told["replayed"], 0);
    assert_eq!(states(&world, "cart").await[0], "cancelled");
    assert!(world.sandbox.messages().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_reminder_moves_with_its_appointment_and_goes_with_it() {
    let reminder = rule(
        "visit",
        "    at: \"{{ event.start }}\"\n    before: 24h\n    key: \"{{ event.visit }}\"\n    cancel_on: meta.type == 'cancelled'\n",
    );
    let world = World::start(Setup::new().route("clinic", &route("key: \"{{ event.visit }}\"", &[reminder]))).await;
    let visit = |id: &str, start: &str| json!({"id": id, "type": "visit", "visit": "v1", "phone": "9812345670", "start": start});
    post(&world, "clinic", visit("e1", "2099-05-01T10:00:00Z")).await;
    post(&world, "clinic", visit("e2", "2099-05-02 15:30")).await;
    assert_eq!(states(&world, "visit").await, ["cancelled", "waiting delay"]);
    // without an offset it is the recipient's time; a day before
    assert_eq!(world.send(2).await["until"], "2099-05-01T10:00:00.000Z");
    post(&world, "clinic", json!({"id": "e3", "type": "cancelled", "visit": "v1", "phone": "9812345670"})).await;
    assert_eq!(states(&world, "visit").await, ["cancelled", "cancelled"]);
    // one that begins in an hour is told at once, one that has begun never
    let soon = serri_relay::clock::Clock::system().now().after(std::time::Duration::from_secs(3_600));
    post(
        &world,
        "clinic",
        json!({"id": "e4", "type": "visit", "visit": "v2", "phone": "9812345671", "start": soon.to_string()}),
    )
    .await;
    world.delivered(1).await;
    // the same moment again, as when somebody corrects a note
    post(
        &world,
        "clinic",
        json!({"id": "e5", "type": "visit", "visit": "v2", "phone": "9812345671", "start": soon.to_string()}),
    )
    .await;
    post(
        &world,
        "clinic",
        json!({"id": "e6", "type": "visit", "visit": "v3", "phone": "9812345671", "start": "2020-01-01T00:00:00Z"}),
    )
    .await;
    post(&world, "clinic", json!({"id": "e7", "type": "visit", "visit": "v4", "phone": "9812345671", "start": "soon"}))
        .await;
    assert_eq!(states(&world, "visit").await[3..], ["duplicate", "expired"]);
    let failed = world.sends_of("state=failed").await;
    assert!(text(&failed[0]["reason"]).contains("`at`: `soon` is not a date"));
    world.stop().await;
}

#[tokio::test]
async fn the_same_is_sent_once_whichever_route_asks_and_however_the_number_is_written() {
    let once = || rule("offer", "    once: { per: \"{{ contact.phone }}\", within: 7d }\n");
    let setup = Setup::new().route("one", &route("", &[once()])).route("two", &route("", &[once()]));
    let world = World::start(setup).await;
    post(&world, "one", json!({"id": "e1", "type": "offer", "phone": "+91 98123-45670"})).await;
    post(&world, "two", json!({"id": "e2", "type": "offer", "phone": "9812345670"})).await;
    post(&world, "two", json!({"id": "e3", "type": "offer", "phone": "9812345671"})).await;
    world.until_states(&["sent", "duplicate", "sent"]).await;
    assert_eq!(world.send(2).await["reason"], "the person got the same by send 1");
    world.stop().await;
}

#[tokio::test]
async fn a_person_gets_no_more_marketing_than_the_cap() {
    let rules = [rule("a", ""), rule("b", ""), rule("c", ""), rule("bill", ""), rule("d", "    over_cap: drop\n")];
    let known = "campaigns: [{ name: a, category: marketing }, { name: b, category: marketing }, { name: c, category: marketing }, { name: d, category: marketing }, { name: bill, category: utility }]";
    let setup = Setup::new().route("shop", &route("", &rules)).lists(known).set("accounts.default.cap=2/day");
    assert!(diagnostics(&setup).is_empty(), "{:?}", diagnostics(&setup));
    let world = World::start(setup).await;
    for kind in ["a", "b", "c", "bill", "d"] {
        post(&world, "shop", json!({"id": kind, "type": kind, "phone": "9812345670"})).await;
        eventually("it comes to rest", async || {
            ["waiting cap", "sent", "cancelled"].contains(&states(&world, kind).await[0].as_str())
        })
        .await;
    }
    let all = world.sends().await;
    assert_eq!(texts(&all, "campaign"), ["a", "b", "c", "bill", "d"]);
    assert_eq!(states_of(&all), ["sent", "sent", "waiting cap", "sent", "cancelled"]);
    assert_eq!(millis(&all[2]["until"]) - millis(&all[0]["gone_at"]), 86_400_000);
    world.stop().await;
}

#[tokio::test]
async fn outside_the_hours_it_waits_for_the_opening_where_the_person_is() {
    // a window of a minute that is not now, whatever the time is
    let now = jiff::Timestamp::from_millisecond(serri_relay::clock::Clock::system().now().0).unwrap();
    let there = now.to_zoned(jiff::tz::TimeZone::get("Asia/Kolkata").unwrap());
    let from = (there.hour() + 11) % 24;
    let hours = format!("    hours: \"{from:02}:00-{from:02}:59\"\n");
    let rules = [rule("offer", &hours), rule("code", "    hours: \"00:00-24:00\"\n")];
    let world = World::start(Setup::new().route("shop", &route("hours: \"00:00-00:01\"", &rules))).await;
    post(&world, "shop", json!({"id": "e1", "type": "offer", "phone": "9812345670"})).await;
    post(&world, "shop", json!({"id": "e2", "type": "code", "phone": "9812345671"})).await;
    world.until_sends("campaign=code&state=sent", 1).await;
    assert_eq!(world.states().await, ["waiting hours", "sent"]);
    let due = millis(&world.send(1).await["until"]);
    let due =
        jiff::Timestamp::from_millisecond(due).unwrap().to_zoned(jiff::tz::TimeZone::get("Asia/Kolkata").unwrap());
    assert_eq!((due.hour(), due.minute()), (from, 0));
    world.stop().await;
}

#[tokio::test]
async fn who_left_gets_nothing_until_they_return_but_what_they_asked_for() {
    let rules = [
        rule("offer", ""),
        rule("code", "    priority: urgent\n"),
        rule("asked", "    even_if_suppressed: true\n    reason: the person asked for it\n"),
        "  - { name: leave, when: meta.type == 'leave', suppress: add, destination: \"{{ contact.phone }}\" }\n".into(),
        "  - { name: return, when: meta.type == 'return', suppress: remove, destination: \"{{ contact.phone }}\" }\n"
            .into(),
    ];
    let setup = Setup::new().route("shop", &route("account: default", &rules)).account("other");
    let setup = setup.route("other", &route("account: other", &rules[..1]));
    let world = World::start(setup).await;
    let event = |id: &str, kind: &str| json!({"id": id, "type": kind, "phone": "9812345670"});
    let (_, answer) = world.post("shop", &event("e1", "leave").to_string()).await;
    assert_eq!(answer["status"], "accepted", "{answer}");
    for (id, kind) in [("e2", "offer"), ("e3", "code"), ("e4", "asked")] {
        post(&world, "shop", event(id, kind)).await;
    }
    // another business of the same agency is not meant
    post(&world, "other", event("e5", "offer")).await;
    world.until_states(&["suppressed", "suppressed", "sent", "sent"]).await;
    let reason = text(&world.send(1).await["reason"]);
    assert_eq!(reason, "the number must not be messaged: rule `leave` of route `shop`, event `e1`");
    post(&world, "shop", event("e6", "return")).await;
    post(&world, "shop", event("e7", "offer")).await;
    world.until_state(5, "sent").await;
    // a number that cannot be read is said, and not lost
    post(&world, "shop", json!({"id": "e8", "type": "leave", "phone": "nobody"})).await;
    assert!(text(&world.send(6).await["reason"]).starts_with("rule `leave`, `destination`"));
    world.stop().await;
}

#[tokio::test]
async fn nothing_reaches_a_customer_in_a_dry_run_or_on_a_detour() {
    let setup = Setup::new()
        .route("dry", &format!("dry_run: true{ROUTE}"))
        .route("test", &format!("redirect_to: '+919812345679'{ROUTE}"))
        .route("hello", ROUTE);
    let world = World::start(setup).await;
    for route in ["dry", "test"] {
        post(&world, route, json!({"id": route, "phone": "9812345670"})).await;
    }
    world.until_sends("state=sent", 2).await;
    let messages = world.sandbox.messages();
    assert_eq!((messages.len(), &messages[0]["destination"]), (1, &json!("+919812345679")));
    let dry = world.sends_of("route=dry").await;
    assert_eq!(
        (texts(&dry, "destination"), texts(&dry, "message_id")),
        (vec!["+919812345670".into()], vec!["dry-run".into()])
    );
    // what waits since before the account was set so stays away from customers as well
    let (status, _) = world.admin("POST", "/holds", Some(json!({"account": "default"}))).await;
    assert_eq!(status, 200);
    post(&world, "hello", json!({"id": "e9", "phone": "9812345678"})).await;
    let setup = world.stop().await.set("accounts.default.redirect_to=+919812345677");
    let world = World::start(setup).await;
    world.admin("POST", "/holds/lift", Some(json!({"account": "default"}))).await;
    assert_eq!(world.delivered(1).await[0]["destination"], "+919812345677");
    world.stop().await;
}

#[tokio::test]
async fn what_was_made_in_a_dry_run_or_on_a_detour_never_goes_to_the_customer() {
    let setup = Setup::new()
        .route("dry", &format!("dry_run: true{ROUTE}"))
        .route("test", &format!("redirect_to: '+919812345679'{ROUTE}"));
    let world = World::start(setup).await;
    world.admin("POST", "/holds", Some(json!({"account": "default"}))).await;
    for route in ["dry", "test"] {
        post(&world, route, json!({"id": route, "phone": "9812345670"})).await;
    }
    // the rules are what they were, and yet what waits is mapped again
    let world = World::start(world.stop().await.route("dry", ROUTE).route("test", ROUTE)).await;
    for id in [1, 2] {
        eventually("it is mapped again", async || world.send(id).await["history"].as_array().unwrap().len() == 2).await;
    }
    world.admin("POST", "/holds/lift", Some(json!({"account": "default"}))).await;
    world.until_sends("state=sent", 2).await;
    let to: Vec<Value> = world.sandbox.messages().iter().map(|message| message["destination"].clone()).collect();
    assert_eq!(to, [json!("+919812345679")]);
    world.stop().await;
}

#[tokio::test]
async fn a_campaigns_own_rate_is_kept_within_the_accounts() {
    let setup = Setup::new().route("hello", ROUTE).lists("campaigns: [{ name: slow, rate: 20/s }]");
    let world = World::start(setup).await;
    let events = |campaign: &str, count: usize| {
        let event = |n: usize| json!({"id": format!("{campaign}{n}"), "campaign": campaign, "phone": format!("98{:08}", 12_000_000 + n)});
        Value::from((0..count).map(event).collect::<Vec<_>>())
    };
    world.post("hello", &events("slow", 20).to_string()).await;
    world.post("hello", &events("fast", 50).to_string()).await;
    world.until_sends("campaign=slow&state=sent", 20).await;
    let mut times = Vec::new();
    for send in world.sends_of("campaign=slow").await {
        let id = usize::try_from(send["id"].as_u64().unwrap()).unwrap();
        times.extend(world.attempts(id).await.iter().map(|attempt| millis(&attempt["at"])));
    }
    let span = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(span >= 800, "{span}");
    world.stop().await;
}

#[test]
fn send_options_that_cannot_be_are_reported_where_they_are_written() {
    let wrong = "    delay: 30m\n    at: \"{{ event.start }}\"\n    hours: nine to five\n    timezone: Mars/Phobos\n    even_if_suppressed: true\n    cancel_on: meta.type = 'order'\n";
    let setup = Setup::new()
        .route("shop", &route("", &[rule("cart", wrong)]))
        .route("same", &route("", &[rule("b", "    once: { per: everybody, within: 7d }\n")]))
        .route("late", &route("redirect_to: '12'\nclosed: [someday]", &[rule("a", "    before: 1h\n")]))
        .lists("campaigns: [{ name: a, account: nobody }, { name: b }, { name: b }]\nalerts: [{ webhook: 'not a url' }, { slack: 'https://x.example/', campaign: c }, { campaign: c }, { campaign: c, account: default }]");
    let said = diagnostics(&setup).join("\n");
    for expected in [
        "`delay` and `at` do not go together",
        "`nine to five` is not a range of hours",
        "`Mars/Phobos` is not a time zone",
        "`even_if_suppressed` needs a `reason`",
        "`cancel_on` needs a `key`",
        "write == instead of =",
        "`12`: it is not a valid phone number",
        "everybody would be the same person: `everybody`",
        "`default` is the only account, and cannot say",
        "`someday` is not a day",
        "there is no account `nobody`",
        "campaign `b` is listed twice",
        "this is not a URL",
        "an alert is one of",
        "say which account tells",
        "a campaign needs a number that gets it",
    ] {
        assert!(said.contains(expected), "{expected}:\n{said}");
    }
    assert!(said.contains("shop.yaml:11:"), "{said}");
}

#[test]
fn an_account_that_no_route_uses_is_checked_too() {
    // sends of its own may still wait, and must not go to customers because a number was mistyped
    let setup = Setup::new().set("accounts.acme.redirect_to=12").set("accounts.acme.default_country=IN");
    let said = diagnostics(&setup);
    assert!(
        said.iter().any(|diagnostic| diagnostic.contains("`12`: it is not a valid phone number of IN")),
        "{said:?}"
    );
    let setup = Setup::new().route("hello", ROUTE).set("accounts.default.redirect_to=12");
    let said = diagnostics(&setup);
    assert_eq!(
        said.iter().filter(|diagnostic| diagnostic.contains("`12`: it is not a valid phone number")).count(),
        1,
        "{said:?}"
    );
}

#[test]
fn with_several_accounts_a_campaign_says_which_one_it_belongs_to() {
    let campaigns = "campaigns: [{ name: welcome, account: acme }, { name: sale }]\n";
    let setup = Setup::new().route("hello", &format!("{ROUTE}account: acme\n")).lists(campaigns);
    let setup = setup.set("accounts.acme.default_country=IN");
    let said = diagnostics(&setup).join("\n");
    assert!(said.contains("campaign `sale` does not say which one") && !said.contains("`welcome` does"), "{said}");
    assert!(said.contains("there are: acme, default"), "{said}");
}

#[test]
fn send_options_without_effect_are_reported() {
    let hours = rule("a", "    hours: \"09:00-21:00\"\n");
    let idle = rule("b", "    over_cap: drop\n    reason: they asked\n");
    let setup =
        Setup::new().route("idle", &route("closed: [sun]\ntimezone: Asia/Kolkata", std::slice::from_ref(&idle))).route(
            "told",
            &route("closed: [sun]\ntimezone: Asia/Kolkata\nover_cap: drop\ncap: 2/day", &[hours, rule("b", "")]),
        );
    let said = diagnostics(&setup);
    let idle: Vec<&String> = said.iter().filter(|diagnostic| diagnostic.contains("does nothing without")).collect();
    assert_eq!(idle.len(), 4, "{said:?}");
    assert!(idle.iter().all(|diagnostic| diagnostic.contains("idle.yaml:")), "{idle:?}");
}

#[test]
fn a_wrong_count_is_found_before_any_customer_does() {
    let two = ROUTE
        .replace("{{ event.campaign | default('welcome') }}", "welcome")
        .replace("{{ contact.first_name | default('there') }}\"]", "Hi {{ contact.first_name }}\", \"x\"]");
    let known = "campaigns: [{ name: welcome, params: 1, media: image }]";
    let setup = Setup::new().route("hello", &two).lists(known);
    setup.write("http://serri.example/api");
    let (_, diagnostics) = check(&setup.config(), &Variables::default());
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(serri_relay::config::diagnostic::Diagnostic::one_line)
        .collect();
    for expected in ["campaign `welcome` takes 1 parameter(s), and 2 stand here", "campaign `welcome` needs its media"]
    {
        assert!(errors.iter().any(|diagnostic| diagnostic.contains(expected)), "{errors:?}");
    }
}

#[tokio::test]
async fn an_event_that_does_not_fit_its_campaign_costs_no_call() {
    let setup = Setup::new().route("hello", ROUTE).lists("campaigns: [{ name: welcome, params: 1, media: image }]");
    let world = World::start(setup).await;
    post(&world, "hello", json!({"id": "e1", "phone": "9812345670"})).await;
    let failed = world.sends_of("state=failed").await;
    assert!(text(&failed[0]["reason"]).contains("campaign `welcome` needs its media"));
    world.stop().await;
}

#[tokio::test]
async fn what_was_accepted_teaches_the_campaigns() {
    let world = World::hello().await;
    post(&world, "hello", json!({"id": "e1", "phone": "9812345670"})).await;
    world.delivered(1).await;
    world.until_sends("state=sent", 1).await;
    let learn = |dir: &std::path::Path| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_serri-relay"))
            .args(["check", "--learn", "--config"])
            .arg(dir)
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    // beside the running relay
    let said = learn(&world.setup.config());
    assert!(said.contains("1 campaign(s) written"), "{said}");
    let text = std::fs::read_to_string(world.setup.config().join("relay.yaml")).unwrap();
    assert!(text.contains("campaigns:\n  - { name: \"welcome\", params: 1, media: none }"), "{text}");
    assert!(learn(&world.setup.config()).contains("nothing new"));
    world.stop().await;
}
