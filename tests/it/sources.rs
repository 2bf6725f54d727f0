//! Every shipped source: complete, accepted when signed, refused when not.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serri_relay::authenticate::sign;
use serri_relay::call::Call;
use serri_relay::clock::Clock;
use serri_relay::config::interpolate::Variables;
use serri_relay::config::shipped::SOURCES;
use serri_relay::config::source::SourceFile;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;

use crate::asked::Ask as _;
use crate::cli::relay;
use crate::vendors::{ACCESS, TOKEN, Vendors};
use crate::world::{Setup, World, eventually};

/// HighLevel signs with a key of its own; the test's stands for it.
const PRIVATE_KEY: &str = "gohighlevel";

async fn world() -> (World, Ed25519KeyPair, Vendors) {
    let (setup, pair, vendors) = setup().await;
    (World::start(setup).await, pair, vendors)
}

/// A route for each source, as `new` writes it. Also the key pair that stands for HighLevel's, and whoever stands for the
/// APIs that lookups read from.
pub async fn setup() -> (Setup, Ed25519KeyPair, Vendors) {
    let setup = Setup::new().set("server.public_url=https://hooks.example.com");
    setup.write("http://127.0.0.1:9/");
    for (name, _) in SOURCES {
        assert!(relay(&setup.config(), &["new", name, "--source", name]).status.success());
        let text = std::fs::read_to_string(setup.config().join(format!("routes/{name}.yaml"))).unwrap();
        for variable in text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()) {
            let is_name = variable.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            let starts_well = !variable.starts_with(|c: char| c.is_ascii_digit());
            assert!(is_name && starts_well, "{name}: a shell cannot set {variable}");
        }
    }
    let vendors = Vendors::default();
    let base = vendors.start().await;
    for (name, own) in [
        ("meta-leads", format!("base: {base}/meta\n  token: {TOKEN}")),
        ("hubspot", format!("base: {base}/hubspot\n  token: {TOKEN}")),
        ("bitrix24", format!("base: {base}/bitrix/{TOKEN}")),
        ("pipedrive", format!("base: {base}/pipedrive\n  token: {TOKEN}")),
        ("keap", format!("base: {base}/keap\n  token: {TOKEN}")),
        ("leadsquared", format!("base: {base}/leadsquared\n  token: '{ACCESS}:{TOKEN}'")),
    ] {
        let path = setup.config().join(format!("routes/{name}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (unset, kept): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.contains("not-set-yet"));
        assert!(!unset.is_empty(), "{name}");
        let is_head = |line: &str| line.trim_start_matches("# ").starts_with("enrich:");
        let lines =
            kept.into_iter().map(|line| if is_head(line) { format!("enrich:\n  {own}") } else { line.to_owned() });
        std::fs::write(&path, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    }
    let pair = Ed25519KeyPair::generate().unwrap();
    let key = STANDARD.encode(pair.public_key().as_ref());
    let path = setup.config().join("routes/gohighlevel.yaml");
    let auth = format!("auth: {{ ed25519: {{ header: X-GHL-Signature, encoding: base64, secret: {key} }} }}\n");
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &auth).unwrap();
    let checked = setup.checked();
    for (name, _) in SOURCES {
        for sample in checked.written.sources[*name].value.samples.values() {
            let answers =
                sample.lookup.clone().map(|answer| answer.as_array().cloned().unwrap_or_else(|| vec![answer]));
            for answer in answers.into_iter().flatten() {
                let lead = answer["result"]["ID"].as_str().map(|id| format!("crm.lead.get/{id}"));
                let person = answer["data"]["id"].as_i64().map(|id| format!("persons/{id}"));
                let prospect = answer["ProspectID"].as_str().map(ToOwned::to_owned);
                let plain = answer["id"].to_string().replace('"', "");
                vendors.keep(&lead.or(person).or(prospect).unwrap_or(plain), answer);
            }
        }
    }
    (setup, pair, vendors)
}

async fn send(world: &World, call: Call) -> (u16, serde_json::Value) {
    let url = format!("{}{}", world.base, call.uri);
    world.call(world.http.request(call.method, url).headers(call.headers).body(call.body)).await
}

/// What a source must have; the names of what is missing.
fn missing(source: &SourceFile) -> Vec<&'static str> {
    let profile_spec = &source.profile_spec;
    let contact = profile_spec.contact.as_ref().is_some_and(|contact| contact.phone.is_some());
    let keyed = profile_spec.event.as_ref().is_some_and(|event| event.id.is_some());
    [
        (source.samples.len() >= 2, "two samples, the usual and the awkward"),
        (source.group.is_some(), "a group"),
        (source.about.is_some() && !source.setup.is_empty(), "about and setup"),
        (source.setup.iter().any(|step| step.contains("{url}")), "the URL in setup"),
        (source.facts.as_ref().is_some_and(|facts| facts.retries.is_some()), "facts with a confidence and retries"),
        (contact || source.no_phone.is_some(), "a contact with a phone, or why there is none"),
        (!contact || source.starter.is_some(), "a starter"),
        (profile_spec.event.is_some(), "an event"),
        (keyed || WITHOUT_KEY.contains(&&*source.title), "a de-duplication key"),
        (profile_spec.overload.is_some(), "an overload status"),
        (profile_spec.handshake.is_some(), "a handshake, or none"),
    ]
    .into_iter()
    .filter_map(|(there, what)| (!there).then_some(what))
    .collect()
}

