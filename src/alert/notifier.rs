//! Tells one of those who want to know, in their own time: nobody waits for another who does not answer.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::target::Target;
use super::{KEPT, Means};
use crate::clock::Stopwatch;
use crate::event::Notification;

/// How often a notification is tried, and how long the first wait is: it doubles.
const TRIES: (u32, Duration) = (10, Duration::from_secs(5));

/// What somebody is still to be told.
struct Waiting {
    notification: Notification,
    /// When, by the teller's own clock.
    due: Duration,
    tries: u32,
}

/// Tells one.
pub struct Notifier {
    /// Who that is, in the store.
    pub name: String,
    target: Target,
    inbox: mpsc::UnboundedReceiver<Notification>,
    waiting: Vec<Waiting>,
    watch: Stopwatch,
}

impl Notifier {
    /// With nothing to tell yet.
    pub fn new(target: Target, inbox: mpsc::UnboundedReceiver<Notification>) -> Self {
        Self { name: target.name(), target, inbox, waiting: Vec::new(), watch: Stopwatch::start() }
    }

    /// Tells what the inbox brings, as long as there is one.
    pub async fn run(mut self, means: &Means) {
        loop {
            let next = self.waiting.iter().map(|waiting| waiting.due).min().unwrap_or(Duration::MAX);
            tokio::select! {
                biased;
                new = self.inbox.recv() => match new {
                    Some(new) => self.add(new, means).await,
                    None => return,
                },
                () = tokio::time::sleep(next.saturating_sub(self.watch.elapsed()).min(KEPT)) => self.tell(means).await,
            }
        }
    }

    /// What is news makes an older reminder of the same superfluous.
    async fn add(&mut self, notification: Notification, means: &Means) {
        let older = self.waiting.iter().position(|waiting| notification.supersedes(&waiting.notification));
        if let Some(older) = older.map(|older| self.waiting.swap_remove(older)) {
            self.done(&older.notification, means).await;
        }
        self.waiting.push(Waiting { notification, due: self.watch.elapsed(), tries: 0 });
    }

    /// Tells what is due first.
    async fn tell(&mut self, means: &Means) {
        let now = self.watch.elapsed();
        let due = self.waiting.iter().enumerate().filter(|(_, waiting)| waiting.due <= now);
        let Some(first) = due.min_by_key(|(_, waiting)| waiting.notification.id()).map(|(index, _)| index) else {
            return;
        };
        let mut waiting = self.waiting.swap_remove(first);
        let to = self.target.shown();
        let (most, initial) = TRIES;
        waiting.tries += 1;
        // a panic must not keep everybody else from being told, at this start and the next
        let told = AssertUnwindSafe(self.target.tell(&waiting.notification, means)).catch_unwind().await;
        match told.unwrap_or_else(|_| Err("the relay failed internally".to_owned())) {
            Ok(()) => self.done(&waiting.notification, means).await,
            Err(reason) if waiting.tries >= most => {
                tracing::error!(to, reason, "somebody could not be notified; the next reminder tries again");
                self.done(&waiting.notification, means).await;
            }
            Err(reason) => {
                tracing::warn!(to, reason, "somebody could not be notified; it is tried again");
                waiting.due = self.watch.elapsed() + initial.saturating_mul(1 << waiting.tries.min(10));
                self.waiting.push(waiting);
            }
        }
    }

    /// It is not told again, not even after a restart.
    async fn done(&self, notification: &Notification, means: &Means) {
        // if that cannot be written down somebody is notified twice, with the same id
        let _ = means.store.mark_notified(notification.id(), self.name.clone()).await;
    }
}
