//! What is asked of the writer thread: appends and everything else, in two queues, so that a flood of the one cannot
//! hold up the other.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::job::{Job, Reply};
use crate::event::{Kept, NewEvent};
use crate::store::{ClaimRequest, Claims, Upkeep};

/// Events to be kept.
pub struct Append {
    pub events: Vec<NewEvent>,
    pub reply: Reply<Vec<Kept>>,
}

/// Anything that is not an append.
pub enum Request {
    Claim(ClaimRequest, Reply<Claims>),
    Job(Box<dyn Job>),
}

/// Something that is done with the files, and not inside a transaction; with the way back for whether it was done.
pub struct Chore {
    pub what: Upkeep,
    pub reply: Reply<bool>,
}

/// What one transaction takes on.
#[derive(Default)]
pub struct Batch {
    pub appends: Vec<Append>,
    pub requests: Vec<Request>,
    /// What is done with the files once the rest is.
    pub chores: Vec<Chore>,
}

/// The two queues.
#[derive(Default)]
pub struct Inbox {
    queues: Mutex<Queues>,
    filled: Condvar,
}

#[derive(Default)]
struct Queues {
    appends: VecDeque<Append>,
    requests: VecDeque<Request>,
    chores: Vec<Chore>,
    /// The thread waits for work and was not woken yet. To wake costs a system call, whether anybody waits or not.
    waits: bool,
    closed: bool,
}

impl Inbox {
    /// Adds an append; gives it back if the store is closed.
    pub fn append(&self, append: Append) {
        let mut queues = self.lock();
        if !queues.closed {
            queues.appends.push_back(append);
            self.wake(queues);
        }
    }

    /// Adds a request.
    pub fn request(&self, request: Request) {
        let mut queues = self.lock();
        if !queues.closed {
            queues.requests.push_back(request);
            self.wake(queues);
        }
    }

    /// Adds a chore.
    pub fn chore(&self, chore: Chore) {
        let mut queues = self.lock();
        if !queues.closed {
            queues.chores.push(chore);
            self.wake(queues);
        }
    }

    /// No more is taken; what is there is still worked off.
    pub fn close(&self) {
        let mut queues = self.lock();
        queues.closed = true;
        self.wake(queues);
    }

    /// Nobody works any more: what is there is dropped, and whoever waits for it hears so.
    pub fn abandon(&self) {
        let mut queues = self.lock();
        queues.closed = true;
        let left = (
            std::mem::take(&mut queues.appends),
            std::mem::take(&mut queues.requests),
            std::mem::take(&mut queues.chores),
        );
        drop(queues);
        drop(left);
    }

    /// Waits for work and takes it: all requests, and appends of at most `events` events. `None` once closed and empty.
    pub fn take(&self, events: usize) -> Option<Batch> {
        let mut queues = self.lock();
        while queues.requests.is_empty() && queues.appends.is_empty() && queues.chores.is_empty() {
            if queues.closed {
                return None;
            }
            queues.waits = true;
            queues = self.filled.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
        queues.waits = false;
        let mut batch = Batch {
            appends: Vec::new(),
            requests: queues.requests.drain(..).collect(),
            chores: std::mem::take(&mut queues.chores),
        };
        let mut taken = 0;
        while taken < events
            && let Some(append) = queues.appends.pop_front()
        {
            taken += append.events.len();
            batch.appends.push(append);
        }
        Some(batch)
    }

    /// Wakes the thread if it waits, once it can have the lock.
    fn wake(&self, mut queues: MutexGuard<'_, Queues>) {
        let waits = std::mem::take(&mut queues.waits);
        drop(queues);
        if waits {
            self.filled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