/// Senders that give an event no id at all, and nothing to make one of: equal bodies count as one for ten minutes.
const WITHOUT_KEY: [&str; 5] =
    ["Elementor Pro forms", "Contact Form 7", "Bitrix24 automation rule", "GoHighLevel workflow", "HubSpot workflow"];

#[tokio::test]
async fn every_source_is_complete_and_its_samples_are_accepted_signed_and_refused_otherwise() {
    let (world, pair, _vendors) = world().await;
    let checked = world.setup.checked();
    let mut expected = BTreeSet::new();
    for (name, _) in SOURCES {
        let source = &checked.written.sources[*name].value;
        assert_eq!(missing(source), Vec::<&str>::new(), "{name} lacks");
        let route = &checked.routes[*name];
        let profile_spec = profile_spec_of(&checked.written.routes[*name].value, &checked.written).unwrap();
        for (sample_name, sample) in &source.samples {
            let what = format!("{name}, sample {sample_name}");
            let mut call = call_of(sample, &profile_spec);
            let query = call.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            call.uri = format!("/webhooks/{name}{query}").parse().unwrap();
            let unsigned = call.clone();
            if *name == PRIVATE_KEY {
                let signature = STANDARD.encode(pair.sign(&call.body).as_ref());
                call.headers.insert("x-ghl-signature", signature.parse().unwrap());
            } else {
                sign(&route.authentication, &mut call, Clock::system().now()).unwrap();
            }
            assert_eq!(send(&world, unsigned.clone()).await.0, 401, "{what}: unsigned");
            let secret = checked.written.routes[*name].value.secret.as_ref().map(|secret| secret.as_slice()[0].clone());
            let changed = with_one_byte_changed(&unsigned, &call, secret.as_deref());
            assert!(!changed.is_empty(), "{what}: nothing to change");
            for changed in changed {
                assert_eq!(send(&world, changed).await.0, 401, "{what}: one byte changed");
            }
            let (status, answer) = send(&world, call.clone()).await;
            assert_eq!(status, 200, "{what}: signed: {answer}");
            let mut events = route.read(&route.authentication.assume(call.clone()), Clock::system().now()).unwrap();
            let looked_up = events.iter().any(|event| event.lookup);
            assert_eq!(looked_up, sample.lookup.is_some(), "{what}: what its lookup answers");
            if let Some(answers) = &sample.lookup {
                route.complete_all(&mut events, answers).unwrap();
            }
            let sends = || events.iter().flat_map(|event| &event.made.sends);
            assert!(sends().all(|send| send.content.is_ok()), "{what}: {:?}", sends().collect::<Vec<_>>());
            expected.extend(sends().filter_map(|send| send.content.as_ref().ok()).map(|c| c.destination.clone()));
            let said = answer["status"].as_str().map(ToOwned::to_owned);
            if profile_spec.answer.as_ref().and_then(|answer| answer.body.as_ref()).is_none() {
                let wanted = match (looked_up || sends().next().is_some(), events.iter().all(|event| event.test)) {
                    (true, _) => "accepted",
                    (false, true) => "test",
                    (false, false) => "ignored",
                };
                assert_eq!(said.as_deref(), Some(wanted), "{what}");
                // what a lookup comes to is not known yet when it is answered
                let is_known = !looked_up || sends().next().is_some();
                if is_known && !events.is_empty() {
                    let again = send(&world, call).await.1;
                    // of what nothing came a repetition counts: a rule may have been fixed meanwhile
                    let wanted = if wanted == "accepted" { "duplicate" } else { wanted };
                    assert_eq!(again["status"], wanted, "{what}: the sender's own repetition");
                }
            }
        }
    }
    eventually("everything arrives", async || {
        let messages = world.sandbox.messages();
        let arrived: BTreeSet<_> = messages.iter().filter_map(|m| m["destination"].as_str()).collect();
        expected.iter().all(|to| arrived.contains(to.as_str()))
    })
    .await;
    // what proved the calls, and what must not be kept, is nowhere on disk
    world.stop().await.assert_unseen(&[
        "live</",
        "AQEAQ.live",
        "s6p6eclrvim6da22ft9ch94ekreb52lv",
        "4s386p3q0tr8dy89xvmt96234v3dljg8",
    ]);
}

