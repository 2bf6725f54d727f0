//! The options of a rule's sends: compiled with the rule, and worked out for each send.
//!
//! Pure like the rest: the moment at which the event came is given, and everything counts from that.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use super::dates::moment_of;
use super::expression::{EvalError, Expression};
use super::template::Template;
use super::{Scope, zones};
use crate::clock::Timestamp;
use crate::config::send_options::{CampaignSpec, Category, MediaKind};
use crate::event::{Cap, OnUncertain, Once, Priority, SendGuards, SendOptions, Start, UnmappedReason, Why};
use crate::hours::{Closed, Hours, Window, Zone};
use crate::phone::{self, Country};
use crate::serri::payload::Payload;

/// A rule's send options, ready to be worked out.
#[derive(Debug)]
pub struct SendOptionRules {
    pub(super) priority: Priority,
    pub(super) delay: Option<Duration>,
    pub(super) key: Option<Template>,
    pub(super) cancel_on: Option<Arc<Expression>>,
    pub(super) at: Option<Template>,
    pub(super) before: Duration,
    pub(super) expires: Option<Duration>,
    pub(super) windows: Vec<Window>,
    pub(super) closed: Vec<Closed>,
    /// The zone of hours and moments; `None`: the recipient's.
    pub(super) zone: Option<Zone>,
    pub(super) once: Option<(Option<Template>, Duration)>,
    pub(super) cap: Option<Cap>,
    pub(super) on_uncertain: Option<OnUncertain>,
    pub(super) uncertain_tries: Option<NonZeroU32>,
    pub(super) redirect_to: Option<String>,
    pub(super) dry_run: bool,
    pub(super) even_if_suppressed: bool,
    /// Equal for options that are written alike.
    pub(super) written: i64,
    /// What is known of the account's campaigns.
    pub(super) campaigns: Arc<Vec<CampaignSpec>>,
}

/// A send of which the options are worked out.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The account it goes through.
    pub account: &'a str,
    /// What is to be sent.
    pub payload: &'a Payload,
    /// The country of numbers without country code.
    pub country: Option<Country>,
    /// When its event came.
    pub received_at: Timestamp,
}

/// Why an option could not be worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Its key.
    pub key: &'static str,
    /// What is wrong there.
    pub reason: UnmappedReason,
}

impl Unmet {
    fn new(key: &'static str, reason: impl Into<UnmappedReason>) -> Self {
        Self { key, reason: reason.into() }
    }

    fn failed(key: &'static str, reason: impl Into<String>) -> Self {
        Self { key, reason: UnmappedReason::Failed(reason.into()) }
    }
}

impl SendOptionRules {
    /// Whether it reminds of a moment that nothing can move.
    pub fn lacks_key(&self) -> bool {
        self.at.is_some() && self.key.is_none()
    }

    /// Whether it says how many marketing messages a person gets.
    pub fn has_cap(&self) -> bool {
        self.cap.is_some()
    }

    /// The number that gets everything instead of the customers, in E.164.
    pub fn redirect_to(&self) -> Option<&str> {
        self.redirect_to.as_deref()
    }

    /// Whether no call is made.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// What later events about the same cancel a waiting send.
    pub fn cancel_on(&self) -> Option<Arc<Expression>> {
        self.cancel_on.clone()
    }

    /// What an event is about, if anything.
    pub fn key(&self, scope: &Scope) -> Option<String> {
        self.found_key(scope).ok().flatten()
    }

    fn found_key(&self, scope: &Scope) -> Result<Option<String>, Unmet> {
        match self.key.as_ref().map(|key| key.text(scope)) {
            None | Some(Err(EvalError::Missing(_))) => Ok(None),
            Some(Ok(text)) => Ok(Some(text.trim().to_owned()).filter(|key| !key.is_empty())),
            // without its key the send could not be cancelled
            Some(Err(error)) => Err(Unmet::new("key", error)),
        }
    }

