//! Tells people that an account or a campaign stands still: each turn of a hold is one log line, one count, and one
//! notification to each of those who want to know. It knows nothing of why; that is the deliverer's.
//!
//! Notifications wait in memory, and are repeated for an hour; after a restart the next reminder tells.

mod notice;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use reqwest::{Method, Request, Url};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event::{HoldChange, HoldTurn, Outcome, plain_account, without_numbers};
use crate::outbound::Outbound;
use crate::secret::Secret;
use crate::serri::{Caller, payload};
use crate::store::Store;
use crate::telemetry::{HoldLabels, HoldTurnLabels, Metrics};
use notice::{Notice, signature};

/// How often it is looked whether somebody is to be reminded.
const LOOK: Duration = Duration::from_secs(30);

/// How often a notification is tried, and how long the first wait is: it doubles.
const TRIES: (u32, Duration) = (10, Duration::from_secs(5));

/// The most of an answer that is read.
const ANSWER_LIMIT: usize = 4 * 1_024;

/// Where turns of holds are told.
#[derive(Debug)]
pub struct Notices {
    metrics: Arc<Metrics>,
    outbox: mpsc::UnboundedSender<HoldChange>,
}

/// Somebody who wants to know.
#[derive(Debug, Clone)]
pub enum Target {
    /// A URL that gets JSON, signed by Standard Webhooks where there is a secret.
    Webhook {
        /// The URL.
        url: Url,
        /// The key that it is signed with.
        key: Option<Secret>,
    },
    /// A Slack-compatible incoming webhook.
    Slack(Url),
    /// A Serri campaign that takes one parameter.
    Campaign {
        /// The account it goes through.
        account: String,
        /// Where its calls go.
        endpoint: Url,
        /// Its key.
        key: Secret,
        /// The campaign.
        campaign: String,
        /// The number that gets it.
        to: String,
    },
}

/// What tells those who want to know.
pub struct Alerter {
    inbox: mpsc::UnboundedReceiver<HoldChange>,
    /// Who.
    pub targets: Vec<Target>,
    /// What makes calls.
    pub outbound: Outbound,
    /// What calls the API.
    pub caller: Arc<dyn Caller>,
    /// Where holds are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// How often somebody is reminded.
    pub remind: Duration,
    notices: Arc<Notices>,
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
    /// One that tells what `notices` are told, by what is set afterwards.
    pub fn new(
        notices: Arc<Notices>,
        inbox: mpsc::UnboundedReceiver<HoldChange>,
        outbound: Outbound,
        caller: Arc<dyn Caller>,
        (store, clock): (Arc<dyn Store>, Clock),
    ) -> Self {
        let remind = Duration::from_secs(6 * 3_600);
        Self { inbox, targets: Vec::new(), outbound, caller, store, clock, remind, notices }
    }

    /// Tells until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut waiting: Vec<Waiting> = Vec::new();
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let look = LOOK.min(self.remind);
            let next = waiting.iter().map(|notice| notice.due).min().unwrap_or(now.after(look));
            let pause = next.since(now).min(look);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(change) = self.inbox.recv() => {
                    let due = self.clock.now();
                    let for_each = |target: &Target| Waiting { target: target.clone(), change: change.clone(), due, tries: 0 };
                    waiting.extend(self.targets.iter().map(for_each));
                }
                () = tokio::time::sleep(pause) => self.remind().await,
            }
            self.send_due(&mut waiting).await;
        }
    }

    async fn remind(&self) {
        let now = self.clock.now();
        // a store that cannot be used is told elsewhere
        if let Ok(changes) = self.store.remind(now, now.before(self.remind)).await {
            self.notices.tell(changes);
        }
    }

    async fn send_due(&self, waiting: &mut Vec<Waiting>) {
        let now = self.clock.now();
        let (due, later): (Vec<Waiting>, Vec<Waiting>) =
            std::mem::take(waiting).into_iter().partition(|notice| notice.due <= now);
        *waiting = later;
        let results = futures_util::future::join_all(due.into_iter().map(|notice| self.attempt(notice))).await;
        waiting.extend(results.into_iter().flatten());
    }

    /// Tries once; gives it back if it is to be tried again.
    async fn attempt(&self, mut waiting: Waiting) -> Option<Waiting> {
        let Err(reason) = self.send(&waiting.target, &waiting.change).await else { return None };
        waiting.tries += 1;
        let (most, first) = TRIES;
        let to = waiting.target.name();
        if waiting.tries >= most {
            tracing::error!(to, reason, "somebody could not be told of a hold; the next reminder tries again");
            return None;
        }
        tracing::warn!(to, reason, "somebody could not be told of a hold; it is tried again");
        waiting.due = self.clock.now().after(first.saturating_mul(1 << waiting.tries.min(10)));
        Some(waiting)
    }

    async fn send(&self, target: &Target, change: &HoldChange) -> Result<(), String> {
        let now = self.clock.now();
        let notice = Notice::of(change, now);
        match target {
            Target::Webhook { url, key } => {
                let body = notice.json();
                let id = notice.id();
                let mut request = post(url, body.clone());
                let at = now.as_seconds().to_string();
                let signed = key.as_ref().map(|key| signature(key, &id, &at, &body));
                for (name, value) in
                    [("webhook-id", Some(id)), ("webhook-timestamp", Some(at)), ("webhook-signature", signed)]
                {
                    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                        request.headers_mut().insert(name, value);
                    }
                }
                self.post(request).await
            }
            Target::Slack(url) => self.post(post(url, serde_json::json!({ "text": notice.text() }).to_string())).await,
            Target::Campaign { account, .. } if plain_account(&change.account) == account => {
                // what stands still cannot tell that it does
                Ok(())
            }
            Target::Campaign { endpoint, key, campaign, to, .. } => {
                let payload = payload::notice(campaign, to, &notice.text());
                let exchange = self.caller.call(endpoint, key, &payload).await;
                match exchange.outcome {
                    Outcome::Sent { .. } => Ok(()),
                    other => Err(other.reason().to_owned()),
                }
            }
        }
    }

    async fn post(&self, request: Request) -> Result<(), String> {
        let answered = self.outbound.call(request, ANSWER_LIMIT).await.map_err(|error| error.to_string())?;
        if (200..300).contains(&answered.status) { Ok(()) } else { Err(format!("it answered {}", answered.status)) }
    }
}

/// A notification that is to be sent.
struct Waiting {
    target: Target,
    change: HoldChange,
    due: crate::clock::Timestamp,
    tries: u32,
}

impl Target {
    /// Who that is, without what only they should know.
    fn name(&self) -> &str {
        match self {
            Self::Webhook { url, .. } | Self::Slack(url) => url.host_str().unwrap_or("webhook"),
            Self::Campaign { campaign, .. } => campaign,
        }
    }
}

fn post(url: &Url, body: String) -> Request {
    let mut request = Request::new(Method::POST, url.clone());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.into());
    request
}
