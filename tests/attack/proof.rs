//! Who may say what: codings, tokens, names, and where secrets end up.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::http;
use super::relay::{Relay, SECRET, end_of, free_port, pause};
use super::{Ground, Outcome};

const ANY: &str = "    campaignName: c\n    destination: \"{{ contact.phone }}\"\n    userName: there\n";

/// A route of a source that proves itself by a secret.
fn route(source: &str) -> String {
    format!("source: {source}\nsecret: SECRET_HERE\nsends:\n  - name: welcome\n{ANY}")
}

/// Joins what was answered, and says where that is not as it must be.
fn compare(cases: &[(&str, u16)], allowed: impl Fn(u16) -> bool) -> (String, Vec<String>) {
    let answers = cases.iter().map(|(_, status)| status.to_string()).collect::<Vec<_>>().join(", ");
    let wrong = cases.iter().filter(|(_, status)| !allowed(*status));
    (answers, wrong.map(|(what, status)| format!("{what}: {status}")).collect())
}

/// Two readings of where a body ends are two requests in one.
pub fn codings(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[]);
    let bearer = format!("Bearer {SECRET}");
    let body = "2\r\n{}\r\n0\r\n\r\n";
    // chunked beside a length is read as chunked and ends its connection (RFC 9112, 6.3): see the tests of the intake
    let cases = [
        ("gzip, chunked", vec![("Transfer-Encoding", "gzip, chunked")]),
        ("chunked twice", vec![("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")]),
        ("identity", vec![("Transfer-Encoding", "identity")]),
        ("two lengths", vec![("Content-Length", "2"), ("Content-Length", "12")]),
    ];
    let answers: Vec<(&str, u16)> = cases
        .iter()
        .map(|(what, headers)| {
            let given = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
            let headers: Vec<(&str, &str)> = given.into_iter().chain(headers.iter().copied()).collect();
            let head = http::head("/webhooks/hello", &headers);
            (*what, http::raw(relay.port, format!("{head}{body}").as_bytes()).status)
        })
        .collect();
    // hung up is as good as refused
    let (told, broken) = compare(&answers, |status| status == 0 || (400..=501).contains(&status));
    relay.judge("4 bodies whose end can be read in two ways", told, broken)
}

