//! Notifies people of accounts and campaigns on hold, of accounts that cannot be reached, and of sends left uncertain: each
//! turn is one log line, one count where there is one, and one notification to each of those who want to know. It knows nothing of why; that is the deliverer's.
//!
//! The store keeps what is to be told and to whom it was: a restart loses none, and repeats none that was taken.

mod format;
mod target;
mod notifier;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::{mpsc, watch as settings};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event::{AccountChange, AccountTurn, HoldChange, HoldTurn, Notification, Reach, RouteChange, RouteTurn};
use crate::outbound::Outbound;
use crate::serri::Caller;
use crate::store::Store;
use crate::telemetry::{HoldLabels, HoldTurnLabels, Metrics};
use notifier::Notifier;
use watch::{Outages, Outbox, Watch};

pub use target::Target;

/// For how long somebody is still told of what happened: longer than repetitions take.
const KEPT: Duration = Duration::from_secs(2 * 3_600);

/// Where changes of holds are reported.
#[derive(Debug)]
pub struct Notifications {
    metrics: Arc<Metrics>,
    outbox: mpsc::UnboundedSender<Message>,
}

/// What the alerter hears of.
#[derive(Debug)]
pub enum Message {
    /// People are to be notified of this.
    Notify(Notification),
    /// Whether an account can be reached changed.
    Reach(String, Reach),
    /// There may be something to notify people of.
    Look,
}

/// What tells those who want to know.
pub struct Alerter {
    /// Who is notified and when, as the configuration says at present.
    pub settings: settings::Receiver<Arc<Settings>>,
    /// What happens.
    pub inbox: mpsc::UnboundedReceiver<Message>,
    /// Where reminders are reported.
    pub notifications: Arc<Notifications>,
}

/// Who is notified, and when.
pub struct Settings {
    /// Who.
    pub targets: Vec<Target>,
    /// How often somebody is reminded.
    pub remind: Duration,
    /// How long an account cannot be reached before somebody is notified.
    pub unreachable_after: Duration,
    /// With what.
    pub means: Means,
}

/// What telling needs.
#[derive(Clone)]
pub struct Means {
    /// What makes calls.
    pub outbound: Outbound,
    /// What calls the API.
    pub caller: Arc<dyn Caller>,
    /// Where holds are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// How the calls of routes fare.
    pub metrics: Arc<Metrics>,
}

impl Notifications {
    /// Where changes are reported, and where the alerter receives them.
    pub fn new(metrics: Arc<Metrics>) -> (Arc<Self>, mpsc::UnboundedReceiver<Message>) {
        let (outbox, inbox) = mpsc::unbounded_channel();
        (Arc::new(Self { metrics, outbox }), inbox)
    }

    /// Tells of holds that began, last or ended.
    pub fn tell(&self, changes: Vec<HoldChange>) {
        changes.into_iter().for_each(|change| self.notify(Notification::Hold(change)));
    }

    /// Notifies people of something.
    pub fn notify(&self, notification: Notification) {
        match &notification {
            Notification::Hold(change) => {
                log(change);
                self.count(change);
            }
            Notification::Account(change) => log_account(change),
            Notification::Route(change) => log_route(change),
        }
        self.put(Message::Notify(notification));
    }

    /// An account can no longer be reached, or can be again.
    pub fn reach(&self, account: &str, reach: Reach) {
        self.put(Message::Reach(account.to_owned(), reach));
    }

    /// Sends were left uncertain: people may have to be notified.
    pub fn look(&self) {
        self.put(Message::Look);
    }

    fn put(&self, message: Message) {
        // nobody may be there to tell others; the log has it
        let _ = self.outbox.send(message);
    }

    /// Counts what lasts since an earlier process.
    pub fn lasts(&self, account: &str, campaign: Option<&str>) {
        let labels = HoldLabels { account: account.into(), campaign: campaign.unwrap_or_default().into() };
        // counted, not set: of names with long numbers in them the label shows only the ends, and several may share one
        self.metrics.holds.get_or_create(&labels).inc();
    }

