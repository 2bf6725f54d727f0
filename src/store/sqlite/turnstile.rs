//! Lets the log begin anew although people read: it cannot while anybody reads an older state, and readers that overlap would
//! keep it growing for ever. When it is too long new readers wait until those who read are done, which is bounded.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;

/// How long a reader waits at most; then it reads all the same.
const PATIENCE: Duration = Duration::from_secs(12);

/// How soon readers are made to wait again: a program that is not ours may hold the log up, and waiting does not help.
const PAUSE: Duration = Duration::from_secs(30);

/// Who reads, and whether others may.
#[derive(Default)]
pub struct Turnstile {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reading: usize,
    stage: Stage,
    opened: Option<Stopwatch>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// New readers wait until the others are done.
    Closed,
    /// Nobody reads: the log is in the database file, and the next commit begins it anew.
    Empty,
}

/// Held while reading.
pub struct Pass<'a>(&'a Turnstile);

impl Turnstile {
    /// Waits until reading is welcome.
    pub fn enter(&self) -> Pass<'_> {
        let waits = |state: &mut State| state.stage != Stage::Open;
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.reading += 1;
        Pass(self)
    }

    /// Moves on after a batch of the writer: `log` is how long the log is.
    pub fn step(&self, log: Length) {
        let mut state = self.lock();
        state.stage = match (state.stage, log) {
            (Stage::Open, Length::TooLong) if state.opened.is_none_or(|opened| opened.elapsed() >= PAUSE) => {
                Stage::Closed
            }
            (Stage::Open, _) => return,
            (_, Length::Fine) | (Stage::Empty, _) => {
                state.opened = Some(Stopwatch::start());
                Stage::Open
            }
            (Stage::Closed, Length::TooLong) if state.reading == 0 => Stage::Empty,
            (Stage::Closed, Length::TooLong) => Stage::Closed,
        };
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().reading -= 1;
    }
}

/// How long the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Fine,
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_too_long_waits_for_readers_and_then_makes_new_ones_wait_no_more() {
        let turnstile = Turnstile::default();
        let reader = turnstile.enter();
        turnstile.step(Length::TooLong);
        assert!(turnstile.lock().stage == Stage::Closed);
        turnstile.step(Length::TooLong);
        assert!(turnstile.lock().stage == Stage::Closed, "somebody reads still");
        drop(reader);
        turnstile.step(Length::TooLong);
        assert!(turnstile.lock().stage == Stage::Empty, "a commit without readers begins the log anew");
        turnstile.step(Length::TooLong);
        assert!(turnstile.lock().stage == Stage::Open, "if it did not, a program that is not ours holds it up");
        turnstile.step(Length::TooLong);
        assert!(turnstile.lock().stage == Stage::Open, "and readers do not wait again at once");
        drop(turnstile.enter());
        assert_eq!(turnstile.lock().reading, 0);
    }
}
