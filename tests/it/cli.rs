//! The commands as a person types them: the real binary, its words and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use serri_relay::config::Extent;
use serri_relay::config::interpolate::Variables;

use crate::world::{ROUTE, Setup};

pub fn relay(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg("--config").arg(config).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `check` says of a route, with the directory's name left out.
fn complaints(setup: &Setup) -> String {
    let output = relay(&setup.config(), &["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    err(&output).replace(&setup.config().display().to_string(), "config")
}

#[test]
fn every_kind_of_mistake_is_reported_at_once_with_its_place() {
    let route = r#"source: shopfy
sends:
  - name: welcome
    campaignName: welcome
    destination: "{{ contact.phon }}"
    userName: "{{ contact.name | titel }}"
    templateParms: [a]
    when: meta.type = "x"
"#;
    let bad = r#"source: generic
secret: ${NOT_SET}
auth: { baerer: x }
sends:
  - campaignName: [a]
    destination: "{{ event.phone"
    userName: x
"#;
    let templates = r#"source: generic
auth: bearer
secret: a-long-enough-secret
account: acme
sends:
  - name: a
    campaignName: c
    destination: "{{ contact.phon }}"
    userName: "{{ contact.name | titel }}"
    when: meta.type = "x"
  - name: a
    campaignName: c
    destination: x
    userName: "{{ evnt.name }}"
    default_country: Indie
    media: { url: http://localhost/a.jpg }
"#;
    let setup = Setup::new()
        .route("a-shape", route)
        .route("b-values", bad)
        .route("c-templates", templates)
        .route("d-yaml", "source: [\n");
    setup.write("http://127.0.0.1:9/");
    insta::assert_snapshot!("every_kind_of_mistake", complaints(&setup));
}

#[test]
fn settings_are_checked_too_wherever_they_come_from() {
    let setup = Setup::new()
        .file("relay.yaml", "server:\n  listn: 1.2.3.4:80\n  body_limit: huge\nadmin: { listen: '0.0.0.0:8081' }\ndelivery: { concurrency: 0, retry: { max: 1s } }\naccounts: { default: { default_country: India, rate: 0/s, endpoint: here } }\nstore: { url: 'mysql:x' }\n");
    insta::assert_snapshot!("settings", complaints(&setup));
    let setup =
        Setup::new().file("relay.yaml", "admin: { listen: '0.0.0.0:8081' }\nserver: { listen: 'everywhere' }\n");
    insta::assert_snapshot!("settings_that_fit_and_are_wrong", complaints(&setup));
    let output = Command::new(env!("CARGO_BIN_EXE_serri-relay"))
        .arg("--config")
        .arg(setup.config())
        .arg("check")
        .env("SERRI_RELAY__SERVR__LISTEN", "x")
        .output()
        .unwrap();
    assert!(
        err(&output).contains("environment variable SERRI_RELAY__SERVR")
            && err(&output).contains("did you mean `server`?"),
        "{}",
        err(&output)
    );
}

#[test]
fn examples_that_do_not_come_out_are_faults() {
    let examples = "examples:\n  - name: one\n    body: { phone: '9812345670' }\n    sends: [{ destination: '+911111111111', campaignName: welcome }]\n  - name: none\n    body: { name: x }\n    sends: []\n  - name: nowhere\n    sample: leed\n    sends: []\n";
    let setup = Setup::new().route("hello", &format!("{ROUTE}{examples}"));
    setup.write("http://127.0.0.1:9/");
    insta::assert_snapshot!("examples", complaints(&setup));
}

#[test]
fn a_sound_configuration_is_well() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let output = relay(&setup.config(), &["check"]);
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
    assert!(out(&output).contains("is well: 1 route(s)"));
    let output = relay(Path::new("/nowhere"), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("--config DIR"));
    assert_eq!(relay(&setup.config(), &["chekc"]).status.code(), Some(2));
}

#[test]
fn a_secret_that_is_written_out_is_not_shown_with_its_faults() {
    let route =
        ROUTE.replace("auth: bearer", "auth: standard-webhooks").replace("s3cret-for-tests", "n0t-base64-but-secret");
    let setup = Setup::new().route("hello", &route);
    setup.write("http://127.0.0.1:9/");
    let said = complaints(&setup);
    assert!(said.contains("the secret is not base64 text") && said.contains("hello.yaml:4:9"), "{said}");
    assert!(!said.contains("n0t-base64-but-secret"), "{said}");
}

#[test]
fn weak_spots_are_warnings() {
    let deals = |when: &str| {
        format!(
            "source: pipedrive\nsecret: a-secret-for {when}\nsends:\n  - {{ name: a, when: '{when}', campaignName: c, destination: '{{{{ contact.phone }}}}', userName: x }}\n"
        )
    };
    let setup = Setup::new()
        .route("open", "source: generic\nauth: none\nsends: []\n")
        .route("short", &ROUTE.replace("s3cret-for-tests", "tiny"))
        .route("again", &ROUTE.replace("s3cret-for-tests", "tiny"))
        .route("form", "source: wpforms\nsecret: a-secret-of-its-own\nsends: []\n")
        .route(
            "lead-ads",
            "source: meta-leads\nsecret: a-second-of-its-own\nverify_token: v\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\n",
        )
        .route("deals", &deals("meta.type == \"change.deal\""))
        .route("persons", &deals("meta.type == \"create.person\""))
        .set("server.listen=0.0.0.0:0");
    setup.write("http://127.0.0.1:9/");
    let output = relay(&setup.config(), &["check"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!err(&output).contains("persons.yaml:"), "{}", err(&output));
    for warning in [
        "anybody who knows the address can start messages by the route `open`",
        "shorter than 16",
        "`short` and `again` have the same secret",
        "WPForms never repeats a call, and the store stands in a temporary directory",
        "Meta lead ads brings no phone number",
        "some events of Pipedrive bring no phone number, as its sample `deal`, to which this rule applies",
    ] {
        assert!(err(&output).contains(warning), "{warning}: {}", err(&output));
    }
}

/// What `check` says of the configuration that ships, with these variables.
fn shipped(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
    command.env_clear().arg("--config").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).arg("check");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), err(&output))
}

#[test]
fn a_secret_that_is_published_sends_nothing_for_real() {
    assert_eq!(shipped(&[]), (Some(0), String::new()), "without a key all is as easy as can be");
    for secret in ["", "let-me-in", " let-me-in "] {
        let (code, said) = shipped(&[("SERRI_API_KEY", "k"), ("HELLO_SECRET", secret)]);
        assert!(code == Some(1) && said.contains("this secret is published"), "{said}");
        assert!(said.contains("hello.yaml:5:") && said.contains("openssl rand -hex 24"), "{said}");
    }
    assert_eq!(shipped(&[("SERRI_API_KEY", "k"), ("HELLO_SECRET", "0123456789abcdef0123")]).0, Some(0));
    // wherever a route can have a secret
    for auth in [
        "auth: { bearer: let-me-in }",
        "auth: { header: { name: x-key, value: let-me-in } }",
        "auth: [bearer, { query: { name: key, value: let-me-in } }]\nsecret: a-long-enough-secret",
        "auth: bearer\nsecret: [a-long-enough-secret, let-me-in]",
        "auth: path\nsecret: for-this-computer-only",
    ] {
        let setup = Setup::new().route("own", &format!("source: generic\n{auth}\nsends: []\n"));
        setup.write("http://127.0.0.1:9/");
        assert!(complaints(&setup).contains("this secret is published"), "{auth}: {}", complaints(&setup));
    }
}

#[test]
fn beyond_loopback_the_admin_token_is_there_and_not_published() {
    let listen = ("SERRI_RELAY__ADMIN__LISTEN", "0.0.0.0:8081");
    for (token, code) in [("", 1), ("  ", 1), ("for-this-computer-only", 1), ("let-me-in", 1), ("6f1c0b7e5d", 0)] {
        let (ended, said) = shipped(&[listen, ("SERRI_RELAY_ADMIN_TOKEN", token)]);
        assert_eq!(ended, Some(code), "`{token}`: {said}");
        assert!(code == 0 || said.contains("openssl rand -hex 24"), "{said}");
    }
    assert_eq!(
        shipped(&[("SERRI_RELAY_ADMIN_TOKEN", "for-this-computer-only")]).0,
        Some(0),
        "on loopback it is your own"
    );
}

#[test]
fn a_variable_without_braces_is_no_secret() {
    let setup = Setup::new().route("hello", &ROUTE.replace("s3cret-for-tests", "$SHOP_SECRET"));
    setup.write("http://127.0.0.1:9/");
    assert!(complaints(&setup).contains("write ${SHOP_SECRET}"), "{}", complaints(&setup));
}

#[test]
fn a_token_that_a_handshake_asks_for_must_be_there() {
    let setup = Setup::new().route("m", "source: meta-leads\nsecret: a-second-of-its-own\nsends: []\n");
    setup.write("http://127.0.0.1:9/");
    assert!(complaints(&setup).contains("the route has no `verify_token`"), "{}", complaints(&setup));
}

#[test]
fn try_shows_what_would_be_sent_and_why_not() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    std::fs::write(
        setup.dir.path().join("body.json"),
        r#"[{"id":"e1","phone":"9812345670","name":"Asha Rao"},{"id":"e2"}]"#,
    )
    .unwrap();
    let body = setup.dir.path().join("body.json");
    let output = relay(&setup.config(), &["try", "hello", body.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!("try", out(&output));
    let output = relay(&setup.config(), &["try", "hello", "lead", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let shown: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(shown["events"][0]["sends"][0]["destination"], "+919812345670");
    let output = relay(&setup.config(), &["try", "helo", "lead"]);
    assert!(err(&output).contains("there is no route `helo`; there are: hello"));
    let output = relay(&setup.config(), &["try", "hello", "nothing.json"]);
    assert!(err(&output).contains("one of the source's samples: form, lead"), "{}", err(&output));
}

#[test]
fn new_writes_a_route_that_is_well_for_every_source() {
    let setup = Setup::new().set("server.public_url=https://hooks.example.com");
    setup.write("http://127.0.0.1:9/");
    let names: Vec<&str> = serri_relay::config::shipped::SOURCES.iter().map(|(name, _)| *name).collect();
    for name in &names {
        let output = relay(&setup.config(), &["new", &format!("my-{name}"), "--source", name]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    }
    let output = relay(&setup.config(), &["check"]);
    // the test's store stands in a temporary directory, which concerns senders that never repeat; and nobody put in the
    // tokens to read with
    let meant = |line: &str| line.contains("never repeats") || line.contains("is not set yet");
    let other = err(&output).lines().filter(|line| line.starts_with("warning") && !meant(line)).count();
    assert_eq!((output.status.code(), other), (Some(0), 0), "{}", err(&output));
    assert!(out(&output).contains(&format!("{} route(s)", names.len())), "{}", out(&output));
    let written = serri_relay::config::read(&setup.config(), &Variables::default(), Extent::All).0.unwrap();
    for name in ["generic", "salesforce", "jotform", "justdial", "meta-leads", "hubspot"] {
        for sample in written.sources[name].value.samples.keys() {
            let output = relay(&setup.config(), &["try", &format!("my-{name}"), sample]);
            assert_eq!(output.status.code(), Some(0), "{name} {sample}: {}", err(&output));
        }
    }
    assert!(setup.config().join("schema/route.json").exists());
    let again = relay(&setup.config(), &["new", "my-generic", "--source", "generic"]);
    assert!(err(&again).contains("is there already"));
    let unknown = relay(&setup.config(), &["new", "x", "--source", "shopfy"]);
    assert!(err(&unknown).contains("did you mean `shopify`?"));
    let unfit = relay(&setup.config(), &["new", "../x", "--source", "shopify"]);
    assert!(err(&unfit).contains("becomes part of an address"));
}

#[test]
fn sources_tell_what_is_known() {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    let list = out(&relay(&setup.config(), &["sources"]));
    assert!(list.lines().count() >= 47 && list.contains("HMAC signature in X-Shopify-Hmac-Sha256"), "{list}");
    let one = out(&relay(&setup.config(), &["sources", "razorpay"]));
    for part in [
        "## At the sender",
        "https://<your relay>/webhooks/<route>",
        "x-razorpay-event-id",
        "| Confidence | high; from",
        "## Sample `payment`",
        "serri-relay new my-route --source razorpay",
    ] {
        assert!(one.contains(part), "{part}: {one}");
    }
    let wrong = relay(&setup.config(), &["sources", "razorpy"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(err(&wrong).contains("did you mean `razorpay`?"));
}

#[test]
fn a_relay_with_faults_in_its_settings_does_not_start() {
    let setup = Setup::new().route("hello", ROUTE).file("relay.yaml", "server: { lisen: '127.0.0.1:0' }\n");
    let output = relay(&setup.config(), &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("did you mean `listen`?") && err(&output).contains("does not start before"),
        "{}",
        err(&output)
    );
}

#[test]
fn health_says_when_nobody_is_there() {
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    let output = relay(&setup.config(), &["health", "--url", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("does not answer"));
}

#[test]
fn odd_spaces_are_named_and_a_broken_source_is_reported_once() {
    for (indent, what) in [("\t", "a tab"), ("\u{a0}\u{a0}", "a space of another kind")] {
        let setup = Setup::new().route("hello", &ROUTE.replace("    campaignName", &format!("{indent}campaignName")));
        setup.write("http://127.0.0.1:9/");
        let said = complaints(&setup);
        assert!(
            said.contains(&format!("the line is indented with {what}")) && said.contains("hello.yaml:8:1"),
            "{said}"
        );
    }
    let setup = Setup::new()
        .file("sources/mine.yaml", "title: Mine\nfacts: { from: [me], confidence: certain }\n")
        .route("hello", "source: mine\nauth: none\nsends: []\n");
    setup.write("http://127.0.0.1:9/");
    let said = complaints(&setup);
    assert!(said.contains("certain") && !said.contains("there is no source"), "{said}");
}