    fn count(&self, change: &HoldChange) {
        let HoldChange { account, campaign, turn, .. } = change;
        let labels = HoldLabels { account: account.into(), campaign: campaign.as_deref().unwrap_or_default().into() };
        let lasts = self.metrics.holds.get_or_create(&labels);
        let turn = match turn {
            HoldTurn::Began => {
                lasts.inc();
                "began"
            }
            HoldTurn::Lasts { .. } => "lasts",
            HoldTurn::Ended { .. } | HoldTurn::Emptied => {
                lasts.dec();
                "ended"
            }
        };
        self.metrics.hold_turns.get_or_create(&HoldTurnLabels { account: account.into(), turn }).inc();
    }
}

fn log(change: &HoldChange) {
    let HoldChange { account, campaign, reason, since, turn, .. } = change;
    let campaign = campaign.as_deref();
    match turn {
        HoldTurn::Began => {
            let next = match campaign {
                None => {
                    "every send of the account waits: top up, renew the plan, correct the key, or do what the reason says; what was held by hand is let go by `serri-relay holds lift`"
                }
                Some(_) => {
                    "the sends of this campaign wait: set it live, or correct its name or templateParams in the route; what was held by hand is let go by `serri-relay holds lift`"
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
        HoldTurn::Emptied => {
            tracing::info!(account, campaign, reason, since = %since, waited = 0, "hold ended: nothing waits for it any more");
        }
    }
}

fn log_account(change: &AccountChange) {
    let AccountChange { account, since, turn, .. } = change;
    match turn {
        AccountTurn::OutageBegan { waiting } | AccountTurn::OutageLasts { waiting } => {
            let next = "check the provider's status, accounts.<name>.endpoint, and this machine's network; the relay tries by itself";
            tracing::error!(account, since = %since, waiting, next, "the account has been unreachable for a while");
        }
        AccountTurn::OutageEnded { waited } => {
            tracing::info!(account, since = %since, waited, "the account is reachable again after a long outage");
        }
        AccountTurn::Uncertain { recent, waiting } => {
            let next =
                "`serri-relay sends list --state uncertain` shows them; replay with --again those that did not arrive";
            tracing::error!(
                account,
                recent,
                waiting,
                next,
                "nobody knows whether some sends went; they wait for a person to decide"
            );
        }
    }
}

fn log_route(change: &RouteChange) {
    let RouteChange { route, reason, since, turn, .. } = change;
    match *turn {
        RouteTurn::RefusalsBegan { calls } => {
            let next =
                "give the sender and the route the same secret; what was refused is not kept, and has to be sent again";
            tracing::error!(route, calls, reason, since = %since, next, "the route refuses calls and accepts none");
        }
        RouteTurn::RefusalsEnded => tracing::info!(route, since = %since, "the route accepts calls again"),
        RouteTurn::LookupsHeld { waiting } => {
            let next = "put a new token into the route's `enrich`, or give it the permission; what waits is read then";
            tracing::error!(route, reason, waiting, next, "lookups are on hold");
        }
        RouteTurn::LookupsLast { waiting } => {
            tracing::warn!(route, reason, since = %since, waiting, "lookups are still on hold");
        }
        RouteTurn::LookupsReleased { waited } => {
            tracing::info!(route, reason, since = %since, waited, "lookups are made again");
        }
    }
}

impl Alerter {
    /// Notifies until told to stop. What was not delivered by then is delivered after the next start.
    pub async fn run(self, stop: CancellationToken) {
        let Self { mut settings, mut inbox, notifications } = self;
        let mut outages = Outages::default();
        while !stop.is_cancelled() && !inbox.is_closed() {
            let current = Arc::clone(&settings.borrow_and_update());
            let targets = current.targets.iter().cloned();
            let (outboxes, tellers): (Vec<_>, Vec<_>) = targets
                .map(|target| {
                    let (outbox, inbox) = mpsc::unbounded_channel();
                    let notifier = Notifier::new(target, inbox);
                    (Outbox { to: notifier.name.clone(), outbox }, notifier.run(&current.means))
                })
                .unzip();
            let watch = Watch::new(&current, &notifications, outboxes, outages);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // a notification under way is finished; what is left is sent as the new settings say
                (left, _) = join(watch.run(&mut inbox, &mut settings), join_all(tellers)) => outages = left,
            }
        }
    }
}