/// The call with one byte changed in what proves it: in its body where that is signed, else in the secret.
fn with_one_byte_changed(unsigned: &Call, call: &Call, secret: Option<&str>) -> Vec<Call> {
    let mut changed = Vec::new();
    let signature = call
        .headers
        .iter()
        .find(|(name, value)| unsigned.headers.get(*name) != Some(value))
        .map(|(name, _)| name.clone());
    if let Some(name) = signature {
        let mut other = call.clone();
        let mut text = call.headers[&name].to_str().unwrap().to_owned().into_bytes();
        // in the middle, where no padding is
        let middle = text.len() / 2;
        text[middle] = if text[middle] == b'a' { b'b' } else { b'a' };
        other.headers.insert(name.clone(), HeaderValue::from_bytes(&text).unwrap());
        changed.push(other);
        let is_signature = ["sig", "hmac"].iter().any(|word| name.as_str().contains(word));
        if is_signature {
            let mut other = call.clone();
            other.body = [&call.body[..], b" "].concat().into();
            changed.push(other);
        }
    } else if call.uri != unsigned.uri {
        let mut other = call.clone();
        let (path, query) = (call.uri.path(), call.uri.query().map(|query| format!("?{query}")).unwrap_or_default());
        let in_path = path != unsigned.uri.path();
        let uri = if in_path { format!("{path}x{query}") } else { format!("{path}{query}x") };
        other.uri = uri.parse().unwrap();
        changed.push(other);
    } else if let Some(secret) = secret {
        let body = std::str::from_utf8(&call.body).unwrap();
        assert!(body.contains(secret), "{body}");
        changed.push(Call { body: body.replace(secret, &format!("{secret}x")).into(), ..call.clone() });
    }
    changed
}

#[test]
fn docs_and_schemas_are_made_of_the_sources() {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    let said = |arguments: &[&str]| String::from_utf8(relay(&setup.config(), arguments).stdout).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sources");
    for (name, _) in SOURCES {
        let page = std::fs::read_to_string(docs.join(format!("{name}.md"))).unwrap_or_default();
        assert!(page == said(&["sources", name]), "docs/sources/{name}.md is not what it should be: run scripts/docs");
    }
    let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
    assert!(index.contains(&said(&["sources"])), "docs/sources/README.md is not what it should be: run scripts/docs");
    let files = std::fs::read_dir(docs).unwrap().count();
    assert_eq!(files, SOURCES.len() + 1, "a page too many: run scripts/docs");
}

#[tokio::test]
async fn what_differs_in_the_query_alone_is_another_event() {
    let route = "source: bitrix24-automation\nsecret: a-secret-of-the-rule\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\n";
    let world = World::start(Setup::new().route("b", route)).await;
    let call = async |query: &str| {
        let url = format!("{}?key=a-secret-of-the-rule&{query}", world.url("b"));
        let form = "document_id[0]=crm&document_id[2]=LEAD_12";
        let typed = world.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        world.call(typed.body(form)).await.1["status"].clone()
    };
    assert_eq!(call("phone=%2B919812345670").await, "accepted");
    assert_eq!(call("phone=%2B919812345671").await, "accepted");
    assert_eq!(call("phone=%2B919812345670").await, "duplicate");
    world.delivered(2).await;
    world.stop().await.assert_unseen(&["a-secret-of-the-rule"]);
}

