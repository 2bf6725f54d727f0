//! Watches for what people are to be notified of, and hands it to each of those who want to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{KEPT, Means, Message, Notifications, Settings};
use crate::clock::{Stopwatch, Timestamp};
use crate::event::{Notification, NotificationId, NotificationStatus, Reach, RouteState};
use crate::telemetry::Refused;

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

/// What is known of accounts that cannot be reached; it holds on when the settings change.
#[derive(Default)]
pub struct Outages {
    /// Of which nobody was notified yet.
    untold: BTreeMap<String, Outage>,
    /// The accounts that people believe to be unreachable.
    known: BTreeSet<String>,
    /// Those of them that can be reached again, which could not be written down yet.
    ended: BTreeSet<String>,
}

/// The state of the watch.
pub struct Watch<'a> {
    settings: &'a Settings,
    notifications: &'a Notifications,
    outboxes: Vec<Outbox>,
    outages: Outages,
    looked: Stopwatch,
}

impl<'a> Watch<'a> {
    /// Reminds, and notifies of outages, as these settings say.
    pub fn new(
        settings: &'a Settings,
        notifications: &'a Notifications,
        outboxes: Vec<Outbox>,
        outages: Outages,
    ) -> Self {
        Self { settings, notifications, outboxes, outages, looked: Stopwatch::start() }
    }

    /// Watches for as long as there is an inbox and the settings stay as they are.
    pub async fn run(
        mut self,
        inbox: &mut mpsc::UnboundedReceiver<Message>,
        settings: &mut watch::Receiver<Arc<Settings>>,
    ) -> Outages {
        let look = LOOK.min(self.settings.remind);
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
                Ok(()) = settings.changed() => return self.outages,
                message = inbox.recv() => match message {
                    Some(Message::Notify(new)) if new.id() > last => self.outboxes.iter().for_each(|outbox| outbox.put(&new)),
                    Some(Message::Notify(_)) => {}
                    Some(Message::Reach(account, reach)) => self.reach(account, reach).await,
                    Some(Message::Look) => self.remind().await,
                    None => return self.outages,
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

    /// What an earlier process, or earlier settings, could not deliver any more. Returns the last that is known; `None` if the
    /// store cannot be used.
    async fn tell_what_was_left(&mut self) -> Option<NotificationId> {
        let Means { store, clock, .. } = &self.settings.means;
        self.outages.known = store.unreachable().await.ok()?.into_iter().collect();
        let left = store.notifications(clock.now().before(KEPT)).await.ok()?;
        for NotificationStatus { notification, targets } in &left {
            self.outboxes
                .iter()
                .filter(|outbox| !targets.contains(&outbox.to))
                .for_each(|outbox| outbox.put(notification));
        }
        Some(left.last().map_or(NotificationId(0), |last| last.notification.id()))
    }

    /// Whether routes accept what is sent to them. The store knows of which people were notified.
    async fn look_at_calls(&mut self) {
        let Means { store, clock, metrics, .. } = &self.settings.means;
        for (route, calls) in metrics.calls_by_route.all() {
            let is_unheard = calls.is_unheard();
            let state = match (calls.refused, calls.last_refused) {
                (Some(Refused { since, calls }), Some((_, reason))) if is_unheard => {
                    RouteState::Refuses { since, calls, reason }
                }
                (None, _) if calls.accepted_at.is_some() => RouteState::Accepts,
                _ => continue,
            };
            // a store that cannot be used is reported elsewhere, and asked again with the next look
            if let Ok(Some(change)) = store.route_changed(route, state, clock.now()).await {
                self.notifications.notify(Notification::Route(change));
            }
        }
    }

    async fn remind(&mut self) {
        self.looked = Stopwatch::start();
        self.look_at_calls().await;
        let now = self.settings.means.clock.now();
        // a store that cannot be used is reported elsewhere
        if let Ok(due) = self.settings.means.store.remind(now, now.before(self.settings.remind)).await {
            due.into_iter().for_each(|notification| self.notifications.notify(notification));
        }
    }

    async fn reach(&mut self, account: String, reach: Reach) {
        match reach {
            Reach::Unreachable { since } if !self.outages.known.contains(&account) => {
                let outage = Outage { since, watch: Stopwatch::start(), due: self.settings.unreachable_after };
                self.outages.untold.insert(account, outage);
            }
            // it came back and is gone again, and people know of neither
            Reach::Unreachable { .. } => drop(self.outages.ended.remove(&account)),
            Reach::Reachable => {
                self.outages.untold.remove(&account);
                if self.outages.known.contains(&account) && !self.write(account.clone(), Reach::Reachable).await {
                    self.outages.ended.insert(account);
                }
            }
        }
    }

    /// How long nobody has to be notified of an outage.
    fn next_outage(&self) -> Duration {
        let left = self.outages.untold.values().map(|outage| outage.due.saturating_sub(outage.watch.elapsed()));
        let unwritten = (!self.outages.ended.is_empty()).then_some(STORE_PAUSE);
        left.chain(unwritten).min().unwrap_or(Duration::MAX)
    }

    async fn notify_of_outages(&mut self) {
        for account in std::mem::take(&mut self.outages.ended) {
            if !self.write(account.clone(), Reach::Reachable).await {
                self.outages.ended.insert(account);
            }
        }
        let is_due = |outage: &Outage| outage.watch.elapsed() >= outage.due;
        let due: Vec<(String, Timestamp)> = self
            .outages
            .untold
            .iter()
            .filter(|(_, outage)| is_due(outage))
            .map(|(account, outage)| (account.clone(), outage.since))
            .collect();
        for (account, since) in due {
            if self.write(account.clone(), Reach::Unreachable { since }).await {
                self.outages.untold.remove(&account);
            } else if let Some(outage) = self.outages.untold.get_mut(&account) {
                outage.due = outage.watch.elapsed().saturating_add(STORE_PAUSE);
            }
        }
    }

    /// Writes down whether an account can be reached, and notifies people. Returns whether the store could do it.
    async fn write(&mut self, account: String, reach: Reach) -> bool {
        let now = self.settings.means.clock.now();
        let Ok(changed) = self.settings.means.store.reach_changed(account.clone(), reach, now).await else {
            return false;
        };
        match reach {
            Reach::Unreachable { .. } => self.outages.known.insert(account),
            Reach::Reachable => self.outages.known.remove(&account),
        };
        if let Some(change) = changed {
            self.notifications.notify(Notification::Account(change));
        }
        true
    }
}