fn token(header: &str, claims: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

pub fn tokens(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[("board", &route("monday"))]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ends = format!("{{\"exp\":{}}}", now + 300);
    let plain = r#"{"alg":"HS256","typ":"JWT"}"#;
    let cases = [
        ("no exp", plain, "{}"),
        ("crit", r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, ends.as_str()),
        ("alg none", r#"{"alg":"none"}"#, ends.as_str()),
        ("expired", plain, r#"{"exp":1000000000}"#),
    ];
    let body =
        br#"{"event":{"type":"create_pulse","pulseName":"Asha","columnValues":{"phone":{"phone":"919812345670"}}}}"#;
    let post = |token: &str| {
        let headers = [("Authorization", token), ("Content-Type", "application/json")];
        http::post(relay.port, "/webhooks/board", &headers, body).status
    };
    let answers: Vec<(&str, u16)> =
        cases.iter().map(|(what, header, claims)| (*what, post(&token(header, claims)))).collect();
    let (told, mut broken) = compare(&answers, |status| status == 401);
    let right = post(&token(plain, &ends));
    if right != 200 {
        broken.push(format!("a right token: {right}"));
    }
    relay.judge("4 tokens, and a right one", told, broken)
}

/// A page in the browser of whoever runs the relay must neither read nor change anything.
pub fn foreign_names(ground: &Ground) -> Outcome {
    let relay = Relay::start_with(
        ground,
        &[],
        &[("SERRI_RELAY__ADMIN__TOKEN", SECRET), ("SERRI_RELAY_ADMIN_TOKEN", SECRET)],
        &[],
    );
    let bearer = format!("Bearer {SECRET}");
    let mut answers = Vec::new();
    for (what, path) in [("the API", "/api/v1/sends"), ("metrics", "/metrics"), ("the sandbox", "/sandbox/messages")] {
        for foreign in [("Host", "evil.example"), ("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
            answers.push((what, http::get(relay.admin, path, &[("Authorization", &bearer), foreign]).status));
        }
    }
    let (told, mut broken) = compare(&answers, |status| status == 403);
    let own = http::get(relay.admin, "/api/v1/sends", &[("Authorization", &bearer)]).status;
    if own != 200 {
        broken.push(format!("its own user: {own}"));
    }
    relay.judge("9 calls in foreign names, with the right token", told, broken)
}

/// Marks that must be found nowhere: in no log, no metric, and as far as they are secrets not in the store.
pub fn planted_secrets(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[("dial", &route("justdial"))]);
    let number = "9812345679";
    let query = format!("/webhooks/dial?key={SECRET}&leadid=J1&mobile={number}");
    let blank = http::post(relay.port, &query, &[("Content-Type", "application/x-www-form-urlencoded")], b" ");
    let path = format!("/webhooks/dial/{SECRET}");
    let forwarded = [("Content-Type", "application/json"), ("X-Forwarded-Path", &path), ("X-Original-URL", &path)];
    let by_path = http::post(relay.port, &path, &forwarded, br#"{"leadid":"J2","mobile":"9812345671"}"#);
    let id = format!("call 98123-45679 {number}");
    let unmapped = relay.post("hello", &[("X-Request-Id", number)], format!("{{\"id\":\"{id}\"}}").as_bytes());
    let delivered = Instant::now();
    while sandboxed(relay.admin) < 2 && delivered.elapsed() < Duration::from_secs(10) {
        pause();
    }
    let metrics = http::get(relay.admin, "/metrics", &[]).body;
    let log = fs::read_to_string(ground.dir.join("log")).unwrap_or_default();
    let mut broken = Vec::new();
    for (where_, text) in [("log", &log), ("metrics", &metrics)] {
        for mark in [SECRET, number, "98123-45679"] {
            if text.contains(mark) {
                broken.push(format!("{mark} in the {where_}"));
            }
        }
    }
    let files = fs::read_dir(ground.dir.join("data")).into_iter().flatten().flatten();
    for file in files.filter_map(|entry| fs::read(entry.path()).ok()) {
        if file.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
            broken.push("a route's secret in the store".into());
        }
    }
    broken.dedup();
    let answers = format!("{}, {}, {}", blank.status, by_path.status, unmapped.status);
    relay.judge("3 calls with marked secrets and numbers", answers, broken)
}

/// How many messages reached the sandbox.
fn sandboxed(admin: u16) -> usize {
    http::get(admin, "/sandbox/messages", &[]).body.matches("\"destination\"").count()
}

/// What stays on this computer goes to no proxy.
pub fn proxy(ground: &Ground) -> Outcome {
    let trap = TcpListener::bind("127.0.0.1:0").expect("a port");
    let _ = trap.set_nonblocking(true);
    let url = format!("http://127.0.0.1:{}", trap.local_addr().map_or(free_port(), |address| address.port()));
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let proxies: Vec<(&str, &str)> = names.iter().map(|name| (*name, url.as_str())).collect();
    let relay = Relay::start_with(ground, &[], &proxies, &[]);
    let lead = relay.lead("by the proxy").status;
    let watch = Instant::now();
    while sandboxed(relay.admin) < 1 && watch.elapsed() < Duration::from_secs(10) {
        pause();
    }
    let arrived = sandboxed(relay.admin);
    let listed = std::process::Command::new(&ground.binary)
        .args(["sends", "list", "--admin", &format!("http://127.0.0.1:{}", relay.admin)])
        .current_dir(&ground.dir)
        .envs(proxies.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
        .and_then(end_of);
    let mut broken = Vec::new();
    if trap.accept().is_ok() {
        broken.push("the proxy was called".to_owned());
    }
    if arrived == 0 || !listed.is_some_and(|status| status.success()) {
        broken.push("a lead or a command did not arrive".into());
    }
    relay.judge("a lead and a command, with HTTP_PROXY set", format!("{lead}, {arrived} delivered"), broken)
}
