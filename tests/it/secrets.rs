//! What must not be seen: marked secrets, numbers and e-mail addresses are planted everywhere, and then looked for in the
//! log, the metrics, the answers, what commands print, and the store.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::Ed25519KeyPair;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use serri_relay::authenticate::sign;
use serri_relay::call::Call;
use serri_relay::clock::Clock;
use serri_relay::config::shipped::SOURCES;
use serri_relay::route::check::Checked;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;

use crate::cli::relay;
use crate::crash::Process;
use crate::sources;
use crate::world::{ROUTE, Setup, World, eventually, proven, scripted, serve};

/// A person in every spelling, planted in texts.
const PERSON: &str =
    "+91 98765-43210, 98765\u{a0}43210, 9876543210, ٩٨٧٦٥٤٣٢١٠, ９８７６５４３２１０, pooja.marker@example.com";

/// What would give that person away.
const OF_PERSON: [&str; 7] =
    ["9876543210", "98765-43210", "43210", "%2043210", "٩٨٧٦٥٤٣٢١٠", "９８７６５４３２１０", "pooja.marker"];

/// The key of the account, as the far side repeats it.
const KEY: &str = "key/of+the-test==";
const KEY_SPELLED: [&str; 5] = [
    "key/of+the-test==",
    "key%2Fof%2Bthe-test%3D%3D",
    r"key\/of+the-test==",
    r"\u006bey/of\u002bthe-test\u003D=",
    "a2V5L29mK3RoZS10ZXN0PT0",
];

/// Secrets in addresses and files of the configuration.
const ALERT: &str = "T000/B000/s3cret-of-the-alert";

/// The spellings in which a secret would be recognised.
fn spellings(secret: &str) -> Vec<String> {
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    vec![secret.to_owned(), encoded.to_lowercase(), encoded, STANDARD.encode(secret).trim_end_matches('=').to_owned()]
}

fn assert_unseen(whole: &str, texts: impl IntoIterator<Item = impl AsRef<str>>, place: &str) {
    for text in texts {
        let text = text.as_ref();
        let line = whole.lines().find(|line| line.contains(text));
        assert!(line.is_none(), "`{text}` is in {place}: {line:?}");
    }
}

/// A call of a sample, for the route of its source.
fn call_for(route: &str, sample: &serri_relay::config::source::SampleSpec, checked: &Checked) -> Call {
    let profile_spec = profile_spec_of(&checked.written.routes[route].value, &checked.written).unwrap();
    let mut call = call_of(sample, &profile_spec);
    let query = call.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    call.uri = format!("/webhooks/{route}{query}").parse().unwrap();
    call
}

/// Headers in which proxies and browsers repeat an address, with its secret in three spellings.
fn repeat_address(call: &mut Call, route: &str, secret: &str) {
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let pair = STANDARD.encode(format!("u:{secret}"));
    let values = [
        format!("https://hooks.example.com/webhooks/{route}/{encoded}?key={encoded}"),
        format!("for=1.2.3.4;path=\"/webhooks/{route}/{secret}\""),
        format!("Basic {pair}"),
    ];
    for name in [
        "x-forwarded-path",
        "x-original-url",
        "x-rewrite-url",
        "referer",
        "forwarded",
        "x-original-uri",
        "x-request-uri",
        "x-envoy-original-path",
        "x-forwarded-authorization",
        "x-amzn-oidc-data",
    ] {
        for value in values.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
            call.headers.insert(name, value);
            // of a header that stands twice the first counts
            call.headers.append(
                format!("{name}-{}", call.headers.len()).parse::<http::HeaderName>().unwrap(),
                HeaderValue::from_str(&pair).unwrap(),
            );
        }
    }
    call.headers.insert(
        "x-person",
        HeaderValue::from_str(&form_urlencoded::byte_serialize(PERSON.as_bytes()).collect::<String>()).unwrap(),
    );
    call.headers.insert("x-request-id", HeaderValue::from_static("call-98765-43210"));
}

/// A text in every text of the body and every parameter of the query.
fn plant(call: &mut Call, text: &str) {
    let is_form =
        call.headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().contains("form-urlencoded"));
    if let Ok(mut json) = serde_json::from_slice::<Value>(&call.body) {
        plant_in(&mut json, text);
        call.body = json.to_string().into();
    } else if is_form {
        call.body = with_text(&call.body, text).into();
    }
    if let Some(query) = call.uri.query() {
        call.uri = format!("{}?{}", call.uri.path(), with_text(query.as_bytes(), text)).parse().unwrap();
    }
}

fn plant_in(value: &mut Value, text: &str) {
    match value {
        Value::String(old) => old.push_str(text),
        Value::Array(items) => items.iter_mut().for_each(|item| plant_in(item, text)),
        Value::Object(map) => map.values_mut().for_each(|value| plant_in(value, text)),
        _ => {}
    }
}

