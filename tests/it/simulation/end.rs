//! What must hold when everything has come to rest: all that was accepted is accounted for, and counted as it is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serri_relay::clock::Timestamp;
use serri_relay::event::stats::{Counted, Dimension, StatsFilter};
use serri_relay::event::{HoldTurn, Notification};
use serri_relay::store::{Archive as _, Audit as _, Store as _};

use super::script::WORDS;
use super::{CALLS, Simulation, unsent};
use crate::asked::{Ask, is_over, text};

impl Simulation {
    /// Whether anything is still to be sent, or to be read from a sender.
    pub async fn is_busy(&self) -> bool {
        if unsent(&self.store, self.clock.now()).await > 0 {
            return true;
        }
        for event in self.store.list("events", "route=leads").await {
            if self.store.event(&format!("#{}", event["number"])).await["lookup"] == "waiting" {
                return true;
            }
        }
        false
    }

    /// The sends that are not over.
    pub async fn left(&self) -> Vec<Value> {
        let mut left = Ask::sends(&self.store).await;
        left.retain(|send| !is_over(send));
        left
    }

    /// The sends with all that lists say of them.
    pub fn sends(&self) -> Vec<Value> {
        self.runtime.block_on(Ask::sends(&self.store))
    }

    /// How many holds ever began.
    pub fn holds_begun(&self) -> usize {
        let notified = self.runtime.block_on(self.store.notifications(Timestamp(0))).unwrap();
        let turns = notified.into_iter().filter_map(|status| match status.notification {
            Notification::Hold(change) => Some(change.turn),
            Notification::Account(_) | Notification::Route(_) => None,
        });
        turns.filter(|turn| *turn == HoldTurn::Began).count()
    }

    pub fn check_the_end(&self) {
        self.runtime.block_on(async {
            let holds = Ask::holds(&self.store).await;
            assert_eq!(unsent(&self.store, self.clock.now()).await, 0, "nothing waits for a hold: {holds:?}");
            let (calls, events) = (self.serri.calls(), self.model.events());
            assert!(calls <= CALLS * (events + 10), "{calls} calls for {events} events");
            let sends = Ask::sends(&self.store).await;
            for send in &sends {
                let attempts = match send["attempts"].as_u64() {
                    Some(0) => Vec::new(),
                    _ => self.store.attempts(text(&send["id"]).parse().unwrap()).await,
                };
                self.model.check_fate(send, &attempts, &self.serri);
            }
            check_refusals(&sends);
            self.check_counts().await;
            assert_eq!(sends.len(), self.model.sends(), "every send is there");
        });
    }

    /// However a send was made and moved, the counts are those of what is there, and every event was counted once.
    async fn check_counts(&self) {
        assert_eq!(self.store.inconsistencies().await, Ok(Vec::new()));
        let events = Ask::events(&self.store).await;
        assert_eq!(events.len(), self.model.events(), "what was accepted is there");
        let mut there: BTreeMap<String, u64> = BTreeMap::new();
        events.iter().for_each(|event| *there.entry(text(&event["route"])).or_default() += 1);
        let (since, until) = (Timestamp(0), Timestamp(i64::MAX));
        let by_route = StatsFilter { since, until, by: vec![Dimension::Route], ..StatsFilter::default() };
        let counted = self.store.stats(by_route, 1_000).await.unwrap().into_iter();
        let received = counted.filter(|stat| stat.outcome == Counted::Received);
        let received: BTreeMap<String, u64> = received.map(|stat| (stat.route.unwrap(), stat.count)).collect();
        assert_eq!(received, there, "each counted once");
    }
}

/// Where all are refused alike, no more than two people of a campaign can be taken to be at fault themselves.
fn check_refusals(sends: &[Value]) {
    for word in WORDS {
        let said = |send: &&Value| send["state"] == "failed" && text(&send["reason"]).contains(&format!(": {word}: "));
        let mut people: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for send in sends.iter().filter(said) {
            people.entry(text(&send["campaign"])).or_default().insert(text(&send["destination"]));
        }
        assert!(people.values().all(|people| people.len() <= 2), "{word}: {people:?}");
    }
}