#[tokio::test]
async fn questions_of_senders_are_answered_and_never_become_events() {
    let (world, _pair, _vendors) = world().await;
    let token = {
        let text = std::fs::read_to_string(world.setup.config().join("routes/meta-leads.yaml")).unwrap();
        text.split("VERIFY_TOKEN:-").nth(1).unwrap().split('}').next().unwrap().to_owned()
    };
    let get = async |path: &str| {
        let response = world.http.get(format!("{}/webhooks/{path}", world.base)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let meta = format!("meta-leads?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
    assert_eq!(get(&meta).await, (200, "1158201444".into()));
    assert_eq!(get("meta-leads?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong").await.0, 401);
    let (status, said) = get("linkedin?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0").await;
    assert_eq!(status, 200);
    assert!(said.contains(r#""challengeCode":"890e4665-4dfe-4ab1-b689-ed553bceeed0","challengeResponse":""#), "{said}");
    assert_eq!(get("linkedin?challengeCode=hmacsha256%3D%7B%7D").await.0, 401);
    assert_eq!(get("mailchimp").await.0, 200);
    assert_eq!(world.http.head(world.url("intercom")).send().await.unwrap().status(), 200);
    let post = |route: &str, body: &str| {
        world.http.post(world.url(route)).header("content-type", "application/json").body(body.to_owned())
    };
    let challenge = r#"{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#;
    let response = post("monday", challenge).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, challenge.to_owned()));
    let response = post("keap", "{}").header("X-Hook-Secret", "4f9d").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["x-hook-secret"].to_str().unwrap()), (200, "4f9d"));
    // proven calls that are tests
    let checked = world.setup.checked();
    for (route, body) in [
        ("intercom", r#"{"type":"notification_event","topic":"ping","data":{"item":{"message":"webhook test"}}}"#),
        ("cal", r#"{"triggerEvent":"PING","createdAt":"2026-11-26T12:41:02.193Z","payload":{"type":"test"}}"#),
        (
            "google-ads",
            r#"{"lead_id":"t","is_test":true,"user_column_data":[{"column_id":"PHONE_NUMBER","string_value":"+16505550123"}]}"#,
        ),
        ("gohighlevel", r#"{"type":"INSTALL","webhookId":"1"}"#),
    ] {
        let mut call = Call {
            method: http::Method::POST,
            uri: format!("/webhooks/{route}").parse().unwrap(),
            headers: [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect(),
            body: body.into(),
            packed: None,
        };
        if sign(&checked.routes[route].authentication, &mut call, Clock::system().now()).is_err() {
            continue;
        }
        let (status, answer) = send(&world, call).await;
        let said = if route == "gohighlevel" { "ignored" } else { "test" };
        assert_eq!((status, answer["status"].as_str()), (200, Some(said)), "{route}");
    }
    let events = world.events().await;
    assert!(events.iter().all(|event| event["test"] == true && event["sends"] == 0), "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_route_that_asks_for_googles_test_leads_gets_them() {
    let route = "source: google-ads\nsecret: a-key-of-the-form\ntest_events: send\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\n";
    let world = World::start(Setup::new().route("g", route)).await;
    let lead = r#"{"lead_id":"t","is_test":true,"google_key":"a-key-of-the-form","user_column_data":[{"column_id":"PHONE_NUMBER","string_value":"+16505550123"}]}"#;
    assert_eq!(world.post("g", lead).await.1["status"], "accepted");
    assert_eq!(world.post("g", &lead.replace("a-key", "b-key")).await.0, 401);
    world.delivered(1).await;
    world.stop().await.assert_unseen(&["a-key-of-the-form"]);
}

#[tokio::test]
async fn a_secret_as_the_last_step_of_the_address_is_proof_and_is_kept_nowhere() {
    let route = "source: justdial\nsecret: s3cret/with a slash\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\n";
    let world = World::start(Setup::new().route("jd", route)).await;
    let get = async |path: &str| {
        let response = world.http.get(format!("{}/webhooks/{path}", world.base)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("jd/s3cret%2Fwith%20a%20slash?leadid=1&mobile=9812345670").await, (200, "RECEIVED".into()));
    for wrong in
        ["jd?leadid=2&mobile=9812345670", "jd/?leadid=2", "jd/s3cret?leadid=2", "jd/s3cret%2Fwith%20a%20slasH?leadid=2"]
    {
        assert_eq!(get(wrong).await.0, 401, "{wrong}");
    }
    world.delivered(1).await;
    world.stop().await.assert_unseen(&["s3cret"]);
}

#[tokio::test]
async fn woocommerces_ping_is_answered_and_nothing_else_is() {
    let (world, _pair, _vendors) = world().await;
    let ping = |body: &str| {
        world
            .http
            .post(world.url("woocommerce"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
    };
    assert_eq!(world.call(ping("webhook_id=7")).await.0, 200);
    assert_eq!(world.call(ping("webhook_id=7&x=1")).await.0, 401);
    assert_eq!(world.call(ping("webhook_id=7").header("x-wc-webhook-signature", "x")).await.0, 401);
    assert_eq!(world.events().await.len(), 0);
    world.stop().await;
}

#[test]
fn a_source_of_ones_own_is_a_file() {
    let source = "title: Mine\nbody: json\nauth: bearer\nevent: { id: event.nr }\ncontact: { phone: event.tel }\n";
    let route = "source: mine\nsecret: a-long-enough-secret\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\nexamples:\n  - { name: e, body: { nr: 7, tel: '9812345670' }, sends: [{ destination: '+919812345670' }] }\n";
    let setup = Setup::new().file("sources/mine.yaml", source).route("mine", route);
    setup.write("http://127.0.0.1:9/");
    let (_, faults) = serri_relay::route::check::check(&setup.config(), &Variables::default());
    assert_eq!(faults, []);
}
