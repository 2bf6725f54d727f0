//! A backlog before a server that is down, a call that panics, and sends that are due but may not go: nobody else waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;
use serri_relay::clock::{Clock, Stopwatch};
use serri_relay::deliver::{self, Settings};
use serri_relay::event::{Content, Made, NewEvent, NewSend, SendOptions, Start, Suppression, Why};
use serri_relay::secret::Secret;
use serri_relay::serri::{Answer, Caller, Endpoint, Exchange};
use serri_relay::store::{Intake as _, MemoryStore};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Far, START, delivery, policy};
use crate::asked::{Ask as _, is_ready, state, texts};

/// What a far side does with the call of this number (from 0) to this person.
type Answering = Box<dyn Fn(usize, &str) -> (u16, &'static str) + Send + Sync>;

/// A far side that answers after 100 ms, and notes when it was called for whom.
struct FarSide {
    watch: Stopwatch,
    calls: Mutex<Vec<(Duration, String)>>,
    answer: Answering,
}

impl Caller for FarSide {
    fn call<'a>(&'a self, endpoint: &'a Endpoint, _: &'a Secret, payload: &'a str) -> BoxFuture<'a, Exchange> {
        async move {
            let number = {
                let mut calls = self.calls.lock().unwrap();
                calls.push((self.watch.elapsed(), payload.to_owned()));
                calls.len() - 1
            };
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (status, body) = (self.answer)(number, payload);
            Exchange::of(endpoint, Answer { status, retry_after: None, body, payload })
        }
        .boxed()
    }
}

const TAKEN: (u16, &str) = (200, r#"{"success":"true","submitted_message_id":"m"}"#);

/// A relay for as long as a test runs, its store, and its far side.
struct World {
    store: Arc<MemoryStore>,
    far: Arc<FarSide>,
    clock: Clock,
    wake: Arc<Notify>,
}

impl World {
    fn new(answer: impl Fn(usize, &str) -> (u16, &'static str) + Send + Sync + 'static) -> Self {
        let far = FarSide { watch: Stopwatch::start(), calls: Mutex::default(), answer: Box::new(answer) };
        let store = Arc::new(MemoryStore::new().unwrap());
        Self { store, far: Arc::new(far), clock: Clock::running_from(START), wake: Arc::new(Notify::new()) }
    }

    /// Keeps an event of these sends.
    async fn keep(&self, id: u64, made: Made) {
        let mut fingerprint = [0; 16];
        fingerprint[..8].copy_from_slice(&id.to_le_bytes());
        let event = NewEvent {
            route: "shop".into(),
            source: "generic".into(),
            id: id.to_string(),
            kind: String::new(),
            fingerprint,
            window: Duration::from_secs(60),
            received_at: self.clock.now(),
            body: "{}".into(),
            envelope: "{}".into(),
            fault: None,
            test: false,
            lookup: false,
            made,
        };
        self.store.append(vec![event]).await.unwrap();
        self.wake.notify_one();
    }

    /// Delivers for so long, with so many calls at once.
    async fn deliver(&self, concurrency: usize, span: Duration) {
        let settings = Settings {
            concurrency,
            timeout: Duration::from_secs(10),
            policy: policy(),
            poll_interval: Duration::from_secs(86_400),
        };
        let caller = Arc::clone(&self.far) as Arc<dyn Caller>;
        let far = Far::of(&self.store, caller, &self.clock);
        let delivery = delivery(far, settings, "unlimited", &self.wake);
        let stop = CancellationToken::new();
        let running = deliver::run(delivery.unchanging(), stop.clone());
        let stopping = async {
            tokio::time::sleep(span).await;
            stop.cancel();
        };
        tokio::join!(running, stopping);
    }

    fn calls(&self) -> Vec<(Duration, String)> {
        self.far.calls.lock().unwrap().clone()
    }
}

/// Sends to people of these numbers, whose payload is the number.
fn sends(numbers: impl Iterator<Item = usize>, options: &SendOptions) -> Made {
    let send = |(item, number): (usize, usize)| {
        let destination = format!("+9198{number:08}");
        let (campaign, payload) = ("c".into(), destination.clone());
        NewSend {
            rule: "r".into(),
            account: "default".into(),
            item: item.try_into().unwrap(),
            version: 0,
            content: Ok(Content { campaign, destination, payload, options: options.clone() }),
        }
    };
    Made { sends: numbers.enumerate().map(send).collect(), ..Made::default() }
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_for_a_server_that_turns_out_to_be_down_is_given_back() {
    let world = World::new(|_, _| (503, ""));
    world.keep(1, sends(0..100, &SendOptions::default())).await;
    world.deliver(16, Duration::from_secs(1)).await;
    let calls = world.calls();
    assert!(calls.len() <= 16, "no more than were under way when it opened: {}", calls.len());
    assert_eq!(world.store.sends_of("state=waiting").await.len(), 100, "and all of them wait");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_panics_takes_no_place_for_good_and_counts_as_uncertain() {
    let bad = "+919800000000";
    let world = World::new(move |_, to| if to == bad { panic!("an answer nobody can read") } else { TAKEN });
    world.keep(1, sends(0..1, &SendOptions::default())).await;
    world.keep(2, sends(1..20, &SendOptions::default())).await;
    // two places for two accounts: one each, which a panic must not take
    world.deliver(1, Duration::from_secs(20)).await;
    let people: BTreeMap<String, usize> = world.calls().into_iter().fold(BTreeMap::new(), |mut people, (_, to)| {
        *people.entry(to).or_default() += 1;
        people
    });
    assert_eq!(people.len(), 20, "everybody else is sent to");
    let attempts = world.store.attempts(1).await;
    assert!(
        !attempts.is_empty() && texts(&attempts, "what").iter().all(|outcome| outcome == "uncertain"),
        "{attempts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn thousands_that_are_due_and_may_not_go_hold_up_nobody_else() {
    let world = World::new(|_, _| TAKEN);
    let later = Some(Start { at: START.after(Duration::from_secs(60)), why: Why::Delay });
    let suppressed = |number: usize| Suppression {
        account: "*".into(),
        number: format!("+9198{number:08}"),
        add: true,
        rule: None,
        reason: "asked".into(),
        since: None,
    };
    let suppressions = Made { suppressions: (0..12_000).map(suppressed).collect(), ..Made::default() };
    world.keep(1, suppressions).await;
    let options = SendOptions { start: later, ..SendOptions::default() };
    world.keep(2, sends(0..12_000, &options)).await;
    let last = Some(Start { at: START.after(Duration::from_millis(60_001)), why: Why::Delay });
    world.keep(3, sends(50_000..50_001, &SendOptions { start: last, ..SendOptions::default() })).await;
    world.deliver(4, Duration::from_secs(120)).await;
    let (at, _) = world.calls().pop().expect("it goes");
    assert!(at < Duration::from_secs(61), "it goes when it is due, not steps later: {at:?}");
}

#[tokio::test(start_paused = true)]
async fn for_each_that_is_taken_at_most_two_fail_where_nearly_all_are_refused_in_unknown_words() {
    let refused = (400, r#"{"message":"The tier of this sender is used up"}"#);
    let world = World::new(move |number, _| if number % 20 == 19 { TAKEN } else { refused });
    world.keep(1, sends(0..200, &SendOptions::default())).await;
    world.deliver(16, Duration::from_secs(86_400)).await;
    let sends = world.store.sends().await;
    let count = |is_so: &dyn Fn(&Value) -> bool| sends.iter().filter(|send| is_so(send)).count();
    let [sent, failed] = ["sent", "failed"].map(|wanted| count(&|send| state(send) == wanted));
    let waiting = count(&|send| is_ready(send) && state(send) != "sending");
    assert!(sent > 5 && failed <= 2 * sent, "{sent} sent, {failed} failed, {waiting} waiting");
    assert!(waiting > 50, "{sent} sent, {failed} failed, {waiting} waiting");
}
