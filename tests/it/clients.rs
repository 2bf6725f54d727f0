//! Many clients: routes in a directory of each, what a client's routes have in common, and pieces that all routes share.

use std::collections::BTreeMap;

use serde_json::json;
use serri_relay::config::interpolate::Variables;
use serri_relay::route::check::check;

use crate::asked::{Ask as _, text, texts};
use crate::cli::relay;
use crate::crash::Process;
use crate::world::{Setup, World, eventually, proven};

/// A rule and how people are found: what every client wants alike.
const GREETING: &str = "
contact: { phone: event.tel, first_name: event.given }
sends:
  - name: welcome
    campaignName: welcome
    destination: \"{{ contact.phone }}\"
    userName: \"{{ contact.first_name | default('there') }}\"
    templateParams: [\"{{ contact.first_name | default('there') }}\"]
";

/// A rule of the same name.
const RULE: &str = "  - { name: welcome, campaignName: own, destination: \"{{ contact.phone }}\", userName: x }\n";

/// A client's route that says nothing but who calls it, and which piece it takes.
const LEADS: &str = "source: generic\nshared: greeting\nauth: bearer\nsecret: s3cret-for-tests\n";

fn lead(id: &str, phone: &str) -> String {
    json!({ "id": id, "tel": phone, "given": "Asha" }).to_string()
}

/// Everything `check` says of a directory, a line for each, with the directory's name left out.
fn said(setup: &Setup) -> Vec<String> {
    setup.write("http://127.0.0.1:9/");
    let (_, diagnostics) = check(&setup.config(), &Variables::default());
    let here = setup.config().display().to_string();
    // one secret will do for all routes of a test
    let diagnostics = diagnostics.iter().filter(|diagnostic| !diagnostic.message.contains("have the same secret"));
    diagnostics.map(|diagnostic| diagnostic.one_line().replace(&here, "config")).collect()
}

/// What `try` says of the sends of an event: rule, campaign and number; name; priority, where it is not the usual one.
fn tried(setup: &Setup, route: &str, event: &str) -> Vec<String> {
    setup.write("http://127.0.0.1:9/");
    let file = setup.dir.path().join("event.json");
    std::fs::write(&file, event).unwrap();
    let output = relay(&setup.config(), &["try", route, file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = shown.lines().map(str::trim);
    lines
        .filter(|line| ["rule", "\"userName", "priority"].iter().any(|head| line.starts_with(head)))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn thirty_clients_share_a_rule_and_each_sends_through_its_own_account() {
    let clients: Vec<String> = (0..30).map(|number| format!("client-{number}")).collect();
    let mut setup = Setup::new().file("shared/greeting.yaml", GREETING).set("reload.watch=false");
    for client in &clients {
        setup = setup
            .account(client)
            .file(&format!("routes/{client}/client.yaml"), &format!("account: {client}\npriority: urgent\n"))
            .route(&format!("{client}/leads"), LEADS);
    }
    let world = World::start(setup).await;
    for (number, client) in clients.iter().enumerate() {
        let call = lead("e1", &format!("98123456{number:02}"));
        assert_eq!(world.post(&format!("{client}/leads"), &call).await.0, 200, "{client}");
    }
    world.delivered(30).await;
    let sends = world.sends().await;
    let of: BTreeMap<String, String> =
        sends.iter().map(|send| (text(&send["route"]), text(&send["account"]))).collect();
    let wanted = clients.iter().map(|client| (format!("{client}/leads"), client.clone()));
    assert_eq!(of, wanted.collect());
    // one place for all: what changes there changes for each
    let file = world.setup.config().join("shared/greeting.yaml");
    std::fs::write(file, GREETING.replace("campaignName: welcome", "campaignName: hello-again")).unwrap();
    let (_, told) = world.admin("POST", "/reload", None).await;
    assert_eq!(told["changed"].as_array().map(Vec::len), Some(30), "{told}");
    for client in &clients {
        world.post(&format!("{client}/leads"), &lead("e2", "9812345699")).await;
    }
    let seen = world.delivered(60).await;
    let again = texts(&seen, "campaignName").iter().filter(|name| *name == "hello-again").count();
    assert_eq!(again, 30);
    let found = world.list("sends", "route=client-7/leads").await;
    assert_eq!(found.len(), 2, "a client's route can be asked for by its name");
    world.stop().await;
}

#[tokio::test]
async fn an_address_names_a_clients_route_before_a_secret() {
    let by_path = "source: generic\nauth: path\nsecret: SECRET\nsends: []\n";
    let setup = Setup::new()
        .route("acme", &by_path.replace("SECRET", "leads/of-the-acme-route"))
        .route("acme/leads", &by_path.replace("SECRET", "of-the-leads-route"))
        .route("beta/leads", &by_path.replace("SECRET", "with/a-slash-in-it"));
    let world = World::start(setup).await;
    let call = async |path: &str| {
        let answer = world.http.post(world.url(path)).body("{}").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (path, status) in [
        ("acme/leads/of-the-leads-route", 200),
        ("acme/leads/of-the-leads-route/", 200),
        ("beta/leads/with/a-slash-in-it", 200),
        ("beta/leads/with%2Fa-slash-in-it", 200),
        ("acme/leads%2Fof-the-acme-route", 200),
        // the exact route is asked first, and it knows another secret
        ("acme/leads/of-the-acme-route", 401),
        ("acme/leads", 401),
        ("acme/leads/", 401),
        ("acme/other", 401),
        ("acme", 401),
        ("beta", 404),
        ("beta/", 404),
        ("beta/lead/with/a-slash-in-it", 404),
        ("beta%2Fleads/with/a-slash-in-it", 404),
        ("leads/of-the-leads-route", 404),
    ] {
        let (given, answer) = call(path).await;
        assert_eq!(given, status, "{path}: {answer}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_call_to_no_route_of_a_client_is_logged_with_its_name_and_without_the_secret() {
    let setup = Setup::new().file("shared/greeting.yaml", GREETING).route("beta/leads", LEADS);
    setup.write("http://127.0.0.1:9/");
    let process = Process::serve(&setup);
    let http = reqwest::Client::new();
    for path in ["beta/lead/a-secret-in-the-address", "gamma/another-secret"] {
        let answer = http.post(format!("{}/webhooks/{path}", process.base)).body("{}").send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    let logged = |text: &str| process.log.lock().unwrap().contains(text);
    eventually("both are in the log", async || {
        logged("there is no route for POST /webhooks/beta/lead/...; did its sender mean `beta/leads`?")
            && logged("there is no route for POST /webhooks/gamma/...")
    })
    .await;
    assert!(!logged("a-secret-in-the-address") && !logged("another-secret"));
}

#[test]
fn the_nearer_to_the_route_counts() {
    let setup = Setup::new()
        .account("acme")
        .account("beta")
        .file("shared/greeting.yaml", &format!("account: default\npriority: bulk\n{GREETING}"))
        .file(
            "shared/thanks.yaml",
            "contact: { phone: event.mobile }\nsends:\n  - { name: thanks, campaignName: thanks, destination: \"{{ contact.phone }}\", userName: x }\n",
        )
        .file("routes/acme/client.yaml", "account: acme\npriority: urgent\nshared: greeting\ndelay: 1h\n")
        .route("acme/plain", "source: generic\nauth: bearer\nsecret: s3cret-for-tests\n")
        .route(
            "acme/own",
            "source: generic\nshared: [greeting, thanks]\nauth: bearer\nsecret: s3cret-for-tests\npriority: bulk\ncontact: { first_name: event.nick }\nsends:\n  - { name: welcome, campaignName: of-our-own, destination: \"{{ contact.phone }}\", userName: \"{{ contact.first_name }}\" }\n  - { name: more, campaignName: more, destination: \"{{ contact.phone }}\", userName: x }\n",
        )
        .route("solo", &format!("account: beta\n{LEADS}"));
    assert_eq!(said(&setup), Vec::<String>::new());
    let event = json!({ "id": "e1", "tel": "9812345670", "mobile": "9812345671", "given": "Asha", "nick": "Ash" });
    let first = setup;
    let shown = |route: &str| tried(&first, route, &event.to_string());
    assert_eq!(
        shown("acme/plain"),
        ["rule `welcome` sends campaign `welcome` to +919812345670:", "\"userName\": \"Asha\",", "priority: urgent"]
    );
    // the piece's rule keeps its turn, the route's of the same name takes its place; of `contact`, each field by itself
    assert_eq!(
        shown("acme/own"),
        [
            "rule `welcome` sends campaign `of-our-own` to +919812345671:",
            "\"userName\": \"Ash\"",
            "priority: bulk",
            "rule `thanks` sends campaign `thanks` to +919812345671:",
            "\"userName\": \"x\"",
            "priority: bulk",
            "rule `more` sends campaign `more` to +919812345671:",
            "\"userName\": \"x\"",
            "priority: bulk",
        ]
    );
    // one that is named twice counts where it is named last; a number can be a name; what is kept out stays out
    let setup = Setup::new()
        .file("shared/2024.yaml", &format!("priority: bulk\nredact: [pin]\n{GREETING}"))
        .file("shared/other.yaml", "priority: urgent\nredact: [aadhaar]\n")
        .file("routes/acme/client.yaml", "# nothing yet\n")
        .route("acme/leads", &format!("redact: [pan]\n{}", LEADS.replace("greeting", "[2024, other, 2024]")));
    assert_eq!(said(&setup), Vec::<String>::new());
    let sends = tried(&setup, "acme/leads", &event.to_string());
    assert_eq!(sends.last().map(String::as_str), Some("priority: bulk"));
    let (written, _) =
        serri_relay::config::read(&setup.config(), &Variables::default(), serri_relay::config::Extent::Used);
    let redact = written.unwrap().routes["acme/leads"].value.profile_spec.redact.clone().unwrap();
    assert_eq!(redact, ["aadhaar", "pin", "pan"]);
    let setup = first;
    assert_eq!(
        tried(&setup, "solo", &event.to_string()),
        ["rule `welcome` sends campaign `welcome` to +919812345670:", "\"userName\": \"Asha\",", "priority: bulk"]
    );
}

#[test]
fn a_fault_points_into_the_piece_and_names_the_routes_that_take_it() {
    let three = |setup: Setup| {
        ["a", "b", "c"].into_iter().fold(setup, |setup, client| setup.route(&format!("{client}/leads"), LEADS))
    };
    let greeting = |setup: Setup, text: &str| setup.file("shared/greeting.yaml", text);
    let broken = |from: &str, to: &str| greeting(three(Setup::new()), &GREETING.replace(from, to));
    let cases = [
        ("an expression", broken("{{ contact.first_name | default('there') }}", "{{ contact.first_name | defalt }}")),
        ("a key of the event without braces", broken("[\"{{ contact.first_name | default('there') }}\"]", "[event.x]")),
        ("an unknown key", broken("campaignName", "campaingName")),
        ("no YAML", broken("sends:", "sends: [")),
        ("a variable that is not set", broken("campaignName: welcome", "campaignName: ${NOT_SET}")),
        ("a number that is none", broken("\"{{ contact.phone }}\"", "phone")),
        ("a secret of a piece", broken("contact:", "secret: s3cret-for-tests\ncontact:")),
        ("a piece that takes a piece", broken("contact:", "shared: other\ncontact:")),
        ("an example", broken("contact:", "examples: [{ name: x, body: { tel: '9812345670' }, sends: [] }]\ncontact:")),
        (
            "a list of what there is not",
            three(greeting(Setup::new(), GREETING)).route("d/leads", &LEADS.replace("greeting", "[greeting, greting]")),
        ),
        ("no pieces at all", Setup::new().route("leads", LEADS)),
        (
            "two rules of two pieces with one name",
            greeting(Setup::new(), GREETING)
                .file("shared/again.yaml", &GREETING.replace("campaignName: welcome", "campaignName: again"))
                .route("leads", &LEADS.replace("greeting", "[greeting, again]")),
        ),
        ("only for one", greeting(three(Setup::new()), GREETING).file("routes/b/client.yaml", "account: nobody\n")),
        ("a client's file", greeting(three(Setup::new()), GREETING).file("routes/b/client.yaml", "hours: sometimes\n")),
        ("a client's file that is no YAML", greeting(three(Setup::new()), GREETING).file("routes/b/client.yaml", "[")),
        (
            "a client's file that is a list",
            greeting(three(Setup::new()), GREETING).file("routes/b/client.yaml", "- account: x\n"),
        ),
        (
            "a piece that nobody takes",
            Setup::new()
                .file("shared/idle.yaml", "sends:\n  - nam: x\n")
                .route("r", &format!("{}{GREETING}", LEADS.replace("shared: greeting\n", ""))),
        ),
        (
            "a client without routes",
            Setup::new()
                .file("routes/b/client.yaml", "prioriti: bulk\n")
                .route("r", &format!("{}{GREETING}", LEADS.replace("shared: greeting\n", ""))),
        ),
        ("a route two directories down", Setup::new().file("routes/a/b/c.yaml", LEADS)),
        ("a client whose name is no part of an address", Setup::new().file("routes/Acme Homes/leads.yaml", LEADS)),
        (
            "two rules of a route with one name, and one of its piece",
            greeting(Setup::new(), GREETING).route("leads", &format!("{LEADS}sends:\n{RULE}{RULE}")),
        ),
        ("a number for a name that is not there", Setup::new().route("leads", &LEADS.replace("greeting", "2024"))),
        ("true for a name", Setup::new().route("leads", &LEADS.replace("greeting", "true"))),
        (
            "a client's file whose ending is in capitals",
            greeting(three(Setup::new()), GREETING).file("routes/b/client.YAML", "hours: 09:00-21:00\n"),
        ),
        (
            "two files of a client",
            greeting(three(Setup::new()), GREETING)
                .file("routes/b/client.yaml", "hours: 09:00-21:00\n")
                .file("routes/b/client.yml", ""),
        ),
        ("pieces that are a file", three(Setup::new()).file("shared", "")),
        (
            "many routes",
            (0..9).fold(greeting(Setup::new(), "prioriti: bulk\n"), |setup, number| {
                setup.route(&format!("r{number}"), LEADS)
            }),
        ),
    ];
    let mut report = String::new();
    for (name, setup) in &cases {
        report.push_str(&format!("# {name}\n{}\n\n", said(setup).join("\n")));
    }
    insta::assert_snapshot!("faults_of_what_is_shared", report);
}

#[tokio::test]
async fn a_piece_with_faults_stops_only_those_that_take_it() {
    let other = LEADS.replace("shared: greeting\n", "") + GREETING;
    let setup = || {
        Setup::new()
            .file("shared/greeting.yaml", GREETING)
            .route("acme/leads", LEADS)
            .route("beta/leads", LEADS)
            .route("solo", &other)
            .set("reload.watch=false")
    };
    let faults = [
        ("shared/greeting.yaml", "sends: [", vec!["acme/leads", "beta/leads"]),
        ("shared/greeting.yaml", "prioriti: bulk\n", vec!["acme/leads", "beta/leads"]),
        ("shared/greeting.yaml", "campaigns: ${NOT_SET_ANYWHERE}\n", vec!["acme/leads", "beta/leads"]),
        ("routes/acme/client.yaml", "account: nobody\n", vec!["acme/leads"]),
        ("routes/acme/client.yaml", "account: ${NOT_SET_ANYWHERE}\n", vec!["acme/leads"]),
        ("routes/acme/client.yaml", "[", vec!["acme/leads"]),
        ("routes/acme/client.YAML", "hours: 09:00-21:00\n", vec!["acme/leads"]),
        ("routes/acme/client.YML", "[", vec!["acme/leads"]),
        ("routes/solo/x.YAML", "[", vec![]),
        ("routes/solo.d/x.yaml", "[", vec![]),
        ("shared/idle.yaml", "[", vec![]),
        ("shared/My Piece.yaml", "priority: bulk\n", vec![]),
        ("routes/gone/client.yaml", "hours: sometimes\n", vec![]),
    ];
    for (path, broken, hit) in faults {
        // at a start
        let world = World::start_with_faults(setup().file(path, broken)).await;
        for route in ["acme/leads", "beta/leads", "solo"] {
            let answer = proven(&world.http, &world.url(route), lead("e1", "9812345670")).send().await.unwrap();
            let wanted = if hit.contains(&route) { 503 } else { 200 };
            assert_eq!(answer.status().as_u16(), wanted, "{path}: {broken}: {route}");
        }
        world.stop().await;
        // while it runs: as before
        let world = World::start(setup()).await;
        let file = world.setup.config().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, broken).unwrap();
        let (status, told) = world.admin("POST", "/reload", None).await;
        assert_eq!(status, 200, "{path}: {broken}: {told}");
        let mut stopped = texts(told["faulty"].as_array().unwrap(), "route");
        // what is wrong in a directory without routes stands beside them
        stopped.retain(|route| ["acme/leads", "beta/leads", "solo"].contains(&route.as_str()));
        assert_eq!(stopped, hit, "{path}: {broken}: {told}");
        for route in ["acme/leads", "beta/leads", "solo"] {
            assert_eq!(world.post(route, &lead("e1", "9812345670")).await.0, 200, "{path}: {broken}: {route}");
        }
        world.delivered(3).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_names_the_routes_that_take_a_faulty_piece_together() {
    let setup = Setup::new()
        .file("shared/greeting.yaml", GREETING)
        .route("acme/leads", LEADS)
        .route("beta/leads", LEADS)
        .set("reload.watch=false");
    let world = World::start(setup).await;
    let broken = format!("prioriti: bulk\n{GREETING}");
    std::fs::write(world.setup.config().join("shared/greeting.yaml"), broken).unwrap();
    let output = relay(&world.setup.config(), &["reload", "--admin", &world.admin]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("routes `acme/leads`, `beta/leads` have faults; what ran before goes on:"), "{said}");
    assert_eq!(said.matches("unknown field `prioriti`").count(), 1, "{said}");
    world.stop().await;
}

#[tokio::test]
async fn a_clients_directory_that_cannot_be_read_takes_no_route_away() {
    let setup = Setup::new()
        .file("shared/greeting.yaml", GREETING)
        .route("acme/leads", LEADS)
        .route("beta/leads", LEADS)
        .set("reload.watch=false");
    let world = World::start(setup).await;
    let directory = world.setup.config().join("routes/acme");
    let aside = world.setup.dir.path().join("aside");
    std::fs::rename(&directory, &aside).unwrap();
    std::os::unix::fs::symlink(&directory, &directory).unwrap();
    let (status, told) = world.admin("POST", "/reload", None).await;
    assert_eq!((status, texts(told["faulty"].as_array().unwrap(), "route")), (200, vec!["acme/leads".to_owned()]));
    assert_eq!(world.post("acme/leads", &lead("e1", "9812345670")).await.0, 200);
    // taken away altogether, its routes are gone
    std::fs::remove_file(&directory).unwrap();
    let (_, told) = world.admin("POST", "/reload", None).await;
    assert_eq!((&told["faulty"], &told["removed"]), (&json!([]), &json!(["acme/leads"])));
    assert_eq!(world.post("acme/leads", "{}").await.0, 404);
    world.stop().await;
}

#[test]
fn new_writes_a_route_into_a_clients_directory() {
    let setup = Setup::new().account("acme").file("routes/acme/client.yaml", "account: acme\n");
    setup.write("http://127.0.0.1:9/");
    let output = relay(&setup.config(), &["new", "acme/orders", "--source", "shopify"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("/webhooks/acme/orders"), "{told}");
    let route = std::fs::read_to_string(setup.config().join("routes/acme/orders.yaml")).unwrap();
    assert!(route.contains("${ACME_ORDERS_SECRET:-") && route.contains("$schema=../../schema/route.json"), "{route}");
    let output = relay(&setup.config(), &["check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["acme/client", "acme/in/orders", "/orders", "acme/", "Acme Homes/orders", "../orders"] {
        let output = relay(&setup.config(), &["new", name, "--source", "shopify"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("becomes part of an address"), "{name}: {said}");
    }
}
