//! What a large store costs: the same relay with an empty one, with 1,000,000 sends waiting, free or held, and beside
//! 10,000,000 events of history.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serri_relay::store::Outside;

use super::requests;
use super::run::{Load, RELAY, SINK, count, get, machine, peak_mb, requests_in, start, start_relay, wrk};

const WAITING: u64 = 1_000_000;
const HISTORY: u64 = 10_000_000;
const SECONDS: u64 = 5;

/// Measures the three stores one after the other.
pub fn run(relay: &str) {
    let dir = std::env::temp_dir().join(format!("serri-relay-bench-large-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join("load.lua"), requests::script()).expect("the script");
    println!("{}\n", machine());
    println!("| store | start to ready ms | memory once ready MB | accepted/s | delivered/s | drained/s |");
    println!("|---|---|---|---|---|---|");
    for (name, prepare) in [
        ("empty", None),
        ("1,000,000 sends ready", Some(waiting as fn(&Path))),
        ("1,000,000 sends, of which 999,000 are held", Some(held as fn(&Path))),
        ("10,000,000 events of history", Some(history as fn(&Path))),
    ] {
        measure(name, relay, &dir, prepare);
    }
    let _ = fs::remove_dir_all(&dir);
}

fn measure(name: &str, relay: &str, dir: &Path, prepare: Option<fn(&Path)>) {
    let home = dir.join(name.replace([' ', ','], "-"));
    // a first start makes the file and its schema
    let first = start_relay(relay, &home);
    await_ready();
    drop(first);
    if let Some(prepare) = prepare {
        prepare(&home.join("relay.db"));
        // gigabytes on their way to the disk are not what is measured
        let _ = Command::new("sync").status();
    }
    let watch = Instant::now();
    let peer = start_relay(relay, &home);
    await_ready();
    let ready_ms = watch.elapsed().as_secs_f64() * 1e3;
    let memory = peak_mb(&peer);
    let me = std::env::current_exe().expect("myself");
    let sink = start(Command::new(me).args(["sink", SINK]), SINK);
    let drained = drain_rate();
    let script = dir.join("load.lua");
    let load = Load { script: &script, connections: 64, seconds: SECONDS };
    let before = count();
    let said = wrk(RELAY, load, name);
    let delivered = count() - before;
    let accepted = requests_in(&said);
    let per_second = |n: f64| n / f64::from(u32::try_from(SECONDS).unwrap_or(1));
    println!(
        "| {name} | {ready_ms:.0} | {memory:.0} | {:.0} | {:.0} | {drained:.0} |",
        per_second(accepted),
        per_second(delivered)
    );
    drop(peer);
    drop(sink);
    let _ = fs::remove_dir_all(&home);
}

pub fn await_ready() {
    while !get(RELAY, "/readyz").contains("ready") {}
}

/// How fast a backlog goes while nothing comes in.
fn drain_rate() -> f64 {
    let (watch, before) = (Instant::now(), count());
    while watch.elapsed() < Duration::from_secs(3) {
        std::thread::yield_now();
    }
    (count() - before) / watch.elapsed().as_secs_f64()
}

pub fn fill(path: &Path, statements: &str) {
    let db = Outside::open(path).expect("the store");
    db.execute(&format!(
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; BEGIN; {statements} {COUNTS} COMMIT; PRAGMA journal_mode = WAL;"
    ))
    .expect("filled");
}

/// What the relay counts when it adds rows itself.
const COUNTS: &str = "DELETE FROM send_counts; INSERT INTO send_counts SELECT account, campaign, state, count(*) FROM sends GROUP BY account, campaign, state;";

/// What a send is made of here.
const SENDS: &str = "INSERT INTO sends (id, event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, reason, message_id)";

/// Sends to as many persons, all ready to go.
fn waiting(path: &Path) {
    ready(path, "'order_confirmation'");
}

/// The same, of which all but a thousand are of a campaign that stands still.
fn held(path: &Path) {
    ready(path, "iif(value % 1000 = 0, 'order_confirmation', 'paused')");
    fill(
        path,
        "INSERT INTO holds (account, campaign, reason, by, since, probes, probe_at, notified_at) VALUES ('default', 'paused', 'by hand', 'hand', 0, 0, NULL, 4102444800000);",
    );
}

fn ready(path: &Path, campaign: &str) {
    fill(
        path,
        &format!(
            "INSERT INTO events (seq, route, source, id, type, received_at, envelope, body, fault) SELECT value, 'bench', 'shopify', 'old-' || value, 'orders/create', 1767085200000, '{{}}', X'7B226964223A317D', NULL FROM {series};
             {SENDS} SELECT value, value, 'r', 'default', {campaign}, '+9197' || printf('%08d', value),
               '{{\"campaignName\":\"order_confirmation\",\"destination\":\"+9197' || printf('%08d', value) || '\",\"userName\":\"Asha\"}}',
               0, 1767085200000, 0, 1767085200000, 1767085200000, NULL, NULL FROM {series};",
            series = series(WAITING)
        ),
    );
}

/// Events, what was seen, sends and attempts, all done.
fn history(path: &Path) {
    fill(
        path,
        &format!(
            "INSERT INTO events (seq, route, source, id, type, received_at, envelope, body, fault) SELECT value, 'bench', 'shopify', 'old-' || value, 'orders/create', 1767085200000, '{{}}', X'7B226964223A317D', NULL FROM {series};
             INSERT INTO dedup_keys SELECT randomblob(16), 4102444800000, value FROM {series};
             {SENDS} SELECT value, value, 'r', 'default', 'order_confirmation', '+9197' || printf('%08d', value), '{{}}', 10, 0, 1, 1767085200000, 1767085200000, NULL, 'm' FROM {series};
             INSERT INTO attempts SELECT value, 1, 1767085200000, 5, 200, 'sent', '', '{{}}' FROM {series};",
            series = series(HISTORY)
        ),
    );
}

/// The numbers from 1, without an extension of SQLite.
pub fn series(count: u64) -> String {
    format!(
        "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {count}) SELECT value FROM n)"
    )
}
