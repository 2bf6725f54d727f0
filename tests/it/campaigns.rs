//! Campaigns known before a send: read from the accounts' APIs, by a stand-in that answers as they do. Nothing is sent.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::{Html, IntoResponse as _};
use axum::routing::post;
use http::StatusCode;
use serde_json::{Value, json};
use serri_relay::clock::Clock;
use serri_relay::serri::sandbox::{PATH, Sandbox};

use crate::cli::relay;
use crate::world::{Setup, World, serve};

/// A route with a rule for each of these campaigns, which gives one parameter.
fn rules(campaigns: &[&str]) -> String {
    let rule = |name: &&str| {
        format!(
            "  - name: to {name}\n    campaignName: {name}\n    destination: \"{{{{ contact.phone }}}}\"\n    userName: x\n    templateParams: [a]\n"
        )
    };
    let rules: String = campaigns.iter().map(rule).collect();
    format!("source: generic\nauth: bearer\nsecret: s3cret-for-tests\nsends:\n{rules}")
}

struct Asked {
    code: Option<i32>,
    said: String,
    faults: Vec<String>,
}

/// What a command says: `faults` are the errors and warnings, a line each.
async fn asked(setup: &Setup, arguments: &'static [&'static str]) -> Asked {
    let config = setup.config();
    let output: Output = tokio::task::spawn_blocking(move || relay(&config, arguments)).await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let faults = err.lines().filter(|line| line.starts_with("error") || line.starts_with("warning"));
    let faults = faults.map(ToOwned::to_owned).collect();
    assert!(!format!("{out}{err}").contains("key-of-the-test"), "the key is shown: {out}{err}");
    Asked { code: output.status.code(), said: format!("{out}{err}"), faults }
}

#[tokio::test]
async fn what_the_api_says_of_campaigns_is_said_at_the_rules_and_nothing_is_sent() {
    let sandbox = Sandbox::new(Clock::system());
    let served = serve(sandbox.router()).await;
    let endpoint = format!("{}{PATH}", served.base);
    let by_example = rules(&["\"{{ event.campaign }}\""])
        + "examples:\n  - { name: one, body: { phone: '9812345670', campaign: sandbox_params_3 }, sends: [ { campaignName: sandbox_params_3 } ] }\n";
    let cases = [
        (rules(&["welcome", "sandbox_params_1"]), vec![]),
        (
            rules(&["sandbox_missing"]),
            vec![
                "error: account `default` has no campaign `sandbox_missing` (its API says 400: Campaign does not exist.)",
            ],
        ),
        (rules(&["sandbox_not_live", "welcome"]), vec!["error: campaign `sandbox_not_live` is not live"]),
        (
            rules(&["sandbox_params_3"]),
            vec!["error: campaign `sandbox_params_3` takes 3 parameter(s), and 1 stand here"],
        ),
        (
            rules(&["sandbox_params_3", "sandbox_missing"]),
            vec![
                "error: account `default` has no campaign `sandbox_missing` (its API says 400: Campaign does not exist.)",
                "error: campaign `sandbox_params_3` takes 3 parameter(s), and 1 stand here",
            ],
        ),
        (rules(&["sandbox_bad_key"]), vec!["error: account `default`: its API says 401: Invalid API key"]),
        (
            rules(&["sandbox_out_of_credits"]),
            vec!["error: account `default`: its API says 402: Insufficient WhatsApp Conversation Credits (WCC)!"],
        ),
        (rules(&["sandbox_down"]), vec!["error: account `default`: its API does not answer: 503"]),
        (
            rules(&["sandbox_not_found"]),
            vec![
                "warning: account `default`: campaigns cannot be read there (404, and plain text), so that they were not checked",
            ],
        ),
        (by_example, vec!["error: campaign `sandbox_params_3` takes 3 parameter(s), and 1 stand here"]),
    ];
    for (route, wanted) in cases {
        let setup = Setup::new().route("hello", &route);
        setup.write(&endpoint);
        let Asked { code, said, faults } = asked(&setup, &["check", "--online"]).await;
        assert_eq!(faults, wanted, "{route}\n{said}");
        let is_well = !wanted.iter().any(|fault| fault.starts_with("error"));
        assert_eq!(code, Some(i32::from(!is_well)), "{said}");
        if said.contains("campaign `sandbox_params_3`") {
            assert!(said.contains("routes/hello.yaml:") && said.contains("its API says so"), "{said}");
        }
        assert!(asked(&setup, &["check"]).await.faults.is_empty(), "without --online nobody is asked");
    }
    let inbox = reqwest::get(format!("{}/messages", served.base)).await.unwrap().text().await.unwrap();
    let inbox: Value = serde_json::from_str(&inbox).unwrap();
    assert_eq!(inbox, json!({ "messages": [], "refused": [] }));
}

