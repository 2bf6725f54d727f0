//! The SQL of erasing a person: what was found of them goes, in small steps. Each step is whole, so that an erasure that was
//! cut off is finished by the next one: a send takes its event along in the same transaction.
//!
//! The newest event and the newest send keep their rows, without content: their numbers must not be given away again, or what
//! becomes of a call under way would be written to somebody else's send.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::hashed_suppressions;
use super::queries::{count_event, count_send, is_shared};
use super::recipient_order;
use super::states::{SendState, sql};
use crate::clock::Timestamp;
use crate::event::erasure::{Erased, ErasureStep, Person, Trace};
use crate::mask::Sought;

/// What stands in place of a text that named the person, where there has to be one.
const REMOVED: &str = "erased";

/// Carries a step out. Returns what went.
pub fn erase(db: &Connection, person: &Person, step: &ErasureStep, now: Timestamp) -> Result<Erased> {
    let mut erasure = Erasure { db, person, now, erased: Erased::default() };
    match step {
        ErasureStep::Traces(traces) => traces.iter().try_for_each(|trace| erasure.trace(trace))?,
        ErasureStep::Suppressions => {
            let kept = hashed_suppressions::keep(db, &person.number, now)?;
            erasure.erased.suppressions = u64::try_from(kept).unwrap_or(0);
            db.prepare_cached("DELETE FROM suppression_changes WHERE number = ?1")?.execute([&person.number])?;
        }
        ErasureStep::Record(erased) => record(db, erased, now)?,
    }
    Ok(erasure.erased)
}

struct Erasure<'a> {
    db: &'a Connection,
    person: &'a Person,
    now: Timestamp,
    erased: Erased,
}

