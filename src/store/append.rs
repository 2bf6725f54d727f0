//! The SQL of what comes in: events and what the rules made of them. All inside the writer's transaction.

use std::cell::Cell;

use rusqlite::{Connection, Result, params};

use super::states::{CANCELLED, DUPLICATE, EXPIRED, FAILED, READY, SENDING, WAITING};
use super::{ClaimRequest, Want, claim, holds, lanes, lookups, people, turns};
use crate::clock::Timestamp;
use crate::event::{Claimed, Content, Kept, Made, NewEvent, NewSend, SendId, Suppression, Wishes};

/// Keeps events that were not seen yet. Their sends go straight to a deliverer that asks, as far as it has room.
pub fn append(db: &Connection, events: &[NewEvent], direct: &mut Direct) -> Result<Vec<Kept>> {
    let mut seen = db.prepare_cached(
        "INSERT INTO seen (fingerprint, expires_at, event) VALUES (?1, ?2, ?3)
         ON CONFLICT (fingerprint) DO UPDATE SET expires_at = ?2, event = ?3 WHERE expires_at <= ?4",
    )?;
    let mut event_row = db.prepare_cached("INSERT INTO events (seq, route, source, id, type, received_at, envelope, body, fault) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let mut next = match direct.next_event {
        Some(next) => next,
        None => db.prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM events")?.query_row([], |row| row.get(0))?,
    };
    let mut kept = Vec::with_capacity(events.len());
    for event in events {
        let at = event.received_at;
        if seen.execute(params![event.fingerprint, at.after(event.window).0, next, at.0])? == 0 {
            kept.push(Kept::Duplicate);
            continue;
        }
        event_row.execute(params![
            next,
            event.route,
            event.source,
            event.id,
            event.kind,
            at.0,
            event.envelope,
            &event.body[..],
            event.fault
        ])?;
        let origin = Origin { seq: next, id: &event.id, route: &event.route, at };
        make(db, origin, &event.made, direct)?;
        if event.lookup {
            lookups::insert(db, next, &event.route, at)?;
        }
        next += 1;
        kept.push(Kept::New);
    }
    direct.next_event = Some(next);
    Ok(kept)
}

/// The event that sends come of.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub seq: i64,
    pub id: &'a str,
    pub route: &'a str,
    /// When its sends are made.
    pub at: Timestamp,
}

/// Keeps what the rules made of an event.
pub fn make(db: &Connection, origin: Origin<'_>, made: &Made, direct: &mut Direct) -> Result<()> {
    for change in &made.suppressions {
        let reason = format!("{} of route `{}`, event `{}`", change.reason, origin.route, origin.id);
        people::suppress(db, &Suppression { reason, ..change.clone() }, Some(origin.seq), origin.at)?;
        direct.is_anybody_suppressed.set(None);
    }
    for cancel in &made.cancels {
        people::cancel_about(db, cancel, origin)?;
    }
    for send in &made.sends {
        direct.insert(db, origin, send)?;
    }
    Ok(())
}

/// How a send begins.
struct Beginning {
    state: i64,
    due: Timestamp,
    why: Option<&'static str>,
    reason: Option<String>,
}

impl Beginning {
    fn ready(at: Timestamp) -> Self {
        Self { state: READY, due: at, why: None, reason: None }
    }

    fn ended(state: i64, at: Timestamp, reason: String) -> Self {
        Self { state, due: at, why: None, reason: Some(reason) }
    }
}

/// Keeps a send as it begins: ready, waiting for its time, being sent (with the end of the lease), or at its end.
pub fn insert_send(db: &Connection, origin: Origin<'_>, send: &NewSend, lease: Option<Timestamp>) -> Result<()> {
    let begins = match (&send.content, lease) {
        (Err(reason), _) => Beginning::ended(FAILED, origin.at, reason.clone()),
        (Ok(_), Some(until)) => Beginning { state: SENDING, due: until, why: None, reason: None },
        (Ok(content), None) => beginning(db, origin, send, &content.wishes)?,
    };
    let mut row = db.prepare_cached(
        "INSERT INTO sends (event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, reason,
                            route, item, version, priority, why, expires_at, key, moment, once, within, marketing, terms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
    )?;
    let nothing = Wishes::default();
    let (campaign, destination, payload, wishes) = match &send.content {
        Ok(Content { campaign, destination, payload, wishes }) => {
            (campaign.as_str(), destination.as_str(), payload.as_str(), wishes)
        }
        Err(_) => ("", "", "", &nothing),
    };
    let terms = if wishes.terms.is_empty() { None } else { serde_json::to_string(&wishes.terms).ok() };
    row.execute(params![
        origin.seq,
        send.rule,
        send.account,
        campaign,
        destination,
        payload,
        begins.state,
        begins.due.0,
        origin.at.0,
        begins.reason,
        origin.route,
        send.item,
        send.version,
        wishes.priority as i64,
        begins.why,
        wishes.expires_at.map(|at| at.0),
        wishes.key,
        wishes.moment.map(|at| at.0),
        wishes.once.as_ref().map(|once| once.key),
        wishes.once.as_ref().map(|once| turns::millis(once.within)),
        wishes.marketing.then_some(1),
        terms
    ])?;
    Ok(())
}

