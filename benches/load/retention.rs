//! What retention costs those who send webhooks: the same relay on the same large store, a third of which is past its time,
//! with retention at work and without, interleaved.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serri_relay::store::Outside;

use super::large::{await_ready, fill, series};
use super::run::{Load, Peer, RELAY, Round, SINK, home, machine, measure, median, start, start_relay_with};

/// How many rows there are: each event has a send, an attempt and a key, except for those that made no send.
const ROWS: u64 = 10_000_000;
const ROWS_PER_EVENT: u64 = 4;

/// How long it is waited until retention has done something: its first pass begins a minute after the start.
const PATIENCE: Duration = Duration::from_secs(600);

/// A relay that removes nothing is measured at the same age, and with as much of the file in memory: just after its start
/// every key is read from the disk.
const AGE: Duration = Duration::from_secs(65);

/// The settings of a relay that removes nothing.
const FOREVER: [(&str, &str); 2] =
    [("SERRI_RELAY__STORE__RETENTION__EVENTS", "forever"), ("SERRI_RELAY__STORE__RETENTION__SENDS", "forever")];

/// `retention RELAY_BINARY [ROWS [SECONDS [ROUNDS]]]`
pub fn run(relay: &str, rest: &[&str]) {
    let number = |index: usize, default: u64| rest.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, seconds, rounds) = (number(0, ROWS), number(1, 10), number(2, 3));
    let dir = home();
    let store = dir.join("store");
    let load = Load { script: &dir.join("load.lua"), connections: 64, seconds };
    println!(
        "{}\n{rows} rows, a third of them past their time; {seconds} s a round, {rounds} rounds, medians\n",
        machine()
    );
    // a first start makes the file and its schema
    let first = start_relay_with(relay, &store, &FOREVER);
    await_ready();
    drop(first);
    let database = store.join("relay.db");
    prepare(&database, rows / ROWS_PER_EVENT);
    println!("| retention | accepted/s | of without | p99 ms | rows swept/s |");
    println!("|---|---|---|---|---|");
    for (kind, what) in [("events", "erases and removes events"), ("sends", "removes sends")] {
        let (mut without, mut with, mut swept) = (Vec::new(), Vec::new(), 0.0);
        for round in 0..rounds {
            let grown = || {
                let peer = start_relay_with(relay, &store, &FOREVER);
                std::thread::sleep(AGE);
                peer
            };
            without.push(loaded(load, round, grown));
            let moving = Cell::new((0.0, Instant::now()));
            let begin = || {
                let peer = start_relay_with(relay, &store, &[]);
                await_moving(&database, kind);
                moving.set((cursor(&database, kind), Instant::now()));
                peer
            };
            with.push(loaded(load, round, begin));
            let (before, since) = moving.get();
            swept += (cursor(&database, kind) - before) / since.elapsed().as_secs_f64();
        }
        let base = median(&without, |round| round.accepted);
        print_row("none", &without, base, 0.0);
        print_row(what, &with, base, swept / f64::from(u32::try_from(rounds).unwrap_or(1)));
    }
    let _ = fs::remove_dir_all(&dir);
}

/// A round of load on a relay and a sink of its own.
fn loaded(load: Load<'_>, round: u64, begin: impl FnOnce() -> Peer) -> Round {
    let me = std::env::current_exe().expect("myself");
    let _sink = start(Command::new(me).args(["sink", SINK]), SINK);
    let peer = begin();
    await_ready();
    measure(&peer, RELAY, load, round)
}

fn print_row(name: &str, rounds: &[Round], base: f64, swept: f64) {
    let accepted = median(rounds, |round| round.accepted);
    let p99 = median(rounds, Round::p99_ms);
    println!("| {name} | {accepted:.0} | {:.2} | {p99:.1} | {swept:.0} |", accepted / base);
}

/// How far retention has come.
fn cursor(database: &Path, kind: &str) -> f64 {
    let db = Outside::open(database).expect("the store");
    let upto = db.query(&format!("SELECT upto FROM sweeps WHERE kind = '{kind}'")).expect("the cursor");
    upto.first().and_then(|row| row.first()).map_or(0.0, |upto| upto.parse().expect("a number"))
}

/// Waits until retention walks through a kind of rows.
fn await_moving(database: &Path, kind: &str) {
    let (watch, before) = (Instant::now(), cursor(database, kind));
    while cursor(database, kind) <= before {
        assert!(watch.elapsed() < PATIENCE, "retention does nothing about {kind}: are there enough rows left?");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Events with what came of them: the oldest third 400 days old, half of it without sends, and the others 10 days.
fn prepare(database: &Path, events: u64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let at = format!("({now} - iif(value <= {}, 400, 10) * 86400000 + value / 1000)", events / 3);
    let sends = format!("value > {} OR value % 2 = 0", events / 3);
    let series = series(events);
    fill(
        database,
        &format!(
            "INSERT INTO events (seq, route, source, id, type, received_at, envelope, body)
               SELECT value, 'bench', 'shopify', 'old-' || value, 'orders/create', {at}, '{{}}', CAST('{{\"id\":' || value || ',\"note\":\"' || hex(randomblob(300)) || '\"}}' AS BLOB) FROM {series};
             INSERT INTO dedup_keys SELECT randomblob(16), {at} + 604800000, value FROM {series};
             INSERT INTO sends (id, event, route, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, reached_at, message_id)
               SELECT value, value, 'bench', 'r', 'default', 'order_confirmation', '+9197' || printf('%08d', value),
                 '{{\"campaignName\":\"order_confirmation\",\"userName\":\"' || hex(randomblob(80)) || '\"}}', 10, 0, 1, {at}, {at}, {at}, 'm' || value
               FROM {series} WHERE {sends};
             INSERT INTO attempts SELECT value, 1, {at}, 5, 200, 'sent', '', '{{\"success\":\"true\"}}' FROM {series} WHERE {sends};",
        ),
    );
    // gigabytes on their way to the disk are not what is measured
    let _ = Command::new("sync").status();
}
