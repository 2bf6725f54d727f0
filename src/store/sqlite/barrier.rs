//! The SQL of barriers: why a send that begins anew would come to its end at once. The same is asked when somebody wants to
//! know what a replay would do, and in the transaction that does it, so that what is counted is what really goes.

use rusqlite::{Connection, Result};

use super::cancellation;
use super::frequency::{self, OfMoment, Same};
use super::suppression;
use crate::clock::Timestamp;
use crate::event::act::Candidate;
use crate::event::{Content, NewSend, Wishes};

/// Why a send would not go; `None`: it goes when its turn comes.
pub fn barrier(db: &Connection, candidate: Candidate<'_>, now: Timestamp) -> Result<Option<String>> {
    let content = match &candidate.send.content {
        Ok(content) => content,
        Err(reason) => return Ok(Some(reason.clone())),
    };
    let Wishes { expires_at, once, terms, .. } = &content.wishes;
    if let Some(at) = expires_at.filter(|at| *at <= now) {
        return Ok(Some(format!("its time was over at {at}")));
    }
    if !terms.even_if_suppressed
        && let Some(reason) = suppression::suppression(db, &candidate.send.account, &content.destination)?
    {
        return Ok(Some(format!("the number must not be messaged: {reason}")));
    }
    if let Some(unwanted) = unwanted(db, candidate, content)? {
        return Ok(Some(unwanted));
    }
    let Some(once) = once else { return Ok(None) };
    let old = candidate.old.map_or(0, |id| id.0);
    Ok(match frequency::same_before(db, &once.key, old, now.before(once.within).0)? {
        Some(Same::Went(id)) => Some(format!("the person got the same by send {id}")),
        // whether that one goes is not known yet
        Some(Same::IsGoing) | None => None,
    })
}

/// Whether a later event cancelled what it is about, or the same moment had its send.
fn unwanted(db: &Connection, candidate: Candidate<'_>, content: &Content) -> Result<Option<String>> {
    let Candidate { send, route, event, old } = candidate;
    let Some(key) = &content.wishes.key else { return Ok(None) };
    if let Some(event) = event
        && cancellation::is_cancelled(db, (route, &send.rule, key), event.0)?
    {
        return Ok(Some("a later event about the same had cancelled it".into()));
    }
    let Some(moment) = content.wishes.moment else { return Ok(None) };
    let NewSend { rule, account, .. } = send;
    // events that the sandbox took for the same again are replayed together: one of them goes
    let about = OfMoment { route, rule, account, key, moment, id: old, waiting_counts: true };
    let other = frequency::sent_for_moment(db, about)?;
    Ok(other.map(|other| format!("send {other} was for the same moment")))
}
