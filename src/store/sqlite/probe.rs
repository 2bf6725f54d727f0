//! The trial that tells whether events can be kept: it keeps one, and takes it back.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;

use super::append::append_alone;
use crate::clock::Timestamp;
use crate::event::{Made, NewEvent, NewSend, Unmapped, UnmappedReason};

/// Does what an append does, takes it back, and writes a page all the same, so that the commit meets the disk.
pub fn probe(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("SAVEPOINT probe")?.execute([])?;
    let tried = append_alone(db, &[trial()]);
    let undone = db.execute_batch("ROLLBACK TO probe; RELEASE probe");
    tried?;
    undone?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    db.pragma_update(None, "user_version", version)
}

fn trial() -> NewEvent {
    let content = Err(Unmapped { rule: String::new(), key: String::new(), reason: UnmappedReason::Empty });
    let send = NewSend { rule: String::new(), account: String::new(), item: 0, version: 0, content };
    NewEvent {
        route: String::new(),
        source: String::new(),
        id: String::new(),
        kind: String::new(),
        fingerprint: [0; 16],
        window: Duration::ZERO,
        received_at: Timestamp(0),
        body: Bytes::new(),
        envelope: "{}".into(),
        fault: None,
        test: false,
        lookup: false,
        made: Made { sends: vec![send], ..Made::default() },
    }
}
