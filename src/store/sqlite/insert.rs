//! The SQL of new sends: how one begins.

use rusqlite::{Connection, Result, params};

use super::cancellation;
use super::frequency::{self, OfMoment};
use super::states::{CANCELLED, DUPLICATE, EXPIRED, FAILED, READY, SENDING, WAITING};
use crate::clock::Timestamp;
use crate::clock::millis;
use crate::event::{Content, NewSend, Wishes};

/// The event that sends come of.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub seq: i64,
    pub id: &'a str,
    pub route: &'a str,
    /// When its sends are made.
    pub at: Timestamp,
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

/// Keeps a send as it begins: ready, waiting for its time, being sent (with the end of the lease), or at its end. Returns
/// its state.
pub fn insert_send(db: &Connection, origin: Origin<'_>, send: &NewSend, lease: Option<Timestamp>) -> Result<i64> {
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
        wishes.once.as_ref().map(|once| millis(once.within)),
        wishes.marketing.then_some(1),
        wishes.terms.written()
    ])?;
    Ok(begins.state)
}

fn beginning(db: &Connection, origin: Origin<'_>, send: &NewSend, wishes: &Wishes) -> Result<Beginning> {
    if let Some(key) = &wishes.key {
        if cancellation::is_cancelled(db, (origin.route, &send.rule, key), origin.seq)? {
            return Ok(Beginning::ended(
                CANCELLED,
                origin.at,
                "a later event about the same had cancelled it before".into(),
            ));
        }
        if let Some(moment) = wishes.moment {
            let NewSend { rule, account, .. } = send;
            let about = OfMoment { route: origin.route, rule, account, key, moment, id: None, waiting_counts: false };
            if let Some(other) = frequency::sent_for_moment(db, about)? {
                return Ok(Beginning::ended(DUPLICATE, origin.at, format!("send {other} was for the same moment")));
            }
        }
        if wishes.moves {
            cancellation::replace(db, origin, &send.account, (&send.rule, key))?;
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
