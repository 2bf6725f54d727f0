//! The store's files: who has them, what is done to them under a running relay, and whose error is whose.

use std::path::Path;
use std::sync::Arc;

use serri_relay::clock::Stopwatch;
use serri_relay::clock::Timestamp;
use serri_relay::event::Kept;
use serri_relay::store::{OpenError, Report, Reported, StoreError};
use tempfile::TempDir;

use super::{execute, lock, query};
use crate::store::{claim, event, open, request, sent, settlement, store};
use crate::world::eventually;

fn database(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("relay.db")
}

/// What a relay would find if this one died now: the files by their names.
fn after_a_crash(dir: &TempDir, sql: &str) -> Vec<Vec<String>> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["relay.db", "relay.db-wal"] {
        // no -shm: it is made anew from the others
        let _ = std::fs::copy(dir.path().join(name), copy.path().join(name));
    }
    query(&copy.path().join("relay.db"), sql)
}

#[tokio::test]
async fn a_file_has_one_relay_by_whatever_name() {
    let (dir, held) = store();
    held.append(vec![event(1, 0, &[])]).await.unwrap();
    let database = database(&dir);
    let elsewhere = tempfile::tempdir_in(dir.path()).unwrap();
    std::os::unix::fs::symlink(&database, dir.path().join("symlink.db")).unwrap();
    std::fs::hard_link(&database, dir.path().join("hard.db")).unwrap();
    std::os::unix::fs::symlink(dir.path(), elsewhere.path().join("directory")).unwrap();
    let names = ["symlink.db", "hard.db", "relay.db"].map(|name| dir.path().join(name));
    for path in names.iter().chain([&elsewhere.path().join("directory/relay.db")]) {
        // whatever lies beside it may be removed
        let _ = std::fs::remove_file(dir.path().join("relay.db.lock"));
        let opened = serri_relay::store::open(&format!("sqlite:{}", path.display()));
        assert!(matches!(opened, Err(OpenError::InUse(_))), "{}", path.display());
        assert!(opened.err().unwrap().to_string().contains("another relay is using"));
    }
    assert_eq!(held.append(vec![event(2, 0, &[])]).await, Ok(vec![Kept::New]));
    drop(held);
    assert!(open(&dir).is_ok());
}

#[tokio::test]
async fn a_file_put_in_its_place_is_not_shared_with_the_relay_that_has_it() {
    let (dir, first) = store();
    let (other_dir, second) = store();
    first.append(vec![event(1, 0, &[])]).await.unwrap();
    std::fs::rename(database(&dir), dir.path().join("aside.db")).unwrap();
    std::fs::hard_link(database(&other_dir), database(&dir)).unwrap();
    let refused = async || {
        let refused = first.append(vec![event(2, 0, &[])]).await;
        refused.is_err_and(|error| error.to_string().contains("another relay is using"))
    };
    eventually("it says that another relay has it", refused).await;
    assert_eq!(second.append(vec![event(1, 0, &[])]).await, Ok(vec![Kept::New]));
}

/// What one statement may get wrong, as SQL that makes it so; `?` stands for the table.
const OWN_FAULTS: [(&str, &str); 3] = [
    ("a constraint", "CREATE TRIGGER t BEFORE INSERT ON ? BEGIN SELECT RAISE(ABORT, 'unlucky') WHERE NEW.# = 13; END"),
    ("a size", "CREATE TRIGGER t BEFORE INSERT ON ? WHEN NEW.# = 13 BEGIN SELECT zeroblob(2000000000); END"),
    ("a value", "CREATE TRIGGER t BEFORE INSERT ON ? WHEN NEW.# = 13 BEGIN SELECT json('{'); END"),
];

