//! A Serri that keeps its accounts and campaigns, takes its time, and fails as the seed says; each call is held against
//! what must always hold.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use serri_relay::clock::{Clock, Stopwatch, Timestamp};
use serri_relay::event::Outcome;
use serri_relay::outbound::Allowance;
use serri_relay::secret::Secret;
use serri_relay::serri::{Answer, Caller, Endpoint, Exchange};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::endpoint;
use super::model::Model;
use super::script::{Fault, FaultKind, PEOPLE};

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub at: Timestamp,
    pub account: String,
    pub campaign: String,
    pub number: String,
    pub event: String,
    /// What the person was called: see `script::NAMES`.
    pub name: String,
    /// Whether the caller was told.
    pub told: bool,
}

/// What is said to whom.
#[derive(Clone)]
pub struct Message {
    pub campaign: String,
    pub number: String,
    pub event: String,
    /// What the person is called: see `script::NAMES`.
    pub name: String,
}

/// How long the relay waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Serri {
    me: Weak<Serri>,
    /// The calls that it works on, whether the relay still waits for them or not.
    working: Mutex<JoinSet<()>>,
    begin: Stopwatch,
    clock: Clock,
    model: Arc<Model>,
    faults: Vec<Fault>,
    state: Mutex<State>,
    kill: Notify,
}

struct State {
    rng: fastrand::Rng,
    taken: Vec<Taken>,
    in_flight: BTreeSet<String>,
    /// Events and campaigns of answers that were sent to the relay, and that it has not read yet.
    unread: Vec<(String, String)>,
    kill_next: bool,
    calls: usize,
}

impl Serri {
    pub fn new(seed: u64, clock: Clock, model: Arc<Model>, faults: Vec<Fault>) -> Arc<Self> {
        let state = State {
            rng: fastrand::Rng::with_seed(!seed),
            taken: Vec::new(),
            in_flight: BTreeSet::new(),
            unread: Vec::new(),
            kill_next: false,
            calls: 0,
        };
        let (begin, state, kill, working) = (Stopwatch::start(), Mutex::new(state), Notify::new(), Mutex::default());
        Arc::new_cyclic(|me| Self { me: me.clone(), working, begin, clock, model, faults, state, kill })
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.state.lock().unwrap().taken.clone()
    }

    /// What went at a time that has not come yet counts as gone just now.
    pub fn clock_was_set_back(&self) {
        let now = self.clock.now();
        for taken in &mut self.state.lock().unwrap().taken {
            taken.at = taken.at.min(now);
        }
    }

    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    pub fn log(&self) -> String {
        format!("{:?}", self.taken())
    }

    pub async fn killed(&self) {
        self.kill.notified().await;
    }

    pub fn kill_at_next_call(&self) {
        self.state.lock().unwrap().kill_next = true;
    }

    /// The relay died: no connection is left.
    pub fn everybody_hung_up(&self) {
        let mut state = self.state.lock().unwrap();
        state.in_flight.clear();
        for (event, campaign) in std::mem::take(&mut state.unread) {
            state.tell(&event, &campaign, false);
        }
    }

    fn fault(&self, account: &str, campaign: &str) -> Option<FaultKind> {
        let now = self.begin.elapsed();
        let lasts = |fault: &&Fault| (fault.from..fault.until).contains(&now) && fault.account == account;
        let hits = |fault: &&Fault| !matches!(fault.kind, FaultKind::NotLive(name) if name != campaign);
        let all: Vec<FaultKind> = self.faults.iter().filter(lasts).filter(hits).map(|fault| fault.kind).collect();
        let is_blocked = |kind: &&FaultKind| matches!(kind, FaultKind::Blocked(_));
        all.iter().find(is_blocked).or(all.first()).copied()
    }