    /// The options for one send.
    ///
    /// # Errors
    ///
    /// What cannot be worked out of the event.
    pub fn of(&self, subject: Subject<'_>, scope: &Scope) -> Result<SendOptions, Unmet> {
        let declared = self.declared(&subject.payload.campaign_name);
        declared.map_or(Ok(()), |campaign| fits(campaign, subject.payload))?;
        let about_something = self.at.is_some() || self.cancel_on.is_some();
        let key = self.found_key(scope)?;
        if about_something && key.is_none() && self.key.is_some() {
            return Err(Unmet::failed(
                "key",
                "it comes out empty, so that nothing could move or cancel the send later",
            ));
        }
        let moment = self.moment(subject, scope)?;
        let asked = match (moment, self.delay) {
            (Some(moment), _) => Some(moment.before(self.before)),
            (None, Some(delay)) => Some(subject.received_at.after(delay)),
            (None, None) => None,
        };
        let from = asked.map_or(subject.received_at, |at| at.max(subject.received_at));
        let hours = self.hours(subject);
        let opening = hours.as_ref().and_then(|hours| hours.opening(from));
        let start = match (opening, asked) {
            (Some(at), _) => Some(Start { at, why: Why::Hours }),
            (None, Some(_)) => Some(Start { at: from, why: Why::Delay }),
            (None, None) => None,
        };
        let expires_at = self.expires.map(|span| from.after(span)).into_iter().chain(moment).min();
        let marketing = declared.is_some_and(|campaign| campaign.category == Some(Category::Marketing));
        Ok(SendOptions {
            priority: self.priority,
            start,
            expires_at,
            moves: key.is_some() && (moment.is_some() || self.delay.is_some()),
            key,
            about_at: moment,
            once: self.once(subject, scope)?,
            marketing,
            guards: SendGuards {
                hours,
                cap: self.cap.filter(|_| marketing),
                even_if_suppressed: self.even_if_suppressed,
                redirect_to: self.redirect_to.clone(),
                dry_run: self.dry_run,
                on_uncertain: self.on_uncertain,
                uncertain_tries: self.uncertain_tries,
            },
        })
    }

    fn declared(&self, campaign: &str) -> Option<&CampaignSpec> {
        self.campaigns.iter().find(|known| known.name == campaign)
    }

    fn moment(&self, subject: Subject<'_>, scope: &Scope) -> Result<Option<Timestamp>, Unmet> {
        let Some(at) = &self.at else { return Ok(None) };
        let text = at.text(scope).map_err(|error| Unmet::new("at", error))?;
        let zone = self.zones(subject).into_iter().next().unwrap_or(Zone::UTC);
        moment_of(&text, scope, &zone).map(Some).map_err(|error| Unmet::new("at", error))
    }

    fn zones(&self, subject: Subject<'_>) -> Vec<Zone> {
        match &self.zone {
            Some(zone) => vec![zone.clone()],
            None => zones::of_number(&subject.payload.destination),
        }
    }

    fn hours(&self, subject: Subject<'_>) -> Option<Hours> {
        if self.windows.is_empty() {
            return None;
        }
        Some(Hours { windows: self.windows.clone(), closed: self.closed.clone(), zones: self.zones(subject) })
    }

    fn once(&self, subject: Subject<'_>, scope: &Scope) -> Result<Option<Once>, Unmet> {
        let Some((per, within)) = &self.once else { return Ok(None) };
        let per = match per {
            None => subject.payload.destination.clone(),
            Some(per) => match per.text(scope) {
                // however a sender writes a number, it is the same person
                Ok(text) => phone::normalise(&text, subject.country).unwrap_or(text),
                Err(error) => return Err(Unmet::new("once.per", error)),
            },
        };
        // what the sandbox got keeps nobody from getting the real one
        let whole = format!("{}\0{}\0{per}", subject.account, subject.payload.campaign_name);
        let hash = digest::digest(&digest::SHA256, whole.as_bytes());
        let mut key = [0; 16];
        key.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Ok(Some(Once { key, within: *within }))
    }
}

/// Holds a payload against what is known of its campaign.
fn fits(campaign: &CampaignSpec, payload: &Payload) -> Result<(), Unmet> {
    let given = payload.template_params.as_ref().map_or(0, Vec::len);
    if let Some(wanted) = campaign.params.filter(|wanted| *wanted != given) {
        return Err(Unmet::failed(
            "templateParams",
            format!("campaign `{}` takes {wanted}, and {given} came", campaign.name),
        ));
    }
    match (campaign.media, &payload.media) {
        (Some(MediaKind::None), Some(_)) => {
            Err(Unmet::failed("media", format!("campaign `{}` has no media", campaign.name)))
        }
        (Some(MediaKind::Image | MediaKind::Video | MediaKind::Document), None) => {
            Err(Unmet::failed("media", format!("campaign `{}` needs its media", campaign.name)))
        }
        _ => Ok(()),
    }
}