#[tokio::test]
async fn what_one_statement_gets_wrong_is_its_own_fault() {
    for (what, trigger) in OWN_FAULTS {
        let (dir, store) = store();
        execute(&database(&dir), &trigger.replace('?', "events").replace("NEW.# = 13", "NEW.id = '13'"));
        // while another program has the file, calls gather in one batch
        let other = lock(&database(&dir));
        let first = store.append(vec![event(1, 0, &[])]);
        let calls: Vec<_> = (11..=15).map(|n| store.append(vec![event(n, 0, &["+1"])])).collect();
        let (claimed, released) = (store.claim(request(5, 9)), store.settle(Arc::new(Report::default()), Timestamp(0)));
        other.release();
        first.await.unwrap();
        for (n, call) in (11..=15).zip(calls) {
            match call.await {
                Err(StoreError::Refused(_)) if n == 13 => {}
                answer => assert_eq!(answer, Ok(vec![Kept::New]), "{what}: {n}"),
            }
        }
        assert_eq!(claimed.await.unwrap().sends.len(), 1, "{what}: one at a time to a person");
        assert_eq!(released.await, Ok(Reported::default()), "{what}");
        assert!(store.probe().await.is_ok(), "{what}: the file has no fault");
        assert_eq!(query(&database(&dir), "SELECT count(*), count(DISTINCT seq) FROM events"), [["5", "5"]], "{what}");
    }
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_keeps_no_other_from_being_written() {
    for (what, trigger) in OWN_FAULTS {
        let (dir, store) = store();
        store.append(vec![event(1, 0, &["+1"]), event(2, 0, &["+2"]), event(3, 0, &["+3"])]).await.unwrap();
        let sends = claim(&store, 0, 9).await;
        execute(&database(&dir), &trigger.replace('?', "attempts").replace("NEW.# = 13", "NEW.send = 2"));
        let settlements = sends.iter().map(|send| settlement(send, sent())).collect();
        let report = Arc::new(Report { settlements, ..Report::default() });
        assert_eq!(store.settle(report, Timestamp(0)).await, Ok(Reported::default()), "{what}");
        assert_eq!(query(&database(&dir), "SELECT state FROM sends ORDER BY id"), [["10"], ["2"], ["10"]], "{what}");
        assert_eq!(store.append(vec![event(4, 0, &[])]).await, Ok(vec![Kept::New]), "{what}");
    }
}

#[tokio::test]
async fn an_event_that_no_table_takes_is_seen_by_a_probe() {
    let (dir, store) = store();
    assert_eq!(store.probe().await, Ok(()));
    execute(&database(&dir), "ALTER TABLE events RENAME TO elsewhere");
    eventually("it is not ready", async || store.probe().await.is_err()).await;
    execute(&database(&dir), "ALTER TABLE elsewhere RENAME TO events");
    eventually("it is ready again", async || store.probe().await.is_ok()).await;
    assert_eq!(query(&database(&dir), "SELECT count(*) FROM events"), [["0"]], "a probe leaves nothing");
}

#[tokio::test]
async fn however_many_ask_whether_it_is_ready_it_is_tried_once_a_second() {
    let (dir, store) = store();
    let log = || std::fs::metadata(dir.path().join("relay.db-wal")).unwrap().len();
    let (before, watch) = (log(), Stopwatch::start());
    store.probe().await.unwrap();
    let once = log() - before;
    assert!(once > 0, "a probe is a write");
    for probed in futures_util::future::join_all((0..500).map(|_| store.probe())).await {
        assert_eq!(probed, Ok(()));
    }
    let written = log() - before;
    assert!(written <= once * (watch.elapsed().as_secs() + 1), "{written} bytes in {:?}", watch.elapsed());
}

#[tokio::test]
async fn a_commit_that_failed_is_known_before_the_next_probe() {
    let (dir, store) = store();
    assert_eq!(store.probe().await, Ok(()));
    let _other = lock(&database(&dir));
    assert!(store.append(vec![event(1, 0, &[])]).await.is_err());
    assert!(store.probe().await.is_err());
}

fn cut(path: &Path, bytes: u64) {
    std::fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// What was acknowledged is on disk by the files' names when it is acknowledged, whatever is done to them.
#[tokio::test]
async fn nothing_is_acknowledged_into_a_log_that_nobody_will_find() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed, bool); 8] = [
        ("log removed", |dir| std::fs::remove_file(dir.join("relay.db-wal")).unwrap(), true),
        ("index removed", |dir| std::fs::remove_file(dir.join("relay.db-shm")).unwrap(), true),
        (
            "both removed",
            |dir| {
                ["relay.db-wal", "relay.db-shm"].iter().for_each(|name| std::fs::remove_file(dir.join(name)).unwrap());
            },
            true,
        ),
        ("log moved away", |dir| std::fs::rename(dir.join("relay.db-wal"), dir.join("aside")).unwrap(), true),
        (
            "log replaced",
            |dir| {
                std::fs::write(dir.join("empty"), "").unwrap();
                std::fs::rename(dir.join("empty"), dir.join("relay.db-wal")).unwrap();
            },
            true,
        ),
        ("log emptied", |dir| cut(&dir.join("relay.db-wal"), 0), false),
        ("log cut", |dir| cut(&dir.join("relay.db-wal"), 20_000), false),
        (
            "log cut by a byte",
            |dir| {
                let log = dir.join("relay.db-wal");
                cut(&log, std::fs::metadata(&log).unwrap().len() - 1);
            },
            false,
        ),
    ];
    for (what, deed, keeps_all) in deeds {
        let (dir, store) = store();
        for n in 1..=25 {
            store.append(vec![event(n, 0, &["+1"])]).await.unwrap();
        }
        deed(dir.path());
        let mut refused = 0;
        for n in 26..=60 {
            match store.append(vec![event(n, 0, &["+1"])]).await {
                Ok(kept) => {
                    assert_eq!(kept, [Kept::New], "{what}");
                    let found = after_a_crash(&dir, &format!("SELECT count(*) FROM events WHERE id = '{n}'"));
                    assert_eq!(found, [["1"]], "{what}: {n} was acknowledged");
                }
                Err(_) => refused += 1,
            }
        }
        if keeps_all {
            let found = after_a_crash(&dir, "SELECT count(*) FROM events WHERE CAST(id AS INTEGER) <= 25");
            assert_eq!((found, refused), (vec![vec!["25".to_owned()]], 0), "{what}: nothing was lost");
        }
        assert_eq!(after_a_crash(&dir, "PRAGMA integrity_check"), [["ok"]], "{what}");
        eventually("it works again", async || store.append(vec![event(99, 0, &[])]).await.is_ok()).await;
        store.close();
        assert_eq!(query(&database(&dir), "PRAGMA integrity_check"), [["ok"]], "{what}: closed");
    }
}

