//! Bodies as senders in the field write them, through the whole relay: each says the same person in its own way.

use std::process::Command;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::world::{Setup, World, proven};

const SECRET: &str = "s3cret-for-tests-of-fields";

const ROUTE: &str = r#"
source: generic
auth: bearer
secret: s3cret-for-tests-of-fields
sends:
  - { name: w, campaignName: w, destination: "{{ contact.phone }}", userName: "{{ contact.name }}", templateParams: ["{{ event.note | default('none') }}"] }
"#;

/// How a text becomes bytes.
type Charset = (&'static str, &'static str, fn(&str) -> Vec<u8>);

fn wide(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

/// Each with what its content type declares. All letters of the test are in Latin 1.
const CHARSETS: [Charset; 12] = [
    ("utf-8", "", |text| text.into()),
    ("utf-8 declared", "; charset=utf-8", |text| text.into()),
    ("utf-8, declared as another", "; charset=ISO-8859-1", |text| text.into()),
    ("a mark", "", |text| format!("\u{feff}{text}").into()),
    ("two marks", "; charset=utf-8", |text| format!("\u{feff}\u{feff}{text}").into()),
    ("utf-16le with a mark", "", |text| wide(&format!("\u{feff}{text}"), u16::to_le_bytes)),
    ("utf-16be with a mark", "; charset=utf-16", |text| wide(&format!("\u{feff}{text}"), u16::to_be_bytes)),
    ("utf-16le", "; charset=\"UTF-16LE\"", |text| wide(text, u16::to_le_bytes)),
    ("utf-16be", "; charset=utf-16be", |text| wide(text, u16::to_be_bytes)),
    ("latin 1", "; charset=iso-8859-1", latin),
    ("windows-1252", "; charset=windows-1252", latin),
    ("latin 1 undeclared", "", latin),
];

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).expect("Latin 1")).collect()
}

