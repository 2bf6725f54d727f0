//! The SQL of new sends: how one begins.

use rusqlite::{Connection, Result, params};

use super::cancellation::{self, About};
use super::facts::SendFacts;
use super::origin::Origin;
use super::states::SendState;
use super::uncounted::{Labels, Uncounted};
use crate::clock::{Timestamp, millis};
use crate::event::{Content, NewSend, SendOptions};
use crate::store::gate::{self, Candidate, Ending};

/// How a send begins.
struct Beginning {
    state: SendState,
    due: Timestamp,
    why: Option<&'static str>,
    reason: Option<String>,
}

impl Beginning {
    fn ready(at: Timestamp) -> Self {
        Self { state: SendState::Ready, due: at, why: None, reason: None }
    }

    fn ended(state: SendState, at: Timestamp, reason: String) -> Self {
        Self { state, due: at, why: None, reason: Some(reason) }
    }
}

/// Keeps a send as it begins: ready, waiting for its time, being sent (with the end of the lease), or at its end. Returns
/// its state.
pub fn insert_send(
    db: &Connection,
    origin: Origin<'_>,
    send: &NewSend,
    lease: Option<Timestamp>,
    uncounted: &mut Uncounted,
) -> Result<SendState> {
    let begins = match (&send.content, lease) {
        (Err(unmapped), _) => Beginning::ended(SendState::Failed, origin.at, unmapped.to_string()),
        (Ok(_), Some(until)) => Beginning { state: SendState::Sending, due: until, why: None, reason: None },
        (Ok(content), None) => beginning(db, origin, send, content)?,
    };
    let mut row = db.prepare_cached(
        "INSERT INTO sends (event, rule, account, campaign, destination, payload, state, due_at, attempts, created_at, changed_at, reason,
                            route, item, version, priority, why, expires_at, key, about_at, once, once_window_ms, marketing, guards)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
    )?;
    let nothing = SendOptions::default();
    let (campaign, destination, payload, options) = match &send.content {
        Ok(Content { campaign, destination, payload, options }) => {
            (campaign.as_str(), destination.as_str(), payload.as_str(), options)
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
        options.priority as i64,
        begins.why,
        options.expires_at.map(|at| at.0),
        options.key,
        options.about_at.map(|at| at.0),
        options.once.as_ref().map(|once| once.key),
        options.once.as_ref().map(|once| millis(once.within)),
        options.marketing.then_some(1),
        options.guards.written()
    ])?;
    let labels = Labels { route: origin.route, rule: &send.rule, account: &send.account, campaign };
    uncounted.begun(labels, begins.state, origin.at);
    Ok(begins.state)
}

fn beginning(db: &Connection, origin: Origin<'_>, send: &NewSend, content: &Content) -> Result<Beginning> {
    let options = &content.options;
    let facts = SendFacts::of(db, origin.route, send, content, origin.at);
    let mut facts = SendFacts { event: Some(origin.seq), ..facts };
    let ending = gate::outdated(Candidate::of(options), &mut facts, origin.at)?;
    // what comes too late to be sent still takes the place of what waits
    if options.moves
        && let (Some(key), None | Some(Ending::Expired(_))) = (&options.key, &ending)
    {
        let about = About { route: origin.route, rule: &send.rule, key };
        cancellation::replace(db, origin, &send.account, about)?;
    }
    if let Some(ending) = ending {
        return Ok(Beginning::ended(SendState::of(ending.state()), origin.at, ending.to_string()));
    }
    Ok(match options.start.filter(|start| start.at > origin.at) {
        Some(start) => {
            Beginning { state: SendState::Delayed, due: start.at, why: Some(start.why.name()), reason: None }
        }
        None => Beginning::ready(origin.at),
    })
}
