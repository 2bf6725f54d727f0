//! The SQL of suppressed numbers of people who were erased. Nobody can read the numbers there: they are kept as
//! HMAC-SHA-256 with a key of this store. Whoever has the file has the key too, and can try numbers out.

use aws_lc_rs::{hmac, rand};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, params};

use crate::clock::Timestamp;
use crate::event::view::{SuppressionView, date, shown};

/// How long the key is, in bytes: as long as the hash (RFC 2104, 3).
const KEY: usize = 32;

/// The numbers of one account, or of all (`*`), are kept like this.
pub struct Hashes(hmac::Key);

impl Hashes {
    /// The hashes of a store; `None` if it never had any.
    pub fn of(db: &Connection) -> Result<Option<Self>> {
        let key: Option<Vec<u8>> =
            db.prepare_cached("SELECT key FROM erasure_key")?.query_row([], |row| row.get(0)).optional()?;
        Ok(key.map(|key| Self(hmac::Key::new(hmac::HMAC_SHA256, &key))))
    }

    /// The same; from now on it has some.
    fn begun(db: &Connection) -> Result<Self> {
        if let Some(known) = Self::of(db)? {
            return Ok(known);
        }
        let mut key = [0; KEY];
        rand::fill(&mut key).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
        db.prepare_cached("INSERT INTO erasure_key (one, key) VALUES (1, ?1)")?.execute([key])?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    fn hash(&self, number: &str) -> hmac::Tag {
        hmac::sign(&self.0, number.as_bytes())
    }

    /// Why an account must not message a number; `None` if it may.
    pub fn suppression(&self, db: &Connection, account: &str, number: &str) -> Result<Option<String>> {
        db.prepare_cached("SELECT erased_at FROM hashed_suppressions WHERE hash = ?1 AND account IN (?2, '*')")?
            .query_row(params![self.hash(number).as_ref(), account], |row| row.get(0).map(|at| reason(Timestamp(at))))
            .optional()
    }

    /// A number may be messaged again, by an account or by all (`*`). Returns how many entries that takes away.
    pub fn remove(&self, db: &Connection, account: &str, number: &str) -> Result<usize> {
        db.prepare_cached("DELETE FROM hashed_suppressions WHERE hash = ?1 AND (account = ?2 OR ?2 = '*')")?
            .execute(params![self.hash(number).as_ref(), account])
    }

    /// Who must not message a number.
    pub fn views(&self, db: &Connection, number: &str) -> Result<Vec<SuppressionView>> {
        db.prepare_cached("SELECT account, at, erased_at FROM hashed_suppressions WHERE hash = ?1 ORDER BY account")?
            .query_map([self.hash(number).as_ref()], |row| {
                Ok(SuppressionView {
                    number: number.to_owned(),
                    account: row.get("account")?,
                    reason: reason(Timestamp(row.get("erased_at")?)),
                    since: shown(Timestamp(row.get("at")?)),
                })
            })?
            .collect()
    }
}

/// Keeps the suppressions of a number as hashes alone. Returns how many there were.
pub fn keep(db: &Connection, number: &str, now: Timestamp) -> Result<usize> {
    if !db.prepare_cached("SELECT 1 FROM suppressions WHERE number = ?1")?.exists([number])? {
        return Ok(0);
    }
    let hash = Hashes::begun(db)?.hash(number);
    db.prepare_cached(
        "INSERT INTO hashed_suppressions (hash, account, at, erased_at) SELECT ?2, account, at, ?3 FROM suppressions WHERE number = ?1
         ON CONFLICT DO UPDATE SET erased_at = excluded.erased_at",
    )?
    .execute(params![number, hash.as_ref(), now.0])?;
    db.prepare_cached("DELETE FROM suppressions WHERE number = ?1")?.execute([number])
}

/// Of how many people a number is kept.
pub fn count(db: &Connection) -> Result<u64> {
    db.prepare_cached("SELECT count(DISTINCT hash) FROM hashed_suppressions")?
        .query_row([], |row| row.get::<_, i64>(0).map(|count| u64::try_from(count).unwrap_or(0)))
}

fn reason(erased_at: Timestamp) -> String {
    format!("suppressed (the number was erased on {}; kept as a hash)", date(erased_at))
}
