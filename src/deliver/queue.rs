//! What is claimed and not yet under way, and what must not go of it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Claimed;

/// How long a claimed send may wait in the queue: what was cancelled, suppressed or put on hold by hand meanwhile must not
/// go, and only a claim sees that. As long as calls are quick it costs nothing; when they are slow, the disk does not count.
const FRESH: Duration = Duration::from_secs(1);

/// Some of the claimed sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Everything,
    /// Those of an account.
    Account(String),
    /// Those of a campaign of an account.
    Campaign(String, String),
}

impl Scope {
    fn covers(&self, send: &Claimed) -> bool {
        match self {
            Self::Everything => true,
            Self::Account(account) => *account == send.account,
            Self::Campaign(account, campaign) => *account == send.account && *campaign == send.campaign,
        }
    }
}

/// A send that was claimed and is not yet under way.
struct Queued {
    send: Claimed,
    /// Since when, by the run's own clock.
    since: Duration,
}

/// The claimed sends, the oldest first.
#[derive(Default)]
pub struct Queue {
    sends: VecDeque<Queued>,
    /// What is on hold and not yet written down as such, or only since the claim under way was begun.
    holds: Vec<Scope>,
    /// What is no longer wanted of the claim under way.
    called_off: Vec<Scope>,
}

impl Queue {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.sends.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// A send waits from now on.
    pub fn push(&mut self, send: Claimed, now: Duration) {
        self.sends.push_back(Queued { send, since: now });
    }

    /// The next, and whether the claim is recent enough for it to go.
    pub fn pop(&mut self, now: Duration) -> Option<(Claimed, bool)> {
        let Queued { send, since } = self.sends.pop_front()?;
        Some((send, now.saturating_sub(since) <= FRESH))
    }

    /// Something is on hold from now on. Returns what waits of it: it must be given back.
    pub fn hold(&mut self, scope: Scope) -> Vec<Claimed> {
        if self.holds.contains(&scope) {
            return Vec::new();
        }
        let held = self.take_out(&scope);
        self.holds.push(scope);
        held
    }

    /// Something is not to go as it was claimed, and neither is what the claim under way brings of it. Returns what waits
    /// of it: it must be given back.
    pub fn call_off(&mut self, scope: Scope) -> Vec<Claimed> {
        let taken = self.take_out(&scope);
        self.called_off.push(scope);
        taken
    }

    fn take_out(&mut self, scope: &Scope) -> Vec<Claimed> {
        let (taken, left): (VecDeque<Queued>, _) =
            std::mem::take(&mut self.sends).into_iter().partition(|queued| scope.covers(&queued.send));
        self.sends = left;
        taken.into_iter().map(|queued| queued.send).collect()
    }

    /// Whether a send that a claim brought may wait here.
    pub fn takes(&self, send: &Claimed) -> bool {
        !self.holds.iter().chain(&self.called_off).any(|scope| scope.covers(send))
    }

    /// A claim begins: what was called off before does not concern it.
    pub fn claim_begins(&mut self) {
        self.called_off.clear();
    }

    /// The store knows of all holds, and no claim is under way that does not.
    pub fn holds_are_known(&mut self) {
        self.holds.clear();
    }
}
