//! What all calls take in memory together: their bodies, reserved as bytes arrive and given back when the calls are over;
//! and what came of them, reserved before the store is asked and given back when it is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

/// What every call may take without a share of the whole, in bytes: nearly every webhook is smaller, so that large bodies,
/// however many, never keep those out. `server.concurrency` bounds how many there are.
const SMALL: usize = 16 * 1_024;

/// How much of a bound is taken, in bytes or in calls. The bound may be another at each time: what was taken before counts.
#[derive(Debug, Default)]
pub struct Taken(AtomicUsize);

/// What was taken, until it is dropped.
#[derive(Debug)]
pub struct Share<'a>(&'a Taken);

/// Others have taken all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Taken {
    /// Takes one of so many.
    pub fn one_of(&self, limit: usize) -> Result<Share<'_>, Full> {
        self.take(1, limit).map(|()| Share(self))
    }

    fn take(&self, more: usize, limit: usize) -> Result<(), Full> {
        let take = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= limit);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| Full)
    }

    fn give_back(&self, taken: usize) {
        self.0.fetch_sub(taken, Ordering::Relaxed);
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.0.give_back(1);
    }
}

/// The memory that bodies share.
#[derive(Debug)]
pub struct BodyMemory {
    taken: Taken,
    limit: AtomicUsize,
}

/// What one call has reserved of it.
#[derive(Debug)]
pub struct Reservation {
    memory: Arc<BodyMemory>,
    /// Of the shared part, in bytes.
    reserved: usize,
}

impl BodyMemory {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { taken: Taken::default(), limit: AtomicUsize::new(bytes) }
    }

    /// So many bytes in all from now on.
    pub fn limit_to(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// A call that has reserved nothing yet.
    pub fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { memory: Arc::clone(self), reserved: 0 }
    }
}

impl Reservation {
    /// Holds so many bytes in all, if it does not yet.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes.saturating_sub(SMALL).saturating_sub(self.reserved);
        if more == 0 {
            return Ok(());
        }
        self.memory.taken.take(more, self.memory.limit.load(Ordering::Relaxed))?;
        self.reserved += more;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.taken.give_back(self.reserved);
    }
}

/// The memory that events share while they wait to be stored. What one call brings can take a hundred times what its body
/// does.
#[derive(Debug)]
pub struct StoreMemory {
    taken: Taken,
    limit: AtomicUsize,
    /// Of those that wait: one after another, so that many small ones do not keep a large one out.
    turn: Semaphore,
    freed: Notify,
}

/// What one call has reserved of it.
#[derive(Debug)]
pub struct Room<'a> {
    memory: &'a StoreMemory,
    bytes: usize,
}

impl StoreMemory {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { taken: Taken::default(), limit: AtomicUsize::new(bytes), turn: Semaphore::new(1), freed: Notify::new() }
    }

    /// So many bytes in all from now on.
    pub fn limit_to(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
        self.freed.notify_one();
    }

    /// Room for so many bytes, if there is some and nobody waits for it. The first 16 KiB of a call need none.
    pub fn try_reserve(&self, bytes: usize) -> Result<Room<'_>, Full> {
        let bytes = bytes.saturating_sub(SMALL);
        if bytes > 0 && self.turn.available_permits() == 0 {
            return Err(Full);
        }
        self.take(bytes)
    }

    /// Room for so many bytes, when it is this call's turn.
    pub async fn reserve(&self, bytes: usize) -> Room<'_> {
        let bytes = bytes.saturating_sub(SMALL);
        // nobody closes it
        let _turn = self.turn.acquire().await;
        loop {
            let freed = self.freed.notified();
            if let Ok(room) = self.take(bytes) {
                return room;
            }
            freed.await;
        }
    }

    /// What is larger than the whole goes alone.
    fn take(&self, bytes: usize) -> Result<Room<'_>, Full> {
        let limit = self.limit.load(Ordering::Relaxed);
        let bytes = bytes.min(limit);
        self.taken.take(bytes, limit)?;
        Ok(Room { memory: self, bytes })
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.memory.taken.give_back(self.bytes);
        if self.bytes > 0 {
            self.memory.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1_024;

    #[tokio::test]
    async fn what_is_to_be_stored_shares_and_what_is_larger_than_all_goes_alone() {
        let memory = StoreMemory::new(100 * KIB);
        let first = memory.try_reserve(60 * KIB + SMALL).expect("room");
        assert!(
            memory.try_reserve(60 * KIB + SMALL).is_err()
                && memory.try_reserve(SMALL).is_ok_and(|reserved| reserved.bytes == 0)
        );
        let mut huge = std::pin::pin!(memory.reserve(1_000 * KIB));
        assert!(futures_util::poll!(&mut huge).is_pending());
        assert!(memory.try_reserve(SMALL + 1).is_err(), "nothing overtakes the one that waits");
        drop(first);
        assert_eq!(huge.await.bytes, 100 * KIB);
        assert_eq!(memory.taken.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_new_bound_counts_what_was_taken_under_the_old_one() {
        let (bodies, storing) = (Arc::new(BodyMemory::new(100 * KIB)), StoreMemory::new(100 * KIB));
        let limit_to = |bytes: usize| {
            bodies.limit_to(bytes);
            storing.limit_to(bytes);
        };
        let mut body = bodies.reserve();
        assert_eq!(body.grow_to(60 * KIB + SMALL), Ok(()));
        let room = storing.try_reserve(60 * KIB + SMALL).expect("room");
        // the same bound anew
        limit_to(100 * KIB);
        assert_eq!(bodies.reserve().grow_to(60 * KIB + SMALL), Err(Full));
        assert!(storing.try_reserve(60 * KIB + SMALL).is_err());
        // a smaller one
        limit_to(50 * KIB);
        assert_eq!((bodies.reserve().grow_to(KIB + SMALL), body.grow_to(61 * KIB + SMALL)), (Err(Full), Err(Full)));
        let mut waiting = std::pin::pin!(storing.reserve(40 * KIB + SMALL));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        // a larger one lets in who waits
        limit_to(200 * KIB);
        assert_eq!((bodies.reserve().grow_to(140 * KIB + SMALL), waiting.await.bytes), (Ok(()), 40 * KIB));
        drop((room, body));
        assert_eq!([&bodies.taken, &storing.taken].map(|taken| taken.0.load(Ordering::Relaxed)), [0, 0]);
    }

    #[test]
    fn large_bodies_share_and_small_ones_are_always_taken() {
        let memory = Arc::new(BodyMemory::new(100_000));
        let (mut first, mut second, mut third) = (memory.reserve(), memory.reserve(), memory.reserve());
        assert_eq!(first.grow_to(60_000 + SMALL), Ok(()));
        assert_eq!(second.grow_to(60_000 + SMALL), Err(Full));
        assert_eq!(second.grow_to(40_000 + SMALL), Ok(()));
        assert_eq!((third.grow_to(SMALL), third.grow_to(SMALL + 1)), (Ok(()), Err(Full)));
        drop(first);
        assert_eq!(third.grow_to(60_000 + SMALL), Ok(()));
        drop((second, third));
        assert_eq!(memory.taken.0.load(Ordering::Relaxed), 0);
    }
}
