//! What `check` says of a file never shows a secret that stands in it, under whatever key and however it is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use annotate_snippets::Renderer;
use serde_json::{Value, json};
use serri_relay::config::diagnostic::{Diagnostic, Place, Source};
use serri_relay::config::interpolate::Variables;
use serri_relay::config::relay::RelayFile;
use serri_relay::config::report::render;
use serri_relay::config::route::RouteFile;
use serri_relay::config::schema::schema_of;
use serri_relay::config::shape::{SECRET, Shape};
use serri_relay::config::source::SourceFile;
use serri_relay::route::check::check;

use crate::world::{ROUTE, Setup};

const MARK: &str = "mark3d-s3cret";

/// The paths of all secrets of a schema. `*` is a name that people choose, `0` an entry of a list.
fn secrets(root: &Value) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    walk(root, root, &mut Vec::new(), &mut found);
    found
}

fn walk(root: &Value, schema: &Value, path: &mut Vec<String>, found: &mut BTreeSet<Vec<String>>) {
    for way in Shape::new(root).ways(schema) {
        let named = way.get("properties").and_then(Value::as_object).into_iter().flatten();
        let named = named.map(|(key, inner)| (key.as_str(), inner));
        let free = way.get("additionalProperties").filter(|more| more.is_object()).map(|inner| ("*", inner));
        let entry = way.get("items").map(|inner| ("0", inner));
        for (step, inner) in named.chain(free).chain(entry) {
            path.push(step.to_owned());
            if inner.get(SECRET).is_some() {
                found.insert(path.clone());
            } else if path.len() < 8 {
                walk(root, inner, path, found);
            }
            path.pop();
        }
    }
}

/// A document with a value at a path.
fn document(mut base: Value, path: &[String], value: Value) -> Value {
    let (first, rest) = path.split_first().expect("a path");
    let built =
        rest.iter().rev().fold(value, |inner, step| if step == "0" { json!([inner]) } else { json!({ step: inner }) });
    base[first] = built;
    base
}

/// A document as people write it, a step to the right for each level.
fn block(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().map(|(key, value)| format!("\n{pad}{key}:{}", block(value, indent + 2))).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| format!("\n{pad}- {}", block(item, indent + 2).trim_start())).collect()
        }
        Value::String(text) if text.contains('\n') => {
            format!(" |\n{}", text.lines().map(|line| format!("{pad}{line}\n")).collect::<String>())
        }
        other => format!(" {other}"),
    }
}

/// The ways in which a key is written wrong.
fn misspelt(key: &str) -> Vec<String> {
    let swapped = key.chars().take(1).chain(key.chars().skip(2).take(1)).chain(key.chars().skip(1).take(1));
    vec![
        key.to_owned(),
        key.chars().skip(1).collect(),
        key.chars().take(key.len() - 1).collect(),
        key.to_uppercase(),
        swapped.chain(key.chars().skip(3)).collect(),
        format!("{key}s"),
        key.replace('_', "-"),
        key.replace('_', ""),
        format!("my_{key}"),
    ]
}

/// What is said of a text at each of the lines that would give the secret away, and behind its end.
fn said_where_it_stands(name: &str, text: &str) -> String {
    said_of(name, text, |line| line.is_empty() || line.contains(MARK))
}

/// What is said of a text at some of its lines, whether there is a fault of it or not.
fn said_of(name: &str, text: &str, wanted: fn(&str) -> bool) -> String {
    let source = Arc::new(Source::new(name, text));
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let places = starts.filter_map(|start| {
        let line = text.get(start..).and_then(|line| line.lines().next()).unwrap_or("");
        wanted(line).then(|| Place { source: Arc::clone(&source), range: start..start + line.len() })
    });
    let shown = |place: Place| render(&Diagnostic::at(&place, "wrong"), &Variables::default(), &Renderer::plain());
    places.map(shown).collect()
}

fn assert_unseen(said: &str, text: &str) {
    assert!(!said.contains(MARK), "of\n{text}\nit says\n{said}");
}

