//! Watches the open files: whether those at their names are still the ones that are open, and whole.
//!
//! SQLite does not notice when its log is removed or cut: it goes on writing where nobody will find it. What a check costs
//! is three looks at names and two reads of what was just written. It does not find what was damaged in other ways.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::file::BUSY_TIMEOUT;
use super::location::{FileId, Identity, Location, identity};
use super::schema::Problem;

/// The log's header, and the header of each frame (<https://sqlite.org/fileformat2.html#walformat>), in bytes.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What became of the open files.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are where they were, and whole.
    Whole,
    /// The log or its index is at its name no more, but whole: what it holds can still be brought into the database file.
    Moved,
    /// What was written may be gone.
    Lost(Loss),
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The database file is gone from its name, or another one is there.
    Gone,
    /// A file was cut.
    Cut,
}

impl From<Loss> for Problem {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Gone => Self::Gone,
            Loss::Cut => Self::Cut,
        }
    }
}

/// The open files as they were left.
pub struct Watch {
    location: Location,
    database: Identity,
    log: File,
    log_id: FileId,
    index: Option<FileId>,
    page_size: usize,
    /// How many frames of the log count, as SQLite says after each commit.
    frames: Arc<AtomicU32>,
    tip: Option<Tip>,
}

/// The end of the log: whoever cuts it cuts this off.
struct Tip {
    header: [u8; HEADER],
    frames: u32,
    last: Vec<u8>,
}

impl Watch {
    /// Begins. From here on the log is brought into the database file by [`checkpoint`] alone, after a look at it:
    /// SQLite would copy the holes of a log that was cut.
    pub fn start(db: &mut Connection, location: &Location) -> Result<Self, Problem> {
        let frames = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&frames);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            count.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        frames.store(frames_of(db)?, Ordering::Relaxed);
        let page_size = db.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0))?;
        let log = File::open(location.beside("-wal")).map_err(|_| Problem::Gone)?;
        let log_id = log.metadata().map(|file| Identity::of(&file)).map_err(|_| Problem::Gone)?.id;
        Ok(Self {
            database: location.identity().ok_or(Problem::Gone)?,
            index: identity(&location.beside("-shm")).map(|file| file.id),
            location: location.clone(),
            log,
            log_id,
            page_size: usize::try_from(page_size).unwrap_or(4_096),
            frames,
            tip: None,
        })
    }

    /// How many frames the log has.
    pub fn frames(&self) -> u32 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Brings the log into the database file and empties it, so that nothing that was erased is left in it. False if
    /// somebody reads an older state; nobody is waited for.
    pub fn empty_log(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        db.busy_timeout(Duration::ZERO)?;
        let mut truncate = db.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let emptied = truncate.query_row([], |row| row.get::<_, i64>(0).map(|busy| busy == 0));
        db.busy_timeout(BUSY_TIMEOUT)?;
        self.frames.store(frames_of(db)?, Ordering::Relaxed);
        self.tip = None;
        emptied
    }

    /// Looks at the files. Not inside a transaction.
    pub fn check(&mut self, db: &Connection) -> Standing {
        let Some(database) = self.location.identity().filter(|found| found.id == self.database.id) else {
            return Standing::Lost(Loss::Gone);
        };
        if self.is_cut(database, db) || !self.is_log_whole(db) {
            return Standing::Lost(Loss::Cut);
        }
        self.database = database;
        let at = |suffix| identity(&self.location.beside(suffix)).map(|file| file.id);
        if at("-wal") == Some(self.log_id) && at("-shm") == self.index { Standing::Whole } else { Standing::Moved }
    }

    /// Whether the database file is shorter than it was and than SQLite believes: pages that were given back are cut off when
    /// the log is brought into it.
    fn is_cut(&self, found: Identity, db: &Connection) -> bool {
        let pages = || db.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get::<_, i64>(0));
        found.size < self.database.size
            && pages().map_or(true, |pages| {
                let pages = u64::try_from(pages).unwrap_or(u64::MAX);
                found.size < pages.saturating_mul(self.page_size as u64)
            })
    }

    fn is_log_whole(&mut self, db: &Connection) -> bool {
        let frames = self.frames();
        if self.ends_with(frames) {
            return true;
        }
        // another program may have worked on it, as a backup does: SQLite knows
        let Ok(now) = frames_of(db) else { return false };
        if now == frames {
            return false;
        }
        self.frames.store(now, Ordering::Relaxed);
        self.tip = None;
        self.ends_with(now)
    }

    /// Whether the log holds that many frames, after those that it held before, unless it was begun anew.
    fn ends_with(&mut self, frames: u32) -> bool {
        if frames == 0 {
            self.tip = None;
            return true;
        }
        let mut header = [0; HEADER];
        if self.log.read_exact_at(&mut header, 0).is_err() {
            return false;
        }
        let before = self.tip.as_ref().filter(|tip| tip.header == header);
        if before.is_some_and(|tip| tip.frames > frames || self.frame(tip.frames).as_ref() != Some(&tip.last)) {
            return false;
        }
        if before.is_some_and(|tip| tip.frames == frames) {
            return true;
        }
        let Some(last) = self.frame(frames) else { return false };
        // a frame bears the salts of the log that it belongs to
        if last.get(8..16) != header.get(16..24) {
            return false;
        }
        self.tip = Some(Tip { header, frames, last });
        true
    }

    fn frame(&self, number: u32) -> Option<Vec<u8>> {
        let mut frame = vec![0; FRAME_HEADER + self.page_size];
        let at = HEADER as u64 + u64::from(number.saturating_sub(1)) * frame.len() as u64;
        self.log.read_exact_at(&mut frame, at).ok().map(|()| frame)
    }
}

