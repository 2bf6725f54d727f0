//! What a store is asked for, as jobs of SQL: the same for every store that speaks SQLite.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::inbox::{Append, Request};
use super::job::{Reply, job};
use super::leases;
use super::{
    act, erasure, holds, keys, lookups, notifications, probe, remap, retention, route_alerts, savepoint, settle,
};
use crate::clock::Timestamp;
use crate::event::act::{Acted, Action};
use crate::event::erasure::{Erased, ErasureStep, Person};
use crate::event::lookup::LookupSettlement;
use crate::event::remap::{Origin, Remapped, RuleVersion};
use crate::event::{
    AccountChange, HoldChange, Kept, KeyFingerprint, NewEvent, Notification, NotificationId, NotificationStatus, Reach,
    Returned, RouteChange, RouteState, SendId, Settlement, UncertainPolicy,
};
use crate::store::sweep::{SweepRequest, Swept};
use crate::store::{
    ClaimRequest, Claims, Intake, LookupClaims, LookupRequest, Operate, Recovered, Report, Reported, Store, StoreError,
    TestScope, Upkeep,
};

/// Takes what is asked to whoever holds the connection.
pub trait Ask: Send + Sync + 'static {
    /// Events to be kept.
    fn put(&self, append: Append);

    /// Anything else.
    fn request(&self, request: Request);

    /// Does something with the files; false if it is not done.
    fn chore(&self, what: Upkeep) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Whether it can be written to, for whoever asks.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Does what an append does, and takes it back.
pub fn probe<'a>(store: &impl Ask) -> BoxFuture<'a, Result<(), StoreError>> {
    ask(store, |reply| Request::Job(job(reply, probe::probe)))
}

/// Asks and waits for the answer.
fn ask<'a, T: Send + 'static>(
    store: &impl Ask,
    request: impl FnOnce(Reply<T>) -> Request,
) -> BoxFuture<'a, Result<T, StoreError>> {
    let (reply, answer) = oneshot::channel();
    store.request(request(reply));
    Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Closed)) })
}

fn settle_whole<'a>(
    store: &impl Ask,
    report: Arc<Report>,
    now: Timestamp,
) -> BoxFuture<'a, Result<Reported, StoreError>> {
    ask(store, |reply| Request::Job(job(reply, move |db| settle::report(db, &report, now))))
}

/// What cannot be written must not keep the rest from being written, and nothing is gained by trying it for ever: its send is
/// uncertain when its lease ends. The rest is still one transaction.
fn settle_in_parts<'a>(
    store: &impl Ask,
    report: Arc<Report>,
    now: Timestamp,
) -> BoxFuture<'a, Result<Reported, StoreError>> {
    ask(store, |reply| {
        Request::Job(job(reply, move |db| {
            let mut all = Reported::default();
            for (send, part) in parts(&report) {
                match savepoint::apart(db, || settle::report(db, &part, now))? {
                    Ok(Reported { holds, left_uncertain }) => {
                        all.holds.extend(holds);
                        all.left_uncertain += left_uncertain;
                    }
                    Err(error) => {
                        tracing::error!(send = send.0, %error, "what became of a send cannot be written; it is treated as uncertain");
                    }
                }
            }
            Ok(all)
        }))
    })
}

fn parts(report: &Report) -> impl Iterator<Item = (SendId, Report)> {
    let settlement = |part: &Settlement| (part.id, Report { settlements: vec![part.clone()], ..Report::default() });
    let returned = |part: &Returned| (part.id, Report { returned: vec![*part], ..Report::default() });
    report.settlements.iter().map(settlement).chain(report.returned.iter().map(returned))
}

/// The same for lookups: one that cannot be written down is given up with that reason, and can be replayed. Where not even
/// that can be written, it is made again when its lease ends.
fn settle_lookups_in_parts<'a>(
    store: &impl Ask,
    settlements: Arc<Vec<LookupSettlement>>,
) -> BoxFuture<'a, Result<(), StoreError>> {
    ask(store, |reply| {
        Request::Job(job(reply, move |db| {
            for settlement in settlements.iter() {
                let event = settlement.seq.0;
                let Err(error) = savepoint::apart(db, || lookups::settle(db, std::slice::from_ref(settlement)))? else {
                    continue;
                };
                tracing::error!(event, %error, "the result of a lookup cannot be written; the lookup has failed");
                if let Err(error) = savepoint::apart(db, || lookups::give_up(db, settlement, &error.to_string()))? {
                    tracing::error!(event, %error, "a lookup cannot be given up; it is made again when its lease ends");
                }
            }
            Ok(())
        }))
    })
}

/// The same for what changed rules make of sends: nothing is delivered before that is written. One that cannot be written
/// fails with that reason; where not even that can be written, it stays as its rule made it before.
fn remap_in_parts<'a>(
    store: &impl Ask,
    remapped: Arc<Vec<Remapped>>,
    now: Timestamp,
) -> BoxFuture<'a, Result<(), StoreError>> {
    ask(store, |reply| {
        Request::Job(job(reply, move |db| {
            for send in remapped.iter() {
                let id = send.id.0;
                let Err(error) = savepoint::apart(db, || remap::remap(db, std::slice::from_ref(send), now))? else {
                    continue;
                };
                tracing::error!(send = id, %error, "what a changed rule makes of a send cannot be written; the send has failed");
                if let Err(error) = savepoint::apart(db, || remap::fail(db, send.id, &error.to_string(), now))? {
                    tracing::error!(send = id, %error, "a send cannot be mapped again; it goes as its rule made it before");
                }
            }
            Ok(())
        }))
    })
}

