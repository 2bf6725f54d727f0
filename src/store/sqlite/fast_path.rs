//! The way straight through: sends that come while a deliverer asks need not be made ready first, then looked for and
//! claimed.

use std::cell::Cell;

use rusqlite::{Connection, Result};

use super::facts::{SendFacts, Suppressions};
use super::insert::insert_send;
use super::origin::Origin;
use super::uncounted::Uncounted;
use super::{cancellation, holds, leases, ready, suppression, timers};
use crate::clock::Timestamp;
use crate::event::{Claimed, Content, Made, NewSend, Priority, SendId, SendOptions, Suppression};
use crate::store::gate::{self, Candidate, Gate};
use crate::store::{ClaimRequest, Quota};

/// What the appends of a transaction share: the next event's number, and the room that a deliverer has, by account, for
/// sends that come in it. They need not be made ready first, then looked for and claimed, if nothing older waits.
#[derive(Default)]
pub struct FastPath {
    pub next_event: Option<i64>,
    pub uncounted: Uncounted,
    room: Vec<Quota>,
    /// Campaigns on hold, by account.
    closed: Vec<(String, String)>,
    pub lease_until: Option<Timestamp>,
    now: Timestamp,
    pub sends: Vec<Claimed>,
    is_anybody_suppressed: Cell<Option<bool>>,
    /// Whether there is more that time has done than one transaction takes on.
    pub more: bool,
}

impl FastPath {
    /// The room of a request; what is due is made ready first.
    pub fn of(db: &Connection, request: &ClaimRequest) -> Result<Self> {
        let more = timers::promote_due(db, request)?;
        let holds = holds::active(db)?;
        let mut room = Vec::new();
        for quota in &request.quotas {
            let is_held = holds.iter().any(|hold| hold.account == quota.account && hold.campaign.is_empty());
            if !is_held && !ready::is_anything_ready(db, quota, &holds)? {
                room.push(quota.clone());
            }
        }
        let closed = holds.into_iter().map(|hold| (hold.account, hold.campaign)).collect();
        Ok(Self {
            room,
            closed,
            lease_until: Some(leases::end(request.lease)),
            now: request.now,
            more,
            ..Self::default()
        })
    }

    /// Keeps what the rules made of an event.
    pub fn make(&mut self, db: &Connection, origin: Origin<'_>, made: &Made) -> Result<()> {
        for change in &made.suppressions {
            let reason = format!("{} of route `{}`, event `{}`", change.reason, origin.route, origin.id);
            suppression::suppress(db, &Suppression { reason, ..change.clone() }, Some(origin.seq), origin.at)?;
            self.is_anybody_suppressed.set(None);
        }
        for cancel in &made.cancels {
            cancellation::cancel_about(db, cancel, origin)?;
        }
        for send in &made.sends {
            self.insert(db, origin, send)?;
        }
        Ok(())
    }

    /// Keeps a send, and hands it over if it may go.
    fn insert(&mut self, db: &Connection, origin: Origin<'_>, send: &NewSend) -> Result<()> {
        let (Ok(content), Some(until)) = (&send.content, self.lease_until) else {
            return insert_send(db, origin, send, None, &mut self.uncounted).map(drop);
        };
        if self.closed.iter().any(|(account, campaign)| *account == send.account && *campaign == content.campaign) {
            return insert_send(db, origin, send, None, &mut self.uncounted).map(drop);
        }
        let Some(position) = self.room.iter().position(|quota| quota.account == send.account) else {
            return insert_send(db, origin, send, None, &mut self.uncounted).map(drop);
        };
        let goes = self.room.get_mut(position).is_some_and(|quota| quota.take(&content.campaign));
        if !goes || !is_plain(&content.options) || !self.is_open_to(db, origin, send, content)? {
            // what comes later must not overtake it
            self.room.swap_remove(position);
            return insert_send(db, origin, send, None, &mut self.uncounted).map(drop);
        }
        insert_send(db, origin, send, Some(until), &mut self.uncounted)?;
        self.sends.push(Claimed {
            id: SendId(db.last_insert_rowid()),
            event: origin.id.to_owned(),
            route: origin.route.to_owned(),
            rule: send.rule.clone(),
            account: send.account.clone(),
            campaign: content.campaign.clone(),
            destination: content.destination.clone(),
            payload: content.payload.clone(),
            since: origin.at,
            attempts: 0,
            used: 0,
            uncertain: 0,
            expires_at: None,
            guards: content.options.guards.clone(),
            probe: None,
        });
        Ok(())
    }

    /// Whether a plain send may go right now.
    fn is_open_to(&self, db: &Connection, origin: Origin<'_>, send: &NewSend, content: &Content) -> Result<bool> {
        let anybody = match self.is_anybody_suppressed.get() {
            Some(anybody) => anybody,
            None => suppression::is_anybody_suppressed(db)?,
        };
        self.is_anybody_suppressed.set(Some(anybody));
        let options = &content.options;
        let suppressions = if anybody { Suppressions::Unknown } else { Suppressions::None };
        let facts = SendFacts::of(db, origin.route, send, content, self.now);
        let mut facts = SendFacts { event: Some(origin.seq), suppressions, ..facts };
        Ok(gate::gate(Candidate::of(options), &mut facts, self.now)? == Gate::Open)
    }
}

/// Whether nothing has to be looked up before it goes.
fn is_plain(options: &SendOptions) -> bool {
    options.priority == Priority::Normal
        && options.start.is_none()
        && options.expires_at.is_none()
        && options.key.is_none()
        && options.once.is_none()
        && !options.marketing
}
