//! What happens to the store's files.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::http;
use super::relay::{Relay, command, end_of, free_port, pause};
use super::{Ground, Outcome};

/// Whether a process ends by itself with a failure, within some seconds.
fn refuses(child: Child) -> bool {
    end_of(child).is_some_and(|status| !status.success())
}

/// Two relays at one file would send everything twice.
pub fn second_relay(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[]);
    relay.lead("first");
    let store = ground.dir.join("data/relay.db");
    let mut broken = Vec::new();
    for entry in fs::read_dir(ground.dir.join("data")).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "lock") {
            let _ = fs::remove_file(entry.path());
        }
    }
    let second = |url: &Path| {
        let mut command = command(ground, (free_port(), free_port()), &[]);
        command.env("SERRI_RELAY__STORE__URL", format!("sqlite:{}", url.display())).spawn().expect("a second relay")
    };
    if !refuses(second(&store)) {
        broken.push("a second relay started when the lock file was deleted".to_owned());
    }
    let other = ground.dir.join("other");
    fs::create_dir_all(&other).expect("a directory");
    fs::hard_link(&store, other.join("same.db")).expect("a hard link");
    if !refuses(second(&other.join("same.db"))) {
        broken.push("a second relay started by a hard link".into());
    }
    fs::remove_file(other.join("same.db")).expect("the hard link");
    relay.judge("a relay at the same file, twice", "exit codes", broken)
}

/// What is acknowledged after the log was deleted must be found after the next start.
pub fn log_deleted(ground: &Ground) -> Outcome {
    let relay = Relay::start(ground, &[]);
    relay.lead("before");
    fs::remove_file(ground.dir.join("data/relay.db-wal")).expect("the log");
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..25 {
        let id = format!("after-{number}");
        match relay.lead(&id).status {
            200 => acknowledged.push(id),
            _ => refused += 1,
        }
    }
    // it may take a moment to open the file anew, and works again then
    let watch = Instant::now();
    while relay.lead("again").status != 200 && watch.elapsed() < Duration::from_secs(10) {
        pause();
    }
    drop(relay);
    let relay = Relay::start(ground, &[]);
    let events = http::get(relay.admin, "/api/v1/events?limit=1000", &[]).body;
    let gone = acknowledged.iter().filter(|id| !events.contains(&format!("\"{id}\""))).count();
    let broken = if gone > 0 { vec![format!("{gone} acknowledged leads are gone")] } else { Vec::new() };
    let answers = format!("{} acknowledged, {refused} refused", acknowledged.len());
    relay.judge("25 leads after relay.db-wal was deleted", answers, broken)
}

/// A full quota is told to senders, and is not the end of the relay.
pub fn size_limit(ground: &Ground) -> Outcome {
    let mut relay = Relay::start_with(ground, &[], &[], &["prlimit", "--fsize=1500000", "--"]);
    let body = format!("{{\"name\":\"Asha\",\"note\":\"{}\"}}", "x".repeat(200_000));
    let statuses: Vec<u16> = (0..20)
        .map(|number| {
            let body = body.replacen("\"name\"", &format!("\"id\":\"e{number}\",\"name\""), 1);
            relay.post("hello", &[], body.as_bytes()).status
        })
        .collect();
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let mut broken = Vec::new();
    if !relay.lives() {
        broken.push("the relay is dead".to_owned());
    }
    if count(503) == 0 || count(200) + count(503) < statuses.len() {
        broken.push(format!("{statuses:?}"));
    }
    let answers = format!("{} taken, {} refused", count(200), count(503));
    let peak_mb = relay.peak_mb();
    Outcome { sent: "20 leads of 200 KB into 1.5 MB".into(), answers, peak_mb, broken }
}
