//! The SQL of claims: what is due is handed out, and what must not go any more comes to its end.

use rusqlite::{Connection, Result, Row, params};

use super::cancellation;
use super::fast_path::FastPath;
use super::frequency;
use super::holds::{self, Active};
use super::ready;
use super::recipient_order::{self, Line};
use super::states::{CANCELLED, DUPLICATE, EXPIRED, SENDING, SUPPRESSED};
use super::suppression;
use super::transitions::{self, Transition};
use crate::clock::Timestamp;
use crate::event::{Claimed, HoldChange, OverCap, SendId, Start, Terms, Why};
use crate::store::{ClaimRequest, Claims, Want};

/// How many sends are looked at in one transaction, most of which may turn out not to go.
const LOOK_LIMIT: usize = 2_000;

/// Among how many sends the probes of a hold take turns.
const PROBES: usize = 16;

/// How soon it is seen whether the same, which is being sent, went.
const ONCE_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// Hands out sends that are ready, besides those that went straight through.
pub fn claim(db: &Connection, request: &ClaimRequest, direct: FastPath) -> Result<Claims> {
    let direct = if direct.lease_until.is_some() { direct } else { FastPath::of(db, request)? };
    let holds = holds::active(db)?;
    let mut claim = Claim { db, request, holds, sends: direct.sends, looked: 0, ended: Vec::new() };
    let is_unfinished = direct.more;
    for want in &request.wants {
        let got = claim.sends.iter().filter(|send| send.account == want.account);
        claim.of(&want.less(got.map(|send| send.campaign.as_str())))?;
    }
    let Claim { holds, sends, looked, ended, .. } = claim;
    let next: Option<i64> =
        db.prepare_cached("SELECT min(due_at) FROM sends WHERE state = 1")?.query_row([], |row| row.get(0))?;
    let expiry: Option<i64> = db
        .prepare_cached("SELECT min(expires_at) FROM sends INDEXED BY sends_expiring WHERE expires_at IS NOT NULL AND state IN (0, 1, 3)")?
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

/// What becomes of a send that is looked at.
enum Gate {
    Open,
    Behind,
    Transition(i64, Option<Start>, String),
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
    fn of(&mut self, want: &Want) -> Result<()> {
        let of_account: Vec<Active> = self.holds.iter().filter(|hold| hold.account == want.account).cloned().collect();
        if let Some(hold) = of_account.iter().find(|hold| hold.campaign.is_empty()) {
            return if want.count > 0 { self.probe_account(want, hold, &of_account) } else { Ok(()) };
        }
        let mut left = want.clone();
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
    fn probe_account(&mut self, want: &Want, hold: &Active, holds: &[Active]) -> Result<()> {
        if !hold.may_be_tried(self.db, self.request.now)? {
            return Ok(());
        }
        let some = Want { count: PROBES, ..want.clone() };
        if self.probe((hold, false), |db| ready::first(db, &some, holds))? {
            return Ok(());
        }
        for lane in holds.iter().filter(|hold| !hold.campaign.is_empty()) {
            if self
                .probe((hold, true), |db| ready::of_campaign(db, &lane.account, &lane.campaign, PROBES).map(numbers))?
            {
                return Ok(());
            }
        }
        holds::end_if_empty(self.db, hold, self.request.now, &mut self.ended).map(drop)
    }

    /// The same for a campaign. Returns whether one goes.
    fn probe_lane(&mut self, hold: &Active) -> Result<bool> {
        self.probe((hold, false), |db| ready::of_campaign(db, &hold.account, &hold.campaign, PROBES).map(numbers))
    }

    /// Each probe is another send: one that is refused for what it is itself must not keep all others from being tried.
    fn probe(
        &mut self,
        (hold, is_last_resort): (&Active, bool),
        candidates: impl Fn(&Connection) -> Result<Vec<i64>>,
    ) -> Result<bool> {
        while self.looked < LOOK_LIMIT {
            let ids = recipient_order::first_of_each(self.db, &candidates(self.db)?)?;
            let turn = usize::try_from(hold.probes).unwrap_or(0).checked_rem(ids.len());
            let Some(id) = turn.and_then(|turn| ids.get(turn)).copied() else { break };
            if let Some(send) = self.look(id)? {
                holds::try_with(self.db, hold.id, send.id.0)?;
                self.take(Claimed { probe: Some(hold.probe(is_last_resort)), ..send })?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, send: Claimed) -> Result<()> {
        self.db.prepare_cached("UPDATE sends SET state = ?2, due_at = ?3 WHERE id = ?1")?.execute(params![
            send.id.0,
            SENDING,
            self.request.lease_until.0
        ])?;
        self.sends.push(send);
        Ok(())
    }

    /// Looks at a ready send: it may go, or comes to where it belongs.
    fn look(&mut self, id: i64) -> Result<Option<Claimed>> {
        self.looked += 1;
        let mut select = self.db.prepare_cached(
            "SELECT id, campaign, destination, payload, coalesce(since, created_at), attempts, rule,
                    (SELECT events.id FROM events WHERE seq = event), account, route, used, terms,
                    priority, expires_at, once, within, marketing, key, event, uncertain
             FROM sends WHERE id = ?1",
        )?;
        let candidate = select.query_row([id], Candidate::read)?;
        let (send, now) = (&candidate.send, self.request.now);
        match gate(self.db, &candidate, now)? {
            Gate::Open => return Ok(Some(candidate.send)),
            Gate::Behind => recipient_order::block(self.db, send.id.0)?,
            Gate::Transition(state, start, reason) => {
                let turn = Transition {
                    state,
                    why: start.map(|start| start.why),
                    until: start.map(|start| start.at),
                    reason: Some(reason.as_str()).filter(|reason| !reason.is_empty()),
                };
                transitions::record(self.db, send.id.0, now, turn)?;
            }
        }
        Ok(None)
    }
}

fn numbers(found: Vec<(i64, i64)>) -> Vec<i64> {
    found.into_iter().map(|(_, id)| id).collect()
}

/// A ready send with what decides whether it may go.
struct Candidate {
    send: Claimed,
    priority: i64,
    once: Option<(Vec<u8>, i64)>,
    is_marketing: bool,
    /// What it is about, and the number of its event.
    about: Option<(String, i64)>,
}

impl Candidate {
    fn read(row: &Row<'_>) -> Result<Self> {
        let terms: Option<String> = row.get(11)?;
        let (once, within): (Option<Vec<u8>>, Option<i64>) = (row.get(14)?, row.get(15)?);
        Ok(Self {
            send: Claimed {
                id: SendId(row.get(0)?),
                campaign: row.get(1)?,
                destination: row.get(2)?,
                payload: row.get(3)?,
                since: Timestamp(row.get(4)?),
                attempts: row.get(5)?,
                rule: row.get(6)?,
                event: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
                account: row.get(8)?,
                route: row.get(9)?,
                used: row.get(10)?,
                uncertain: row.get(19)?,
                expires_at: row.get::<_, Option<i64>>(13)?.map(Timestamp),
                terms: Terms::read(terms.as_deref()),
                probe: None,
            },
            priority: row.get(12)?,
            once: once.zip(within),
            is_marketing: row.get::<_, Option<i64>>(16)? == Some(1),
            about: row.get::<_, Option<String>>(17)?.zip(row.get(18)?),
        })
    }
}

fn gate(db: &Connection, candidate: &Candidate, now: Timestamp) -> Result<Gate> {
    let Candidate { send, priority, once, is_marketing, about } = candidate;
    let end = |state: i64, reason: String| Ok(Gate::Transition(state, None, reason));
    if send.expires_at.is_some_and(|at| at <= now) {
        return end(EXPIRED, "its time was over before it could be sent".into());
    }
    if let Some((key, event)) = about
        && cancellation::is_cancelled(db, (&send.route, &send.rule, key), *event)?
    {
        return end(CANCELLED, "a later event about the same came while it was on its way".into());
    }
    if !send.terms.even_if_suppressed
        && let Some(reason) = suppression::suppression(db, &send.account, &send.destination)?
    {
        return end(SUPPRESSED, format!("the number must not be messaged: {reason}"));
    }
    let line = Line { destination: &send.destination, account: &send.account, priority: *priority, before: send.id.0 };
    if recipient_order::is_taken(db, line, now)? {
        return Ok(Gate::Behind);
    }
    if let Some((key, within)) = once
        && let Some(same) = frequency::same_before(db, key, send.id.0, now.0.saturating_sub(*within))?
    {
        return match same {
            frequency::Same::Went(id) => end(DUPLICATE, format!("the person got the same by send {id}")),
            frequency::Same::IsGoing => {
                let start = Start { at: now.after(ONCE_PAUSE), why: Why::Once };
                Ok(Gate::Transition(super::states::WAITING, Some(start), String::new()))
            }
        };
    }
    let Some(cap) = send.terms.cap.filter(|_| *is_marketing) else { return Ok(Gate::Open) };
    Ok(match frequency::room_at(db, send, cap, now)? {
        None => Gate::Open,
        Some(_) if cap.over == OverCap::Drop => {
            Gate::Transition(CANCELLED, None, format!("the person had {} marketing messages already", cap.most))
        }
        Some(at) => Gate::Transition(super::states::WAITING, Some(Start { at, why: Why::Cap }), String::new()),
    })
}