impl<S: Ask> Intake for S {
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Kept>, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.put(Append { events, reply });
        Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.check()
    }
}

impl<S: Ask> Store for S {
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claims, StoreError>> {
        ask(self, |reply| Request::Claim(request, reply))
    }

    fn settle(&self, report: Arc<Report>, now: Timestamp) -> BoxFuture<'_, Result<Reported, StoreError>> {
        Box::pin(async move {
            match settle_whole(self, Arc::clone(&report), now).await {
                Err(StoreError::Refused(_)) => settle_in_parts(self, report, now).await,
                done => done,
            }
        })
    }

    fn waiting_lookups(&self) -> BoxFuture<'_, Result<BTreeMap<String, usize>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, lookups::waiting)))
    }

    fn claim_lookups(&self, request: LookupRequest) -> BoxFuture<'_, Result<LookupClaims, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| lookups::claim(db, &request))))
    }

    fn settle_lookups(&self, settlements: Arc<Vec<LookupSettlement>>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let all = Arc::clone(&settlements);
            match ask(self, |reply| Request::Job(job(reply, move |db| lookups::settle(db, &all)))).await {
                Err(StoreError::Refused(_)) => settle_lookups_in_parts(self, settlements).await,
                done => done,
            }
        })
    }

    fn recover(&self, now: Timestamp, uncertain: UncertainPolicy) -> BoxFuture<'_, Result<Recovered, StoreError>> {
        ask(self, |reply| {
            Request::Job(job(reply, move |db| {
                lookups::recover(db)?;
                leases::recover(db, now, uncertain)
            }))
        })
    }

    fn notifications(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<NotificationStatus>, StoreError>> {
        ask(self, |reply| {
            Request::Job(job(reply, move |db| {
                notifications::forget(db, since)?;
                notifications::since(db, since)
            }))
        })
    }

    fn mark_notified(&self, notification: NotificationId, target: String) -> BoxFuture<'_, Result<(), StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| notifications::mark_notified(db, notification, &target))))
    }

    fn remind(&self, now: Timestamp, before: Timestamp) -> BoxFuture<'_, Result<Vec<Notification>, StoreError>> {
        ask(self, |reply| {
            Request::Job(job(reply, move |db| {
                let mut changes = Vec::new();
                holds::remind(db, now, before, &mut changes)?;
                let mut changes: Vec<Notification> = changes.into_iter().map(Notification::Hold).collect();
                notifications::remind(db, now, before, &mut changes)?;
                Ok(changes)
            }))
        })
    }

    fn unreachable(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, notifications::unreachable)))
    }

    fn reach_changed(
        &self,
        account: String,
        reach: Reach,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<AccountChange>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| notifications::reach_changed(db, &account, reach, now))))
    }

    fn route_changed(
        &self,
        route: String,
        state: RouteState,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<RouteChange>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| route_alerts::changed(db, &route, &state, now))))
    }

    fn keep_test_modes(&self, modes: Vec<(TestScope, String)>) -> BoxFuture<'_, Result<(), StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| leases::keep_test_modes(db, &modes))))
    }

    fn had_keys(&self, with_key: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| keys::had_keys(db, &with_key))))
    }

    fn try_new_keys(&self, of: Vec<KeyFingerprint>, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| keys::try_new(db, &of, now))))
    }

    fn keep_keys(&self, of: Vec<KeyFingerprint>, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| keys::keep(db, &of, now))))
    }

    fn stale(&self, rules: Vec<RuleVersion>) -> BoxFuture<'_, Result<Vec<SendId>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| remap::stale(db, &rules))))
    }

    fn origins(&self, ids: Vec<SendId>) -> BoxFuture<'_, Result<Vec<Origin>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| remap::origins(db, &ids))))
    }

    fn remap(&self, remapped: Arc<Vec<Remapped>>, now: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let all = Arc::clone(&remapped);
            match ask(self, |reply| Request::Job(job(reply, move |db| remap::remap(db, &all, now)))).await {
                Err(StoreError::Refused(_)) => remap_in_parts(self, remapped, now).await,
                done => done,
            }
        })
    }

    fn change_versions(&self, rules: Vec<RuleVersion>) -> BoxFuture<'_, Result<(), StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| remap::change_versions(db, &rules))))
    }

    fn keep_versions(
        &self,
        rules: Vec<RuleVersion>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<HoldChange>, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| remap::keep_versions(db, &rules, now))))
    }

    fn sweep(&self, request: SweepRequest) -> BoxFuture<'_, Result<Swept, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| retention::sweep(db, &request))))
    }
}

impl<S: Ask> Operate for S {
    fn act(&self, action: Action, now: Timestamp) -> BoxFuture<'_, Result<Acted, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| act::act(db, &action, now))))
    }

    fn erase(&self, person: Person, step: ErasureStep, now: Timestamp) -> BoxFuture<'_, Result<Erased, StoreError>> {
        ask(self, |reply| Request::Job(job(reply, move |db| erasure::erase(db, &person, &step, now))))
    }

    fn upkeep(&self, what: Upkeep) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.chore(what)
    }
}
