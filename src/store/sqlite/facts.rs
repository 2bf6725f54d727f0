//! The SQL of the facts that decide whether a send may go: a query each, and only when it is asked for.

use rusqlite::{Connection, Error, Result};

use super::frequency::{self, Moment, Recipient, Rivals};
use super::recipient_order::{self, Line};
use super::{cancellation, suppression};
use crate::clock::Timestamp;
use crate::event::{Cap, Content, NewSend, Once, SendId};
use crate::store::gate::{Facts, Same};

/// A send, as far as facts are looked up for it. It may not be written down yet.
#[derive(Clone, Copy)]
pub struct SendFacts<'a> {
    pub db: &'a Connection,
    /// Its number, if it has one.
    pub id: Option<SendId>,
    /// The number of its event, if that is written down.
    pub event: Option<i64>,
    pub route: &'a str,
    pub rule: &'a str,
    pub account: &'a str,
    pub campaign: &'a str,
    pub destination: &'a str,
    pub priority: i64,
    /// What it is about.
    pub key: Option<&'a str>,
    /// The moment it is about.
    pub moment: Option<Timestamp>,
    pub once: Option<&'a Once>,
    pub rivals: Rivals,
    pub suppressions: Suppressions,
    pub now: Timestamp,
}

impl<'a> SendFacts<'a> {
    /// A send that is not written down yet, as its rule made it.
    pub fn of(db: &'a Connection, route: &'a str, send: &'a NewSend, content: &'a Content, now: Timestamp) -> Self {
        let Content { campaign, destination, options, .. } = content;
        Self {
            db,
            id: None,
            event: None,
            route,
            rule: &send.rule,
            account: &send.account,
            campaign,
            destination,
            priority: options.priority as i64,
            key: options.key.as_deref(),
            moment: options.about_at,
            once: options.once.as_ref(),
            rivals: Rivals::Gone,
            suppressions: Suppressions::Unknown,
            now,
        }
    }
}

/// What is known of the list of numbers that must not be messaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppressions {
    /// Nothing: it is looked at.
    Unknown,
    /// It is empty.
    None,
}

impl Facts for SendFacts<'_> {
    type Error = Error;

    fn is_cancelled(&mut self) -> Result<bool> {
        let (Some(key), Some(event)) = (self.key, self.event) else { return Ok(false) };
        cancellation::is_cancelled(self.db, cancellation::About { route: self.route, rule: self.rule, key }, event)
    }

    fn same_moment(&mut self) -> Result<Option<Same>> {
        let (Some(key), Some(at)) = (self.key, self.moment) else { return Ok(None) };
        let Self { route, rule, account, rivals, .. } = *self;
        frequency::same_moment(self.db, Moment { route, rule, key, at, account, rivals }, self.id)
    }

    fn suppression(&mut self) -> Result<Option<String>> {
        match self.suppressions {
            Suppressions::None => Ok(None),
            Suppressions::Unknown => suppression::suppression(self.db, self.account, self.destination),
        }
    }

    fn same(&mut self) -> Result<Option<Same>> {
        self.once.map_or(Ok(None), |once| frequency::same_before(self.db, once, self.id, self.now))
    }

    fn is_blocked(&mut self) -> Result<bool> {
        let before = self.id.map_or(i64::MAX, |id| id.0);
        let Self { destination, account, campaign, priority, .. } = *self;
        let line = Line { destination, account, campaign, priority, before };
        recipient_order::is_taken(self.db, line, self.now)
    }

    fn capped_until(&mut self, cap: Cap) -> Result<Option<Timestamp>> {
        let to = Recipient { account: self.account, destination: self.destination, except: self.id };
        frequency::capped_until(self.db, to, cap, self.now)
    }
}
