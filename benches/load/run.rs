//! Runs the rounds and prints the table.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::requests;

pub const SINK: &str = "127.0.0.1:19100";
const BARE: &str = "127.0.0.1:19101";
pub const RELAY: &str = "127.0.0.1:19102";
const ADMIN: &str = "127.0.0.1:19103";

/// What one round gave.
pub struct Round {
    pub accepted: f64,
    pub delivered: f64,
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
    peak_mb: f64,
}

impl Round {
    /// How long 99 of 100 requests took at most.
    pub fn p99_ms(&self) -> f64 {
        self.p99_ms
    }
}

/// A process that ends with its owner.
pub struct Peer(pub Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How much is measured: `[SECONDS [ROUNDS [CONNECTIONS...]]]`.
pub struct Plan {
    pub seconds: u64,
    pub rounds: u64,
    pub connections: Vec<u64>,
}

impl Plan {
    pub fn of(words: &[&str], connections: &[u64]) -> Self {
        let number =
            |index: usize, default: u64| words.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
        let asked: Vec<u64> = words.iter().skip(2).filter_map(|text| text.parse().ok()).collect();
        Self {
            seconds: number(0, 5),
            rounds: number(1, 3),
            connections: if asked.is_empty() { connections.to_vec() } else { asked },
        }
    }
}

/// A directory of this run's own, with the load's script in it.
pub fn home() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("serri-relay-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join("load.lua"), requests::script()).expect("the script");
    dir
}

/// `run RELAY_BINARY [SECONDS [ROUNDS [CONNECTIONS...]]]`
pub fn run(relay: &str, rest: &[&str]) {
    let Plan { seconds, rounds, connections } = Plan::of(rest, &[1, 16, 64, 256]);
    let dir = home();
    let script = dir.join("load.lua");
    println!("{}\n{seconds} s a round, {rounds} rounds, medians; wrk, sink and peer share the machine\n", machine());
    println!(
        "| connections | peer | accepted/s | delivered/s | of bare | delivered/accepted | CPU us/event | p50 ms | p99 ms | peak MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let me = std::env::current_exe().expect("myself");
    for count in connections {
        let load = Load { script: &script, connections: count, seconds };
        let (mut bare, mut relayed) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let sink = start(Command::new(&me).args(["sink", SINK]), SINK);
            let peer =
                start(Command::new(&me).args(["bare", BARE, &format!("http://{SINK}/campaign/t1/api/v2")]), BARE);
            bare.push(measure(&peer, BARE, load, round));
            drop(peer);
            drop(sink);
            let sink = start(Command::new(&me).args(["sink", SINK]), SINK);
            let peer = start_relay(relay, &dir.join(format!("relay-{count}-{round}")));
            relayed.push(measure(&peer, RELAY, load, round));
            drop(peer);
            drop(sink);
        }
        let reference = median(&bare, |r| r.accepted);
        print_row(count, "bare", &bare, reference);
        print_row(count, "serri-relay", &relayed, reference);
    }
    let _ = fs::remove_dir_all(&dir);
}

fn print_row(count: u64, name: &str, rounds: &[Round], base: f64) {
    let of = |pick: fn(&Round) -> f64| median(rounds, pick);
    let (accepted, delivered) = (of(|r| r.accepted), of(|r| r.delivered));
    println!(
        "| {count} | {name} | {accepted:.0} | {delivered:.0} | {:.0} % | {:.0} % | {:.0} | {:.2} | {:.2} | {:.0} |",
        100.0 * delivered / base,
        100.0 * delivered / accepted,
        of(|r| r.cpu_us),
        of(|r| r.p50_ms),
        of(|r| r.p99_ms),
        of(|r| r.peak_mb)
    );
}

pub fn median(rounds: &[Round], pick: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// How a round is driven.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    pub script: &'a Path,
    pub connections: u64,
    pub seconds: u64,
}

pub fn measure(peer: &Peer, address: &str, load: Load<'_>, round: u64) -> Round {
    wrk(address, Load { seconds: 1, ..load }, &format!("warm{round}"));
    let (cpu, sunk) = (cpu_us(peer), count());
    let watch = Instant::now();
    let said = wrk(address, load, &format!("run{round}"));
    let (took, delivered, cpu) = (watch.elapsed().as_secs_f64(), count() - sunk, cpu_us(peer) - cpu);
    let field =
        |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or("").trim().to_owned();
    let requests = requests_in(&said);
    if said.contains("Non-2xx") {
        eprintln!("{said}");
    }
    Round {
        accepted: requests / took,
        delivered: delivered / took,
        cpu_us: cpu / requests,
        p50_ms: ms(&field("50%")),
        p99_ms: ms(&field("99%")),
        peak_mb: peak_mb(peer),
    }
}

pub fn wrk(address: &str, load: Load<'_>, run: &str) -> String {
    let Load { script, connections, seconds } = load;
    let threads = connections.min(2).to_string();
    let output = Command::new("wrk")
        .args(["-t", &threads, "-c", &connections.to_string(), "-d", &format!("{seconds}s"), "--latency", "-s"])
        .arg(script)
        .arg(format!("http://{address}/webhooks/bench"))
        .env("BENCH_RUN", run)
        .output()
        .expect("wrk: apt-get install wrk");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ms(text: &str) -> f64 {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().unwrap_or(0.0);
    match unit {
        "us" => number / 1_000.0,
        "s" => number * 1_000.0,
        _ => number,
    }
}

pub fn start(command: &mut Command, address: &str) -> Peer {
    let peer = Peer(command.stdout(Stdio::null()).spawn().expect("a peer"));
    let watch = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(watch.elapsed() < Duration::from_secs(10), "{address} does not come up");
        std::thread::yield_now();
    }
    peer
}

pub fn start_relay(binary: &str, dir: &Path) -> Peer {
    start_relay_with(binary, dir, &[])
}

/// The same with settings as environment variables.
pub fn start_relay_with(binary: &str, dir: &Path, settings: &[(&str, &str)]) -> Peer {
    let config = dir.join("config");
    fs::create_dir_all(config.join("routes")).expect("a directory");
    fs::write(config.join("relay.yaml"), settings_of(dir)).expect("settings");
    fs::write(config.join("routes/bench.yaml"), ROUTE.replace("SECRET", requests::SECRET)).expect("route");
    let log = fs::File::create(dir.join("log")).expect("a log");
    start(
        Command::new(binary).arg("--config").arg(&config).arg("serve").envs(settings.iter().copied()).stderr(log),
        RELAY,
    )
}

fn settings_of(dir: &Path) -> String {
    format!(
        "server: {{ listen: '{RELAY}' }}\nadmin: {{ listen: '{ADMIN}' }}\nstore: {{ url: 'sqlite:{}/relay.db' }}\naccounts:\n  default: {{ endpoint: 'http://{SINK}/campaign/t1/api/v2', api_key: bench, rate: unlimited }}\n",
        dir.display()
    )
}

/// Eight templates, a signature, a phone number.
const ROUTE: &str = include_str!("../route.yaml");

/// How many requests wrk says it made.
pub fn requests_in(said: &str) -> f64 {
    let line = said.lines().find(|line| line.contains("requests in"));
    line.and_then(|line| line.trim().split(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the sink");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").expect("write");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split("\r\n\r\n").nth(1).unwrap_or("").to_owned()
}

pub fn count() -> f64 {
    get(SINK, "/count").trim().parse().unwrap_or(0.0)
}

/// User and system time of a process, in microseconds.
fn cpu_us(peer: &Peer) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", peer.0.id())).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or("");
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks * 10_000.0
}

pub fn peak_mb(peer: &Peer) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", peer.0.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}

pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches([' ', '\t', ':'])
        .to_owned();
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("machine: {cores} x {model}")
}