fn beginning(db: &Connection, origin: Origin<'_>, send: &NewSend, wishes: &Wishes) -> Result<Beginning> {
    if let Some(key) = &wishes.key {
        if people::is_cancelled(db, (origin.route, &send.rule, key), origin.seq)? {
            return Ok(Beginning::ended(
                CANCELLED,
                origin.at,
                "a later event about the same had cancelled it before".into(),
            ));
        }
        if let Some(moment) = wishes.moment
            && let Some(other) = people::sent_for_moment(db, origin.route, &send.rule, key, moment)?
        {
            return Ok(Beginning::ended(DUPLICATE, origin.at, format!("send {other} was for the same moment")));
        }
        if wishes.moves {
            people::replace(db, origin, &send.account, (&send.rule, key))?;
        }
    }
    if wishes.expires_at.is_some_and(|at| at <= origin.at) {
        return Ok(Beginning::ended(EXPIRED, origin.at, "its time was over when its event came".into()));
    }
    Ok(match wishes.start.filter(|start| start.at > origin.at) {
        Some(start) => Beginning { state: WAITING, due: start.at, why: Some(start.why.name()), reason: None },
        None => Beginning::ready(origin.at),
    })
}

/// What the appends of a transaction share: the next event's number, and the room that a deliverer has, by account, for
/// sends that come in it. They need not be made ready first, then looked for and claimed, if nothing older waits.
#[derive(Default)]
pub struct Direct {
    next_event: Option<i64>,
    room: Vec<Want>,
    /// Campaigns that stand still, by account.
    closed: Vec<(String, String)>,
    pub lease_until: Option<Timestamp>,
    now: Timestamp,
    pub sends: Vec<Claimed>,
    is_anybody_suppressed: Cell<Option<bool>>,
}

impl Direct {
    /// The room of a request; what is due is made ready first.
    pub fn of(db: &Connection, request: &ClaimRequest) -> Result<Self> {
        claim::prepare(db, request)?;
        let holds = holds::active(db)?;
        let mut room = Vec::new();
        for want in &request.wants {
            let is_held = holds.iter().any(|hold| hold.account == want.account && hold.campaign.is_empty());
            if !is_held && !lanes::is_anything_ready(db, want, &holds)? {
                room.push(want.clone());
            }
        }
        let closed = holds.into_iter().map(|hold| (hold.account, hold.campaign)).collect();
        Ok(Self { room, closed, lease_until: Some(request.lease_until), now: request.now, ..Self::default() })
    }

    fn insert(&mut self, db: &Connection, origin: Origin<'_>, send: &NewSend) -> Result<()> {
        let (Ok(content), Some(until)) = (&send.content, self.lease_until) else {
            return insert_send(db, origin, send, None);
        };
        if self.closed.iter().any(|(account, campaign)| *account == send.account && *campaign == content.campaign) {
            return insert_send(db, origin, send, None);
        }
        let Some(position) = self.room.iter().position(|want| want.account == send.account) else {
            return insert_send(db, origin, send, None);
        };
        let goes = self.room.get_mut(position).is_some_and(|want| want.take(&content.campaign));
        if !goes || !is_plain(&content.wishes) || !self.is_open_to(db, send, content)? {
            // what comes later must not overtake it
            self.room.swap_remove(position);
            return insert_send(db, origin, send, None);
        }
        insert_send(db, origin, send, Some(until))?;
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
            expires_at: None,
            terms: content.wishes.terms.clone(),
            probe: None,
        });
        Ok(())
    }

    /// Whether the person may be sent to right now.
    fn is_open_to(&self, db: &Connection, send: &NewSend, content: &Content) -> Result<bool> {
        let anybody = match self.is_anybody_suppressed.get() {
            Some(anybody) => anybody,
            None => people::is_anybody_suppressed(db)?,
        };
        self.is_anybody_suppressed.set(Some(anybody));
        if anybody && people::suppression(db, &send.account, &content.destination)?.is_some() {
            return Ok(false);
        }
        let line =
            turns::Line { destination: &content.destination, account: &send.account, priority: 1, before: i64::MAX };
        Ok(!turns::is_taken(db, line, self.now)?)
    }
}

/// Whether nothing has to be looked up before it goes.
fn is_plain(wishes: &Wishes) -> bool {
    wishes.priority == crate::event::Priority::Normal
        && wishes.start.is_none()
        && wishes.expires_at.is_none()
        && wishes.key.is_none()
        && wishes.once.is_none()
        && !wishes.marketing
}