impl Erasure<'_> {
    fn trace(&mut self, trace: &Trace) -> Result<()> {
        match trace {
            Trace::Send(id) => {
                // it may go to somebody else by now: its rule was changed
                let mut event = self.db.prepare_cached("SELECT event FROM sends WHERE id = ?1 AND destination = ?2")?;
                let event: Option<i64> =
                    event.query_row(params![id.0, self.person.number], |row| row.get(0)).optional()?;
                event.map_or(Ok(()), |event| self.event(event))
            }
            Trace::Event(seq) => self.event(seq.0),
            Trace::Mention(id) => self.mention(id.0),
            Trace::Attempt(id) => self.clear("UPDATE attempts SET reason = ?2, answer = '' WHERE send = ?1", id.0),
            Trace::Change(row) => self.clear("UPDATE changes SET reason = ?2 WHERE rowid = ?1", *row),
            Trace::Hold(id) => self.clear("UPDATE holds SET reason = ?2, refusal = NULL WHERE id = ?1", id.to_owned()),
            Trace::SuppressionChange(row) => {
                self.clear("UPDATE suppression_changes SET reason = ?2 WHERE rowid = ?1", *row)
            }
            Trace::Suppression(number) => self
                .db
                .prepare_cached("UPDATE suppressions SET reason = ?2 WHERE number = ?1")?
                .execute([number, REMOVED])
                .map(drop),
            Trace::Cancel(key) => {
                self.db.prepare_cached("DELETE FROM cancels WHERE key = ?1")?.execute([key]).map(drop)
            }
            Trace::Refusal(id) => {
                self.db.prepare_cached("DELETE FROM refusals WHERE send = ?1")?.execute([id.0]).map(drop)
            }
        }
    }

    /// Takes away a text that names the person.
    fn clear(&self, sql: &str, row: i64) -> Result<()> {
        self.db.prepare_cached(sql)?.execute(params![row, REMOVED]).map(drop)
    }

    /// An event goes, with all that came of it for the person. If messages to other people came of it, its row stays.
    fn event(&mut self, seq: i64) -> Result<()> {
        count_event(self.db, seq, self.person, &mut self.erased)?;
        let theirs = self.sends_of(seq, &self.person.number)?;
        for id in theirs {
            count_send(self.db, id, &mut self.erased)?;
            self.remove_send(id)?;
        }
        // one that came meanwhile may wait for one that was being sent
        recipient_order::unblock_next(self.db, &self.person.number)?;
        let is_shared = is_shared(self.db, seq, self.person)?;
        if !is_shared {
            // whose rules failed before they named anybody; they were counted with the event
            for id in self.sends_of(seq, "")? {
                self.remove_send(id)?;
            }
        }
        self.db.prepare_cached("DELETE FROM lookup_attempts WHERE event = ?1")?.execute([seq])?;
        self.db.prepare_cached("DELETE FROM lookups WHERE event = ?1")?.execute([seq])?;
        if is_shared {
            return self.blank_event(seq);
        }
        let gone = self
            .db
            .prepare_cached("DELETE FROM events WHERE seq = ?1 AND seq < (SELECT max(seq) FROM events)")?
            .execute([seq])?;
        if gone == 0 { self.blank_event(seq) } else { Ok(()) }
    }

    /// Whether a text names the person, in whatever spelling.
    fn names_them(&self, text: &str) -> bool {
        Sought::new(&self.person.country_code, &self.person.national).is_in(text)
    }

    fn sends_of(&self, seq: i64, destination: &str) -> Result<Vec<i64>> {
        self.db
            .prepare_cached(
                "SELECT id FROM sends INDEXED BY sends_of_event WHERE event = ?1 AND destination = ?2
                 AND (erased_at IS NULL OR destination <> '')",
            )?
            .query_map(params![seq, destination], |row| row.get(0))?
            .collect()
    }

    fn blank_event(&self, seq: i64) -> Result<()> {
        let mut kind = self.db.prepare_cached("SELECT type FROM events WHERE seq = ?1")?;
        let kind: Option<String> = kind.query_row([seq], |row| row.get(0)).optional()?;
        let kind = kind.map(|kind| if self.names_them(&kind) { REMOVED.to_owned() } else { kind });
        self.db
            .prepare_cached(
                "UPDATE events SET id = ?2, type = coalesce(?4, type), envelope = '', body = x'', fault = NULL,
                                   erased_at = coalesce(erased_at, ?3) WHERE seq = ?1",
            )?
            .execute(params![seq, REMOVED, self.now.0, kind])
            .map(drop)
    }

    /// A send goes, with its history. One that is being sent is gone as well: what its answer says is written nowhere.
    fn remove_send(&self, id: i64) -> Result<()> {
        for sql in [
            "DELETE FROM attempts WHERE send = ?1",
            "DELETE FROM changes WHERE send = ?1",
            "DELETE FROM refusals WHERE send = ?1",
        ] {
            self.db.prepare_cached(sql)?.execute([id])?;
        }
        let gone = self
            .db
            .prepare_cached("DELETE FROM sends WHERE id = ?1 AND id < (SELECT max(id) FROM sends)")?
            .execute([id])?;
        if gone > 0 {
            return Ok(());
        }
        self.db
            .prepare_cached(
                sql!("UPDATE sends SET destination = '', payload = '', reason = NULL, message_id = NULL, why = NULL, expires_at = NULL,
                                  key = NULL, about_at = NULL, once = NULL, once_window_ms = NULL, marketing = NULL, reached_at = NULL, guards = NULL,
                                  changed_at = CASE WHEN state < " sent " OR state = " uncertain " THEN ?2 ELSE changed_at END,
                                  state = CASE WHEN state < " sent " OR state = " uncertain " THEN ?3 ELSE state END, erased_at = ?2
                 WHERE id = ?1"),
            )?
            .execute(params![id, self.now.0, SendState::Cancelled])
            .map(drop)
    }

    /// A send to somebody else that names the person keeps nothing of what it said, except by what a repetition is known. One
    /// that is still to go, or about which a person has to decide, comes to its end first.
    fn mention(&mut self, id: i64) -> Result<()> {
        let mut key = self.db.prepare_cached("SELECT key FROM sends WHERE id = ?1")?;
        let key: Option<Option<String>> = key.query_row([id], |row| row.get(0)).optional()?;
        let key = key.flatten().filter(|key| !self.names_them(key));
        let cleared = self
            .db
            .prepare_cached(
                sql!("UPDATE sends SET payload = '', reason = ?2, key = CASE WHEN about_at > ?3 THEN ?4 END, guards = NULL,
                                  message_id = NULL, erased_at = coalesce(erased_at, ?3)
                 WHERE id = ?1 AND state >= " sent " AND state <> " uncertain),
            )?
            .execute(params![id, REMOVED, self.now.0, key])?;
        self.erased.others_waiting += u64::from(cleared == 0);
        Ok(())
    }
}

fn record(db: &Connection, erased: &Erased, now: Timestamp) -> Result<()> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let Erased { events, blanked, sends, under_way, attempts, lookups, suppressions, others_waiting } = *erased;
    db.prepare_cached(
        "INSERT INTO erasures (at, events, blanked, sends, under_way, attempts, lookups, suppressions, others_waiting)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        now.0,
        count(events),
        count(blanked),
        count(sends),
        count(under_way),
        count(attempts),
        count(lookups),
        count(suppressions),
        count(others_waiting)
    ])
    .map(drop)
}
