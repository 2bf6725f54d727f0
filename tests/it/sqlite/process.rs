//! The real process with a file that another program has, or that is damaged.

use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::lock;
use crate::crash::{Process, sandbox, serving};
use crate::world::{ROUTE, Setup, eventually, proven};

#[tokio::test]
async fn a_part_that_ends_ends_the_process_with_a_code_that_is_not_0() {
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let (_sandbox, endpoint) = sandbox(&mut tasks, &stop).await;
    let setup = Setup::new().route("hello", ROUTE);
    setup.write(&endpoint);
    drop(Process::serve(&setup));
    // the account has lost its key, and the store cannot say at the start that it had one
    let other = lock(&setup.database());
    let setup = Setup::in_dir(setup.dir).set("accounts.default.api_key=");
    setup.write(&endpoint);
    let mut process = Process::start(&mut serving(&setup));
    other.release();
    let mut code = None;
    eventually("it ends", async || {
        code = process.child.try_wait().unwrap();
        code.is_some()
    })
    .await;
    let log = || process.log.lock().unwrap().clone();
    assert_eq!(code.unwrap().code(), Some(1), "{}", log());
    eventually("it says why", async || log().contains("the deliverer ended by itself; everything was closed in order"))
        .await;
    assert!(log().contains("API key"), "{}", log());
    let last: Vec<String> = log().lines().rev().take(2).map(str::to_owned).collect();
    assert!(
        last[0].starts_with("error: ") && last[1].contains("\"stopped\""),
        "the log comes before the error: {last:?}"
    );
    assert!(!setup.dir.path().join("relay.db-wal").exists(), "the store was closed in order");
    stop.cancel();
    tasks.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_damaged_file_is_not_ready_and_says_what_to_do() {
    let setup = Setup::new().route("hello", ROUTE).set("accounts.default.api_key=");
    setup.write("http://127.0.0.1:9/");
    let mut process = Process::serve(&setup);
    let client = reqwest::Client::new();
    for n in 0..40 {
        let body = json!({"id": n.to_string(), "skip": true, "pad": "x".repeat(3_000)}).to_string();
        let sent = proven(&client, &format!("{}/webhooks/hello", process.base), body).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
    process.signal("TERM");
    eventually("it ends", async || process.child.try_wait().unwrap().is_some()).await;
    let mut bytes = std::fs::read(setup.database()).unwrap();
    // the first page and the schema are whole, and so is whatever is written by the way
    let end = bytes.len() - 8 * 4_096;
    bytes[end..end + 4 * 4_096].fill(0xA5);
    std::fs::write(setup.database(), &bytes).unwrap();
    let process = Process::serve(&setup);
    let answer = client.get(format!("{}/readyz", process.base)).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(text.contains("damaged") && text.contains("restore a backup"), "{text}");
    let log = process.log.lock().unwrap().clone();
    assert!(log.contains("the file is damaged") && log.contains("docs/OPERATIONS.md"), "{log}");
}
