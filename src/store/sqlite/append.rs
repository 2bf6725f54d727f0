//! The SQL of what comes in: events and what the rules made of them. All inside the writer's transaction.

use rusqlite::{Connection, Result, params};

use super::fast_path::FastPath;
use super::lookups;
use super::origin::Origin;
use crate::event::{Kept, NewEvent};

/// Keeps events on their own: nothing is shared with others, and everything is counted. Also returns the number of the next
/// event.
pub fn append_alone(db: &Connection, events: &[NewEvent]) -> Result<(Vec<Kept>, Option<i64>)> {
    let mut alone = FastPath::default();
    let kept = append(db, events, &mut alone)?;
    alone.uncounted.write(db)?;
    Ok((kept, alone.next_event))
}

/// Keeps events that were not seen yet. Their sends go straight to a deliverer that asks, as far as it has room. Whoever asks
/// for it writes what is uncounted then.
pub fn append(db: &Connection, events: &[NewEvent], direct: &mut FastPath) -> Result<Vec<Kept>> {
    let mut dedup_key = db.prepare_cached(
        "INSERT INTO dedup_keys (fingerprint, expires_at, event) VALUES (?1, ?2, ?3)
         ON CONFLICT (fingerprint) DO UPDATE SET expires_at = ?2, event = ?3 WHERE expires_at <= ?4",
    )?;
    let mut event_row = db.prepare_cached("INSERT INTO events (seq, route, source, id, type, received_at, envelope, body, fault, test) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    let mut next = match direct.next_event {
        Some(next) => next,
        None => db.prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM events")?.query_row([], |row| row.get(0))?,
    };
    let mut kept = Vec::with_capacity(events.len());
    for event in events {
        let at = event.received_at;
        if dedup_key.execute(params![event.fingerprint, at.after(event.window).0, next, at.0])? == 0 {
            direct.uncounted.repeated(&event.route, at);
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
            event.fault,
            event.test
        ])?;
        direct.uncounted.received(&event.route, at, event.fault.as_deref());
        let origin = Origin { seq: next, id: &event.id, route: &event.route, at };
        direct.make(db, origin, &event.made)?;
        if event.lookup {
            lookups::insert(db, next, &event.route, at)?;
        }
        next += 1;
        kept.push(Kept::New);
    }
    direct.next_event = Some(next);
    Ok(kept)
}
