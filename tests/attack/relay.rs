//! A relay that is attacked: a process with the shipped settings, on free ports of loopback, in a directory of its own.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::http::{self, Answer};
use super::{Ground, Outcome};

/// The secret of every route here.
pub const SECRET: &str = "attack-secret-0123456789";

/// The shipped settings and route.
const SETTINGS: &str = include_str!("../../config/relay.yaml");
const HELLO: &str = include_str!("../../config/routes/hello.yaml");

/// More memory than this is too much for one relay that is attacked: a small machine has 512 MB.
const MOST_MB: f64 = 300.0;

/// A running relay.
pub struct Relay {
    pub child: Child,
    pub port: u16,
    pub admin: u16,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    /// A relay with the shipped route and some more.
    pub fn start(ground: &Ground, routes: &[(&str, &str)]) -> Self {
        Self::start_with(ground, routes, &[], &[])
    }

    /// The same with more variables, and under another program.
    pub fn start_with(ground: &Ground, routes: &[(&str, &str)], env: &[(&str, &str)], under: &[&str]) -> Self {
        let (port, admin) = (free_port(), free_port());
        write_config(ground, routes);
        let mut command = command(ground, (port, admin), under);
        command.envs(env.iter().copied());
        let mut child = command.spawn().expect("the relay");
        wait_for(port, &mut child);
        Self { child, port, admin }
    }

    /// Posts a lead to the shipped route.
    pub fn lead(&self, id: &str) -> Answer {
        let body = format!("{{\"id\":\"{id}\",\"name\":\"Asha Rao\",\"phone\":\"98123 45670\"}}");
        self.post("hello", &[], body.as_bytes())
    }

    /// Posts JSON with the secret.
    pub fn post(&self, route: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {SECRET}");
        let given = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let headers: Vec<(&str, &str)> = given.into_iter().chain(more.iter().copied()).collect();
        http::post(self.port, &format!("/webhooks/{route}"), &headers, body)
    }

    /// Whether the process lives.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The most memory it ever took.
    pub fn peak_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
    }

    /// The processor time it took so far.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or("");
        let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The judgement that every attack ends with: the relay lives, took no more memory than it may, and serves an honest
    /// sender; besides what the attack itself found.
    pub fn judge(mut self, sent: impl Into<String>, answers: impl Into<String>, mut broken: Vec<String>) -> Outcome {
        let peak_mb = self.peak_mb();
        if self.lives() {
            let honest = self.lead("honest");
            if honest.status != 200 || honest.took > Duration::from_secs(3) {
                broken.push(format!(
                    "an honest sender heard {} after {:.1} s",
                    honest.status,
                    honest.took.as_secs_f64()
                ));
            }
        } else {
            broken.push("the relay is dead".into());
        }
        if peak_mb > MOST_MB {
            broken.push(format!("more than {MOST_MB} MB"));
        }
        Outcome { sent: sent.into(), answers: answers.into(), peak_mb, broken }
    }
}

fn write_config(ground: &Ground, routes: &[(&str, &str)]) {
    let config = ground.dir.join("config/routes");
    fs::create_dir_all(&config).expect("a directory");
    fs::write(ground.dir.join("config/relay.yaml"), SETTINGS).expect("settings");
    for (name, text) in routes.iter().chain([&("hello", HELLO)]) {
        fs::write(config.join(format!("{name}.yaml")), text.replace("SECRET_HERE", SECRET)).expect("a route");
    }
}

/// The command that runs a relay in the ground's directory, without what this computer's variables say.
pub fn command(ground: &Ground, (port, admin): (u16, u16), under: &[&str]) -> Command {
    let mut words = under.iter().copied();
    let mut command = Command::new(words.next().map_or(ground.binary.as_os_str(), AsRef::as_ref));
    command.args(words);
    if !under.is_empty() {
        command.arg(&ground.binary);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // under a limit on the size of files the log must not be what fails
    let log = if under.is_empty() { Stdio::from(log(ground)) } else { Stdio::null() };
    command
        .arg("serve")
        .current_dir(&ground.dir)
        .env_clear()
        .env("PATH", path)
        .env("HELLO_SECRET", SECRET)
        .env("SERRI_RELAY_LOG_FORMAT", "json")
        .env("SERRI_RELAY__SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .env("SERRI_RELAY__ADMIN__LISTEN", format!("127.0.0.1:{admin}"))
        .stdout(Stdio::null())
        .stderr(log);
    command
}

fn log(ground: &Ground) -> fs::File {
    fs::File::options().create(true).append(true).open(ground.dir.join("log")).expect("a log")
}

/// Waits until the relay answers.
fn wait_for(port: u16, child: &mut Child) {
    let watch = Instant::now();
    while http::get(port, "/healthz", &[]).status != 200 {
        assert!(matches!(child.try_wait(), Ok(None)), "the relay does not start");
        assert!(watch.elapsed() < Duration::from_secs(20), "the relay does not come up");
        pause();
    }
}

/// A port that nobody uses.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// How a process ends by itself within some seconds; `None`: it does not, and is killed.
pub fn end_of(mut child: Child) -> Option<ExitStatus> {
    let watch = Instant::now();
    while watch.elapsed() < Duration::from_secs(8) {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        pause();
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// A moment.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