#[tokio::test]
async fn an_api_that_cannot_be_asked_says_nothing_of_messages() {
    let page = post(async || Html("<html>It works!</html>"));
    let details = "/campaign/t1/api/campaign-details";
    let cases = [
        (
            "nothing there",
            Router::new().route(PATH, page.clone()),
            Some(0),
            "warning: account `default`: campaigns cannot be read there (404",
        ),
        (
            "a page",
            Router::new().route(details, page),
            Some(0),
            "warning: account `default`: campaigns cannot be read there (200, and a page)",
        ),
        (
            "other JSON",
            Router::new().route(details, post(async || r#"{"hello":"world"}"#)),
            Some(0),
            "warning: account `default`: campaigns cannot be read there",
        ),
        (
            "a key that is refused in a page",
            Router::new()
                .route(details, post(async || (StatusCode::FORBIDDEN, Html("<html>no</html>")).into_response())),
            Some(0),
            "warning: account `default`: campaigns cannot be read there (403",
        ),
    ];
    for (what, router, code, said) in cases {
        let served = serve(router).await;
        let setup = Setup::new().route("hello", &rules(&["welcome", "other"]));
        setup.write(&format!("{}{PATH}", served.base));
        let asked = asked(&setup, &["check", "--online"]).await;
        assert_eq!(asked.code, code, "{what}: {}", asked.said);
        // two campaigns, one cause
        assert!(asked.faults.len() == 1 && asked.faults[0].starts_with(said), "{what}: {:?}", asked.faults);
    }
    let setup = Setup::new().route("hello", &rules(&["welcome"]));
    setup.write("http://127.0.0.1:9/campaign/t1/api/v2");
    let asked = asked(&setup, &["check", "--online"]).await;
    assert_eq!(asked.code, Some(1), "{}", asked.said);
    assert!(
        asked.faults[0].starts_with("error: account `default`: its API does not answer: no connection"),
        "{}",
        asked.said
    );
}

#[tokio::test]
async fn what_was_pulled_is_known_to_check_and_stops_no_send() {
    let world = World::start(Setup::new().route("counted", &rules(&["sandbox_params_1"]))).await;
    let setup = &world.setup;
    let pulled = asked(setup, &["campaigns", "pull"]).await;
    assert_eq!(pulled.code, Some(0), "{}", pulled.said);
    let file = setup.config().join("campaigns.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains(r#"  - {"account":"default","name":"sandbox_params_1","live":true,"params":1,"media":false}"#),
        "{text}"
    );
    assert_eq!(asked(setup, &["check"]).await.faults, Vec::<String>::new());
    // what the file says is said without asking; when one asks, the API counts
    let stale = text.replace("\"params\":1", "\"params\":2");
    std::fs::write(&file, &stale).unwrap();
    let offline = asked(setup, &["check"]).await;
    assert_eq!(offline.faults, ["error: campaign `sandbox_params_1` takes 2 parameter(s), and 1 stand here"]);
    assert!(offline.said.contains("config/campaigns.yaml says so"), "{}", offline.said);
    assert_eq!(asked(setup, &["check", "--online"]).await.faults, Vec::<String>::new());
    std::fs::write(&file, stale.replace("\"params\":2", "\"params\":1").replace("true", "false")).unwrap();
    let offline = asked(setup, &["check"]).await;
    assert_eq!(
        (offline.code, offline.faults),
        (Some(0), vec!["warning: campaign `sandbox_params_1` is not live".into()])
    );
    std::fs::write(setup.config().join("routes/more.yaml"), rules(&["brand_new"])).unwrap();
    let offline = asked(setup, &["check"]).await;
    assert!(offline.faults.contains(&"warning: campaign `brand_new` is not known".to_owned()), "{:?}", offline.faults);
    // nor does the relay go by it: neither an old one nor one that nobody can read
    for text in [stale.as_str(), "campaigns: [", "campaigns: 7\n"] {
        std::fs::write(&file, text).unwrap();
        let (status, told) = world.admin("POST", "/reload", None).await;
        assert_eq!((status, &told["faulty"]), (200, &json!([])), "{text}: {told}");
        let number = world.sandbox.messages().len();
        let call = json!({ "id": format!("e{number}"), "phone": format!("981234567{number}") }).to_string();
        assert_eq!(world.post("counted", &call).await.0, 200);
        world.delivered(number + 1).await;
    }
    assert_eq!(asked(setup, &["check"]).await.code, Some(1), "but `check` says so");
    world.stop().await;
}

#[tokio::test]
async fn the_commands_of_the_page_work_as_they_are_written() {
    let page = include_str!("../../docs/CAMPAIGNS.md");
    let commands: Vec<&str> = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().lines().collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let sandbox = Sandbox::new(Clock::system());
    let served = serve(sandbox.router()).await;
    let setup = Setup::new().route("hello", &rules(&["order_confirmation"]));
    setup.write(&format!("{}{PATH}", served.base));
    for command in commands {
        let words: Vec<&'static str> = command.strip_prefix("serri-relay ").unwrap().split(' ').collect();
        let Asked { code, said, .. } = asked(&setup, words.leak()).await;
        assert_eq!(code, Some(0), "{command}: {said}");
    }
    assert!(setup.config().join("campaigns.yaml").exists());
}

#[tokio::test]
async fn a_list_shows_each_campaign_with_its_rules_and_an_account_without_a_key_is_said() {
    let sandbox = Sandbox::new(Clock::system());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let router = sandbox.router().layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
        counted.fetch_add(1, Ordering::Relaxed);
        next.run(request)
    }));
    let served = serve(router).await;
    let setup = Setup::new()
        .account("clinic")
        .route("one", &format!("account: default\n{}", rules(&["welcome", "sandbox_not_live"])))
        .route("two", &format!("account: default\n{}", rules(&["welcome"]).replace("s3cret-for", "another-s3cret-for")))
        .route(
            "three",
            &format!("account: clinic\n{}", rules(&["sandbox_missing"]).replace("s3cret-for", "third-s3cret-for")),
        )
        .set("accounts.clinic.api_key=");
    setup.write(&format!("{}{PATH}", served.base));
    let listed = asked(&setup, &["campaigns", "list"]).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2, "each campaign is asked about once");
    assert!(
        listed.said.contains("default  welcome           live      ?       ?      one: to welcome, two: to welcome"),
        "{}",
        listed.said
    );
    assert!(listed.said.contains("default  sandbox_not_live  not live"), "{}", listed.said);
    assert_eq!(
        listed.faults,
        [
            "warning: account `clinic`: it has no key, so that the sandbox stands in and nobody can be asked about its campaigns",
            "error: campaign `sandbox_not_live` is not live",
        ]
    );
    let listed = asked(&setup, &["campaigns", "list", "--json"]).await;
    let mut documents = serde_json::Deserializer::from_str(&listed.said).into_iter::<Value>();
    let list = documents.next().unwrap().unwrap();
    let first = &list["campaigns"][0];
    assert_eq!(
        (&first["name"], &first["live"], &first["rules"]),
        (&json!("sandbox_not_live"), &json!(false), &json!([{ "route": "one", "rule": "to sandbox_not_live" }]))
    );
}
