//! Watches for what people are to be notified of, and hands it to each of those who want to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{KEPT, Means, Message, Notifications};
use crate::clock::{Stopwatch, Timestamp};
use crate::event::{Notification, NotificationId, NotificationStatus, Reach};

/// How often it is looked whether somebody is to be reminded, and whether a hold is over.
const LOOK: Duration = Duration::from_secs(30);

/// How long after a failure of the store it is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Where one of those who want to know hears.
pub struct Outbox {
    pub to: String,
    pub outbox: mpsc::UnboundedSender<Notification>,
}

impl Outbox {
    fn put(&self, notification: &Notification) {
        // it is there as long as the watch is
        let _ = self.outbox.send(notification.clone());
    }
}

/// An account that cannot be reached.
struct Outage {
    since: Timestamp,
    watch: Stopwatch,
    /// When people are notified of it, by the watch.
    due: Duration,
}

/// The state of the watch.
pub struct Watch<'a> {
    means: &'a Means,
    notifications: &'a Notifications,
    remind: Duration,
    unreachable_after: Duration,
    outboxes: &'a [Outbox],
    /// Of which nobody was notified yet.
    outages: BTreeMap<String, Outage>,
    /// The accounts that people believe to be unreachable.
    known: BTreeSet<String>,
    /// Those of them that can be reached again, which could not be written down yet.
    ended: BTreeSet<String>,
    looked: Stopwatch,
}

impl<'a> Watch<'a> {
    /// Reminds, and notifies of outages, after these spans.
    pub fn new(
        (means, notifications): (&'a Means, &'a Notifications),
        (remind, unreachable_after): (Duration, Duration),
        outboxes: &'a [Outbox],
    ) -> Self {
        let (outages, known, ended) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let looked = Stopwatch::start();
        Self { means, notifications, remind, unreachable_after, outboxes, outages, known, ended, looked }
    }

    /// Watches for as long as there is an inbox.
    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let look = LOOK.min(self.remind);
        let last = loop {
            match self.tell_what_was_left().await {
                Some(last) => break last,
                None => tokio::time::sleep(look).await,
            }
        };
        loop {
            let pause = self.next_outage().min(look.saturating_sub(self.looked.elapsed()));
            tokio::select! {
                biased;
                message = inbox.recv() => match message {
                    Some(Message::Notify(new)) if new.id() > last => self.outboxes.iter().for_each(|outbox| outbox.put(&new)),
                    Some(Message::Notify(_)) => {}
                    Some(Message::Reach(account, reach)) => self.reach(account, reach).await,
                    Some(Message::Look) => self.remind().await,
                    None => return,
                },
                () = tokio::time::sleep(pause) => {
                    self.notify_of_outages().await;
                    if self.looked.elapsed() >= look {
                        self.remind().await;
                    }
                }
            }
        }
    }

    /// What an earlier process could not deliver any more. Returns the last that is known; `None` if the store cannot be
    /// used.
    async fn tell_what_was_left(&mut self) -> Option<NotificationId> {
        let store = &self.means.store;
        self.known = store.unreachable().await.ok()?.into_iter().collect();
        let left = store.notifications(self.means.clock.now().before(KEPT)).await.ok()?;
        for NotificationStatus { notification, targets } in &left {
            self.outboxes
                .iter()
                .filter(|outbox| !targets.contains(&outbox.to))
                .for_each(|outbox| outbox.put(notification));
        }
        Some(left.last().map_or(NotificationId(0), |last| last.notification.id()))
    }

    async fn remind(&mut self) {
        self.looked = Stopwatch::start();
        let now = self.means.clock.now();
        // a store that cannot be used is told elsewhere
        if let Ok(due) = self.means.store.remind(now, now.before(self.remind)).await {
            due.into_iter().for_each(|notification| self.notifications.notify(notification));
        }
    }

    async fn reach(&mut self, account: String, reach: Reach) {
        match reach {
            Reach::Unreachable { since } if !self.known.contains(&account) => {
                let outage = Outage { since, watch: Stopwatch::start(), due: self.unreachable_after };
                self.outages.insert(account, outage);
            }
            // it came back and is gone again, and people know of neither
            Reach::Unreachable { .. } => drop(self.ended.remove(&account)),
            Reach::Reachable => {
                self.outages.remove(&account);
                if self.known.contains(&account) && !self.write(account.clone(), Reach::Reachable).await {
                    self.ended.insert(account);
                }
            }
        }
    }

    /// How long nobody has to be notified of an outage.
    fn next_outage(&self) -> Duration {
        let left = self.outages.values().map(|outage| outage.due.saturating_sub(outage.watch.elapsed()));
        let unwritten = (!self.ended.is_empty()).then_some(STORE_PAUSE);
        left.chain(unwritten).min().unwrap_or(Duration::MAX)
    }

    async fn notify_of_outages(&mut self) {
        for account in std::mem::take(&mut self.ended) {
            if !self.write(account.clone(), Reach::Reachable).await {
                self.ended.insert(account);
            }
        }
        let is_due = |outage: &Outage| outage.watch.elapsed() >= outage.due;
        let due: Vec<(String, Timestamp)> = self
            .outages
            .iter()
            .filter(|(_, outage)| is_due(outage))
            .map(|(account, outage)| (account.clone(), outage.since))
            .collect();
        for (account, since) in due {
            if self.write(account.clone(), Reach::Unreachable { since }).await {
                self.outages.remove(&account);
            } else if let Some(outage) = self.outages.get_mut(&account) {
                outage.due = outage.watch.elapsed().saturating_add(STORE_PAUSE);
            }
        }
    }

    /// Writes down whether an account can be reached, and notifies people. Returns whether the store could do it.
    async fn write(&mut self, account: String, reach: Reach) -> bool {
        let now = self.means.clock.now();
        let Ok(changed) = self.means.store.reach_changed(account.clone(), reach, now).await else { return false };
        match reach {
            Reach::Unreachable { .. } => self.known.insert(account),
            Reach::Reachable => self.known.remove(&account),
        };
        if let Some(change) = changed {
            self.notifications.notify(Notification::Account(change));
        }
        true
    }
}
