//! A Serri that keeps its accounts and campaigns, takes its time, and fails as the seed says; each call is held against
//! what must always hold.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Url;
use serde_json::{Value, json};
use serri_relay::clock::{Clock, Stopwatch, Timestamp};
use serri_relay::event::Outcome;
use serri_relay::secret::Secret;
use serri_relay::serri::{Answer, Caller, Exchange};
use tokio::sync::Notify;

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
    /// Whether the caller was told.
    pub told: bool,
}

pub struct Serri {
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
    kill_next: bool,
    calls: usize,
}

impl Serri {
    pub fn new(seed: u64, clock: Clock, model: Arc<Model>, faults: Vec<Fault>) -> Self {
        let state = State {
            rng: fastrand::Rng::with_seed(!seed),
            taken: Vec::new(),
            in_flight: BTreeSet::new(),
            kill_next: false,
            calls: 0,
        };
        Self { begin: Stopwatch::start(), clock, model, faults, state: Mutex::new(state), kill: Notify::new() }
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
        self.state.lock().unwrap().in_flight.clear();
    }

    fn fault(&self, account: &str, campaign: &str) -> Option<FaultKind> {
        let now = self.begin.elapsed();
        let lasts = |fault: &&Fault| (fault.from..fault.until).contains(&now) && fault.account == account;
        let hits = |fault: &&Fault| !matches!(fault.kind, FaultKind::NotLive(name) if name != campaign);
        self.faults.iter().filter(lasts).find(hits).map(|fault| fault.kind)
    }

    async fn wait(&self, most_ms: u64) {
        let ms = self.state.lock().unwrap().rng.u64(1..most_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn chance(&self) -> bool {
        self.state.lock().unwrap().rng.bool()
    }

    async fn answer(&self, account: String, payload: Value) -> Exchange {
        let text = |key: &str| payload[key].as_str().unwrap().to_owned();
        let (campaign, number) = (text("campaignName"), text("destination"));
        let event = payload["tags"][0].as_str().unwrap_or("").to_owned();
        let begun = self.clock.now();
        let kill = {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            assert!(state.in_flight.insert(number.clone()), "two calls to {number} at once");
            self.model.check_call((&campaign, &number, &event), begun, &state.taken);
            std::mem::take(&mut state.kill_next)
        };
        if kill && self.chance() {
            self.kill.notify_one();
        }
        self.wait(800).await;
        let of = |status: u16, body: &str| Exchange::of(Answer { status, retry_after: None, body });
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
                Exchange::of(Answer { status: 429, retry_after: Some(Duration::from_secs(3)), body: "" })
            }
            Some(FaultKind::Unknown) if self.chance() => of(400, r#"{"message":"something new"}"#),
            _ if number == PEOPLE[5] => of(400, r#"{"message":"Invalid Number"}"#),
            Some(FaultKind::Hangs) if self.chance() => {
                if self.chance() {
                    self.take(&account, &campaign, &number, &event);
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
                let outcome = Outcome::Uncertain { reason: "no answer in time".into() };
                Exchange { status: None, answer: String::new(), outcome }
            }
            _ => {
                self.take(&account, &campaign, &number, &event);
                if kill {
                    self.kill.notify_one();
                }
                self.wait(500).await;
                self.state.lock().unwrap().told(&event, &campaign);
                of(200, r#"{"success":"true","submitted_message_id":"m"}"#)
            }
        };
        self.state.lock().unwrap().in_flight.remove(&number);
        exchange
    }

    fn take(&self, account: &str, campaign: &str, number: &str, event: &str) {
        let taken = Taken {
            at: self.clock.now(),
            account: account.to_owned(),
            campaign: campaign.to_owned(),
            number: number.to_owned(),
            event: event.to_owned(),
            told: false,
        };
        let mut state = self.state.lock().unwrap();
        self.model.check_taken(&taken, &state.taken);
        state.taken.push(taken);
    }
}

impl State {
    fn told(&mut self, event: &str, campaign: &str) {
        let last = self.taken.iter_mut().rev().find(|taken| taken.event == event && taken.campaign == campaign);
        last.unwrap().told = true;
    }
}

impl Caller for Serri {
    fn call<'a>(&'a self, endpoint: &'a Url, _: &'a Secret, payload: &'a str) -> BoxFuture<'a, Exchange> {
        let account = endpoint.host_str().unwrap().trim_end_matches(".example").to_owned();
        let payload: Value = serde_json::from_str(payload).unwrap_or_else(|_| json!({}));
        self.answer(account, payload).boxed()
    }
}
