//! One transaction for a whole batch: what it comes to for each part, and the way back for the answers.
//!
//! If a statement fails by its own fault, the batch is carried out once more with a savepoint around each part, so that the
//! fault is its part's alone. As a rule none fails, and no savepoint is paid for.

use rusqlite::Connection;

use super::errors::{is_of_the_file, unavailable};
use super::fast_path::FastPath;
use super::inbox::{Append, Batch, Request};
use super::savepoint::{Part, apart};
use super::{append, claim};
use crate::event::Kept;
use crate::store::{Claims, StoreError};

/// The results of one transaction, in the order of the batch.
pub struct Results {
    jobs: Vec<Part<()>>,
    appends: Vec<Part<Vec<Kept>>>,
    claims: Vec<Part<Claims>>,
    /// The number of the next event, if any was to be kept.
    pub next_event: Option<i64>,
}

/// How the parts of a batch are carried out.
#[derive(Clone, Copy)]
enum Parts {
    /// The first error ends them all.
    Together,
    /// What fails by its own fault is taken back alone.
    Apart,
}

impl Results {
    /// Whether an event was written.
    pub fn is_anything_kept(&self) -> bool {
        self.appends.iter().flatten().flatten().any(|kept| *kept == Kept::New)
    }

    /// Answers whoever asked. They may have gone; that is theirs to decide.
    pub fn give(self, batch: Batch) {
        let (mut jobs, mut claims) = (self.jobs.into_iter(), self.claims.into_iter());
        for request in batch.requests {
            match request {
                Request::Claim(_, reply) => drop(claims.next().map(|claims| reply.send(claims))),
                Request::Job(job) => job.answer(jobs.next().unwrap_or(Err(StoreError::Closed))),
            }
        }
        for (append, kept) in batch.appends.into_iter().zip(self.appends) {
            drop(append.reply.send(kept));
        }
    }
}

/// Carries a batch out and answers it, whatever comes of it.
pub fn carry_out_alone(db: &Connection, mut batch: Batch) {
    match transact(db, &mut batch) {
        Ok(results) => results.give(batch),
        Err(error) => refuse(batch, &unavailable(&error)),
    }
}

/// Carries a batch out. An error is the file's, and everybody's.
pub fn transact(db: &Connection, batch: &mut Batch) -> rusqlite::Result<Results> {
    match within(db, batch, Parts::Together) {
        Err(error) if !is_of_the_file(&error) => within(db, batch, Parts::Apart),
        done => done,
    }
}

fn within(db: &Connection, batch: &mut Batch, parts: Parts) -> rusqlite::Result<Results> {
    // IMMEDIATE: somebody else's lock is met here, and not half-way
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = parts.carry_out(db, batch).and_then(|results| db.prepare_cached("COMMIT")?.execute([]).map(|_| results));
    if done.is_err() && !db.is_autocommit() {
        let _ = db.execute("ROLLBACK", []);
    }
    done
}

impl Parts {
    /// Settlements first, claims last, so that a claim sees what was freed and what has come.
    fn carry_out(self, db: &Connection, batch: &mut Batch) -> rusqlite::Result<Results> {
        let mut results = Results {
            jobs: Vec::new(),
            appends: Vec::with_capacity(batch.appends.len()),
            claims: Vec::new(),
            next_event: None,
        };
        for request in &mut batch.requests {
            if let Request::Job(job) = request {
                results.jobs.push(self.part(db, || job.carry_out(db))?);
            }
        }
        let asked = batch.requests.iter().find_map(|request| match request {
            Request::Claim(request, _) => Some(request),
            Request::Job(_) => None,
        });
        let mut direct = match (self, asked) {
            (Self::Together, Some(request)) => FastPath::of(db, request)?,
            // an append that is taken back must not have handed anything over
            _ => FastPath::default(),
        };
        for Append { events, .. } in &batch.appends {
            results.appends.push(match self {
                Self::Together => Ok(append::append(db, events, &mut direct)?),
                Self::Apart => self.part(db, || append::append_alone(db, events))?.map(|(kept, next)| {
                    direct.next_event = next;
                    kept
                }),
            });
        }
        direct.uncounted.write(db)?;
        results.next_event = direct.next_event;
        for request in &batch.requests {
            if let Request::Claim(request, _) = request {
                let direct = std::mem::take(&mut direct);
                results.claims.push(self.part(db, || claim::claim(db, request, direct))?);
            }
        }
        Ok(results)
    }

    fn part<T>(self, db: &Connection, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<Part<T>> {
        match self {
            Self::Together => work().map(Ok),
            Self::Apart => {
                let tell = |error: &StoreError| {
                    tracing::error!(%error, "the store refused one request; all others are carried out");
                };
                apart(db, work).map(|done| done.inspect_err(tell))
            }
        }
    }
}

/// Answers a batch of which nothing was carried out.
pub fn refuse(batch: Batch, error: &StoreError) {
    for append in batch.appends {
        drop(append.reply.send(Err(error.clone())));
    }
    for chore in batch.chores {
        drop(chore.reply.send(Err(error.clone())));
    }
    for request in batch.requests {
        match request {
            Request::Claim(_, reply) => drop(reply.send(Err(error.clone()))),
            Request::Job(job) => job.answer(Err(error.clone())),
        }
    }
}