#[tokio::test]
async fn a_log_that_is_cut_while_the_relay_idles_is_not_brought_into_the_file_at_its_end() {
    let (dir, store) = store();
    for n in 1..=25 {
        store.append(vec![event(n, 0, &["+1"])]).await.unwrap();
    }
    cut(&dir.path().join("relay.db-wal"), 0);
    drop(store);
    assert_eq!(query(&database(&dir), "PRAGMA integrity_check"), [["ok"]]);
}

#[tokio::test]
async fn a_page_that_is_found_damaged_later_is_told_until_somebody_changed_the_file() {
    let (dir, store) = store();
    for n in 1..=200 {
        store.append(vec![event(n, 0, &[&format!("+9198123456{n}")])]).await.unwrap();
    }
    drop(store);
    let sound = std::fs::read(database(&dir)).unwrap();
    let store = open(&dir).unwrap();
    assert_eq!(store.probe().await, Ok(()));
    let roots = query(
        &database(&dir),
        "SELECT (rootpage - 1) * 4096 FROM sqlite_schema WHERE tbl_name = 'sends' AND rootpage > 0",
    );
    let mut bytes = sound.clone();
    for root in &roots {
        let root: usize = root[0].parse().unwrap();
        bytes[root..root + 4_096].fill(0xA5);
    }
    std::fs::write(database(&dir), &bytes).unwrap();
    // what is in memory is read anew once another program has written
    let version = query(&database(&dir), "PRAGMA user_version").remove(0).remove(0);
    execute(&database(&dir), &format!("PRAGMA user_version = {version}"));
    eventually("somebody meets it", async || store.claim(request(5, 200)).await.is_err()).await;
    for n in 201..=203 {
        let refused = store.append(vec![event(n, 0, &[])]).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("damaged")));
    }
    assert!(store.probe().await.is_err_and(|error| error.to_string().contains("restore a backup")));
    std::fs::write(database(&dir), &sound).unwrap();
    eventually("the restored file is used", async || store.append(vec![event(204, 0, &[])]).await.is_ok()).await;
    eventually("it is ready", async || store.probe().await.is_ok()).await;
}
