//! The configuration is taken anew while the relay runs: what is sound is taken, what is not stops nothing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use serri_relay::relay;
use serri_relay::route::reload::ReloadRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::alerts::Ops;
use crate::asked::{Ask as _, text, texts};
use crate::crash::{Process, serving};
use crate::holds::no_credits;
use crate::world::{PATIENCE, ROUTE, Setup, World, eventually, ok, proven, quick, scripted, serve};

/// A route whose sends all go to this campaign.
fn towards(campaign: &str) -> String {
    ROUTE.replace("{{ event.campaign | default('welcome') }}", campaign)
}

fn campaigns(world: &World) -> Vec<String> {
    texts(&world.sandbox.messages(), "campaignName")
}

async fn reload(world: &World) -> (u16, Value) {
    world.admin("POST", "/reload", None).await
}

async fn taken(world: &World) -> Value {
    let (status, told) = reload(world).await;
    assert_eq!((status, &told["taken"]), (200, &json!(true)), "{told}");
    told
}

async fn route_named(world: &World, name: &str) -> Value {
    let (_, told) = world.admin("GET", "/routes", None).await;
    told["routes"].as_array().unwrap().iter().find(|route| route["route"] == name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn files_that_are_added_changed_and_removed_are_taken_by_themselves() {
    let world = World::start(Setup::new().route("hello", &towards("first"))).await;
    let body = |id: &str| format!(r#"{{"id":"{id}","phone":"9812345670"}}"#);
    assert_eq!(world.post("hello", &body("e1")).await.0, 200);
    world.delivered(1).await;
    std::fs::write(world.setup.config().join("routes/hello.yaml"), towards("second")).unwrap();
    std::fs::write(world.setup.config().join("routes/other.yaml"), towards("third")).unwrap();
    eventually("the new route takes calls", async || world.post("other", &body("e2")).await.0 == 200).await;
    assert_eq!(world.post("hello", &body("e3")).await.0, 200);
    world.delivered(3).await;
    let mut seen = campaigns(&world);
    seen.sort();
    assert_eq!(seen, ["first", "second", "third"]);
    std::fs::remove_file(world.setup.config().join("routes/other.yaml")).unwrap();
    eventually("the route is gone", async || world.post("other", &body("e4")).await.0 == 404).await;
    world.stop().await;
}

#[tokio::test]
async fn without_the_watch_files_are_taken_when_somebody_asks() {
    let world = World::start(Setup::new().route("hello", &towards("first")).set("reload.watch=false")).await;
    let before = world.metrics().await;
    std::fs::write(world.setup.config().join("routes/hello.yaml"), towards("second")).unwrap();
    std::fs::write(world.setup.config().join("routes/more.yaml"), towards("third")).unwrap();
    let told = taken(&world).await;
    assert_eq!((&told["routes"], &told["added"], &told["changed"]), (&json!(2), &json!(["more"]), &json!(["hello"])));
    assert!(before.contains("serri_relay_config_last_reload_successful 1"), "{before}");
    world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await;
    world.delivered(1).await;
    assert_eq!(campaigns(&world), ["second"]);
    std::fs::remove_file(world.setup.config().join("routes/more.yaml")).unwrap();
    assert_eq!(taken(&world).await["removed"], json!(["more"]));
    world.stop().await;
}

/// Whatever can be wrong with one route's file alone.
fn faults() -> Vec<(&'static str, String)> {
    vec![
        ("no YAML", "sends: [\n".to_owned()),
        ("another shape", "source: generic\nsends: 7\n".to_owned()),
        ("an unknown key", format!("sorce: x\n{ROUTE}")),
        ("a source that is missing", ROUTE.replace("source: generic", "source: nobody")),
        ("a variable that is not set", ROUTE.replace("s3cret-for-tests", "${NOT_SET_ANYWHERE}")),
        ("an expression that cannot be read", ROUTE.replace("not event.skip", "event. ==")),
        ("an account that is missing", format!("account: nobody\n{ROUTE}")),
        ("a secret that everybody knows", ROUTE.replace("s3cret-for-tests", "let-me-in")),
    ]
}

#[tokio::test]
async fn a_route_with_faults_stops_no_other_at_the_start_and_is_named() {
    for (what, broken) in faults() {
        let setup = Setup::new().route("hello", ROUTE).route("broken", &broken).set("reload.watch=false");
        let world = World::start_with_faults(setup).await;
        assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200, "{what}");
        let answer = proven(&world.http, &world.url("broken"), "{}".into()).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"60".parse().unwrap()),
            "{what}"
        );
        let route = route_named(&world, "broken").await;
        assert_eq!(route["serves"], "nothing", "{what}: {route}");
        assert!(text(&route["faults"][0]).contains("routes/broken.yaml:"), "{what}: {route}");
        assert_eq!(route_named(&world, "hello").await["serves"], "current", "{what}");
        let metrics = world.metrics().await;
        let gauge = r#"serri_relay_faulty_routes{route="broken",serves="nothing"} 1"#;
        assert!(metrics.contains(gauge), "{what}: {metrics}");
        // corrected, it takes calls without a restart
        std::fs::write(world.setup.config().join("routes/broken.yaml"), ROUTE).unwrap();
        taken(&world).await;
        assert_eq!(world.post("broken", r#"{"id":"e2","phone":"9812345671"}"#).await.0, 200, "{what}");
        assert!(!world.metrics().await.contains("serri_relay_faulty_routes{"), "{what}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_route_with_faults_goes_on_as_before_and_everything_else_is_taken() {
    let setup =
        Setup::new().route("hello", &towards("good")).route("other", &towards("first")).set("reload.watch=false");
    let world = World::start(setup).await;
    for (number, (what, broken)) in faults().into_iter().enumerate() {
        std::fs::write(world.setup.config().join("routes/hello.yaml"), broken).unwrap();
        let campaign = format!("other-{number}");
        std::fs::write(world.setup.config().join("routes/other.yaml"), towards(&campaign)).unwrap();
        let told = taken(&world).await;
        assert_eq!((&told["faulty"][0]["route"], &told["faulty"][0]["serves"]), (&json!("hello"), &json!("last_good")));
        assert_eq!(route_named(&world, "hello").await["serves"], "last_good", "{what}");
        let before = world.sandbox.messages().len();
        let body = |name: &str| format!(r#"{{"id":"{name}{number}","phone":"98123456{number:02}"}}"#);
        for name in ["hello", "other"] {
            assert_eq!(world.post(name, &body(name)).await.0, 200, "{what}: {name}");
        }
        let seen = world.delivered(before + 2).await;
        let mut seen = texts(&seen[before..], "campaignName");
        seen.sort();
        assert_eq!(seen, ["good".to_owned(), campaign], "{what}");
    }
    // twice in a row it is still the last that was good; removed, it is gone
    std::fs::remove_file(world.setup.config().join("routes/hello.yaml")).unwrap();
    assert_eq!(taken(&world).await["faulty"], json!([]));
    assert_eq!(world.post("hello", "{}").await.0, 404);
    world.stop().await;
}

#[tokio::test]
async fn settings_and_sources_are_taken_as_a_whole_or_not_at_all() {
    let own = "title: Mine\nbody: json\nevent: { id: event.id }\nauth: bearer\n";
    let setup = Setup::new()
        .route("hello", &towards("first"))
        .file("sources/mine.yaml", own)
        .route("mine", &ROUTE.replace("source: generic", "source: mine").replace("contact.", "event."))
        .file("sources/unused.yaml", own)
        .set("reload.watch=false");
    let world = World::start(setup).await;
    let settings = std::fs::read_to_string(world.setup.config().join("relay.yaml")).unwrap();
    let write = |path: &str, text: &str| std::fs::write(world.setup.config().join(path), text).unwrap();
    write("routes/hello.yaml", &towards("second"));
    for (path, broken, sound) in [
        ("relay.yaml", settings.replace("admin", "admn"), settings.as_str()),
        ("relay.yaml", settings.replace("key-of-the-test", ""), settings.as_str()),
        ("relay.yaml", settings.replace("\"default\"", "\"another\""), settings.as_str()),
        ("sources/mine.yaml", own.replace("json", "jsn"), own),
    ] {
        assert_ne!(broken, sound, "{path}");
        write(path, &broken);
        let (status, told) = reload(&world).await;
        assert_eq!(status, 422, "{path}: {told}");
        assert!(!told["faults"].as_array().unwrap().is_empty(), "{told}");
        assert!(world.metrics().await.contains("serri_relay_config_last_reload_successful 0"));
        let number = world.sandbox.messages().len();
        world.post("hello", &format!(r#"{{"id":"e{number}","phone":"981234567{number}"}}"#)).await;
        assert_eq!(texts(&world.delivered(number + 1).await[number..], "campaignName"), ["first"], "{path}");
        write(path, sound);
    }
    // a source that no route uses stops nothing
    write("sources/unused.yaml", "title: Mine\nbody: jsn\n");
    taken(&world).await;
    let number = world.sandbox.messages().len();
    world.post("hello", r#"{"id":"last","phone":"9812345699"}"#).await;
    assert_eq!(texts(&world.delivered(number + 1).await[number..], "campaignName"), ["second"]);
    world.stop().await;
}

#[tokio::test]
async fn an_example_that_comes_out_otherwise_is_said_and_stops_nothing() {
    let example = "examples:\n  - { name: one, body: { phone: '9812345670' }, sends: [] }\n";
    let setup = Setup::new().route("hello", &format!("{ROUTE}{example}")).set("reload.watch=false");
    let world = World::start_with_faults(setup).await;
    assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200);
    let told = taken(&world).await;
    assert!(told["warnings"].as_array().unwrap().iter().any(|line| text(line).contains("example `one`")), "{told}");
    assert_eq!(told["faulty"], json!([]));
    world.stop().await;
}

/// A relay whose account is out of credits as long as the flag is set.
async fn without_credits(setup: Setup) -> (World, Arc<AtomicBool>, Arc<std::sync::Mutex<Vec<Value>>>) {
    let (is_out, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(std::sync::Mutex::new(Vec::new())));
    let (out, seen) = (Arc::clone(&is_out), Arc::clone(&calls));
    let serri = scripted(move |call: Value| {
        let answer = if out.load(Ordering::SeqCst) {
            no_credits()
        } else {
            seen.lock().unwrap().push(call);
            ok()
        };
        std::future::ready(answer)
    });
    (World::start_against(setup, serri).await, is_out, calls)
}

#[tokio::test]
async fn what_waits_is_mapped_again_by_changed_rules() {
    let setup = quick().route("hello", &towards("first")).set("reload.watch=false");
    let (world, is_out, calls) = without_credits(setup).await;
    let events: Vec<Value> =
        (0..1_200).map(|n| json!({"id": n.to_string(), "phone": format!("98{:08}", 12_000_000 + n)})).collect();
    for part in events.chunks(400) {
        assert_eq!(world.post("hello", &Value::from(part).to_string()).await.0, 200);
    }
    world.until_holds(1).await;
    std::fs::write(world.setup.config().join("routes/hello.yaml"), towards("second")).unwrap();
    taken(&world).await;
    // one may be on its way as a probe
    world.until_sends("campaign=first", 0).await;
    is_out.store(false, Ordering::SeqCst);
    eventually("all arrive", async || calls.lock().unwrap().len() == events.len()).await;
    assert!(texts(&calls.lock().unwrap(), "campaignName").iter().all(|campaign| campaign == "second"));
    world.stop().await;
}

#[tokio::test]
async fn what_a_call_that_was_begun_before_brings_is_mapped_again_too() {
    let setup = quick().route("hello", &towards("first")).set("reload.watch=false");
    let (world, is_out, calls) = without_credits(setup).await;
    world.post("hello", r#"{"id":"before","phone":"9812345670"}"#).await;
    world.until_holds(1).await;
    let slow = Slow::begin(&world, "hello", r#"{"id":"slow","phone":"9812345671"}"#).await;
    std::fs::write(world.setup.config().join("routes/hello.yaml"), towards("second")).unwrap();
    taken(&world).await;
    assert_eq!(slow.end().await, 200);
    // one may be on its way as a probe
    world.until_sends("campaign=second", 2).await;
    is_out.store(false, Ordering::SeqCst);
    eventually("both arrive", async || calls.lock().unwrap().len() == 2).await;
    world.stop().await;
}

/// A sender in the middle of its body: one byte is missing.
struct Slow {
    stream: TcpStream,
    last: u8,
}

impl Slow {
    async fn begin(world: &World, route: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
        let head = format!(
            "POST /webhooks/{route} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer s3cret-for-tests\r\ncontent-type: application/json\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // the relay says that it reads: the call has begun
        let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut go_on)).await.expect("in time").unwrap();
        let (last, first) = body.as_bytes().split_last().unwrap();
        stream.write_all(first).await.unwrap();
        Self { stream, last: *last }
    }

    /// Sends the rest; the status that is answered.
    async fn end(mut self) -> u16 {
        self.stream.write_all(&[self.last]).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, self.stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn a_sender_that_takes_its_time_is_mapped_by_the_rules_of_when_its_body_is_whole() {
    let names = ["hello", "gone", "secret"];
    let setup = names.iter().fold(Setup::new(), |setup, name| setup.route(name, &towards("first")));
    let world = World::start(setup.set("reload.watch=false")).await;
    let mut calls = Vec::new();
    for (number, name) in names.iter().enumerate() {
        calls.push(Slow::begin(&world, name, &format!(r#"{{"id":"{name}","phone":"981234567{number}"}}"#)).await);
    }
    let routes = world.setup.config().join("routes");
    std::fs::write(routes.join("hello.yaml"), towards("second")).unwrap();
    std::fs::remove_file(routes.join("gone.yaml")).unwrap();
    std::fs::write(routes.join("secret.yaml"), towards("second").replace("s3cret-for-tests", "another-s3cret"))
        .unwrap();
    taken(&world).await;
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.end().await, 200);
        world.delivered(number + 1).await;
    }
    // a route that is gone, or would refuse the call now, is what it was when the call began; what waits a moment after that is
    // mapped again
    let seen = campaigns(&world);
    assert_eq!(seen[..2], ["second", "first"]);
    assert!(["first", "second"].contains(&seen[2].as_str()), "{seen:?}");
    world.stop().await;
}

#[tokio::test]
async fn bounds_count_what_an_older_configuration_began() {
    let setup = Setup::new().route("hello", ROUTE).set("reload.watch=false").set("server.concurrency=2");
    let world = World::start(setup.set("server.body_memory=1MiB")).await;
    let path = world.setup.config().join("relay.yaml");
    let settings = std::fs::read_to_string(&path).unwrap();
    let body =
        |id: u32, size: usize| format!(r#"{{"id":"{id}","phone":"981234567{id}","text":"{}"}}"#, "x".repeat(size));
    let post = async |id: u32, size: usize| world.post("hello", &body(id, size)).await.0;
    let large = Slow::begin(&world, "hello", &body(1, 600 * 1_024)).await;
    let small = Slow::begin(&world, "hello", &body(2, 0)).await;
    for (concurrency, status) in [("2", 503), ("3", 200), ("1", 503), ("2", 503)] {
        let changed = settings.replace(r#""concurrency":"2""#, &format!(r#""concurrency":"{concurrency}""#));
        std::fs::write(&path, changed).unwrap();
        taken(&world).await;
        assert_eq!(post(3, 0).await, status, "of {concurrency}");
    }
    assert_eq!(small.end().await, 200);
    assert_eq!((post(4, 600 * 1_024).await, post(5, 0).await), (503, 200), "the first body takes the memory");
    assert_eq!(large.end().await, 200);
    eventually("it is free again", async || post(6, 600 * 1_024).await == 200).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_no_call_is_refused_and_no_send_lost_or_doubled() {
    let world = Arc::new(World::start(Setup::new().route("hello", &towards("c-0")).set("reload.watch=false")).await);
    let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..8 {
        let (world, is_over, sent) = (Arc::clone(&world), Arc::clone(&is_over), Arc::clone(&sent));
        senders.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let number = sent.fetch_add(1, Ordering::SeqCst);
                let body = format!(r#"{{"id":"{number}","phone":"98{:08}"}}"#, 12_000_000 + number);
                assert_eq!(world.post("hello", &body).await.0, 200);
            }
        });
    }
    for round in 1..=20 {
        eventually("calls come in between", async || sent.load(Ordering::SeqCst) > round * 20).await;
        std::fs::write(world.setup.config().join("routes/hello.yaml"), towards(&format!("c-{round}"))).unwrap();
        taken(&world).await;
    }
    is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = senders.join_next().await {
        ended.expect("every call is taken");
    }
    let count = sent.load(Ordering::SeqCst);
    let messages = world.delivered(count).await;
    let mut destinations = texts(&messages, "destination");
    destinations.sort();
    destinations.dedup();
    assert_eq!((messages.len(), destinations.len()), (count, count));
    Arc::into_inner(world).unwrap().stop().await;
}

#[tokio::test]
async fn a_new_account_delivers_and_what_holds_from_the_next_start_on_is_named() {
    let world =
        World::start(Setup::new().route("hello", &format!("account: default{ROUTE}")).set("reload.watch=false")).await;
    let path = world.setup.config().join("relay.yaml");
    let mut settings: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    settings["accounts"]["second"] = settings["accounts"]["default"].clone();
    settings["server"]["listen"] = json!("127.0.0.1:1");
    settings["delivery"] = json!({ "concurrency": 3 });
    std::fs::write(&path, settings.to_string()).unwrap();
    std::fs::write(world.setup.config().join("routes/second.yaml"), format!("account: second{ROUTE}")).unwrap();
    let told = taken(&world).await;
    assert_eq!(told["needs_restart"], json!(["server.listen"]), "{told}");
    world.post("second", r#"{"id":"e1","phone":"9812345670"}"#).await;
    world.delivered(1).await;
    assert_eq!(world.sends().await[0]["account"], "second");
    world.stop().await;
}

#[tokio::test]
async fn new_recipients_of_alerts_hear_of_what_happens_next() {
    let ops = Arc::new(Ops::default());
    let served = ops.serve().await;
    let alerts = format!("alerts: [{{ webhook: '{}/first' }}]", served.base);
    let setup = quick().lists(&alerts).set("reload.watch=false");
    let (world, _, _) = without_credits(setup).await;
    let path = world.setup.config().join("relay.yaml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace("/first", "/second")).unwrap();
    taken(&world).await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await;
    eventually("the new one hears of it", async || !ops.by("second").is_empty()).await;
    assert!(ops.by("first").is_empty());
    world.stop().await;
}

/// A directory as Kubernetes mounts a ConfigMap: files are links into `..data`, itself a link to a directory.
fn mount(dir: &Path, version: &str, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir.join(version)).unwrap();
    for (name, text) in files {
        std::fs::write(dir.join(version).join(name), text).unwrap();
        let link = dir.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    symlink(version, dir.join("..data_tmp")).unwrap();
    std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
}

#[tokio::test]
async fn a_config_map_that_is_replaced_as_a_whole_is_taken() {
    let setup = Setup::new();
    let routes = setup.config().join("routes");
    mount(&routes, "..2026_11_29", &[("hello.yaml", &towards("first"))]);
    let world = World::start(setup).await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await;
    world.delivered(1).await;
    mount(&routes, "..2026_11_30", &[("hello.yaml", &towards("second")), ("more.yaml", &towards("third"))]);
    std::fs::remove_dir_all(routes.join("..2026_11_29")).unwrap();
    let body = r#"{"id":"e2","phone":"9812345671"}"#;
    eventually("the new route takes calls", async || world.post("more", body).await.0 == 200).await;
    world.post("hello", r#"{"id":"e3","phone":"9812345672"}"#).await;
    world.delivered(3).await;
    let mut seen = campaigns(&world);
    seen.sort();
    assert_eq!(seen, ["first", "second", "third"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_and_the_command_take_it_anew() {
    let setup =
        Setup::new().route("hello", &towards("first")).set("accounts.default.api_key=").set("reload.watch=false");
    setup.write("http://127.0.0.1:9/");
    let process = Process::start(&mut serving(&setup));
    let http = reqwest::Client::new();
    let post = async |route: &str| {
        let url = format!("{}/webhooks/{route}", process.base);
        proven(&http, &url, r#"{"phone":"9812345670"}"#.into()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("second").await, 404);
    std::fs::write(setup.config().join("routes/second.yaml"), towards("second")).unwrap();
    process.signal("HUP");
    eventually("it is there", async || post("second").await == 200).await;
    let command = |setup: &Setup| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
        command.arg("--config").arg(setup.config()).args(["reload", "--admin", &process.admin]);
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    std::fs::write(setup.config().join("routes/third.yaml"), towards("third")).unwrap();
    let (code, said) = command(&setup);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the configuration was taken anew: 3 route(s); added: third\n"), "{said}");
    assert_eq!(post("third").await, 200);
    std::fs::write(setup.config().join("routes/third.yaml"), "source: generic\nsecret: hush-hush-1\nsends: 7\n")
        .unwrap();
    let (code, said) = command(&setup);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("route `third` has faults") && said.contains("third.yaml:3:"), "{said}");
    std::fs::write(setup.config().join("relay.yaml"), "server: 7\n").unwrap();
    let (code, said) = command(&setup);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("relay.yaml:1:") && said.contains("everything runs as before"), "{said}");
    assert_eq!(post("third").await, 200);
    let log = process.log.lock().unwrap().clone();
    assert!(log.contains("the configuration was taken anew") && !log.contains("hush-hush-1"), "{log}");
}

#[tokio::test]
async fn what_was_read_for_an_event_by_an_older_configuration_is_mapped_again_too() {
    let vendors = crate::vendors::Vendors::default();
    let base = vendors.start().await;
    vendors.keep("11", crate::enrich::lead("+919812345670", "Asha Rao"));
    *vendors.hanging.lock().unwrap() = Some("/meta".to_owned());
    let route = crate::enrich::meta(&base);
    let setup = quick().route("fb", &route).set("reload.watch=false").set("delivery.timeout=2s");
    let (world, is_out, calls) = without_credits(setup).await;
    assert_eq!(world.admin("POST", "/holds", Some(json!({ "account": "default" }))).await.0, 200);
    crate::enrich::post(&world.setup, &world.base, "fb", crate::enrich::leads(&["11"])).await;
    eventually("it is read", async || !vendors.calls().is_empty()).await;
    let other = route.replace("welcome_lead", "second");
    std::fs::write(world.setup.config().join("routes/fb.yaml"), other).unwrap();
    taken(&world).await;
    *vendors.hanging.lock().unwrap() = None;
    world.until_sends("campaign=second", 1).await;
    is_out.store(false, Ordering::SeqCst);
    assert_eq!(world.admin("POST", "/holds/lift", Some(json!({ "account": "default" }))).await.0, 200);
    eventually("it arrives", async || calls.lock().unwrap().len() == 1).await;
    assert_eq!(calls.lock().unwrap()[0]["campaignName"], "second");
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_fault_and_holds_nothing_up() {
    let world = World::start(Setup::new().route("hello", ROUTE).set("reload.watch=false")).await;
    let config = world.setup.config();
    assert!(Command::new("mkfifo").arg(config.join("routes/pipe.yaml")).status().unwrap().success());
    symlink("/dev/zero", config.join("routes/zero.yaml")).unwrap();
    let told = tokio::time::timeout(PATIENCE, taken(&world)).await.expect("in time");
    assert_eq!(texts(told["faulty"].as_array().unwrap(), "route"), ["pipe", "zero"], "{told}");
    assert!(told.to_string().contains("it is not a regular file"), "{told}");
    std::fs::rename(config.join("routes"), config.join("away")).unwrap();
    let (status, told) = reload(&world).await;
    assert_eq!(status, 422);
    assert!(told["faults"].to_string().contains("is gone, and with it every route"), "{told}");
    assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn at_a_start_a_source_with_faults_stops_its_own_routes_alone() {
    let setup = Setup::new()
        .route("hello", ROUTE)
        .file("sources/mine.yaml", "title: Mine\nbody: jsn\n")
        .route("mine", &ROUTE.replace("source: generic", "source: mine").replace("contact.", "event."))
        .set("reload.watch=false");
    let world = World::start_with_faults(setup).await;
    assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200);
    assert_eq!(world.post("mine", "{}").await.0, 503);
    assert!(text(&route_named(&world, "mine").await["faults"]).contains("sources/mine.yaml:2:7"));
    world.stop().await;
}

#[tokio::test]
async fn a_listener_that_others_reach_keeps_its_token_whatever_the_settings_say() {
    let token = "token-of-the-test-0123456789";
    let setup = Setup::new().route("hello", ROUTE).set("reload.watch=false").set("admin.listen=0.0.0.0:0");
    let world = World::start(setup.set(&format!("admin.token={token}"))).await;
    let path = world.setup.config().join("relay.yaml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace("0.0.0.0:0", "127.0.0.1:0").replace(token, "")).unwrap();
    let admin = world.admin.replace("0.0.0.0", "127.0.0.1");
    let ask = async |method: http::Method, path: &str| {
        let request = world.http.request(method, format!("{admin}/api/v1{path}")).bearer_auth(token);
        world.call(request).await
    };
    let (status, told) = ask(http::Method::POST, "/reload").await;
    assert_eq!(status, 422, "{told}");
    assert!(told["faults"].to_string().contains("can be reached from outside"), "{told}");
    assert_eq!(world.call(world.http.get(format!("{admin}/api/v1/sends"))).await.0, 401);
    assert_eq!(ask(http::Method::GET, "/sends").await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn no_answer_repeats_a_secret_that_stands_in_another_place_as_well() {
    let secret = "hush-hush-of-the-test";
    let setup = Setup::new()
        .route("hello", &ROUTE.replace("s3cret-for-tests", secret))
        .route("broken", &format!("{ROUTE}    delay: {secret}\n"))
        .set("reload.watch=false");
    let world = World::start_with_faults(setup).await;
    let told = taken(&world).await.to_string();
    let routes = world.admin("GET", "/routes", None).await.1.to_string();
    for said in [told, routes] {
        assert!(said.contains("broken") && !said.contains(secret), "{said}");
    }
    world.stop().await;
}

#[tokio::test]
async fn requests_that_wait_share_one_reload() {
    let setup = Setup::new().route("hello", ROUTE).set("reload.watch=false");
    setup.write("http://127.0.0.1:9/");
    let start = setup.ready().await;
    std::fs::write(setup.config().join("routes/more.yaml"), ROUTE).unwrap();
    let answers: Vec<_> = std::iter::repeat_with(|| {
        let (answer, answered) = oneshot::channel();
        start.reloads.ask.send(ReloadRequest { by: "the test", answer: Some(answer) }).unwrap();
        answered
    })
    .take(60)
    .collect();
    let stop = CancellationToken::new();
    let ask = start.reloads.ask.clone();
    let asking = async {
        for answered in answers {
            // each reload after the first would find nothing new
            assert_eq!(answered.await.unwrap().added, ["more"]);
        }
        let (answer, answered) = oneshot::channel();
        ask.send(ReloadRequest { by: "the test", answer: Some(answer) }).unwrap();
        assert!(answered.await.unwrap().added.is_empty(), "who asks later has one of their own");
        stop.cancel();
    };
    let (served, ()) = tokio::join!(relay::serve(start, stop.clone()), asking);
    served.unwrap();
}

#[tokio::test]
async fn a_file_that_is_nested_too_deeply_is_a_fault_and_one_at_the_limit_runs() {
    // a route's map, its examples' list, the example's map, and its body
    let example = |depth: usize| {
        let body = format!("{}'x'{}", "[".repeat(depth), "]".repeat(depth));
        format!(
            "{ROUTE}examples:\n  - {{ name: deep, body: {{ phone: '9812345670', deep: {body} }}, sends: [{{ campaignName: welcome }}] }}\n"
        )
    };
    let world = World::start(Setup::new().route("hello", &example(28)).set("reload.watch=false")).await;
    assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200);
    std::fs::write(world.setup.config().join("routes/deep.yaml"), example(28)).unwrap();
    assert_eq!(taken(&world).await["faulty"], json!([]));
    for depth in [29, 10_000] {
        std::fs::write(world.setup.config().join("routes/deep.yaml"), example(depth)).unwrap();
        let told = taken(&world).await;
        let fault = text(&told["faulty"][0]["faults"][0]);
        assert!(fault.contains("deep.yaml:13:") && fault.contains("stand more than 32 deep in each other"), "{told}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_file_whose_name_is_no_route_is_named_as_it_is_and_spoils_no_page() {
    let setup = Setup::new().route("hello", ROUTE).set("reload.watch=false");
    let routes = setup.config().join("routes");
    let evil = "a\"} 1\nserri_relay_up{x=\"\\\u{1b}[2J";
    std::fs::write(routes.join(format!("{evil}.yaml")), ROUTE).unwrap();
    std::fs::write(routes.join(OsStr::from_bytes(b"caf\xe9.yaml")), ROUTE).unwrap();
    let world = World::start_with_faults(setup).await;
    let told = taken(&world).await;
    let names = texts(told["faulty"].as_array().unwrap(), "route");
    assert_eq!(names, [evil, "caf\u{fffd}"]);
    for name in &names {
        let route = route_named(&world, name).await;
        assert!(text(&route["faults"][0]).contains("becomes part of an address"), "{route}");
    }
    let metrics = world.metrics().await;
    let escaped = evil.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    for name in [&*escaped, "caf\u{fffd}"] {
        let line = format!("serri_relay_faulty_routes{{route=\"{name}\",serves=\"nothing\"}} 1");
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    assert!(!metrics.lines().any(|line| line.starts_with("serri_relay_up")), "{metrics}");
    assert_eq!(world.post("hello", r#"{"id":"e1","phone":"9812345670"}"#).await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn what_an_older_configuration_asked_for_is_mapped_by_the_rules_of_when_it_is_answered() {
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        async move || {
            asked.notify_one();
            answer.notified().await;
            axum::Json(crate::enrich::lead("+919812345670", "Asha Rao"))
        }
    };
    let served = serve(axum::Router::new().route("/meta/{id}", axum::routing::get(handler))).await;
    let route = crate::enrich::meta(&served.base);
    let world = World::start(Setup::new().route("fb", &route).set("reload.watch=false")).await;
    crate::enrich::post(&world.setup, &world.base, "fb", crate::enrich::leads(&["11"])).await;
    tokio::time::timeout(PATIENCE, asked.notified()).await.expect("it is asked for");
    std::fs::write(world.setup.config().join("routes/fb.yaml"), route.replace("welcome_lead", "second")).unwrap();
    taken(&world).await;
    answer.notify_one();
    world.delivered(1).await;
    assert_eq!(campaigns(&world), ["second"]);
    world.stop().await;
}
