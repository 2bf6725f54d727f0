//! What tests ask of a relay, as an operator asks it: by the admin API while it runs, by `store::Archive` where there is only a
//! store. The answers are those of the API, the oldest first. Which engine keeps the store does not matter here.

use std::sync::Arc;
use std::time::Duration;

use form_urlencoded::byte_serialize;
use serde_json::{Map, Value, json};
use serri_relay::event::SendId;
use serri_relay::event::view::{Filter, Page};
use serri_relay::store::Archive;

use crate::crash::Process;
use crate::world::{PATIENCE, World};

/// Somebody who answers what an operator asks.
pub trait Ask {
    /// A page of `sends` or `events`, newest first. A filter is written `state=sent&campaign=welcome`.
    async fn page(&self, list: &str, filter: &str, cursor: Option<&str>) -> (Vec<Value>, Option<String>);

    /// A send or an event with all that is known of it.
    async fn whole(&self, list: &str, name: &str) -> Option<Value>;

    /// The accounts and campaigns on hold.
    async fn holds(&self) -> Vec<Value>;

    /// The numbers that must not be messaged.
    async fn suppressions(&self) -> Vec<Value>;

    /// All pages of a list, the oldest first.
    async fn list(&self, list: &str, filter: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let (items, next) = self.page(list, filter, cursor.as_deref()).await;
            all.extend(items);
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        all.reverse();
        all
    }

    async fn sends(&self) -> Vec<Value> {
        self.list("sends", "").await
    }

    /// The sends that a filter finds.
    async fn sends_of(&self, filter: &str) -> Vec<Value> {
        self.list("sends", filter).await
    }

    /// A send with its payload and history.
    async fn send(&self, id: usize) -> Value {
        self.whole("sends", &id.to_string()).await.unwrap_or_else(|| panic!("there is no send {id}"))
    }

    /// The calls that were made for a send.
    async fn attempts(&self, id: usize) -> Vec<Value> {
        let story = self.send(id).await;
        story["history"].as_array().unwrap().iter().filter(|step| step.get("took_ms").is_some()).cloned().collect()
    }

    /// Where each send is, as [`state`] writes it.
    async fn states(&self) -> Vec<String> {
        self.sends().await.iter().map(state).collect()
    }

    async fn events(&self) -> Vec<Value> {
        self.list("events", "").await
    }

    /// An event with its body, and what came of it: by the sender's id, or `#1`, by its number.
    async fn event(&self, name: &str) -> Value {
        self.whole("events", name).await.unwrap_or_else(|| panic!("there is no event {name}"))
    }

    /// The whole events, with their bodies.
    async fn whole_events(&self) -> Vec<Value> {
        let mut whole = Vec::new();
        for event in self.events().await {
            whole.push(self.event(&format!("#{}", event["number"])).await);
        }
        whole
    }

    /// Waits until exactly so many sends are found by a filter.
    async fn until_sends(&self, filter: &str, count: usize) {
        until(&format!("{count} sends of `{filter}`"), async || {
            let found = self.sends_of(filter).await;
            if found.len() == count { Ok(()) } else { Err(format!("{}: {:?}", found.len(), states_of(&found))) }
        })
        .await;
    }

    /// Waits until exactly so many sends that a filter finds are [ready](is_ready).
    async fn until_ready(&self, filter: &str, count: usize) {
        until(&format!("{count} sends of `{filter}` are ready"), async || {
            let found = self.sends_of(filter).await;
            let ready = found.iter().filter(|send| is_ready(send)).count();
            if ready == count { Ok(()) } else { Err(format!("{ready}: {:?}", states_of(&found))) }
        })
        .await;
    }

