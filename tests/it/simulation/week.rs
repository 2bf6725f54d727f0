//! A week without credits: a hundred thousand wait, a probe now and then finds out, and then they go in order and in pace.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serri_relay::clock::{Clock, Stopwatch, Timestamp};
use serri_relay::deliver;
use serri_relay::event::{Content, HoldTurn, Made, NewEvent, NewSend, Notification, Priority, SendOptions};
use serri_relay::secret::Secret;
use serri_relay::serri::{Answer, Caller, Endpoint, Exchange};
use serri_relay::store::{Intake as _, MemoryStore, Store as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Far, START, delivery, policy, unsent};

const SENDS: usize = 100_000;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// The account's rate, in sends a second.
const RATE: usize = 500;

/// A Serri that is out of credits for a week, and notes what it is sent.
struct Poor {
    watch: Stopwatch,
    calls: Mutex<Vec<(Duration, usize)>>,
}

impl Caller for Poor {
    fn call<'a>(&'a self, endpoint: &'a Endpoint, _: &'a Secret, payload: &'a str) -> BoxFuture<'a, Exchange> {
        async move {
            self.calls.lock().unwrap().push((self.watch.elapsed(), payload.parse().unwrap()));
            tokio::time::sleep(Duration::from_millis(100)).await;
            let (status, body) = if self.watch.elapsed() < WEEK {
                (402, r#"{"message":"Insufficient WhatsApp Conversation Credits (WCC)!"}"#)
            } else {
                (200, r#"{"success":"true","submitted_message_id":"m"}"#)
            };
            Exchange::of(endpoint, Answer { status, retry_after: None, body, payload })
        }
        .boxed()
    }
}

/// A thousand sends; every tenth is urgent, every tenth bulk.
fn event(number: usize) -> NewEvent {
    let send = |index: usize| {
        let options = SendOptions { priority: priority(index), ..SendOptions::default() };
        let (campaign, destination) = (format!("c{}", index % 3), format!("+9198{index:08}"));
        NewSend {
            rule: "r".into(),
            account: "default".into(),
            item: 0,
            version: 0,
            content: Ok(Content { campaign, destination, payload: index.to_string(), options }),
        }
    };
    let mut fingerprint = [0; 16];
    fingerprint[..8].copy_from_slice(&number.to_le_bytes());
    NewEvent {
        route: "shop".into(),
        source: "generic".into(),
        id: number.to_string(),
        kind: String::new(),
        fingerprint,
        window: WEEK,
        received_at: START,
        body: "{}".into(),
        envelope: "{}".into(),
        fault: None,
        test: false,
        lookup: false,
        made: Made { sends: (number * 1_000..(number + 1) * 1_000).map(send).collect(), ..Made::default() },
    }
}

fn priority(index: usize) -> Priority {
    match index % 10 {
        3 => Priority::Urgent,
        7 => Priority::Bulk,
        _ => Priority::Normal,
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_without_credits_costs_some_hundred_calls_and_then_drains_in_order_and_in_pace() {
    let store = Arc::new(MemoryStore::new().unwrap());
    let poor = Arc::new(Poor { watch: Stopwatch::start(), calls: Mutex::default() });
    let clock = Clock::running_from(START);
    let wake = Arc::new(Notify::new());
    for number in 0..SENDS / 1_000 {
        store.append(vec![event(number)]).await.unwrap();
    }
    let settings = deliver::Settings {
        concurrency: 64,
        timeout: Duration::from_secs(10),
        policy: policy(),
        poll_interval: Duration::from_secs(86_400),
    };
    let caller = Arc::clone(&poor) as Arc<dyn Caller>;
    let delivery = delivery(Far::of(&store, caller, &clock), settings, &format!("{RATE}/s"), &wake);
    let stop = CancellationToken::new();
    let running = deliver::run(delivery.unchanging(), stop.clone());
    let watching = async {
        while unsent(&store, clock.now()).await > 0 {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        stop.cancel();
    };
    tokio::join!(running, watching);

    let calls = poor.calls.lock().unwrap().clone();
    let (before, after): (Vec<(Duration, usize)>, Vec<_>) =
        calls.into_iter().partition(|(at, _): &(Duration, usize)| *at + Duration::from_millis(100) < WEEK);
    assert!(before.len() < 1_000, "{} calls in a week", before.len());
    assert_eq!(after.len(), SENDS, "and one for each send after it");

    // the first ones are the probe and what was under way
    let span_ms = after[SENDS - 1].0.saturating_sub(after[1].0).as_millis();
    let should_ms = u128::try_from((SENDS - 1) * 1_000 / RATE).unwrap();
    assert!(span_ms.abs_diff(should_ms) * 20 < should_ms, "{span_ms} ms instead of {should_ms}");
    let order: Vec<(Priority, usize)> = after[1..].iter().map(|(_, index)| (priority(*index), *index)).collect();
    let wrong = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert_eq!(wrong, 0, "{wrong} out of order");
    let notified = store.notifications(START).await.unwrap().into_iter();
    let turns: Vec<(HoldTurn, Timestamp)> = notified
        .map(|status| match status.notification {
            Notification::Hold(change) => (change.turn, change.at),
            other => panic!("{other:?}"),
        })
        .collect();
    let [(HoldTurn::Began, _), (HoldTurn::Ended { waited }, ended_at)] = turns[..] else { panic!("{turns:?}") };
    assert!(waited >= u64::try_from(SENDS - 64).unwrap(), "{waited}");
    assert!(ended_at.since(START) < WEEK + Duration::from_secs(16 * 60), "it is found out within a quarter of an hour");
}
