//! The SQL of claims: what is due is handed out, and what must not go any more comes to its end.

use std::time::Duration;

use rusqlite::{Connection, Result, Row, params};

use super::facts::{SendFacts, Suppressions};
use super::fast_path::FastPath;
use super::frequency::Rivals;
use super::holds::{self, Active};
use super::states::{SendState, sql};
use super::transitions::{self, Transition};
use super::{leases, ready, recipient_order};
use crate::clock::Timestamp;
use crate::event::{Claimed, HoldChange, Once, Probe, SendGuards, SendId};
use crate::store::gate::{Candidate, Gate, gate};
use crate::store::{ClaimRequest, Claims, Quota};

/// How many sends are looked at in one transaction, most of which may turn out not to go.
const LOOK_LIMIT: usize = 2_000;

/// Among how many sends the probes of a hold take turns.
const PROBES: usize = 16;

/// Hands out sends that are ready, besides those that went straight through.
pub fn claim(db: &Connection, request: &ClaimRequest, direct: FastPath) -> Result<Claims> {
    let direct = if direct.lease_until.is_some() { direct } else { FastPath::of(db, request)? };
    let holds = holds::active(db)?;
    let mut claim = Claim { db, request, holds, sends: direct.sends, looked: 0, ended: Vec::new() };
    let is_unfinished = direct.more;
    for quota in &request.quotas {
        let got = claim.sends.iter().filter(|send| send.account == quota.account);
        claim.of(&quota.less(got.map(|send| send.campaign.as_str())))?;
    }
    let Claim { holds, sends, looked, ended, .. } = claim;
    let next: Option<i64> = db
        .prepare_cached(sql!("SELECT min(due_at) FROM sends WHERE state = " delayed))?
        .query_row([], |row| row.get(0))?;
    let expiry: Option<i64> = db
        .prepare_cached(sql!("SELECT min(expires_at) FROM sends INDEXED BY sends_expiring WHERE expires_at IS NOT NULL AND state IN (" unsent ")"))?
        .query_row([], |row| row.get(0))?;
    let probes = holds.iter().filter_map(|hold| hold.probe_at).filter(|at| *at > request.now);
    let next_due = next.into_iter().chain(expiry).map(Timestamp).chain(probes).min();
    Ok(Claims {
        sends,
        next_due,
        more: is_unfinished || looked >= LOOK_LIMIT,
        holds: ended,
        correction: request.correction,
    })
}

struct Claim<'a> {
    db: &'a Connection,
    request: &'a ClaimRequest,
    holds: Vec<Active>,
    sends: Vec<Claimed>,
    looked: usize,
    /// Holds that ended, since nothing waits for them.
    ended: Vec<HoldChange>,
}