    async fn wait(&self, most_ms: u64) {
        let ms = self.state.lock().unwrap().rng.u64(1..most_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn chance(&self) -> bool {
        self.state.lock().unwrap().rng.bool()
    }

    fn is_no_place_free(&self) -> bool {
        self.state.lock().unwrap().rng.u8(0..8) > 0
    }

    /// Works on a call, and answers it if the relay still waits.
    async fn answer(&self, (account, payload): (String, Value), kill: bool, reply: oneshot::Sender<Exchange>) {
        let sent = payload.to_string();
        let text = |key: &str| payload[key].as_str().unwrap().to_owned();
        let message = Message {
            campaign: text("campaignName"),
            number: text("destination"),
            event: payload["tags"][0].as_str().unwrap_or("").to_owned(),
            name: text("userName"),
        };
        let Message { campaign, number, event, .. } = message.clone();
        self.wait(800).await;
        let endpoint = endpoint(&account);
        let of = |status: u16, body: &str| {
            Exchange::of(&endpoint, Answer { status, retry_after: None, body, payload: &sent })
        };
        let fault = self.fault(&account, &campaign);
        let exchange = match fault {
            Some(FaultKind::NoCredits) => of(402, r#"{"message":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#),
            Some(FaultKind::Down) => of(503, ""),
            Some(FaultKind::Refuses) => {
                let outcome = Outcome::Transient { reason: "connection refused".into(), retry_after: None };
                Exchange { status: None, answer: String::new(), outcome }
            }
            Some(FaultKind::NotLive(_)) => of(400, "Campaign is Not Live"),
            Some(FaultKind::TooFast) if self.chance() => {
                let wait = if self.chance() { 3 } else { 86_400 };
                let retry_after = Some(Duration::from_secs(wait));
                Exchange::of(&endpoint, Answer { status: 429, retry_after, body: "", payload: &sent })
            }
            Some(FaultKind::Blocked(word)) => {
                self.model.refused(&message);
                let said = format!("{word}: the sender {number} may not do this ({event}-{})", self.clock.now().0);
                let (status, body) = if self.chance() {
                    (400, json!({ "message": said }))
                } else {
                    (200, json!({ "success": false, "message": said }))
                };
                of(status, &body.to_string())
            }
            Some(FaultKind::Scarce) if self.is_no_place_free() => {
                self.model.refused(&message);
                of(400, &json!({ "message": format!("no place is free for {number}") }).to_string())
            }
            Some(FaultKind::WrongEndpoint) => {
                let answers = [(404, "Not Found"), (200, "<html>It works!</html>"), (204, ""), (308, "{}")];
                let (status, body) = answers[usize::from(self.chance()) * 2 + usize::from(self.chance())];
                of(status, body)
            }
            Some(FaultKind::Unconfirmed) => {
                if self.chance() {
                    self.take(&account, &message);
                }
                of(200, r#"{"hello":"world"}"#)
            }
            Some(FaultKind::Unknown) if self.chance() => {
                self.model.refused(&message);
                of(400, r#"{"message":"something new"}"#)
            }
            _ if number == PEOPLE[5] => of(400, r#"{"message":"Invalid Number"}"#),
            Some(FaultKind::Hangs) if self.chance() => {
                if self.chance() {
                    self.take(&account, &message);
                }
                tokio::time::sleep(TIMEOUT * 2).await;
                return;
            }
            _ => {
                self.take(&account, &message);
                if kill {
                    self.kill.notify_one();
                }
                self.wait(500).await;
                if reply.send(of(200, r#"{"success":"true","submitted_message_id":"m"}"#)).is_ok() {
                    let mut state = self.state.lock().unwrap();
                    state.tell(&event, &campaign, true);
                    state.unread.push((event, campaign));
                }
                return;
            }
        };
        // it may have died meanwhile
        let _ = reply.send(exchange);
    }

    /// A call as the relay sees it.
    async fn called(&self, account: String, payload: Value) -> Exchange {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let message = Message {
            campaign: text(&payload["campaignName"]),
            number: text(&payload["destination"]),
            event: text(&payload["tags"][0]),
            name: text(&payload["userName"]),
        };
        let begun = self.clock.now();
        let kill = {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            assert!(state.in_flight.insert(message.number.clone()), "two calls to {} at once", message.number);
            self.model.check_call(&message, begun, &state.taken);
            std::mem::take(&mut state.kill_next)
        };
        let Message { campaign, number, event, .. } = message;
        if kill && self.chance() {
            self.kill.notify_one();
        }
        let panics = self.fault(&account, &campaign) == Some(FaultKind::Panics) && self.chance();
        let (reply, answer) = oneshot::channel();
        let serri = self.me.upgrade().unwrap();
        self.working.lock().unwrap().spawn(async move { serri.answer((account, payload), kill, reply).await });
        let answer = if panics {
            drop(answer);
            tokio::time::sleep(TIMEOUT).await;
            None
        } else {
            Allowance::new(TIMEOUT).wait(answer).await.and_then(Result::ok)
        };
        {
            let mut state = self.state.lock().unwrap();
            state.in_flight.remove(&number);
            if answer.is_some() {
                state.unread.retain(|unread| *unread != (event.clone(), campaign.clone()));
            }
        }
        assert!(!panics, "an answer that nobody can read");
        answer.unwrap_or_else(|| {
            let outcome = Outcome::Uncertain { reason: "no answer in time".into() };
            Exchange { status: None, answer: String::new(), outcome }
        })
    }

    fn take(&self, account: &str, message: &Message) {
        let Message { campaign, number, event, name } = message.clone();
        let (at, account) = (self.clock.now(), account.to_owned());
        let taken = Taken { at, account, campaign, number, event, name, told: false };
        let mut state = self.state.lock().unwrap();
        self.model.check_taken(&taken, &state.taken);
        state.taken.push(taken);
    }
}

impl State {
    fn tell(&mut self, event: &str, campaign: &str, told: bool) {
        let last = self.taken.iter_mut().rev().find(|taken| taken.event == event && taken.campaign == campaign);
        last.unwrap().told = told;
    }
}

impl Caller for Serri {
    fn call<'a>(&'a self, endpoint: &'a Endpoint, _: &'a Secret, payload: &'a str) -> BoxFuture<'a, Exchange> {
        let payload: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!({}));
        self.called(endpoint.account.clone(), payload).boxed()
    }
}
