//! What holds an account's sends back in this process: its rate, its campaigns' rates, and its breaker. What holds them
//! back for everybody, and over restarts, is in the store.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Account;
use super::breaker::{Breaker, Turn};
use super::pace::Pace;
use super::schedule::Policy;
use crate::clock::Timestamp;
use crate::config::unit::Rate;
use crate::event::{Attempt, Outcome};
use crate::store::Quota;

/// Of several accounts one may hold at most this part of the room.
const MOST_SHARES: usize = 4;

/// The throttle of one account.
#[derive(Debug)]
pub struct Throttle {
    pace: Pace,
    campaigns: BTreeMap<String, Pace>,
    breaker: Breaker,
    /// The longest that a server is heard which asks to wait.
    longest: Duration,
    /// How many are claimed and not yet done.
    held: usize,
    /// Something may be ready that was not claimed.
    may_have_ready: bool,
}

impl Throttle {
    /// With nothing under way.
    fn new(account: &Account, policy: &Policy) -> Self {
        let campaigns = account.campaign_rates.iter();
        Self {
            pace: Pace::new(account.rate),
            campaigns: campaigns.map(|(name, rate)| (name.clone(), Pace::new(*rate))).collect(),
            breaker: Breaker::new(policy.initial, policy.max),
            longest: policy.max,
            held: 0,
            may_have_ready: true,
        }
    }

    /// The same as the configuration says now: what was used up, and what the server asked for, holds on.
    fn adopt(self, account: &Account, policy: &Policy, now: Timestamp) -> Self {
        let Self { pace, mut campaigns, breaker, held, .. } = self;
        let of_campaign = |(name, rate): (&String, &Rate)| {
            let pace = campaigns.remove(name).map_or_else(|| Pace::new(*rate), |pace| pace.adopt(*rate, now));
            (name.clone(), pace)
        };
        Self {
            pace: pace.adopt(account.rate, now),
            campaigns: account.campaign_rates.iter().map(of_campaign).collect(),
            breaker: breaker.adopt(policy.initial, policy.max),
            held,
            ..Self::new(account, policy)
        }
    }

    fn room(&self, now: Timestamp, most: usize) -> usize {
        self.pace.available(now).min(self.breaker.room(now, self.held)).min(most.saturating_sub(self.held))
    }

    /// What an attempt tells of the account as a whole. `chance` is between 0 and 1.
    fn learn(&mut self, attempt: &Attempt, chance: f64) -> Option<Turn> {
        let ended = attempt.at.after(attempt.took);
        match &attempt.outcome {
            Outcome::Transient { retry_after, .. } if attempt.status == Some(429) => {
                self.pace.slow(ended, retry_after.map(|asked| ended.after(asked.min(self.longest))));
                None
            }
            Outcome::Transient { .. } | Outcome::Uncertain { .. } => self.breaker.failed(attempt.at, ended, chance),
            _ => {
                self.pace.ease(ended);
                self.breaker.passed()
            }
        }
    }
}

/// The throttles of all accounts.
#[derive(Debug)]
pub struct Throttles {
    accounts: BTreeMap<String, Throttle>,
    /// The account that is asked for first, the next time.
    first: usize,
}

impl Throttles {
    /// Of these accounts.
    pub fn new(accounts: &BTreeMap<String, Account>, policy: &Policy) -> Self {
        let throttle = |(name, account): (&String, &Account)| (name.clone(), Throttle::new(account, policy));
        Self { accounts: accounts.iter().map(throttle).collect(), first: 0 }
    }

    /// These are the accounts now.
    pub fn adopt(&mut self, accounts: &BTreeMap<String, Account>, policy: &Policy, now: Timestamp) {
        let mut known = std::mem::take(&mut self.accounts);
        let throttle = |(name, account): (&String, &Account)| {
            let throttle = match known.remove(name) {
                Some(throttle) => throttle.adopt(account, policy, now),
                None => Throttle::new(account, policy),
            };
            (name.clone(), throttle)
        };
        self.accounts = accounts.iter().map(throttle).collect();
    }

    /// Whether nothing is to be asked for.
    pub fn nothing_to_claim(&self) -> bool {
        !self.accounts.values().any(|account| account.may_have_ready)
    }

    /// Anything may be ready.
    pub fn mark_all_ready(&mut self) {
        self.accounts.values_mut().for_each(|account| account.may_have_ready = true);
    }

    /// How many of which account, within `room` of `all`: of several accounts none so many that one that hangs could stop
    /// the others.
    pub fn quotas(&mut self, now: Timestamp, mut room: usize, all: usize) -> Vec<Quota> {
        let most = (all / self.accounts.len().clamp(1, MOST_SHARES)).max(1);
        let from = self.first % self.accounts.len().max(1);
        self.first = from + 1;
        let mut quotas = Vec::new();
        for (account, throttle) in self.accounts.iter().skip(from).chain(self.accounts.iter().take(from)) {
            let count = if throttle.may_have_ready { throttle.room(now, most).min(room) } else { 0 };
            if count > 0 {
                room -= count;
                let limits =
                    throttle.campaigns.iter().map(|(name, pace)| (name.clone(), pace.available(now))).collect();
                quotas.push(Quota { account: account.clone(), count, limits });
            }
        }
        quotas
    }