impl Claim<'_> {
    fn of(&mut self, quota: &Quota) -> Result<()> {
        let of_account: Vec<Active> = self.holds.iter().filter(|hold| hold.account == quota.account).cloned().collect();
        if let Some(hold) = of_account.iter().find(|hold| hold.campaign.is_empty()) {
            return if quota.count > 0 { self.probe_account(quota, hold, &of_account) } else { Ok(()) };
        }
        let mut left = quota.clone();
        for hold in &of_account {
            if left.count == 0 || !hold.may_be_tried(self.db, self.request.now)? {
                continue;
            }
            if self.probe_lane(hold)? {
                left.take(&hold.campaign);
            } else {
                holds::end_if_empty(self.db, hold, self.request.now, &mut self.ended)?;
            }
        }
        while left.count > 0 && self.looked < LOOK_LIMIT {
            let ids = ready::first(self.db, &left, &of_account)?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                if let Some(send) = self.look(id)? {
                    left.take(&send.campaign);
                    self.take(send)?;
                }
            }
        }
        Ok(())
    }

    /// One send that is due anyway finds out whether the account works again; if there is any, one of a campaign that does.
    fn probe_account(&mut self, quota: &Quota, hold: &Active, holds: &[Active]) -> Result<()> {
        if !hold.may_be_tried(self.db, self.request.now)? {
            return Ok(());
        }
        let some = Quota { count: PROBES, ..quota.clone() };
        if self.probe(hold, hold.probe(), |db| ready::first(db, &some, holds))? {
            return Ok(());
        }
        let last = Probe { is_last_resort: true, ..hold.probe() };
        for lane in holds.iter().filter(|hold| !hold.campaign.is_empty()) {
            if self
                .probe(hold, last, |db| ready::of_campaign(db, &lane.account, &lane.campaign, PROBES).map(numbers))?
            {
                return Ok(());
            }
        }
        holds::end_if_empty(self.db, hold, self.request.now, &mut self.ended).map(drop)
    }

    /// The same for a campaign. Returns whether one goes.
    fn probe_lane(&mut self, hold: &Active) -> Result<bool> {
        self.probe(hold, hold.probe(), |db| ready::of_campaign(db, &hold.account, &hold.campaign, PROBES).map(numbers))
    }

    /// Each probe is another send: one that is refused for what it is itself must not keep all others from being tried.
    fn probe(
        &mut self,
        hold: &Active,
        probe: Probe,
        candidates: impl Fn(&Connection) -> Result<Vec<i64>>,
    ) -> Result<bool> {
        while self.looked < LOOK_LIMIT {
            let ids = recipient_order::first_of_each(self.db, &candidates(self.db)?)?;
            let turn = usize::try_from(hold.probes).unwrap_or(0).checked_rem(ids.len());
            let Some(id) = turn.and_then(|turn| ids.get(turn)).copied() else { break };
            if let Some(send) = self.look(id)? {
                holds::try_with(self.db, hold.id, send.id.0)?;
                self.take(Claimed { probe: Some(probe), ..send })?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, send: Claimed) -> Result<()> {
        self.db.prepare_cached("UPDATE sends SET state = ?2, due_at = ?3 WHERE id = ?1")?.execute(params![
            send.id.0,
            SendState::Sending,
            leases::end(self.request.lease).0
        ])?;
        self.sends.push(send);
        Ok(())
    }

    /// Looks at a ready send: it may go, or comes to where it belongs.
    fn look(&mut self, id: i64) -> Result<Option<Claimed>> {
        self.looked += 1;
        let mut select = self.db.prepare_cached(
            "SELECT id, campaign, destination, payload, coalesce(retrying_since, created_at) AS retrying_since, attempts, rule,
                    (SELECT events.id FROM events WHERE seq = event) AS event_id, account, route, retries_used, guards,
                    priority, expires_at, once, once_window_ms, marketing, key, about_at, event, uncertain
             FROM sends WHERE id = ?1",
        )?;
        let ready = select.query_row([id], Ready::read)?;
        let now = self.request.now;
        let transition = match gate(ready.candidate(), &mut ready.facts(self.db, now), now)? {
            Gate::Open => return Ok(Some(ready.send)),
            Gate::Blocked => return recipient_order::block(self.db, id).map(|()| None),
            Gate::Wait(start) => Transition::wait(start),
            Gate::End(ending) => {
                let reason = ending.to_string();
                transitions::record(self.db, id, now, Transition::end(SendState::of(ending.state()), &reason))?;
                return Ok(None);
            }
        };
        transitions::record(self.db, id, now, transition)?;
        Ok(None)
    }
}

fn numbers(found: Vec<(i64, i64)>) -> Vec<i64> {
    found.into_iter().map(|(_, id)| id).collect()
}

/// A ready send with what decides whether it may go.
struct Ready {
    send: Claimed,
    priority: i64,
    once: Option<Once>,
    is_marketing: bool,
    key: Option<String>,
    moment: Option<Timestamp>,
    event: i64,
}

impl Ready {
    fn read(row: &Row<'_>) -> Result<Self> {
        let guards: Option<String> = row.get("guards")?;
        let (once, within): (Option<[u8; 16]>, Option<i64>) = (row.get("once")?, row.get("once_window_ms")?);
        let window = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        Ok(Self {
            send: Claimed {
                id: SendId(row.get("id")?),
                campaign: row.get("campaign")?,
                destination: row.get("destination")?,
                payload: row.get("payload")?,
                since: Timestamp(row.get("retrying_since")?),
                attempts: row.get("attempts")?,
                rule: row.get("rule")?,
                event: row.get::<_, Option<String>>("event_id")?.unwrap_or_default(),
                account: row.get("account")?,
                route: row.get("route")?,
                used: row.get("retries_used")?,
                uncertain: row.get("uncertain")?,
                expires_at: row.get::<_, Option<i64>>("expires_at")?.map(Timestamp),
                guards: SendGuards::read(guards.as_deref()),
                probe: None,
            },
            priority: row.get("priority")?,
            once: once.zip(within).map(|(key, within)| Once { key, within: window(within) }),
            is_marketing: row.get::<_, Option<bool>>("marketing")? == Some(true),
            key: row.get("key")?,
            moment: row.get::<_, Option<i64>>("about_at")?.map(Timestamp),
            event: row.get("event")?,
        })
    }

    fn candidate(&self) -> Candidate<'_> {
        let Claimed { expires_at, guards, .. } = &self.send;
        Candidate { expires_at: *expires_at, guards, cap: guards.cap.filter(|_| self.is_marketing) }
    }

    fn facts<'a>(&'a self, db: &'a Connection, now: Timestamp) -> SendFacts<'a> {
        SendFacts {
            db,
            id: Some(self.send.id),
            event: Some(self.event),
            route: &self.send.route,
            rule: &self.send.rule,
            account: &self.send.account,
            campaign: &self.send.campaign,
            destination: &self.send.destination,
            priority: self.priority,
            key: self.key.as_deref(),
            moment: self.moment,
            once: self.once.as_ref(),
            rivals: Rivals::Gone,
            suppressions: Suppressions::Unknown,
            now,
        }
    }
}
