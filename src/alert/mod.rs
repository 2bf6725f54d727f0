//! Tells people that an account or a campaign stands still: each turn of a hold is one log line, one count, and one
//! notification to each of those who want to know. It knows nothing of why; that is the deliverer's.
//!
//! The store keeps what is to be told and to whom it was: a restart loses none, and repeats none that was taken.

mod notice;
mod target;
mod teller;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event::{HoldChange, HoldTurn, NoticeId, Told, without_numbers};
use crate::outbound::Outbound;
use crate::serri::Caller;
use crate::store::Store;
use crate::telemetry::{HoldLabels, HoldTurnLabels, Metrics};
use teller::Teller;

pub use target::Target;

/// How often it is looked whether somebody is to be reminded.
const LOOK: Duration = Duration::from_secs(30);

/// For how long somebody is still told of what happened: longer than repetitions take.
const KEPT: Duration = Duration::from_secs(2 * 3_600);

/// Where turns of holds are told.
#[derive(Debug)]
pub struct Notices {
    metrics: Arc<Metrics>,
    outbox: mpsc::UnboundedSender<HoldChange>,
}

/// What tells those who want to know.
pub struct Alerter {
    /// Who.
    pub targets: Vec<Target>,
    /// How often somebody is reminded.
    pub remind: Duration,
    /// With what.
    pub means: Means,
    /// What happens to holds.
    pub inbox: mpsc::UnboundedReceiver<HoldChange>,
    /// Where reminders are told.
    pub notices: Arc<Notices>,
}

/// What telling needs.
pub struct Means {
    /// What makes calls.
    pub outbound: Outbound,
    /// What calls the API.
    pub caller: Arc<dyn Caller>,
    /// Where holds are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
}

impl Notices {
    /// Where turns are told, and where those who tell others take them from.
    pub fn new(metrics: Arc<Metrics>) -> (Arc<Self>, mpsc::UnboundedReceiver<HoldChange>) {
        let (outbox, inbox) = mpsc::unbounded_channel();
        (Arc::new(Self { metrics, outbox }), inbox)
    }

    /// Tells of holds that began, last or ended.
    pub fn tell(&self, changes: Vec<HoldChange>) {
        for change in changes {
            log(&change);
            self.count(&change);
            // nobody may be there to tell others; the log has it
            let _ = self.outbox.send(change);
        }
    }

    /// Counts what lasts since an earlier process.
    pub fn lasts(&self, account: &str, campaign: Option<&str>) {
        let labels = HoldLabels { account: account.to_owned(), campaign: campaign.unwrap_or_default().to_owned() };
        self.metrics.holds.get_or_create(&labels).set(1);
    }

    fn count(&self, change: &HoldChange) {
        let HoldChange { account, campaign, turn, .. } = change;
        let labels = HoldLabels { account: account.clone(), campaign: campaign.clone().unwrap_or_default() };
        let lasts = self.metrics.holds.get_or_create(&labels);
        let turn = match turn {
            HoldTurn::Began => {
                lasts.set(1);
                "began"
            }
            HoldTurn::Lasts { .. } => "lasts",
            HoldTurn::Ended { .. } => {
                lasts.set(0);
                "ended"
            }
        };
        self.metrics.hold_turns.get_or_create(&HoldTurnLabels { account: account.clone(), turn }).inc();
    }
}

fn log(change: &HoldChange) {
    let HoldChange { account, campaign, reason, since, turn, .. } = change;
    let (campaign, reason) = (campaign.as_deref(), without_numbers(reason));
    match turn {
        HoldTurn::Began => {
            let next = match campaign {
                None => {
                    "every send of the account waits: top up, renew the plan or correct the key; what was held by hand is let go by `serri-relay holds lift`"
                }
                Some(_) => {
                    "the sends of this campaign wait: set it live, or correct its name or templateParams in the route and restart; what was held by hand is let go by `serri-relay holds lift`"
                }
            };
            tracing::error!(account, campaign, reason, next, "hold began");
        }
        HoldTurn::Lasts { waiting } => {
            tracing::warn!(account, campaign, reason, since = %since, waiting, "hold lasts");
        }
        HoldTurn::Ended { waited } => {
            tracing::info!(account, campaign, reason, since = %since, waited, "hold ended");
        }
    }
}

impl Alerter {
    /// Tells until told to stop. What was not told then is told after the next start.
    pub async fn run(self, stop: CancellationToken) {
        let Self { targets, remind, means, inbox, notices } = self;
        let (outboxes, tellers): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .map(|target| {
                let (outbox, inbox) = mpsc::unbounded_channel();
                let teller = Teller::new(target, inbox);
                (Outbox { to: teller.name.clone(), outbox }, teller.run(&means))
            })
            .unzip();
        let watch = Watch { means: &means, notices: &notices, remind, outboxes: &outboxes };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = join(watch.run(inbox), join_all(tellers)) => {}
        }
    }
}

/// Where one of those who want to know hears.
struct Outbox {
    to: String,
    outbox: mpsc::UnboundedSender<HoldChange>,
}

impl Outbox {
    fn put(&self, change: &HoldChange) {
        // it is there as long as the watch is
        let _ = self.outbox.send(change.clone());
    }
}

/// Hands on what happens to holds.
struct Watch<'a> {
    means: &'a Means,
    notices: &'a Notices,
    remind: Duration,
    outboxes: &'a [Outbox],
}

impl Watch<'_> {
    async fn run(&self, mut inbox: mpsc::UnboundedReceiver<HoldChange>) {
        let look = LOOK.min(self.remind);
        let last = loop {
            match self.tell_what_was_left().await {
                Some(last) => break last,
                None => tokio::time::sleep(look).await,
            }
        };
        loop {
            tokio::select! {
                biased;
                change = inbox.recv() => match change {
                    Some(change) if change.notice > last => self.outboxes.iter().for_each(|outbox| outbox.put(&change)),
                    Some(_) => {}
                    None => return,
                },
                () = tokio::time::sleep(look) => self.remind().await,
            }
        }
    }

    /// What an earlier process could not tell any more. Returns the last that is known; `None` if the store cannot be used.
    async fn tell_what_was_left(&self) -> Option<NoticeId> {
        let since = self.means.clock.now().before(KEPT);
        let left = self.means.store.notices(since).await.ok()?;
        for Told { change, to } in &left {
            self.outboxes.iter().filter(|outbox| !to.contains(&outbox.to)).for_each(|outbox| outbox.put(change));
        }
        Some(left.last().map_or(NoticeId(0), |last| last.change.notice))
    }

    async fn remind(&self) {
        let now = self.means.clock.now();
        // a store that cannot be used is told elsewhere
        if let Ok(changes) = self.means.store.remind(now, now.before(self.remind)).await {
            self.notices.tell(changes);
        }
    }
}