    /// Waits until a send is there, and in that state.
    async fn until_state(&self, id: usize, wanted: &str) {
        until(&format!("send {id} is {wanted}"), async || match self.whole("sends", &id.to_string()).await {
            Some(send) if state(&send) == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }

    /// Waits until the sends are in these states.
    async fn until_states(&self, wanted: &[&str]) {
        until(&format!("the sends are {wanted:?}"), async || {
            let states = self.states().await;
            if states == wanted { Ok(()) } else { Err(format!("{states:?}")) }
        })
        .await;
    }

    /// Waits until exactly so many events are kept.
    async fn until_events(&self, count: usize) {
        until(&format!("{count} events"), async || {
            let found = self.events().await.len();
            if found == count { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    /// Waits until so many accounts and campaigns are on hold.
    async fn until_holds(&self, count: usize) {
        until(&format!("{count} holds"), async || {
            let holds = self.holds().await;
            if holds.len() == count { Ok(()) } else { Err(format!("{holds:?}")) }
        })
        .await;
    }
}

impl World {
    /// How many holds took this turn since the relay was started: `began`, `ended`.
    pub async fn hold_turns(&self, turn: &str) -> u64 {
        let (metrics, turn) = (self.metrics().await, format!("turn=\"{turn}\"}} "));
        let turns = metrics.lines().filter(|line| line.starts_with("serri_relay_hold_turns_total{"));
        turns.filter_map(|line| line.split_once(&turn)).map(|(_, count)| count.parse::<u64>().unwrap()).sum()
    }

    /// Waits until exactly so many holds took this turn since the relay was started.
    pub async fn until_hold_turns(&self, turn: &str, count: u64) {
        until(&format!("{count} holds {turn}"), async || match self.hold_turns(turn).await {
            turns if turns == count => Ok(()),
            turns => Err(turns.to_string()),
        })
        .await;
    }
}

/// A relay that runs, and answers by its admin API.
trait Runs {
    async fn get(&self, path: &str) -> (u16, Value);
}

impl Runs for World {
    async fn get(&self, path: &str) -> (u16, Value) {
        self.admin("GET", path, None).await
    }
}

impl Runs for Process {
    async fn get(&self, path: &str) -> (u16, Value) {
        let response = reqwest::get(format!("{}/api/v1{path}", self.admin)).await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

impl<R: Runs> Ask for R {
    async fn page(&self, list: &str, filter: &str, cursor: Option<&str>) -> (Vec<Value>, Option<String>) {
        let pairs = in_pairs(filter, cursor).map(|(name, value)| format!("&{name}={}", in_url(value)));
        let (status, answer) = self.get(&format!("/{list}?limit=1000{}", pairs.collect::<String>())).await;
        assert_eq!(status, 200, "{answer}");
        (items(&answer, list), answer["next"].as_str().map(ToOwned::to_owned))
    }

    async fn whole(&self, list: &str, name: &str) -> Option<Value> {
        let (status, answer) = self.get(&format!("/{list}/{}", in_url(name))).await;
        assert!([200, 404].contains(&status), "{answer}");
        (status == 200).then_some(answer)
    }

    async fn holds(&self) -> Vec<Value> {
        items(&self.get("/holds").await.1, "holds")
    }

    async fn suppressions(&self) -> Vec<Value> {
        let (mut all, mut path) = (Vec::new(), "/suppressions".to_owned());
        loop {
            let (_, answer) = self.get(&path).await;
            all.extend(items(&answer, "suppressions"));
            let Some(next) = answer["next"].as_str() else { return all };
            path = format!("/suppressions?cursor={}", in_url(next));
        }
    }
}

/// An engine, or the store of a simulation.
impl<T: Archive + ?Sized> Ask for Arc<T> {
    async fn page(&self, list: &str, filter: &str, cursor: Option<&str>) -> (Vec<Value>, Option<String>) {
        let pairs: Map<String, Value> =
            in_pairs(filter, cursor).map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let filter: Filter = serde_json::from_value(Value::Object(pairs)).unwrap();
        match list {
            "sends" => written(self.as_ref().sends(filter).await.unwrap()),
            "events" => written(self.as_ref().events(filter).await.unwrap()),
            other => panic!("there is no list of {other}"),
        }
    }

    async fn whole(&self, list: &str, name: &str) -> Option<Value> {
        if list == "events" {
            return self.as_ref().event(name.to_owned()).await.unwrap().map(|event| json!(event));
        }
        self.as_ref().send(SendId(name.parse().unwrap())).await.unwrap().map(|send| json!(send))
    }

    async fn holds(&self) -> Vec<Value> {
        self.as_ref().holds().await.unwrap().into_iter().map(|hold| json!(hold)).collect()
    }

    async fn suppressions(&self) -> Vec<Value> {
        let all = self.as_ref().suppressions(Default::default(), usize::MAX).await.unwrap();
        all.into_iter().map(|suppression| json!(suppression)).collect()
    }
}

/// Where a send is: `sent`, or `waiting` with why it waits: `waiting retry`, `waiting due`.
pub fn state(send: &Value) -> String {
    let why = send.get("why").map(|why| format!(" {}", why.as_str().unwrap()));
    format!("{}{}", send["state"].as_str().unwrap(), why.unwrap_or_default())
}

/// Where each of some sends is.
pub fn states_of(sends: &[Value]) -> Vec<String> {
    sends.iter().map(state).collect()
}

/// Whether a send waits for nothing but its turn or the end of a hold, or is being sent.
pub fn is_ready(send: &Value) -> bool {
    ["waiting due", "waiting hold:account", "waiting hold:campaign", "sending"].contains(&state(send).as_str())
}

/// Whether nothing happens to a send any more by itself.
pub fn is_over(send: &Value) -> bool {
    !["waiting", "sending"].contains(&send["state"].as_str().unwrap())
}

/// A field of each, as text; empty where there is none.
pub fn texts(of: &[Value], field: &str) -> Vec<String> {
    of.iter().map(|one| text(&one[field])).collect()
}

/// A value as text, without quotes; empty where there is none.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment of an answer, in milliseconds since 1970, UTC.
pub fn millis(moment: &Value) -> i64 {
    moment.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Waits until nothing is wrong any more; fails with what was last wrong.
pub async fn until(what: &str, mut wrong: impl AsyncFnMut() -> Result<(), String>) {
    let (mut ticks, mut last) = (tokio::time::interval(Duration::from_millis(5)), String::new());
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            match wrong().await {
                Ok(()) => return,
                Err(found) => last = found,
            }
        }
    });
    assert!(waited.await.is_ok(), "never: {what}; last {last}");
}

fn in_pairs<'a>(filter: &'a str, cursor: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let pairs = filter.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    pairs.chain(cursor.map(|cursor| ("cursor", cursor)))
}

fn in_url(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn items(answer: &Value, list: &str) -> Vec<Value> {
    answer[list].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

fn written<T: serde::Serialize>(page: Page<T>) -> (Vec<Value>, Option<String>) {
    (page.items.iter().map(|item| json!(item)).collect(), page.next)
}
