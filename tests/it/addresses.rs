//! Addresses as people paste them, and browsers that ask before they call.

use reqwest::{Method, Response};
use serde_json::Value;

use crate::world::{Setup, World, proven};

fn route(auth: &str, secret: &str, more: &str) -> String {
    format!(
        "source: generic\nauth: {auth}\nsecret: '{secret}'\n{more}sends:\n  - {{ name: w, campaignName: w, destination: '{{{{ contact.phone }}}}', userName: there }}\n"
    )
}

/// What a route answers to a lead, sent to an address exactly as it is written.
async fn posted(world: &World, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = world.base.strip_prefix("http://").unwrap();
    let body = r#"{"phone":"+919812345670"}"#;
    let call = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut connection = tokio::net::TcpStream::connect(host).await.unwrap();
    connection.write_all(call.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_secret_in_the_address_works_as_it_was_pasted() {
    let secret = "ab+cd/ef==50%zz%FFgh~0123";
    let setup = Setup::new()
        .route("path", &route("path", secret, ""))
        .route("query", &route("{ query: { name: key } }", secret, ""))
        .route("open", &route("none", "", "").replace("secret: ''\n", ""));
    let world = World::start(setup).await;
    let escaped = "ab%2Bcd%2Fef%3D%3D50%25zz%25FFgh~0123";
    for written in [secret, escaped, &escaped.to_lowercase().replace("25ff", "25FF"), "ab+cd%2Fef==50%25zz%25FFgh~0123"]
    {
        for path in [
            format!("path/{written}"),
            format!("path/{written}/"),
            format!("query?key={written}"),
            format!("query/?key={written}"),
        ] {
            assert_eq!(posted(&world, &format!("/webhooks/{path}")).await, 200, "{path}");
        }
    }
    for path in ["path", "path/", "path/ab", "path/ab+cd/ef==50%zz%FFgh~0124", "query?key=ab+cd", "query/x/y"] {
        assert_eq!(posted(&world, &format!("/webhooks/{path}")).await, 401, "{path}");
    }
    for path in ["open", "open/", "open//"] {
        assert_eq!(posted(&world, &format!("/webhooks/{path}")).await, 200, "{path}");
    }
    assert_eq!(posted(&world, "/webhooks/none/").await, 404);
    assert_eq!(posted(&world, "/webhooks/").await, 404);
    let (_, events) = world.admin("GET", "/events", None).await;
    assert!(!events.to_string().contains("0123"), "{events}");
    world.stop().await.assert_unseen(&[secret, escaped, "gh~0123"]);
}

async fn asked(world: &World, method: &str, route: &str, origin: &str) -> Response {
    let request = if method == "POST" {
        proven(&world.http, &world.url(route), r#"{"phone":"+919812345670"}"#.into())
    } else {
        let request = world.http.request(Method::OPTIONS, world.url(route));
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type")
    };
    request.header("origin", origin).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_browser_may_call_where_the_route_says_so() {
    let secret = "s3cret-for-tests";
    let setup = Setup::new()
        .route("some", &route("bearer", secret, "cors: [https://shop.example, 'http://localhost:3000']\n"))
        .route("any", &route("bearer", secret, "cors: '*'\n"))
        .route("off", &route("bearer", secret, ""));
    let world = World::start(setup).await;
    for (route, origin, told) in [
        ("some", "https://shop.example", "https://shop.example"),
        ("some", "http://localhost:3000", "http://localhost:3000"),
        ("any", "https://anything.example", "*"),
        ("any", "null", "*"),
    ] {
        let asked_first = asked(&world, "OPTIONS", route, origin).await;
        assert_eq!(asked_first.status(), 204, "{route} {origin}");
        assert_eq!(header(&asked_first, "access-control-allow-origin"), told);
        assert_eq!(header(&asked_first, "access-control-allow-headers"), "authorization, content-type");
        assert!(header(&asked_first, "access-control-allow-methods").contains("POST"));
        assert!(header(&asked_first, "vary").contains("Origin"));
        let answer = asked(&world, "POST", route, origin).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (200, told));
        assert!(header(&answer, "vary").contains("Origin"));
    }
    // a refusal can be read by the page, too
    let refused = world.http.post(world.url("some")).header("origin", "https://shop.example").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), header(&refused, "access-control-allow-origin")),
        (401, "https://shop.example")
    );
}

#[tokio::test]
async fn a_browser_hears_what_has_to_be_set() {
    let setup = Setup::new()
        .route("off", &route("bearer", "s3cret-for-tests", ""))
        .route("some", &route("bearer", "s3cret-for-tests", "cors: https://shop.example\n"));
    let world = World::start(setup).await;
    for (route, origin, status) in [("off", "https://shop.example", 405), ("some", "https://shop.example.evil", 403)] {
        let answer = asked(&world, "OPTIONS", route, origin).await;
        assert_eq!(answer.status(), status);
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        assert_eq!(header(&answer, "access-control-allow-origin"), "");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("`cors:`"), "{problem}");
    }
    let answer = asked(&world, "POST", "off", "https://shop.example").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (200, ""));
    assert_eq!(header(&answer, "vary"), "");
}

#[test]
fn check_says_what_an_origin_is() {
    let setup = Setup::new()
        .route("some", &route("bearer", "s3cret-for-tests", "cors: [https://a.example, https://b.example/form]\n"));
    setup.write("http://127.0.0.1:9/");
    let (_, faults) =
        serri_relay::route::check::check(&setup.config(), &serri_relay::config::interpolate::Variables::default());
    let faults: Vec<String> = faults.iter().map(serri_relay::config::diagnostic::Diagnostic::one_line).collect();
    assert!(
        faults.iter().any(|fault| fault.contains("`https://b.example/form` is not an origin") && fault.contains(":4:")),
        "{faults:?}"
    );
}

#[test]
fn new_prints_the_address_with_its_secret_escaped() {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_serri-relay"))
        .env_clear()
        .env("LEADS_SECRET", "ab+cd/ef=0123456")
        .args(["--config", setup.config().to_str().unwrap(), "new", "leads", "--source", "indiamart"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("/webhooks/leads/ab%2Bcd%2Fef%3D0123456\n"), "{said}");
}
