//! The real process: started, signalled, killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use serri_relay::clock::{Clock, Stopwatch};
use serri_relay::listen;
use serri_relay::serri::sandbox::{PATH, Sandbox};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::asked::{Ask as _, text};
use crate::world::{PATIENCE, ROUTE, Setup, eventually, proven, scripted, serve};

/// A relay in a process of its own.
pub struct Process {
    pub child: Child,
    pub base: String,
    pub admin: String,
    pub log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts one and waits until it says that it runs; what it says from then on is read as well.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null(), Stdio::null())
    }

    /// The same with these for its standard input and output.
    pub fn start_with(command: &mut Command, stdin: Stdio, stdout: Stdio) -> Self {
        let (process, lines) = Self::started(command.stdin(stdin).stdout(stdout));
        let rest = Arc::clone(&process.log);
        // reads until the process ends, and ends with it
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| rest.lock().unwrap().push_str(&format!("{line}\n")));
        });
        process
    }

    /// The same with what it says from then on.
    pub fn unread(command: &mut Command) -> (Self, Lines<BufReader<ChildStderr>>) {
        Self::started(command.stdout(Stdio::null()))
    }

    fn started(command: &mut Command) -> (Self, Lines<BufReader<ChildStderr>>) {
        let mut child = command.env("SERRI_RELAY_LOG_FORMAT", "json").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut base, mut admin) = (String::new(), String::new());
        for line in lines.by_ref() {
            let line = line.unwrap();
            log.lock().unwrap().push_str(&format!("{line}\n"));
            if let Ok(said) = serde_json::from_str::<Value>(&line)
                && said["message"] == "serri-relay is running"
            {
                base = format!("http://{}", said["webhooks"].as_str().unwrap());
                admin = format!("http://{}", said["admin"].as_str().unwrap());
                break;
            }
        }
        assert!(!base.is_empty(), "it did not start: {}", log.lock().unwrap());
        (Self { child, base, admin, log }, lines)
    }

    pub fn serve(setup: &Setup) -> Self {
        Self::start(&mut serving(setup))
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

pub fn serving(setup: &Setup) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
    command.arg("--config").arg(setup.config()).arg("serve");
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sandbox on a port of its own, for as long as the token is not cancelled.
pub async fn sandbox(tasks: &mut JoinSet<()>, stop: &CancellationToken) -> (Sandbox, String) {
    let sandbox = Sandbox::new(Clock::system());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}{PATH}", listener.local_addr().unwrap());
    tasks.spawn(listen::serve(listener, sandbox.router(), PATIENCE, stop.clone()));
    (sandbox, endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_five_times_under_load_it_loses_nothing_and_doubles_only_what_was_in_flight() {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let (sandbox, endpoint) = sandbox(&mut tasks, &stop).await;
    let setup = Setup::new().route("hello", ROUTE).set("delivery.retry.initial=10ms");
    setup.write(&endpoint);
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    let number = Arc::new(AtomicUsize::new(0));
    for round in 0..5 {
        let process = Process::serve(&setup);
        let (over, before) = (Arc::new(AtomicBool::new(false)), accepted.lock().unwrap().len());
        let mut senders = JoinSet::new();
        for _ in 0..16 {
            let (accepted, number, over, url) = (
                Arc::clone(&accepted),
                Arc::clone(&number),
                Arc::clone(&over),
                format!("{}/webhooks/hello", process.base),
            );
            senders.spawn(async move {
                let client = reqwest::Client::new();
                while !over.load(Ordering::SeqCst) {
                    let n = number.fetch_add(1, Ordering::SeqCst);
                    let to = format!("+9198{n:08}");
                    let body = json!({"id": n.to_string(), "phone": to}).to_string();
                    let sent = proven(&client, &url, body).send().await;
                    if sent.is_ok_and(|response| response.status() == 200) {
                        accepted.lock().unwrap().insert(to);
                    }
                }
            });
        }
        // another moment each time
        let enough = before + 100 + 70 * round;
        eventually("the load runs", async || accepted.lock().unwrap().len() >= enough).await;
        process.signal("KILL");
        over.store(true, Ordering::SeqCst);
        drop(process);
        while senders.join_next().await.is_some() {}
    }
    let process = Process::serve(&setup);
    let accepted = accepted.lock().unwrap().clone();
    let counts = || {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        sandbox
            .messages()
            .iter()
            .for_each(|message| *counts.entry(message["destination"].as_str().unwrap().to_owned()).or_default() += 1);
        counts
    };
    eventually("everything accepted arrives", async || {
        let counts = counts();
        accepted.iter().all(|to| counts.contains_key(to))
    })
    .await;
    eventually("nothing is left to do", async || {
        process.sends_of("state=waiting").await.is_empty() && process.sends_of("state=sending").await.is_empty()
    })
    .await;
    let mut in_flight = BTreeSet::new();
    for send in process.sends().await.iter().filter(|send| send["attempts"].as_u64() > Some(1)) {
        let story = process.send(usize::try_from(send["id"].as_u64().unwrap()).unwrap()).await;
        if story["history"].as_array().unwrap().iter().any(|step| step["what"] == "uncertain") {
            in_flight.insert(text(&send["destination"]));
        }
    }
    let doubled: Vec<String> = counts().into_iter().filter(|(_, count)| *count > 1).map(|(to, _)| to).collect();
    assert!(doubled.iter().all(|to| in_flight.contains(to)), "doubled, and not in flight: {doubled:?}");
    drop(process);
    stop.cancel();
    tasks.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_in_order_and_with_zero() {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let (sandbox, endpoint) = sandbox(&mut tasks, &stop).await;
    let setup = Setup::new().route("hello", ROUTE);
    setup.write(&endpoint);
    for signal in ["TERM", "INT"] {
        // whoever runs the tests may have SIGHUP ignored
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_serri-relay"), "--config"]).arg(setup.config());
        let mut process = Process::start(command.arg("serve"));
        let body = json!({"id": signal, "phone": "9812345670"}).to_string();
        let sent = proven(&reqwest::Client::new(), &format!("{}/webhooks/hello", process.base), body).send().await;
        assert_eq!(sent.unwrap().status(), 200);
        process.signal(signal);
        let mut code = None;
        eventually("it ends", async || {
            code = process.child.try_wait().unwrap();
            code.is_some()
        })
        .await;
        assert_eq!(code.unwrap().code(), Some(0), "{}", process.log.lock().unwrap());
        let ends = || process.log.lock().unwrap().lines().last().is_some_and(|line| line.contains("\"stopped\""));
        eventually("its log ends with its last line", async || ends()).await;
    }
    // what the first left, the second sends
    assert!(!sandbox.messages().is_empty());
    assert!(setup.store().sends_of("state=sending").await.is_empty());
    stop.cancel();
    tasks.shutdown().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let (sandbox, endpoint) = sandbox(&mut tasks, &stop).await;
    let setup = Setup::new().route("hello", ROUTE);
    setup.write(&endpoint);
    let (mut process, lines) = Process::unread(&mut serving(&setup));
    drop(lines);
    for n in 0..5 {
        let body = json!({"id": n, "phone": format!("981234567{n}")}).to_string();
        let sent = proven(&reqwest::Client::new(), &format!("{}/webhooks/hello", process.base), body).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    }
    eventually("all arrive", async || sandbox.messages().len() == 5).await;
    process.signal("TERM");
    let mut code = None;
    eventually("it ends", async || {
        code = process.child.try_wait().unwrap();
        code.is_some()
    })
    .await;
    assert_eq!(code.unwrap().code(), Some(0));
    stop.cancel();
    tasks.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_nohup_a_closed_terminal_stops_nothing() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let mut command = Command::new("nohup");
    let process =
        Process::start(command.arg(env!("CARGO_BIN_EXE_serri-relay")).arg("--config").arg(setup.config()).arg("serve"));
    process.signal("HUP");
    let body = json!({"id": "1", "phone": "9812345670"}).to_string();
    let sent = proven(&reqwest::Client::new(), &format!("{}/webhooks/hello", process.base), body).send().await;
    assert_eq!(sent.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_lines_with_everything_on_them_and_no_secrets() {
    let setup = Setup::new().route("hello", ROUTE).set("accounts.default.api_key=");
    setup.write("http://127.0.0.1:9/");
    let process = Process::serve(&setup);
    let client = reqwest::Client::new();
    let call = |id: &'static str, token: &'static str| {
        let body = json!({"id": id, "phone": "9812345670", "name": "Asha Rao"}).to_string();
        client
            .post(format!("{}/webhooks/hello?key=query-s3cret", process.base))
            .bearer_auth(token)
            .header("x-request-id", id)
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    call("r1", "s3cret-for-tests").await.unwrap();
    call("r2", "wrong-t0ken").await.unwrap();
    let inbox = format!("{}/sandbox/messages", process.admin);
    eventually("the sandbox shows it", async || {
        serde_json::from_str::<Value>(&client.get(&inbox).send().await.unwrap().text().await.unwrap()).unwrap()["messages"].as_array().unwrap().len()
            == 1
    })
    .await;
    eventually("the attempt is logged", async || process.log.lock().unwrap().contains("delivery attempted")).await;
    let log = process.log.lock().unwrap().clone();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |message: &str| lines.iter().filter(|line| line["message"] == message).cloned().collect::<Vec<_>>();
    let calls = of("webhook received");
    assert_eq!(calls.len(), 2, "{log}");
    assert_eq!(
        (&calls[0]["request_id"], &calls[0]["route"], &calls[0]["outcome"], &calls[0]["status"], &calls[0]["sends"]),
        (&json!("r1"), &json!("hello"), &json!("accepted"), &json!(200), &json!(1))
    );
    assert_eq!(
        (&calls[1]["outcome"], &calls[1]["reason"]),
        (
            &json!("refused_wrong"),
            &json!("the signature or secret is wrong; expected: `Authorization: Bearer` with the route's secret")
        )
    );
    let attempt = &of("delivery attempted")[0];
    assert_eq!(
        (&attempt["to"], &attempt["outcome"], &attempt["attempt"]),
        (&json!("+91********70"), &json!("sent"), &json!(1))
    );
    assert!(log.contains("SANDBOX: no message of these accounts reaches anybody"));
    for secret in ["s3cret-for-tests", "query-s3cret", "wrong-t0ken", "9812345670", "Asha"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// Changes how large a file the process may write.
fn limit_files(process: &Process, bytes: &str) {
    let pid = format!("--pid={}", process.child.id());
    assert!(Command::new("prlimit").args([&pid, &format!("--fsize={bytes}:")]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_told_and_recovers_without_a_restart() {
    let setup = Setup::new().route("hello", ROUTE).set("accounts.default.api_key=");
    setup.write("http://127.0.0.1:9/");
    let process = Process::serve(&setup);
    // a limit on the size of files stands for the end of the disk: SQLite meets it in the same place. Its signal would
    // end a process that has no handler for it
    limit_files(&process, "3000000");
    let client = reqwest::Client::new();
    let post = async |n: usize| {
        let body = json!({"id": n.to_string(), "skip": true, "pad": "x".repeat(50_000)}).to_string();
        let sent = proven(&client, &format!("{}/webhooks/hello", process.base), body).send().await.unwrap();
        (sent.status().as_u16(), sent.headers().contains_key("retry-after"))
    };
    let ready = async || client.get(format!("{}/readyz", process.base)).send().await.unwrap().status().as_u16();
    assert_eq!(ready().await, 200);
    let mut accepted = 0;
    let refused = loop {
        match post(accepted).await {
            (200, _) => accepted += 1,
            refused => break refused,
        }
        assert!(accepted < 1_000, "the disk never filled");
    };
    assert_eq!(refused, (503, true));
    eventually("readiness goes off", async || ready().await == 503).await;
    assert!(process.log.lock().unwrap().contains("nothing can be stored"), "{}", process.log.lock().unwrap());
    limit_files(&process, "unlimited");
    eventually("it takes webhooks again", async || post(accepted).await.0 == 200).await;
    eventually("readiness comes back", async || ready().await == 200).await;
    assert_eq!(process.events().await.len(), accepted + 1);
    // nobody has to be turned away before it is known
    limit_files(&process, "100000");
    eventually("readiness goes off before a webhook meets it", async || ready().await == 503).await;
    assert!(process.log.lock().unwrap().contains("the limit on the size of files"), "{}", process.log.lock().unwrap());
    limit_files(&process, "unlimited");
    eventually("readiness comes back", async || ready().await == 200).await;
}

/// A relay that is stopped for longer than its calls may take, while their answers arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_the_timeout_doubles_nothing() {
    const EVENTS: usize = 200;
    const TIMEOUT: Duration = Duration::from_secs(2);
    let (calls, pass) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let far = {
        let (calls, pass) = (Arc::clone(&calls), pass.clone());
        scripted(move |payload: Value| {
            let (calls, pass) = (Arc::clone(&calls), pass.clone());
            async move {
                calls.lock().unwrap().push(payload["destination"].as_str().unwrap().to_owned());
                pass.cancelled().await;
                json!({"success": "true", "submitted_message_id": "m"}).to_string().into_response()
            }
        })
    };
    let far = serve(far).await;
    let setup = Setup::new().route("hello", ROUTE).set("delivery.timeout=2s").set("delivery.retry.initial=10ms");
    setup.write(&format!("{}{PATH}", far.base));
    let process = Process::serve(&setup);
    let events: Vec<Value> =
        (0..EVENTS).map(|n| json!({"id": n.to_string(), "phone": format!("+9198{n:08}")})).collect();
    let sent =
        proven(&reqwest::Client::new(), &format!("{}/webhooks/hello", process.base), Value::from(events).to_string());
    assert_eq!(sent.send().await.unwrap().status(), 200);
    eventually("all places are taken", async || calls.lock().unwrap().len() == 64).await;
    process.signal("STOP");
    pass.cancel();
    let stopped = Stopwatch::start();
    eventually("the pause is twice as long as a call may take", async || stopped.elapsed() > TIMEOUT * 2).await;
    process.signal("CONT");
    eventually("everybody is sent to", async || calls.lock().unwrap().iter().collect::<BTreeSet<_>>().len() == EVENTS)
        .await;
    eventually("all of it is written down", async || process.sends_of("state=sent").await.len() == EVENTS).await;
    assert_eq!(calls.lock().unwrap().len(), EVENTS, "each once");
}
