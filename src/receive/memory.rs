//! What the bodies of all calls take in memory together: reserved as bytes arrive, given back when their calls are over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every call may hold without a share of the whole, in bytes: nearly every webhook is smaller, so that large bodies,
/// however many, never keep those out. `server.concurrency` bounds how many there are.
const SMALL: usize = 16 * 1_024;

/// The memory that bodies share.
#[derive(Debug)]
pub struct BodyMemory {
    left: AtomicUsize,
}

/// What one call holds of it.
#[derive(Debug)]
pub struct Held {
    memory: Arc<BodyMemory>,
    /// Of the shared part, in bytes.
    reserved: usize,
}

/// Others hold all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl BodyMemory {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// A call that holds nothing yet.
    pub fn hold(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), reserved: 0 }
    }
}

impl Held {
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

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.reserved, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_and_small_ones_are_always_taken() {
        let memory = Arc::new(BodyMemory::new(100_000));
        let (mut first, mut second, mut third) = (memory.hold(), memory.hold(), memory.hold());
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
