//! What people ask of a running relay and do with it: by the admin API, and by the commands that use it.

use serde_json::{Value, json};

use crate::asked::{Ask as _, texts};
use crate::world::{ROUTE, Setup, World};

pub async fn posted(world: &World, id: &str, campaign: &str, phone: &str) {
    let body = json!({"id": id, "campaign": campaign, "phone": phone});
    assert_eq!(world.post("hello", &body.to_string()).await.0, 200);
}

/// Runs a command against the world's relay; gives what it says.
pub fn command(world: &World, arguments: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_serri-relay"))
        .arg("--config")
        .arg(world.setup.config())
        .args(arguments)
        .args(["--admin", &world.admin])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Messages one person about each of several things.
const EACH: &str = r#"
source: generic
auth: bearer
secret: s3cret-for-tests
sends:
  - name: each
    for_each: event.items
    campaignName: "{{ item.campaign | default('welcome') }}"
    destination: "{{ contact.phone }}"
    userName: "{{ contact.name | default('there') }}"
    templateParams: ["{{ item.name }}"]
"#;

fn parameters(messages: &[Value]) -> Vec<&str> {
    let mut all: Vec<&str> = messages.iter().map(|one| one["templateParams"][0].as_str().unwrap()).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn several_sends_of_a_rule_to_one_person_are_replayed_each_as_itself() {
    let setup = Setup::new().route("hello", EACH).set("accounts.default.api_key=");
    let world = World::start(setup).await;
    world.post("hello", r#"{"id":"e1","phone":"9812345670","items":[{"name":"one"},{"name":"two"}]}"#).await;
    world.until_sends("state=sent", 2).await;
    // the account has a key now
    let world = World::start(Setup::in_dir(world.stop().await.dir)).await;
    let rest = json!({"filter": {"account": "default (sandbox)"}, "yes": true});
    let (_, answer) = world.admin("POST", "/sends/replay", Some(rest)).await;
    assert_eq!(answer["replayed"], 2, "{answer}");
    world.until_sends("account=default&state=sent", 2).await;
    assert_eq!(parameters(&world.sandbox.messages()), ["one", "two"]);
    world.stop().await;
}

#[tokio::test]
async fn a_failed_send_never_goes_as_another_of_its_event() {
    let world = World::start(Setup::new().route("hello", EACH)).await;
    let items = json!([{"name": "one"}, {"name": "two", "campaign": "sandbox_invalid_number"}]);
    let moved = json!([{"name": "new"}, {"name": "new"}, items[0], {"name": "two"}]);
    let event = json!({"id": "e1", "phone": "9812345670", "items": items, "first": [items[0]], "moved": moved});
    world.post("hello", &event.to_string()).await;
    world.until_states(&["sent", "failed"]).await;
    // the rule leaves the second one out now, and then both have moved
    let setup = world.stop().await;
    let only_first = EACH.replace("event.items", "event.first");
    let world = World::start(Setup::in_dir(setup.dir).route("hello", &only_first)).await;
    let second = json!({"ids": [2], "yes": true});
    let (_, answer) = world.admin("POST", "/sends/replay", Some(second.clone())).await;
    assert_eq!((&answer["replayed"], &answer["does"]["skip"]), (&json!(0), &json!(1)), "{answer}");
    let setup = world.stop().await;
    let moved = EACH
        .replace("event.items", "event.moved")
        .replace("{{ contact.phone }}", "{{ '9812345671' if item.name == 'new' else contact.phone }}");
    let world = World::start(Setup::in_dir(setup.dir).route("hello", &moved)).await;
    let (_, answer) = world.admin("POST", "/sends/replay", Some(second)).await;
    assert_eq!(answer["replayed"], 1, "{answer}");
    world.until_sends("state=sent", 2).await;
    for (id, name) in [(1, "one"), (2, "two")] {
        assert_eq!(world.send(id).await["payload"]["templateParams"], json!([name]));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_lead_is_told() {
    let world = World::hello().await;
    posted(&world, "e1", "welcome", "9812345670").await;
    posted(&world, "e2", "sandbox_invalid_number", "9812345671").await;
    world.until_states(&["sent", "failed"]).await;
    let (_, list) = world.admin("GET", "/sends?number=098123%2045671", None).await;
    assert_eq!(list["sends"].as_array().unwrap().len(), 1);
    assert_eq!((&list["sends"][0]["state"], &list["sends"][0]["event"]), (&json!("failed"), &json!("e2")));
    let (_, story) = world.admin("GET", "/sends/2", None).await;
    let history: Vec<&str> =
        story["history"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert_eq!(history, ["made", "refused"]);
    assert_eq!(story["payload"]["campaignName"], "sandbox_invalid_number");
    let (_, event) = world.admin("GET", "/events/e1", None).await;
    assert_eq!((&event["body"]["phone"], &event["made"][0]["state"]), (&json!("9812345670"), &json!("sent")));
    for (path, status) in [
        ("/sends/9", 404),
        ("/events/nobody", 404),
        ("/sends?state=lost", 400),
        ("/sends?since=noon", 400),
        ("/sends?limit=0", 400),
        ("/sends?colour=red", 400),
        ("/sends?account=nobody", 400),
    ] {
        let (told, problem) = world.admin("GET", path, None).await;
        assert!(
            told == status && problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{path}: {problem}"
        );
    }
    let (well, said) = command(&world, &["sends", "list", "--state", "failed"]);
    assert!(well && said.contains("400: Invalid Number") && said.lines().count() == 2, "{said}");
    let (well, said) = command(&world, &["sends", "show", "1"]);
    assert!(well && said.contains("submitted_message_id") || said.contains("message_id"), "{said}");
    let (well, said) = command(&world, &["events", "show", "e2"]);
    assert!(well && said.contains("sandbox_invalid_number"), "{said}");
    let (well, said) = command(&world, &["events", "list", "--json"]);
    assert!(well && serde_json::from_str::<Value>(&said).unwrap()["events"].as_array().unwrap().len() == 2, "{said}");
    let (well, said) = command(&world, &["sends", "show", "99"]);
    assert!(!well && said.contains("there is no send 99"), "{said}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let world = World::hello().await;
    let events: Vec<Value> =
        (0..25).map(|n| json!({"id": format!("e{n}"), "phone": format!("98123456{n:02}")})).collect();
    world.post("hello", &Value::from(events).to_string()).await;
    for list in ["sends", "events"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (_, page) = world.admin("GET", &format!("/{list}?limit=10{cursor}"), None).await;
            let key = if list == "sends" { "id" } else { "number" };
            seen.extend(page[list].as_array().unwrap().iter().map(|entry| entry[key].as_i64().unwrap()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>(), "{list}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_two_senders_names_no_event() {
    let world = World::start(Setup::new().route("hello", ROUTE).route("other", ROUTE)).await;
    for route in ["hello", "other"] {
        world.post(route, &json!({"id": "e1", "phone": "9812345670"}).to_string()).await;
    }
    let (status, told) = world.admin("POST", "/events/replay", Some(json!({"ids": ["e1"]}))).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(status == 409 && detail.contains("#1 (route `hello`)") && detail.contains("#2 (route `other`)"), "{told}");
    assert_eq!(world.admin("POST", "/events/replay", Some(json!({"ids": ["#1"]}))).await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_maps_anew_and_messages_nobody_twice_unless_told() {
    let wrong = ROUTE.replace("contact.first_name | default('there')", "event.first");
    let world = World::start(Setup::new().route("hello", &wrong)).await;
    posted(&world, "e1", "welcome", "9812345670").await;
    world.post("hello", &json!({"id": "e2", "first": "Asha", "phone": "9812345671"}).to_string()).await;
    world.until_states(&["failed", "sent"]).await;
    let world = World::start(world.stop().await.route("hello", ROUTE)).await;
    let (well, said) = command(&world, &["events", "replay", "e1", "e2"]);
    assert!(well && said.contains("1 send(s) would be replayed; nothing was changed: add --yes"), "{said}");
    assert!(said.contains("send 1 was failed") && said.contains("send 2 went at"), "{said}");
    assert_eq!(world.states().await, ["failed", "sent"]);
    let (_, told) = world.admin("POST", "/events/replay", Some(json!({"ids": ["e1", "e2"], "yes": true}))).await;
    assert_eq!(told["replayed"], 1);
    world.delivered(1).await;
    world.until_sends("state=sent", 2).await;
    // the same again does nothing, and once more if somebody says so
    let (_, told) = world.admin("POST", "/sends/replay", Some(json!({"ids": [1], "yes": true}))).await;
    assert_eq!(told["replayed"], 0, "{told}");
    let (well, said) = command(&world, &["sends", "replay", "1", "--again", "--yes"]);
    assert!(well && said.contains("1 send(s) replayed"), "{said}");
    world.delivered(2).await;
    assert_eq!(world.sends().await.len(), 3);
    let (_, story) = world.admin("GET", "/sends/1", None).await;
    let reasons: Vec<&str> =
        story["history"].as_array().unwrap().iter().filter_map(|step| step["reason"].as_str()).collect();
    assert_eq!(reasons, ["replayed"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_decoded_is_replayed_when_it_can() {
    let world = World::start(Setup::new().route("hello", &format!("body: form{ROUTE}"))).await;
    let (status, _) = world.post("hello", &json!({"id": "e1", "phone": "9812345670"}).to_string()).await;
    assert_eq!(status, 415);
    let world = World::start(world.stop().await.route("hello", &format!("body: json{ROUTE}"))).await;
    let (_, told) = world.admin("POST", "/events/replay", Some(json!({"ids": ["#1"], "yes": true}))).await;
    assert_eq!(told["replayed"], 1, "{told}");
    world.delivered(1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_name_replays_nothing() {
    let wrong = ROUTE.replace("contact.first_name | default('there')", "event.first");
    let world = World::start(Setup::new().route("hello", &wrong)).await;
    posted(&world, "e1", "welcome", "9812345670").await;
    let world = World::start(world.stop().await.route("hello", ROUTE)).await;
    let (status, _) = world.admin("POST", "/events/replay", Some(json!({"ids": ["e1", "nobody"], "yes": true}))).await;
    assert_eq!((status, world.states().await), (404, vec!["failed".to_owned()]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_as_spreadsheets_write_them() {
    let world = World::hello().await;
    let list = world.setup.dir.path().join("list.csv");
    for (ending, mark, separator) in [("\n", "", ","), ("\r\n", "\u{FEFF}", ";"), ("\r", "", "\t"), ("\r\n", "", ",")] {
        let rows = [
            "Name,Number,Reason",
            "Asha,'+91 98123 45601,\"asked;\n by phone\"",
            ",,",
            "Ravi, 098123-45602 ,",
            ",,no number",
        ];
        let text = rows.join("\n").replace(',', separator).replace('\n', ending);
        std::fs::write(&list, format!("{mark}{text}{ending}")).unwrap();
        let (well, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
        assert!(well && said.contains("2 number(s) imported") && said.contains("1 row(s) without a number"), "{said}");
        let (_, story) = world.admin("GET", "/suppressions/9812345601", None).await;
        assert_eq!(texts(story["suppressions"].as_array().unwrap(), "reason"), ["asked;\n by phone"], "{separator:?}");
        // the line of what is wrong is the file's, after a cell of two lines too
        std::fs::write(&list, format!("{mark}{text}{ending}x{separator}9.19812E+11{ending}")).unwrap();
        let (well, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
        assert!(
            !well && said.contains(&format!("{}:7: ", list.display())) && said.contains("format its column as text"),
            "{said}"
        );
    }
    std::fs::write(&list, b"number\n9812345603\n\xff\xfe\n").unwrap();
    let (well, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
    assert!(!well && said.contains(":3: the list is not UTF-8 text"), "{said}");
    assert_eq!(world.suppressions().await.len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_are_set_and_lifted_by_hand() {
    let world = World::hello().await;
    let (well, said) =
        command(&world, &["holds", "set", "default", "--campaign", "welcome", "--reason", "wrong picture"]);
    assert!(well && said.contains("nothing was changed: add --yes"), "{said}");
    let (well, said) =
        command(&world, &["holds", "set", "default", "--campaign", "welcome", "--reason", "wrong picture", "--yes"]);
    assert!(well && said.contains("wrong picture"), "{said}");
    posted(&world, "e1", "welcome", "9812345670").await;
    posted(&world, "e2", "other", "9812345670").await;
    world.delivered(1).await;
    assert_eq!(world.states().await[0], "waiting hold:campaign");
    let (well, said) = command(&world, &["holds", "lift", "nobody"]);
    assert!(!well && said.contains("there is no hold of account `nobody`"), "{said}");
    let (well, said) = command(&world, &["holds", "lift", "default", "--campaign", "welcome"]);
    assert!(well && said.contains("nothing is on hold"), "{said}");
    world.delivered(2).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_sends_are_cancelled_only_when_told_so() {
    let world = World::start(Setup::new().route("hello", &format!("delay: 1h{ROUTE}"))).await;
    posted(&world, "e1", "a", "9812345670").await;
    posted(&world, "e2", "b", "9812345671").await;
    posted(&world, "e3", "b", "9812345672").await;
    let (well, said) = command(&world, &["sends", "cancel", "--campaign", "a"]);
    assert!(well && said.contains("1 send(s) would be cancelled"), "{said}");
    let (well, said) = command(&world, &["sends", "cancel"]);
    assert!(!well && said.contains("say which"), "{said}");
    let (_, told) = world
        .admin(
            "POST",
            "/sends/cancel",
            Some(json!({"filter": {"campaign": "a"}, "yes": true, "reason": "wrong price"})),
        )
        .await;
    assert_eq!(told["cancelled"], 1);
    let some = json!({"filter": {"state": "waiting", "limit": 1}});
    let (_, told) = world.admin("POST", "/sends/cancel", Some(some)).await;
    assert_eq!(told["sends"].as_array().map(Vec::len), Some(1), "no more than the limit says");
    assert_eq!(world.states().await, ["cancelled", "waiting delay", "waiting delay"]);
    assert_eq!(texts(&world.sends().await, "reason"), ["wrong price", "", ""]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_an_export_is_a_formula_and_what_is_exported_can_be_imported() {
    let world = World::hello().await;
    for (n, reason) in
        ["=1+1", "+cmd|' /C calc'!A0", "-1", "@SUM(A1)", "\u{9}=1", "'=1", "as they wished"].iter().enumerate()
    {
        let body = json!({"number": format!("981200000{n}"), "reason": reason});
        assert_eq!(world.admin("POST", "/suppressions", Some(body)).await.0, 200);
    }
    let reasons = async || {
        let all = world.suppressions().await;
        (texts(&all, "number"), texts(&all, "reason"))
    };
    let before = reasons().await;
    let (_, said) = command(&world, &["suppress", "export"]);
    for row in csv::Reader::from_reader(said.as_bytes()).records() {
        let row = row.unwrap();
        assert!(row[0].starts_with("+9198120000") && !row[2].starts_with(['=', '+', '-', '@', '\t', '\r']), "{row:?}");
    }
    let list = world.setup.dir.path().join("list.csv");
    std::fs::write(&list, said).unwrap();
    let (_, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
    assert!(said.contains("7 number(s) imported"), "{said}");
    assert_eq!(reasons().await, before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suppressed_numbers_move_in_and_out_as_csv() {
    let world = World::hello().await;
    let list = world.setup.dir.path().join("list.csv");
    let rows: String = (0..2_500).map(|n| format!("98{:08},,\"said \"\"stop\"\", twice\"\n", 12_000_000 + n)).collect();
    std::fs::write(&list, format!("number,account,reason\n{rows}")).unwrap();
    let (well, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
    assert!(well && said.contains("2500 number(s) imported"), "{said}");
    posted(&world, "e1", "welcome", "9812000007").await;
    world.until_sends("state=suppressed", 1).await;
    let (well, said) = command(&world, &["suppress", "remove", "9812000007", "--yes"]);
    assert!(well && said.contains("may be messaged again"), "{said}");
    let (_, said) = command(&world, &["suppress", "export"]);
    assert!(
        said.lines().count() == 2_500 && said.contains("+919812000000,default,\"said \"\"stop\"\", twice\","),
        "{}",
        said.len()
    );
    // what it prints it reads, and one wrong line is told and changes nothing
    std::fs::write(&list, said).unwrap();
    assert!(command(&world, &["suppress", "import", list.to_str().unwrap()]).1.contains("2499 number(s) imported"));
    std::fs::write(&list, "number,since\n9812345001,2025-01-02T03:04:05Z\n").unwrap();
    assert!(command(&world, &["suppress", "import", list.to_str().unwrap()]).0);
    assert!(command(&world, &["suppress", "show", "9812345001"]).0);
    let (_, told) = world.admin("GET", "/suppressions/9812345001", None).await;
    assert_eq!(told["suppressions"][0]["since"], "2025-01-02T03:04:05.000Z", "since when is kept");
    std::fs::write(&list, "9812345678\nnobody\n").unwrap();
    let (well, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
    let place = format!("{}:2: ", list.display());
    assert!(
        !well && said.contains(&place) && said.contains("nobody") && said.contains("nothing was imported"),
        "{said}"
    );
    assert_eq!(world.admin("GET", "/suppressions/9812345678", None).await.1["suppressions"], json!([]));
    let (well, said) =
        command(&world, &["suppress", "add", "9812345678", "--account", "default", "--reason", "by phone"]);
    assert!(well, "{said}");
    let (_, said) = command(&world, &["suppress", "list", "--limit", "1"]);
    assert!(said.contains("more: --cursor"), "{said}");
    posted(&world, "e2", "welcome", "9812345678").await;
    world.until_sends("state=suppressed", 2).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_replay_is_asked_for_the_person_gets_one_message() {
    let wrong = ROUTE.replace("contact.first_name | default('there')", "event.first");
    let world = World::start(Setup::new().route("hello", &wrong)).await;
    posted(&world, "e1", "welcome", "9812345670").await;
    world.post("hello", &json!({"id": "e2", "skip": true, "phone": "9812345671"}).to_string()).await;
    let world = World::start(world.stop().await.route("hello", &ROUTE.replace("not event.skip", "true"))).await;
    let ask = async |path: &str, body: Value| world.admin("POST", path, Some(body)).await;
    let sends = json!({"ids": vec![1; 40], "yes": true});
    let events = json!({"ids": ["e2", "#2", "e2"], "yes": true});
    let (first, second, third, fourth, _) = tokio::join!(
        ask("/sends/replay", sends.clone()),
        ask("/sends/replay", sends),
        ask("/events/replay", events.clone()),
        ask("/events/replay", events.clone()),
        ask("/events/replay", events.clone()),
    );
    assert!([first.0, second.0, third.0, fourth.0].iter().all(|status| *status == 200));
    world.until_sends("state=sent", 2).await;
    ask("/events/replay", events).await;
    assert_eq!((world.sandbox.messages().len(), world.sends().await.len()), (2, 2));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_an_open_quote_is_refused_whole() {
    let world = World::hello().await;
    let list = world.setup.dir.path().join("list.csv");
    std::fs::write(&list, "number,reason\n9812345670,\"oops\n9812345671,x\n").unwrap();
    let (well, said) = command(&world, &["suppress", "import", list.to_str().unwrap()]);
    assert!(!well && said.contains("a quote is not closed"), "{said}");
    assert_eq!(world.suppressions().await.len(), 0);
    let cross =
        world.http.post(format!("{}/api/v1/suppressions.csv", world.admin)).header("sec-fetch-site", "cross-site");
    assert_eq!(world.call(cross.body("9812345670")).await.0, 403);
    assert_eq!(world.admin("GET", "/sends?cursor=zz", None).await.0, 400);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_number_is_not_messaged_and_since_when_is_told() {
    let leave =
        "  - { name: leave, when: event.leave, suppress: add, destination: \"{{ contact.phone }}\" }\n".to_owned();
    let world = World::start(Setup::new().route("hello", &format!("{ROUTE}\n{leave}"))).await;
    world.post("hello", &json!({"id": "e1", "leave": true, "skip": true, "phone": "9812345670"}).to_string()).await;
    let (well, said) = command(&world, &["suppress", "show", "98123 45670"]);
    assert!(well && said.contains("+919812345670 is not messaged by default"), "{said}");
    assert!(said.contains("added") && said.contains("rule `leave` of route `hello`, event `e1`"), "{said}");
    let (well, said) = command(&world, &["events", "show", "e1"]);
    assert!(well && said.contains("added") && said.contains("+919812345670"), "{said}");
    // what would come to its end at once is not announced as a send
    posted(&world, "e2", "welcome", "9812345670").await;
    world.until_sends("state=suppressed", 1).await;
    let (_, said) = command(&world, &["sends", "replay", "1"]);
    assert!(said.contains("skip") && said.contains("0 send(s) would be replayed"), "{said}");
    // who is on the list already keeps the reason, and nothing happens to who is not
    command(&world, &["suppress", "add", "9812345670", "--account", "default"]);
    assert!(command(&world, &["suppress", "list"]).1.contains("event `e1`"));
    assert!(command(&world, &["suppress", "remove", "9812345670", "--account", "default", "--yes"]).0);
    assert!(command(&world, &["suppress", "remove", "9812345670", "--yes"]).1.contains("was not on the list"));
    let (_, told) = world.admin("GET", "/suppressions/9812345670", None).await;
    let history: Vec<&str> =
        told["history"].as_array().unwrap().iter().filter_map(|change| change["what"].as_str()).collect();
    assert_eq!((history, &told["suppressions"]), (vec!["added", "added", "removed"], &json!([])));
    assert!(command(&world, &["suppress", "show", "9812345670"]).1.contains("may be messaged"));
    assert!(!command(&world, &["suppress", "show", "nobody"]).0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_who_was_not_reached_and_keep_a_senders_escapes_from_the_terminal() {
    let world = World::start(Setup::new().route("hello", &format!("dry_run: true{ROUTE}"))).await;
    posted(&world, "e\u{1b}[2J", "welcome", "9812345670").await;
    world.until_sends("state=sent", 1).await;
    let (_, sends) = command(&world, &["sends", "list"]);
    assert!(sends.contains("sent (dry run)"), "{sends}");
    let (_, events) = command(&world, &["events", "list"]);
    assert!(events.contains("e\\u{1b}[2J") && !events.contains('\u{1b}'), "{events}");
    world.stop().await;
}