/// Brings the log into the database file, as far as nobody reads an older state; says whether all of it is there.
pub fn checkpoint(db: &Connection) -> rusqlite::Result<bool> {
    let mut passive = db.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
    passive.query_row([], |row| Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?))
}

/// How many frames of the log count, by its index.
fn frames_of(db: &Connection) -> rusqlite::Result<u32> {
    let frames: i64 = db.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| row.get(1))?;
    Ok(u32::try_from(frames).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::file::open;
    use crate::store::sqlite::location::Missing;

    fn write(db: &Connection, times: usize) {
        for _ in 0..times {
            db.execute_batch("INSERT INTO dedup_keys (fingerprint, expires_at, event) VALUES (randomblob(16), 0, 0)")
                .unwrap();
        }
    }

    /// What is done to the log, and what is found.
    type Case<'a> = (&'a str, fn(&Location), &'a Standing);

    fn cut_to(location: &Location, bytes: fn(u64) -> u64) {
        let log = File::options().write(true).open(location.beside("-wal")).unwrap();
        log.set_len(bytes(log.metadata().unwrap().len())).unwrap();
    }

    fn other(location: &Location, sql: &str) {
        Connection::open(&location.path).unwrap().execute_batch(sql).unwrap();
    }

    fn remove(location: &Location, suffix: &str) {
        std::fs::remove_file(location.beside(suffix)).unwrap();
    }

    #[test]
    fn whatever_is_done_to_the_log_between_two_commits_is_noticed_after_the_second() {
        let (whole, cut, moved) = (Standing::Whole, Standing::Lost(Loss::Cut), Standing::Moved);
        let cases: [Case<'_>; 10] = [
            ("nothing", |_| {}, &whole),
            ("emptied", |at| cut_to(at, |_| 0), &cut),
            ("cut in the middle", |at| cut_to(at, |bytes| bytes / 2), &cut),
            ("cut by one byte", |at| cut_to(at, |bytes| bytes - 1), &cut),
            ("log removed", |at| remove(at, "-wal"), &moved),
            ("index removed", |at| remove(at, "-shm"), &moved),
            (
                "both replaced",
                |at| {
                    ["-wal", "-shm"].into_iter().for_each(|suffix| {
                        remove(at, suffix);
                        std::fs::write(at.beside(suffix), "").unwrap();
                    });
                },
                &moved,
            ),
            ("worked on by a backup", |at| other(at, "PRAGMA wal_checkpoint(TRUNCATE)"), &whole),
            ("begun anew by another", |at| other(at, "PRAGMA wal_checkpoint(RESTART); DELETE FROM dedup_keys"), &whole),
            ("written to by another", |at| other(at, "INSERT INTO dedup_keys VALUES (randomblob(16), 0, 0)"), &whole),
        ];
        for (what, deed, expected) in &cases {
            let dir = tempfile::tempdir().unwrap();
            let location = Location { path: dir.path().join("relay.db") };
            let mut db = open(&location, Missing::Create).unwrap();
            let mut watch = Watch::start(&mut db, &location).unwrap();
            write(&db, 5);
            assert_eq!(watch.check(&db), Standing::Whole, "{what}");
            deed(&location);
            write(&db, 1);
            assert_eq!(watch.check(&db), **expected, "{what}");
            if **expected == Standing::Whole {
                assert!(checkpoint(&db).unwrap());
                write(&db, 1);
                assert_eq!(watch.check(&db), Standing::Whole, "{what}: begun anew");
            }
        }
    }

    #[test]
    fn a_file_that_gave_pages_back_is_whole_and_one_that_was_cut_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let location = Location { path: dir.path().join("relay.db") };
        let mut db = open(&location, Missing::Create).unwrap();
        let mut watch = Watch::start(&mut db, &location).unwrap();
        db.execute_batch("BEGIN").unwrap();
        write(&db, 20_000);
        db.execute_batch("COMMIT").unwrap();
        assert!(checkpoint(&db).unwrap());
        assert_eq!(watch.check(&db), Standing::Whole);
        let before = location.identity().unwrap().size;
        for sql in ["DELETE FROM dedup_keys", "PRAGMA incremental_vacuum"] {
            db.execute_batch(sql).unwrap();
            assert!(checkpoint(&db).unwrap());
            assert_eq!(watch.check(&db), Standing::Whole, "{sql}");
        }
        let size = location.identity().unwrap().size;
        assert!(size < before, "{size} of {before}");
        write(&db, 200);
        assert_eq!(watch.check(&db), Standing::Whole, "it grows again");
        File::options().write(true).open(&location.path).unwrap().set_len(size - 4_096).unwrap();
        assert_eq!(watch.check(&db), Standing::Lost(Loss::Cut));
    }

    #[test]
    fn a_log_that_was_cut_is_noticed_before_anything_else_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let location = Location { path: dir.path().join("relay.db") };
        let mut db = open(&location, Missing::Create).unwrap();
        let mut watch = Watch::start(&mut db, &location).unwrap();
        write(&db, 5);
        assert_eq!(watch.check(&db), Standing::Whole);
        File::options().write(true).open(location.beside("-wal")).unwrap().set_len(40).unwrap();
        assert_eq!(watch.check(&db), Standing::Lost(Loss::Cut));
    }
}
