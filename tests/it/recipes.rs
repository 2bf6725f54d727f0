//! The recipes of docs/RECIPES.md: each passes, is sent and taken as it stands, and refused everywhere without its parts.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use serri_relay::clock::{Clock, Timestamp};
use serri_relay::config::interpolate::Variables;
use serri_relay::route::check::check;
use serri_relay::route::example::call_of;
use serri_relay::route::profile_spec_of;
use serri_relay::serri::sandbox::{PATH, Sandbox};
use tower::ServiceExt as _;

use crate::cli::relay;
use crate::world::Setup;

const RECIPES: [&str; 6] = ["login", "cod", "tracking", "offers", "visit", "invoice"];

/// A recipe's route, as JSON.
pub fn recipe(name: &str) -> Value {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/RECIPES.md")).unwrap();
    let block = page.split("```yaml\n").find(|block| block.starts_with(&format!("# config/routes/{name}.yaml")));
    let text = block.unwrap().split("```").next().unwrap();
    let mut route: Value = serde_saphyr::from_str(text).unwrap();
    route["secret"] = json!("s3cret-for-tests");
    route
}

fn setup(name: &str, route: &Value) -> Setup {
    // JSON is YAML
    let setup = Setup::new().route(name, &route.to_string());
    setup.write("http://127.0.0.1:9/");
    setup
}

/// What the rule makes of its first example.
fn payload(name: &str) -> Value {
    let (checked, faults) = check(&setup(name, &recipe(name)).config(), &Variables::default());
    let checked = checked.unwrap_or_else(|| panic!("{faults:#?}"));
    let (route, file) = (&checked.routes[name], &checked.written.routes[name]);
    let example = &file.value.examples[0];
    let sample = serri_relay::config::source::SampleSpec {
        headers: example.headers.clone(),
        body: example.body.clone().unwrap(),
        ..Default::default()
    };
    let call = call_of(&sample, &profile_spec_of(&file.value, &checked.written).unwrap());
    let events = route.read(&route.authentication.assume(call), Timestamp(0)).unwrap();
    serde_json::from_str(&events[0].made.sends[0].content.as_ref().unwrap().payload).unwrap()
}

/// What the sandbox says of a call.
async fn sandbox(mut payload: Value) -> (u16, String) {
    payload["apiKey"] = json!("k");
    let request = Request::post(PATH).body(Body::from(payload.to_string())).unwrap();
    let response = Sandbox::new(Clock::system()).router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Puts something else in the place of a part; `null` takes it out.
fn broken(whole: &Value, pointer: &str, part: &Value) -> Value {
    let mut whole = whole.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = whole.pointer_mut(parent).unwrap();
    match (parent, part.is_null()) {
        (Value::Object(map), true) => drop(map.remove(key).unwrap()),
        (parent, _) => *parent.pointer_mut(&format!("/{key}")).unwrap() = part.clone(),
    }
    whole
}

#[tokio::test]
async fn each_recipe_is_taken_as_it_stands() {
    for name in RECIPES {
        let payload = payload(name);
        let has = |key: &str| payload.get(key).is_some();
        assert!(has("buttons") || has("carouselCards") || has("location") || has("media"), "{name}: {payload}");
        let (status, said) = sandbox(payload).await;
        assert_eq!(status, 200, "{name}: {said}");
    }
}

#[tokio::test]
async fn a_recipe_without_one_of_its_parts_is_refused_by_check_try_and_the_sandbox() {
    let nothing = Value::Null;
    let cases = [
        ("login", "/buttons/0/type", nothing.clone()),
        ("login", "/buttons/0/type", json!("url")),
        ("login", "/buttons/0/sub_type", json!("copy")),
        ("login", "/buttons/0/index", nothing.clone()),
        ("login", "/buttons/0/parameters", nothing.clone()),
        ("login", "/buttons/0/parameters/0", json!({"type": "payload", "payload": "x"})),
        ("login", "/buttons/0/parameters/0/text", json!(123_456)),
        ("cod", "/buttons/1/index", json!(0)),
        ("cod", "/buttons/0/parameters/0/payload", nothing.clone()),
        ("cod", "/buttons/0/parameters/0/type", json!("text")),
        ("tracking", "/buttons/0/parameters", json!([])),
        ("tracking", "/buttons/0", json!("https://shop.example.com")),
        ("offers", "/carouselCards/0/card_index", nothing.clone()),
        ("offers", "/carouselCards/1/card_index", json!(0)),
        ("offers", "/carouselCards/0/components", nothing.clone()),
        ("offers", "/carouselCards/0/components/0/parameters/0/image/link", nothing.clone()),
        ("offers", "/carouselCards/0/components/1/parameters", nothing.clone()),
        ("offers", "/carouselCards/1/components/2/index", nothing.clone()),
        ("visit", "/location/latitude", nothing.clone()),
        ("visit", "/location/longitude", nothing.clone()),
        ("visit", "/location/longitude", json!(200)),
        ("invoice", "/media/url", nothing.clone()),
        ("invoice", "/media/url", json!("cdn.example.com/a.pdf")),
    ];
    for (name, pointer, part) in cases {
        let route = broken(&recipe(name), &format!("/sends/0{pointer}"), &part);
        let setup = setup(name, &route);
        for command in [&["check"][..], &["try", name, "-"]] {
            let output = relay(&setup.config(), command);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{name} {pointer}: {command:?}: {said}");
            assert!(said.contains(&format!("routes/{name}.yaml:1:")), "{name} {pointer}: {command:?}: {said}");
        }
        let (status, said) = sandbox(broken(&payload(name), pointer, &part)).await;
        let key = pointer.split('/').nth(1).unwrap();
        assert!(status == 400 && said.contains(key), "{name} {pointer}: {status} {said}");
    }
}
