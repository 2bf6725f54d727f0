//! Lines of the log are written together, and none is lost on the way to the end.

use serde_json::{Value, json};
use serri_relay::clock::Clock;
use serri_relay::listen;
use serri_relay::serri::sandbox::{PATH, Sandbox};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::crash::{Process, serving};
use crate::world::{PATIENCE, ROUTE, Setup, eventually, proven};

/// More than a pipe holds, so that the relay cannot end before somebody reads.
const SENDS: usize = 800;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_read_late_has_all_its_lines_in_order_and_ends_with_the_last() {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let sandbox = Sandbox::new(Clock::system());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}{PATH}", listener.local_addr().unwrap());
    tasks.spawn(listen::serve(listener, sandbox.router(), PATIENCE, stop.clone()));
    let setup = Setup::new().route("hello", ROUTE);
    setup.write(&endpoint);
    let (mut process, lines) = Process::unread(&mut serving(&setup));
    let events: Vec<Value> =
        (0..SENDS).map(|n| json!({"id": n.to_string(), "phone": format!("+9198{n:08}")})).collect();
    let url = format!("{}/webhooks/hello", process.base);
    let sent = proven(&reqwest::Client::new(), &url, Value::from(events).to_string()).send().await;
    assert_eq!(sent.unwrap().status(), 200);
    eventually("all are sent although nobody reads the log", async || sandbox.messages().len() == SENDS).await;
    process.signal("TERM");
    let reading = tokio::task::spawn_blocking(|| lines.map_while(Result::ok).collect::<Vec<String>>());
    let lines: Vec<Value> = reading.await.unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut code = None;
    eventually("it ends", async || {
        code = process.child.try_wait().unwrap();
        code.is_some()
    })
    .await;
    assert_eq!(code.unwrap().code(), Some(0));
    assert_eq!(lines.iter().filter(|line| line["message"] == "delivery attempted").count(), SENDS);
    assert_eq!(lines.iter().filter(|line| line["message"] == "webhook received").count(), 1);
    assert_eq!(lines.last().unwrap()["message"], "stopped");
    stop.cancel();
    tasks.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_relay_writes_each_line_at_once() {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    let process = Process::serve(&setup);
    for n in 1..=3 {
        let sent = reqwest::Client::new().post(format!("{}/webhooks/hello", process.base)).send().await;
        assert_eq!(sent.unwrap().status(), 401);
        let is_there = async || process.log.lock().unwrap().matches("webhook received").count() == n;
        eventually("the line is there, and nothing more has to come for that", is_there).await;
    }
}
