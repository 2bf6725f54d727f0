//! Files that cannot be used: locked, damaged, moved away, emptied, another relay's.

use serri_relay::event::Kept;
use serri_relay::store::{OpenError, StoreError};

use super::{execute, lock};
use crate::store::{event, open, store};
use crate::world::eventually;

#[tokio::test]
async fn two_relays_cannot_share_a_file() {
    let (dir, store) = store();
    assert!(matches!(open(&dir), Err(OpenError::InUse(_))));
    drop(store);
    assert!(open(&dir).is_ok());
    for url in ["postgres://x", "sqlite:", "relay.db", "sqlite::memory:"] {
        assert!(matches!(serri_relay::store::open(url), Err(OpenError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_recovers() {
    let (dir, store) = store();
    let other = lock(&dir.path().join("relay.db"));
    let refused = store.append(vec![event(1, 0, &[])]).await;
    assert_eq!(refused, Err(StoreError::Unavailable("another program holds a lock on the file".into())));
    assert!(store.probe().await.is_err());
    other.release();
    assert_eq!(store.append(vec![event(1, 0, &[])]).await, Ok(vec![Kept::New]));
    eventually("it is ready again", async || store.probe().await.is_ok()).await;
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_a_restored_one_used() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &["+1"])]).await.unwrap();
    drop(store);
    let path = dir.path().join("relay.db");
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![b'x'; sound.len()]).unwrap();
    let store = open(&dir).unwrap();
    assert!(store.append(vec![event(2, 0, &[])]).await.is_err_and(|e| e.to_string().contains("damaged")));
    assert!(store.probe().await.is_err());
    std::fs::write(&path, sound).unwrap();
    eventually("the restored file is used", async || store.probe().await.is_ok()).await;
    assert_eq!(store.append(vec![event(1, 0, &[]), event(2, 0, &[])]).await, Ok(vec![Kept::Duplicate, Kept::New]));
}

#[tokio::test]
async fn a_file_that_was_moved_away_takes_nothing_until_it_is_back() {
    let (dir, store) = store();
    let files = ["relay.db", "relay.db-wal", "relay.db-shm"];
    store.append(vec![event(1, 0, &[])]).await.unwrap();
    let aside = tempfile::tempdir().unwrap();
    for name in files {
        let _ = std::fs::rename(dir.path().join(name), aside.path().join(name));
    }
    // not one event goes into a file that nobody will find, and no empty one takes its place
    for n in 2..5 {
        assert!(store.append(vec![event(n, 0, &[])]).await.is_err());
    }
    assert!(!dir.path().join("relay.db").exists());
    for name in files {
        let _ = std::fs::rename(aside.path().join(name), dir.path().join(name));
    }
    eventually("it is used again", async || store.append(vec![event(5, 0, &[])]).await.is_ok()).await;
    assert_eq!(store.append(vec![event(1, 0, &[])]).await, Ok(vec![Kept::Duplicate]));
}

#[tokio::test]
async fn a_file_that_was_emptied_takes_nothing() {
    let (dir, store) = store();
    store.append(vec![event(1, 0, &[])]).await.unwrap();
    std::fs::write(dir.path().join("relay.db"), "").unwrap();
    for n in 2..5 {
        assert!(store.append(vec![event(n, 0, &[])]).await.is_err());
    }
    assert!(store.probe().await.is_err());
}

#[tokio::test]
async fn a_file_of_a_newer_relay_is_left_alone() {
    let (dir, store) = store();
    drop(store);
    execute(&dir.path().join("relay.db"), "PRAGMA user_version = 99");
    let store = open(&dir).unwrap();
    assert!(store.probe().await.is_err_and(|e| e.to_string().contains("newer relay")));
}
