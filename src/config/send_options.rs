//! Send options as they are written: on a rule, a route or an account; the nearest wins.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_or_many::OneOrMany;
use super::unit::{PerPerson, Rate, Span};
use crate::event::{OnUncertain, OverCap, Priority};

/// Order, pace, hours and consent. Each is optional.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub struct SendOptionsSpec {
    /// What goes first when there is a backlog: `urgent`, `normal` or `bulk`.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// How long it waits before it goes, unless `cancel_on` says otherwise meanwhile.
    #[serde(default)]
    pub delay: Option<Span>,
    /// What the event is about: an order, a cart, an appointment. Later events about the same can cancel or move a waiting send.
    #[serde(default)]
    pub key: Option<String>,
    /// A Jinja expression over later events of any route of the account with the same `key`: where it is true, the waiting send is cancelled.
    #[serde(default)]
    pub cancel_on: Option<String>,
    /// The moment it is about, as a template: an appointment's start. It goes `before` that.
    #[serde(default)]
    pub at: Option<String>,
    /// How long before `at` it goes.
    #[serde(default)]
    pub before: Option<Span>,
    /// How long it may be late: counted from when its event came, or from when `delay` or `at` let it go.
    #[serde(default)]
    pub expires: Option<Span>,
    /// When people may be messaged: `09:00-21:00`, `mon-fri 09:00-18:00`, or a list. Outside, it waits for the opening.
    #[serde(default)]
    pub hours: Option<OneOrMany<String>>,
    /// Whose hours: `recipient` (by the number's country and area), or a time zone, as `Asia/Kolkata`.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Days without hours: `sun`, `2026-12-25`, or `12-25` for every year.
    #[serde(default)]
    pub closed: Option<OneOrMany<String>>,
    /// The same campaign to the same person not again within a while, whichever route asks.
    #[serde(default)]
    pub once: Option<OnceSpec>,
    /// How many marketing messages of the account a person gets: `2/day`, `5/week`, or `unlimited`.
    #[serde(default)]
    pub cap: Option<PerPerson>,
    /// What becomes of one more: it waits (`wait`), or is not sent (`drop`).
    #[serde(default)]
    pub over_cap: Option<OverCap>,
    /// What happens if nobody knows whether it went: `retry` repeats it, `hold` leaves it for a person to decide.
    #[serde(default)]
    pub on_uncertain: Option<OnUncertain>,
    /// How many tries in all may end so that nobody knows whether it went; then a person decides.
    #[serde(default)]
    pub uncertain_tries: Option<NonZeroU32>,
    /// This number gets everything, and no customer anything.
    #[serde(default)]
    pub redirect_to: Option<String>,
    /// Everything is done but the call.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// It goes to suppressed numbers too; `reason` says why it may.
    #[serde(default)]
    pub even_if_suppressed: Option<bool>,
    /// Why it may go to suppressed numbers.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The same campaign to the same person not again within a while.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct OnceSpec {
    /// Who or what gets it once, as a template; the number if left out.
    #[serde(default)]
    pub per: Option<String>,
    /// The while, counted from when it was sent.
    pub within: Span,
}

impl SendOptionsSpec {
    /// These, and where one is left out, that of `far`.
    #[must_use]
    pub fn over(&self, far: &Self) -> Self {
        let near = self.clone();
        Self {
            priority: near.priority.or(far.priority),
            delay: near.delay.or(far.delay),
            key: near.key.or_else(|| far.key.clone()),
            cancel_on: near.cancel_on.or_else(|| far.cancel_on.clone()),
            at: near.at.or_else(|| far.at.clone()),
            before: near.before.or(far.before),
            expires: near.expires.or(far.expires),
            hours: near.hours.or_else(|| far.hours.clone()),
            timezone: near.timezone.or_else(|| far.timezone.clone()),
            closed: near.closed.or_else(|| far.closed.clone()),
            once: near.once.or_else(|| far.once.clone()),
            cap: near.cap.or(far.cap),
            over_cap: near.over_cap.or(far.over_cap),
            on_uncertain: near.on_uncertain.or(far.on_uncertain),
            uncertain_tries: near.uncertain_tries.or(far.uncertain_tries),
            redirect_to: near.redirect_to.or_else(|| far.redirect_to.clone()),
            dry_run: near.dry_run.or(far.dry_run),
            even_if_suppressed: near.even_if_suppressed.or(far.even_if_suppressed),
            reason: near.reason.or_else(|| far.reason.clone()),
        }
    }
}

/// What is known of a campaign at Serri.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct CampaignSpec {
    /// Its exact name.
    pub name: String,
    /// The account it belongs to; needed where there are several.
    #[serde(default)]
    pub account: Option<String>,
    /// How many `templateParams` its template takes.
    #[serde(default)]
    pub params: Option<usize>,
    /// The media its template has.
    #[serde(default)]
    pub media: Option<MediaKind>,
    /// What WhatsApp takes it for.
    #[serde(default)]
    pub category: Option<Category>,
    /// How many of it a second or a minute, within the account's rate.
    #[serde(default)]
    pub rate: Option<Rate>,
}

/// The media of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// None.
    None,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A document.
    Document,
}

/// What WhatsApp takes a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Offers and news: people can have too much of it.
    Marketing,
    /// Orders, appointments, accounts.
    Utility,
    /// One-time codes.
    Authentication,
}