/// The same two fields in every format: its content type, its text, and the event that it becomes.
fn formats() -> Vec<(&'static str, &'static str, String, Value)> {
    let event = json!({"name": "José Núñez", "phone": "98123 45670"});
    let with = |note: &str| json!({"name": "José Núñez", "phone": "98123 45670", "note": note});
    let json = event.to_string();
    let part = |name: &str, value: &str| {
        format!("--relay\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    vec![
        ("json", "application/json", json.clone(), event.clone()),
        ("json, pretty", "text/plain", serde_json::to_string_pretty(&event).unwrap(), event.clone()),
        ("json, encoded twice", "application/json", Value::from(json.clone()).to_string(), event.clone()),
        (
            "json with raw line breaks",
            "application/json",
            "{\"name\":\"José Núñez\",\n\"phone\":\"98123 45670\",\"note\":\"one\r\n\ttwo\"}".into(),
            with("one\r\n\ttwo"),
        ),
        (
            "json with a key twice",
            "application/json",
            r#"{"name":"José Núñez","phone":"98123 45670","name":"José Núñez"}"#.into(),
            event.clone(),
        ),
        ("form", "application/x-www-form-urlencoded", "name=José+Núñez&phone=98123+45670".into(), event.clone()),
        ("json as a form", "application/x-www-form-urlencoded", json, event.clone()),
        (
            "multipart",
            "multipart/form-data; boundary=relay",
            format!("{}{}--relay--\r\n", part("name", "José Núñez"), part("phone", "98123 45670")),
            event.clone(),
        ),
        ("xml", "text/xml", "<lead><name>José Núñez</name><phone>98123 45670</phone></lead>".into(), event),
    ]
}

async fn post(world: &World, content_type: &str, body: Vec<u8>) -> (u16, Value) {
    let request = world.http.post(world.url("hello")).bearer_auth(SECRET).header(CONTENT_TYPE, content_type);
    world.call(request.body(body)).await
}

/// The event that came of a call, as the admin API shows it.
async fn event(world: &World, answer: &Value) -> Value {
    let id = answer["events"][0]["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
    world.admin("GET", &format!("/events/{id}"), None).await.1["body"].clone()
}

#[tokio::test]
async fn every_format_is_read_in_every_charset() {
    let world = World::start(Setup::new().route("hello", ROUTE)).await;
    for (format, content_type, text, expected) in formats() {
        for (charset, declared, encode) in CHARSETS {
            let (status, answer) = post(&world, &format!("{content_type}{declared}"), encode(&text)).await;
            assert_eq!(status, 200, "{format} in {charset}: {answer}");
            assert_eq!(event(&world, &answer).await, expected, "{format} in {charset}");
        }
    }
}

#[tokio::test]
async fn damaged_bodies_of_every_format_are_kept_and_refused() {
    let world = World::start(Setup::new().route("hello", ROUTE)).await;
    for (format, content_type, text, _) in formats() {
        let mut cut = text.replace("José", "आशा").replace("Núñez", "राव").into_bytes();
        let at = cut.windows(3).position(|part| part == "श".as_bytes()).unwrap();
        cut.drain(at..=at);
        let mut odd = wide(&format!("\u{feff}{text}"), u16::to_le_bytes);
        odd.pop();
        for body in [cut, odd] {
            let (status, answer) = post(&world, content_type, body).await;
            assert_eq!(status, 400, "{format}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_fault_is_told_where_it_stands_in_what_was_sent() {
    let route = ROUTE.replace("auth: bearer\n", "auth: bearer\njson_field: raw\n");
    let world = World::start(Setup::new().route("hello", &route)).await;
    let broken = "{\"note\":\"José\none\t\ttwo\",\"b\":!}";
    let place = " at line 2 column 15";
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    for (content_type, body, expected) in [
        (json, broken.as_bytes().to_vec(), Some(place)),
        (json, format!("\u{feff}{broken}").into_bytes(), Some(place)),
        (json, wide(&format!("\u{feff}{broken}"), u16::to_le_bytes), Some(place)),
        ("application/json; charset=iso-8859-1", latin(broken), Some(place)),
        ("text/xml", b"\n\n<a>\n<b></c></a>".to_vec(), Some(" at line 4 column 4")),
        // places in a text within the body are those of that text, and said to be
        (
            form,
            form_urlencoded::Serializer::new("raw=".to_owned()).finish().into_bytes(),
            Some("the field `raw` holds no readable JSON: it is empty"),
        ),
        (form, serialized(broken), Some(" at line 2 column 15 of its text")),
        (json, Value::from(broken).to_string().into_bytes(), None),
        (json, Value::from(Value::from(broken).to_string()).to_string().into_bytes(), None),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let (status, answer) = post(&world, content_type, body).await;
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{shown}: {answer}");
        match expected {
            Some(place) => assert!(detail.contains(place), "{shown}: {answer}"),
            None => assert!(!detail.contains("column"), "{shown}: {answer}"),
        }
    }
}

fn serialized(raw: &str) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).append_pair("raw", raw).finish().into_bytes()
}

#[tokio::test]
async fn a_secret_in_another_charset_is_not_kept() {
    let world = World::start(Setup::new().route("hello", ROUTE)).await;
    let said = json!({"phone": "98123 45670", "note": format!("é {SECRET}")}).to_string();
    let mut bodies: Vec<Vec<u8>> = CHARSETS.iter().map(|(_, _, encode)| encode(&said)).collect();
    bodies.push(Value::from(said.clone()).to_string().into_bytes());
    bodies.push(said.replace('é', "\n").into_bytes());
    for body in bodies.clone() {
        let (status, answer) = post(&world, "application/json", body).await;
        assert_eq!(status, 200, "{answer}");
        let kept = event(&world, &answer).await;
        assert!(kept["note"].as_str().is_some_and(|note| note.ends_with("(secret)")), "{kept}");
    }
    for mut unreadable in bodies {
        // UTF-16 needs two bytes
        unreadable.truncate((unreadable.len() - 4) / 2 * 2);
        assert_eq!(post(&world, "application/json", unreadable).await.0, 400);
    }
    let setup = world.stop().await;
    let [narrow, little, big] = [SECRET.to_owned(), wide_text(u16::to_le_bytes), wide_text(u16::to_be_bytes)];
    setup.assert_unseen(&[&narrow, &little, &big]);
}

/// The secret in UTF-16, whose bytes are all of ASCII.
fn wide_text(order: fn(u16) -> [u8; 2]) -> String {
    String::from_utf8(wide(SECRET, order)).unwrap()
}

#[tokio::test]
async fn a_proven_body_is_json_whatever_its_type_says() {
    let route = ROUTE.replace("auth: bearer\n", "auth: bearer\nbody: json\n");
    let world = World::start(Setup::new().route("hello", &route)).await;
    for content_type in
        ["application/x-www-form-urlencoded", "text/html", "multipart/form-data", "application/octet-stream", ""]
    {
        let mut request = world.http.post(world.url("hello")).bearer_auth(SECRET);
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let (status, answer) = world.call(request.body(r#"{"phone":"98123 45670"}"#)).await;
        assert_eq!(status, 200, "{content_type}: {answer}");
    }
    let unproven =
        proven(&world.http, &world.url("hello"), "{}".into()).bearer_auth("another").header(CONTENT_TYPE, "a/b");
    assert_eq!(world.call(unproven).await.0, 401);
}

#[test]
fn try_reads_a_file_in_any_charset() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let charsets = ["two marks", "utf-16le with a mark", "latin 1 undeclared"];
    for (format, content_type, text, _) in formats().into_iter().filter(|(format, ..)| !format.contains(' ')) {
        for (charset, declared, encode) in CHARSETS.into_iter().filter(|(name, ..)| charsets.contains(name)) {
            let file = setup.dir.path().join("body");
            std::fs::write(&file, encode(&text)).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_serri-relay"))
                .env_clear()
                .args(["--config", setup.config().to_str().unwrap(), "try", "hello", file.to_str().unwrap()])
                .args(["-H", &format!("Content-Type: {content_type}{declared}")])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("+919812345670") && said.contains("José Núñez"), "{format} in {charset}: {said}");
        }
    }
}