    /// These are asked for: until something happens there is no need to ask again.
    pub fn asked(&mut self, quotas: &[Quota]) {
        for quota in quotas {
            if let Some(throttle) = self.accounts.get_mut(&quota.account) {
                throttle.may_have_ready = false;
            }
        }
    }

    /// Of an account as many came as were asked for, or there is more to look at.
    pub fn mark_ready(&mut self, account: &str) {
        if let Some(throttle) = self.accounts.get_mut(account) {
            throttle.may_have_ready = true;
        }
    }

    /// A send was claimed and goes.
    pub fn take(&mut self, account: &str, campaign: &str, now: Timestamp) {
        if let Some(throttle) = self.accounts.get_mut(account) {
            throttle.held += 1;
            throttle.pace.take(1, now);
            if let Some(pace) = throttle.campaigns.get_mut(campaign) {
                pace.take(1, now);
            }
        }
    }

    /// A send that was claimed does not go: it has used nothing up.
    pub fn give_back(&mut self, account: &str, campaign: &str) {
        if let Some(throttle) = self.accounts.get_mut(account) {
            throttle.pace.give_back();
            if let Some(pace) = throttle.campaigns.get_mut(campaign) {
                pace.give_back();
            }
        }
        self.done(account);
    }

    /// A send is done.
    pub fn done(&mut self, account: &str) {
        if let Some(throttle) = self.accounts.get_mut(account) {
            throttle.held = throttle.held.saturating_sub(1);
        }
    }

    /// What an attempt tells of its account.
    pub fn learn(&mut self, account: &str, attempt: &Attempt, chance: f64) -> Option<Turn> {
        self.accounts.get_mut(account)?.learn(attempt, chance)
    }

    /// When something may be claimed again that may not now.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let of_account = |throttle: &Throttle| {
            let campaigns = throttle.campaigns.values().map(|pace| pace.next(now)).filter(|at| *at > now).min();
            if throttle.may_have_ready {
                let pace = throttle.pace.next(now).max(throttle.breaker.next().unwrap_or(now));
                Some(campaigns.map_or(pace, |campaign| pace.min(campaign.max(pace))))
            } else {
                campaigns
            }
        };
        self.accounts.values().filter_map(of_account).min()
    }

    /// A clock that was set back holds nothing up.
    pub fn clamp_to(&mut self, now: Timestamp, longest: Duration) {
        for throttle in self.accounts.values_mut() {
            throttle.pace.clamp_to(now, longest);
            throttle.campaigns.values_mut().for_each(|pace| pace.clamp_to(now, longest));
            throttle.breaker.clamp_to(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::event::{Confirm, OnUncertain, UncertainPolicy};
    use crate::route::TestMode;
    use crate::secret::Secret;
    use crate::serri::Endpoint;

    #[test]
    fn a_server_that_asks_to_wait_for_a_day_or_for_ever_is_heard_for_the_longest_wait() {
        let max = Duration::from_secs(600);
        let policy = Policy {
            initial: Duration::from_secs(2),
            max,
            give_up_after: Duration::from_secs(3_600),
            uncertain: UncertainPolicy { on_uncertain: OnUncertain::Retry, tries: NonZeroU32::MIN },
            probe_initial: Duration::from_secs(60),
            probe_max: Duration::from_secs(900),
        };
        let account = Account {
            endpoint: Endpoint {
                account: "default".into(),
                url: "http://serri.example/".parse().expect("a URL"),
                confirm: Confirm::Explicit,
            },
            key: Secret::new(""),
            rate: Rate(None),
            campaign_rates: BTreeMap::new(),
            test_mode: TestMode::default(),
        };
        for (asked_s, waited_s) in [(3, 3), (600, 600), (86_400, 600), (u64::MAX, 600)] {
            for status in [429, 503] {
                let mut throttle = Throttle::new(&account, &policy);
                let retry_after = Some(Duration::from_secs(asked_s));
                let outcome = Outcome::Transient { reason: status.to_string(), retry_after };
                let at = Timestamp(1_000);
                let attempt =
                    Attempt { at, took: Duration::ZERO, status: Some(status), answer: String::new(), outcome };
                let _ = throttle.learn(&attempt, 1.0);
                let waits = if status == 429 { Duration::from_secs(waited_s) } else { Duration::ZERO };
                let next = throttle.pace.next(at);
                assert_eq!(next.since(at), waits, "{status}: {asked_s} s");
                assert!(throttle.room(next, 8) > 0, "{status}: {asked_s} s");
            }
        }
    }
}