fn with_text(form: &[u8], text: &str) -> String {
    let pairs = form_urlencoded::parse(form).map(|(name, value)| (name.into_owned(), format!("{value}{text}")));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Signs a call, where its body can hold the proof.
fn prove(call: &mut Call, route: &str, checked: &Checked, pair: &Ed25519KeyPair) -> bool {
    if route == "gohighlevel" {
        let signature = STANDARD.encode(pair.sign(&call.body).as_ref());
        call.headers.insert("x-ghl-signature", signature.parse().unwrap());
        return true;
    }
    sign(&checked.routes[route].authentication, call, Clock::system().now()).is_ok()
}

async fn send(http: &reqwest::Client, base: &str, call: Call) -> (u16, String) {
    let url = format!("{base}{}", call.uri);
    let response = http.request(call.method, url).headers(call.headers).body(call.body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// A Serri that repeats the key and the person, and refuses in every way.
fn far_side() -> axum::Router {
    let calls = Arc::new(AtomicUsize::new(0));
    scripted(move |payload| {
        let number = calls.fetch_add(1, Ordering::SeqCst);
        let spelled = KEY_SPELLED.join(" or ");
        let person = format!("{} {PERSON}", payload["destination"]);
        async move {
            let said = format!(r#"{{"message":"no {spelled} for {}","success":"true"}}"#, person.replace('"', ""));
            match number % 4 {
                0 => (StatusCode::OK, said),
                1 => (StatusCode::BAD_REQUEST, said),
                2 => (StatusCode::INTERNAL_SERVER_ERROR, said),
                _ => (StatusCode::UNAUTHORIZED, said),
            }
            .into_response()
        }
    })
}

#[tokio::test]
async fn what_is_secret_or_somebodys_is_seen_nowhere_whatever_the_source() {
    let (setup, pair, _vendors) = sources::setup().await;
    let far = serve(far_side()).await;
    let alerts = format!("alerts: [{{ slack: '{}/{ALERT}' }}, {{ webhook: 'http://127.0.0.1:1/{ALERT}' }}]", far.base);
    let setup = setup.lists(&alerts).set(&format!("accounts.default.api_key={KEY}"));
    setup.write(&format!("{}{}", far.base.replace("://", "://relay:pa55word@"), serri_relay::serri::sandbox::PATH));
    let checked = setup.checked();
    let process = Process::start(
        Command::new(env!("CARGO_BIN_EXE_serri-relay"))
            .env("SERRI_RELAY_LOG", "debug")
            .arg("--config")
            .arg(setup.config())
            .arg("serve"),
    );
    let http = reqwest::Client::new();
    let mut secrets: Vec<String> = spellings(ALERT);
    secrets.extend(KEY_SPELLED.map(ToOwned::to_owned));
    secrets.push("pa55word".to_owned());
    for (route, _) in SOURCES {
        let secret = checked.written.routes[*route].value.secret.as_ref().map(|secret| secret.as_slice()[0].clone());
        // a public key is nobody's secret
        let secret = secret.filter(|_| *route != "gohighlevel").unwrap_or_else(|| "nothing to hide".to_owned());
        if secret != "nothing to hide" {
            secrets.extend(spellings(&secret));
        }
        for sample in checked.written.sources[*route].value.samples.values() {
            let call = |text: &str| {
                let mut call = call_for(route, sample, &checked);
                repeat_address(&mut call, route, &secret);
                plant(&mut call, text);
                call
            };
            let (as_it_is, with_person) = (call(""), call(&format!(" {PERSON} {secret}")));
            let mut unreadable = as_it_is.clone();
            unreadable.body = format!("{{\"{secret} {PERSON}").into();
            for unproven in [as_it_is, with_person, unreadable] {
                let mut proven = unproven.clone();
                let is_proven = prove(&mut proven, route, &checked, &pair);
                for call in std::iter::once(unproven).chain(is_proven.then_some(proven)) {
                    let (status, said) = send(&http, &process.base, call).await;
                    if status >= 400 {
                        assert_unseen(&said, OF_PERSON, &format!("{route}, {status}"));
                    }
                    assert_unseen(&said, &secrets, &format!("{route}, {status}"));
                }
            }
        }
    }
    eventually("the account is held, and nobody could be told", async || {
        let log = process.log.lock().unwrap();
        log.contains("hold began") && log.contains("somebody could not be notified")
    })
    .await;
    let metrics = http.get(format!("{}/metrics", process.admin)).send().await.unwrap().text().await.unwrap();
    let log = process.log.lock().unwrap().clone();
    assert!(log.contains("call-98***-***10") && metrics.contains("unknown_answers"), "{metrics}");
    for (place, whole) in [("the log", &log), ("metrics", &metrics)] {
        assert_unseen(whole, OF_PERSON, place);
        assert_unseen(whole, &secrets, place);
    }
    for command in ["events", "sends", "holds"] {
        let output = relay(&setup.config(), &[command, "list", "--json", "--admin", &process.admin]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_unseen(&String::from_utf8_lossy(&output.stdout), &secrets, command);
    }
    drop(process);
    setup.assert_unseen(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_secret_in_the_query_of_a_call_without_body_is_kept_nowhere() {
    let rule = "sends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\n";
    let any = format!("source: justdial\nsecret: s3cret%for tests\n{rule}");
    let query_only = format!("body: query\nmethods: [GET, POST]\n{any}");
    let world = World::start(Setup::new().route("any", &any).route("query", &query_only)).await;
    let key: String = form_urlencoded::byte_serialize(b"s3cret%for tests").collect();
    let mut count = 0;
    for route in ["any", "query"] {
        for body in ["", " ", "\r\n"] {
            for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/png"] {
                count += 1;
                let query = format!("leadid={count}&mobile=98123456{count:02}&key={key}&next=%2F%3Fkey%3D{key}");
                let url = format!("{}?{query}", world.url(route));
                let call = world.http.post(url).header("content-type", kind).body(body);
                assert_eq!(world.call(call).await, (200, Value::from("RECEIVED")), "{route} {body:?} {kind}");
            }
        }
    }
    world.delivered(count).await;
    world.stop().await.assert_unseen(&["s3cret", "czNjcmV0"]);
}

#[tokio::test]
async fn an_email_or_a_number_never_becomes_a_label() {
    let far = scripted(|payload| async move {
        let said = json!({"message": format!("Unheard of: {} pooja.marker@example.com", payload["destination"])});
        (StatusCode::BAD_REQUEST, axum::Json(said)).into_response()
    });
    let world = World::start_against(Setup::new().route("hello", ROUTE), far).await;
    let hold = json!({"account": "default", "campaign": "for 98765-43210", "reason": format!("asked by {PERSON}")});
    let (status, said) = world.admin("POST", "/holds", Some(hold)).await;
    assert!((200..300).contains(&status), "{said}");
    let body = json!({"id": "1", "phone": "9876543210", "campaign": "pooja.marker@example.com"});
    assert_eq!(world.post("hello", &body.to_string()).await.0, 200);
    eventually("it is counted", async || world.metrics().await.contains("unknown_answers_total")).await;
    let metrics = world.metrics().await;
    assert!(
        metrics.contains("98***-***10") && metrics.contains("+************") && metrics.contains("***@example.com"),
        "{metrics}"
    );
    assert_unseen(&metrics, OF_PERSON, "metrics");
    world.stop().await;
}

#[test]
fn a_password_in_a_url_is_never_printed() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    for url in ["postgres://relay:pa55word@db/relay", "postgres://relay:pa55/wo@rd@db/relay"] {
        for command in ["serve", "check"] {
            let output = Command::new(env!("CARGO_BIN_EXE_serri-relay"))
                .env("SERRI_RELAY__STORE__URL", url)
                .arg("--config")
                .arg(setup.config())
                .arg(command)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(!said.contains("pa55") && said.contains("postgres"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_bearer_token_and_a_password_in_a_body_are_kept_nowhere() {
    let setup = Setup::new()
        .route("bearer", ROUTE)
        .route("basic", &ROUTE.replace("auth: bearer", "auth: { basic: { user: relay } }"))
        .route("field", &ROUTE.replace("auth: bearer", "auth: { field: { path: token } }"));
    let world = World::start(setup).await;
    for (route, n) in [("bearer", 1), ("basic", 2), ("field", 3)] {
        let body = json!({
            "id": route, "phone": format!("981234567{n}"), "token": "s3cret-for-tests",
            "url": "https://x/?t=s3cret%2Dfor-tests", "list": [{"s3cret-for-tests": "\u{73}3cret-for-tests"}],
        });
        let body = body.to_string().replace("\"https", "\"\\u00733cret-for-tests https");
        let call = proven(&world.http, &world.url(route), body);
        let call = if route == "basic" {
            world
                .http
                .post(world.url(route))
                .basic_auth("relay", Some("s3cret-for-tests"))
                .header("content-type", "application/json")
                .body(json!({"id": "b", "phone": "9812345672", "a": "s3cret-for-tests"}).to_string())
        } else {
            call
        };
        assert_eq!(world.call(call).await.0, 200, "{route}");
    }
    world.delivered(3).await;
    world.stop().await.assert_unseen(&["s3cret", "3cret-for", "czNjcmV0"]);
}
