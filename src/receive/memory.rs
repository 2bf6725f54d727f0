//! What all calls take in memory together: their bodies, reserved as bytes arrive and given back when the calls are over;
//! and what came of them, reserved before the store is asked and given back when it is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// What every call may take without a share of the whole, in bytes: nearly every webhook is smaller, so that large bodies,
/// however many, never keep those out. `server.concurrency` bounds how many there are.
const SMALL: usize = 16 * 1_024;

/// The memory that bodies share.
#[derive(Debug)]
pub struct BodyMemory {
    left: AtomicUsize,
}

/// What one call has reserved of it.
#[derive(Debug)]
pub struct Reservation {
    memory: Arc<BodyMemory>,
    /// Of the shared part, in bytes.
    reserved: usize,
}

/// Others have reserved all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl BodyMemory {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
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
        let take = |left: usize| left.checked_sub(more);
        self.memory.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| Full)?;
        self.reserved += more;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.reserved, Ordering::Relaxed);
    }
}

/// The unit in which [`StoreMemory`] counts, in bytes.
const UNIT: usize = 1_024;

/// The memory that events share while they wait to be stored. What one call brings can take a hundred times what its body
/// does.
#[derive(Debug)]
pub struct StoreMemory {
    left: Semaphore,
    units: u32,
}

impl StoreMemory {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { left: Semaphore::new(usize::try_from(units).unwrap_or(usize::MAX)), units }
    }

    /// Room for so many bytes, if there is some. The first 16 KiB of a call need none.
    pub fn try_reserve(&self, bytes: usize) -> Result<Option<SemaphorePermit<'_>>, Full> {
        match self.units_of(bytes) {
            0 => Ok(None),
            units => self.left.try_acquire_many(units).map(Some).map_err(|_| Full),
        }
    }

    /// Room for so many bytes, when it is this call's turn.
    pub async fn reserve(&self, bytes: usize) -> Result<Option<SemaphorePermit<'_>>, Full> {
        match self.units_of(bytes) {
            0 => Ok(None),
            units => self.left.acquire_many(units).await.map(Some).map_err(|_| Full),
        }
    }

    /// No more than there are: what is larger than the whole goes alone.
    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.saturating_sub(SMALL).div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_to_be_stored_shares_and_what_is_larger_than_all_goes_alone() {
        let memory = StoreMemory::new(100 * UNIT);
        let first = memory.try_reserve(60 * UNIT + SMALL).expect("room");
        assert!(
            memory.try_reserve(60 * UNIT + SMALL).is_err()
                && memory.try_reserve(SMALL).is_ok_and(|reserved| reserved.is_none())
        );
        let mut huge = std::pin::pin!(memory.reserve(1_000 * UNIT));
        assert!(futures_util::poll!(&mut huge).is_pending());
        assert!(memory.try_reserve(SMALL + 1).is_err(), "nothing overtakes the one that waits");
        drop(first);
        assert!(huge.await.is_ok_and(|reserved| reserved.is_some()));
        assert_eq!(memory.left.available_permits(), 100);
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
        assert_eq!(memory.left.load(Ordering::Relaxed), 100_000);
    }
}