#[test]
fn no_secret_of_any_schema_is_shown_however_its_key_and_value_are_written() {
    let route = json!({ "source": "generic", "sends": [] });
    let mut seen = 0;
    for (file, base, schema) in [
        ("relay.yaml", json!({}), schema_of::<RelayFile>()),
        ("routes/hello.yaml", route, schema_of::<RouteFile>()),
        ("sources/mine.yaml", json!({ "title": "Mine" }), schema_of::<SourceFile>()),
    ] {
        let setup = Setup::new().route("hello", ROUTE);
        setup.write("http://127.0.0.1:9/");
        std::fs::create_dir_all(setup.config().join("sources")).unwrap();
        for path in secrets(&schema) {
            let last = path.iter().rposition(|step| step != "0").unwrap();
            for (n, key) in misspelt(&path[last]).into_iter().enumerate() {
                let mut path = path.clone();
                path[last] = key;
                for (kind, value) in [
                    json!(MARK),
                    json!(["first-of-a-list", MARK]),
                    json!({ "current": { "value": MARK } }),
                    json!(format!("of two lines\n{MARK}")),
                    json!(format!("${{UNSET:-{MARK}}}")),
                ]
                .into_iter()
                .enumerate()
                {
                    if n > 1 && kind > 0 {
                        continue;
                    }
                    let whole = document(base.clone(), &path, value);
                    let written = block(&whole, 0).trim_start().to_owned();
                    for text in [written.clone(), whole.to_string(), format!("{written}\nbroken: [")] {
                        assert_unseen(&said_where_it_stands(file, &text), &text);
                        seen += 1;
                    }
                    // the real thing, where the faults differ
                    if kind < 3 {
                        std::fs::write(setup.config().join(file), &written).unwrap();
                        let (_, diagnostics) = check(&setup.config(), &Variables::default());
                        let renderer = Renderer::plain();
                        let said: String = diagnostics
                            .iter()
                            .map(|diagnostic| render(diagnostic, &Variables::default(), &renderer))
                            .collect();
                        assert_unseen(&said, &written);
                    }
                }
            }
        }
    }
    assert!(seen > 500, "only {seen} documents");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown_either() {
    for text in [
        format!("auth: {MARK}"),
        format!("auth: [none, {MARK}]"),
        format!("auth: {{ hmac: {MARK} }}"),
        format!("auth:\n  header: {MARK}\n"),
        format!("auth: {{ header: {{ name: x-key, valeu: {MARK} }} }}"),
        format!("enrich: {{ query: {{ access_token: {MARK} }} }}"),
        format!("examples: [{{ headers: {{ authorization: Bearer {MARK} }} }}]"),
        format!("accounts: {{ default: {{ hello: {MARK} }} }}"),
        format!("accounts: {{ default: {{ endpoint: 'https://me:{MARK}@example.com/' }} }}"),
        format!("store: {{ url: 'postgres://relay:{MARK}@db/relay' }}"),
        format!("secret: a\nsecret: {MARK}"),
        format!("secret:\n- {MARK}\n- x: ["),
        format!("secret:\n  - a\n  # which\n\n  - {MARK}\n}}"),
        format!("secret:\n\t{MARK}"),
        format!("source: generic\nsecret:\n{MARK}\n"),
        format!("secret:\n  - &{MARK}\n"),
        format!("secret: !{MARK} foo\n"),
        // a password is no YAML
        format!("admin: {{ token: #{MARK}\n}}"),
        format!("admin:\n  token: #{MARK}\n"),
        format!("secret: &{MARK}\n"),
        format!("secret: !{MARK}\n"),
        format!("secret: {{{MARK}}}"),
        format!("accounts:\n  default:\n    api_key:\n      {MARK}:\n"),
        format!("auth: {{ header: {{ name: X-K, value: #{MARK}\n}} }}"),
        format!("secret: ${{SHOP_SECRET}} # it was {MARK}"),
        format!("accounts: {{ default: {{ endpoint: 'htps://x/?key={MARK}' }} }}"),
        format!("store: {{ url: 'postgres://db/x?password={MARK}' }}"),
        format!("delivery: {{ proxy: 'u:{MARK}@p:1' }}"),
    ] {
        assert_unseen(&said_where_it_stands("some.yaml", &text), &text);
    }
}

#[test]
fn what_a_reference_stands_for_is_not_repeated_by_a_message() {
    let file = std::env::temp_dir().join(format!("serri-relay-concealed-{}", std::process::id()));
    std::fs::write(&file, MARK).unwrap();
    let variables = Variables::given([("SHOP_SECRET", MARK), ("WAIT", "soon")]);
    for text in ["${SHOP_SECRET}".to_owned(), format!("${{file:{}}}", file.display())] {
        for key in ["auth", "delay", "account", "default_country", "timezone", "hours", "once", "body", "expires"] {
            let setup = Setup::new().route("hello", &format!("{ROUTE}{key}: {text}\n"));
            setup.write("http://127.0.0.1:9/");
            let (_, diagnostics) = check(&setup.config(), &variables);
            let said: String =
                diagnostics.iter().map(|diagnostic| render(diagnostic, &variables, &Renderer::plain())).collect();
            assert!(said.contains("hello.yaml"), "{key}: nothing is said");
            assert_unseen(&said, key);
        }
    }
    std::fs::remove_file(file).unwrap();
    let address = Variables::given([("WHERE", "htps://x/?key=mark3d-s3cret")]);
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    for text in ["accounts: { default: { endpoint: '${WHERE}' } }", "server: { public_url: '${WHERE}' }"] {
        std::fs::write(setup.config().join("relay.yaml"), text).unwrap();
        let (_, diagnostics) = check(&setup.config(), &address);
        let said: String =
            diagnostics.iter().map(|diagnostic| render(diagnostic, &address, &Renderer::plain())).collect();
        assert!(said.contains("relay.yaml"), "{text}: nothing is said");
        assert_unseen(&said, text);
    }
    // what is not a secret is said: it is what has to be fixed
    let setup = Setup::new().route("hello", &format!("{ROUTE}delay: ${{WAIT}}\n"));
    setup.write("http://127.0.0.1:9/");
    let (_, diagnostics) = check(&setup.config(), &variables);
    assert!(diagnostics.iter().any(|diagnostic| render(diagnostic, &variables, &Renderer::plain()).contains("`soon`")));
}

#[test]
fn lines_without_secrets_are_shown() {
    let text = "source: generic\nsecret: ${SHOP_SECRET}\nauth: { hmac: { header: x-sig, encodng: hex } }\nmethdos: [POST]\n\
                account: acme\nsends:\n  - name: a\n    campaignName: c\n    attributes: { city: Pune }\n";
    let said = said_of("some.yaml", text, |_| true);
    for line in text.lines() {
        assert!(said.contains(line), "`{line}` is not shown:\n{said}");
    }
    assert!(said_of("some.yaml", &format!("{text}broken: ["), |_| true).contains("account: acme"));
}
