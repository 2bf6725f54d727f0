//! The SQL of barriers: why a send that begins anew would come to its end at once. The same is asked when somebody wants to
//! know what a replay would do, and in the transaction that does it, so that what is counted is what really goes.

use rusqlite::{Connection, Result};

use super::facts::SendFacts;
use super::frequency::Rivals;
use crate::clock::Timestamp;
use crate::event::State;
use crate::event::act::{self, Barrier};
use crate::store::gate::{self, Candidate};

/// Why a send would not go; `None`: it goes when its turn comes.
pub fn barrier(db: &Connection, candidate: act::Candidate<'_>, now: Timestamp) -> Result<Option<Barrier>> {
    let act::Candidate { send, route, event, old } = candidate;
    let content = match &send.content {
        Ok(content) => content,
        Err(unmapped) => return Ok(Some(Barrier { state: State::Failed, reason: unmapped.to_string() })),
    };
    let options = &content.options;
    // events that the sandbox took for the same again are replayed together: one of them goes
    let rivals = Rivals::Waiting;
    let facts = SendFacts::of(db, route, send, content, now);
    let mut facts = SendFacts { id: old, event: event.map(|event| event.0), rivals, ..facts };
    let ending = gate::unwanted(Candidate::of(options), &mut facts, now)?;
    Ok(ending.map(|ending| Barrier { state: ending.state(), reason: ending.to_string() }))
}
