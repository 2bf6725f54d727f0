//! Takes the configuration anew while the relay runs: when somebody asks, when a signal says so, or when its files changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::assembly::{Assembly, Outlets};
use super::keys::Keys;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::fingerprint::Fingerprint;
use crate::config::relay::RelayFile;
use crate::config::report::one_line;
use crate::mask::CurrentSecrets;
use crate::route::check::Checked;
use crate::route::load::{FaultyRoutes, Loaded, Origin};
use crate::route::reload::{FaultyView, ReloadRequest, Reloaded, view};

/// How often it is looked whether files changed. A change is taken when two looks saw the same, so that nothing is read that
/// is still being written.
const LOOK: Duration = Duration::from_secs(1);

/// After so many looks that each saw another change it is taken all the same.
const RESTLESS: u32 = 10;

/// The settings that hold from a start on.
const AT_START: [&str; 6] = [
    "server.listen",
    "server.header_timeout",
    "server.per_address",
    "server.shutdown_grace",
    "admin.listen",
    "store.url",
];

/// What takes the configuration anew.
pub struct Reloader {
    pub origin: Origin,
    /// What ran at first.
    pub started: Arc<Checked>,
    /// What runs.
    pub current: Arc<Checked>,
    pub assembly: Assembly,
    pub outlets: Outlets,
    pub requests: mpsc::UnboundedReceiver<ReloadRequest>,
    /// What the log must not show.
    pub secrets: Arc<CurrentSecrets>,
}

/// What is known of the files.
#[derive(Default)]
struct Seen {
    /// As they were when they were last read.
    read: Fingerprint,
    /// As they were a moment ago.
    before: Fingerprint,
    /// How many looks in a row saw something else than the one before.
    restless: u32,
}

impl Reloader {
    /// Waits for reasons to take it anew, until told to stop. `read` is how the files were when the relay started.
    pub async fn run(self, read: Fingerprint, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            // a disk that hangs in the middle of it holds nothing up
            () = self.watch(read) => {}
        }
    }

    async fn watch(mut self, read: Fingerprint) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Seen { before: read.clone(), read, restless: 0 };
        let mut asked = Vec::new();
        loop {
            tokio::select! {
                biased;
                // all that wait share one; who asks from here on wants what is written from here on
                1.. = self.requests.recv_many(&mut asked, usize::MAX) => {
                    seen.read = self.look().await;
                    let by = asked.first().map_or("nobody", |request: &ReloadRequest| request.by);
                    let reloaded = self.reload(by).await;
                    for answer in asked.drain(..).filter_map(|request| request.answer) {
                        // whoever asked may have gone
                        let _ = answer.send(reloaded.clone());
                    }
                }
                _ = looks.tick(), if self.current.written.relay.value.reload.watch => {
                    let now = self.look().await;
                    seen.restless = if now == seen.before { 0 } else { seen.restless + 1 };
                    if now != seen.read && (seen.restless == 0 || seen.restless >= RESTLESS) {
                        (seen.read, seen.restless) = (now.clone(), 0);
                        self.reload("a change of its files").await;
                    }
                    seen.before = now;
                }
            }
        }
    }

    async fn look(&self) -> Fingerprint {
        let dir = self.origin.dir.clone();
        // a disk that hangs must not hold up a thread of the listeners
        tokio::task::spawn_blocking(move || Fingerprint::of(&dir)).await.unwrap_or_default()
    }

    /// Takes it anew, and tells what came of it.
    async fn reload(&mut self, by: &'static str) -> Reloaded {
        let reloaded = match self.try_reload().await {
            Ok((reloaded, faulty)) => {
                log_faulty(&faulty);
                reloaded
            }
            Err(faults) => Reloaded { faults, routes: self.current.routes.len(), ..Reloaded::default() },
        };
        self.assembly.metrics.reloaded(reloaded.taken, self.assembly.clock.now());
        log(by, &reloaded);
        reloaded
    }

    async fn try_reload(&mut self) -> Result<(Reloaded, FaultyRoutes), Vec<String>> {
        let Loaded { checked, faulty, warnings, secrets, .. } = self.load().await?;
        let settings = &checked.written.relay.value;
        let keys = Keys::of(settings, checked.sending);
        keys.check(&*self.assembly.store).await.map_err(|error| vec![error.to_string()])?;
        self.secrets.add(&secrets);
        let assembled = self.assembly.assemble(&checked, &faulty).await.map_err(|error| vec![error.to_string()])?;
        let reloaded = Reloaded {
            taken: true,
            needs_restart: needs_restart(&self.started, settings),
            warnings: warnings.iter().map(|warning| self.shown(warning)).collect(),
            ..told(&self.current, &checked, &faulty)
        };
        let older = self.outlets.put(assembled);
        self.current = Arc::new(checked);
        // what was begun before may still store what old rules made of it
        let (delivery, stop) = (self.outlets.delivery.clone(), self.assembly.stop.clone());
        let newest = Arc::downgrade(&delivery.borrow().deliverer);
        self.assembly.tasks().spawn(async move {
            let all_over = async {
                for over in older {
                    over.cancelled().await;
                }
            };
            tokio::select! {
                () = all_over => {}
                () = stop.cancelled() => return,
            }
            delivery.send_if_modified(|delivery| {
                let is_newest = Weak::ptr_eq(&newest, &Arc::downgrade(&delivery.deliverer));
                delivery.is_settled |= is_newest;
                is_newest
            });
        });
        Ok((reloaded, faulty))
    }

    async fn load(&mut self) -> Result<Loaded, Vec<String>> {
        // the reading takes a while, and so may the disk
        let (origin, current) = (self.origin.clone(), Arc::clone(&self.current));
        let read = tokio::task::spawn_blocking(move || {
            let origin = Origin { variables: origin.variables.read_again(), ..origin };
            (origin.load(Some(&current)), origin)
        });
        let failed = |error| vec![format!("reading the configuration failed internally: {error}")];
        let (loaded, origin) = read.await.map_err(failed)?;
        self.origin = origin;
        loaded.map_err(|diagnostics| {
            let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            errors.map(|error| self.shown(error)).collect()
        })
    }

    fn shown(&self, diagnostic: &Diagnostic) -> String {
        self.secrets.get().hide(&one_line(diagnostic, &self.origin.variables)).into_owned()
    }
}

/// What a new configuration changes.
fn told(old: &Checked, new: &Checked, faulty: &FaultyRoutes) -> Reloaded {
    let names = |checked: &Checked| checked.routes.keys().cloned().collect::<BTreeSet<String>>();
    let (before, after) = (names(old), names(new));
    let node = |checked: &'_ Checked, name: &str| checked.written.routes.get(name).map(|file| file.node.clone());
    let is_changed = |name: &&String| node(old, name) != node(new, name);
    Reloaded {
        routes: after.len(),
        added: after.difference(&before).cloned().collect(),
        changed: after.intersection(&before).filter(is_changed).cloned().collect(),
        removed: before.difference(&after).cloned().collect(),
        faulty: faulty.iter().map(|(name, faulty)| view(name, faulty)).collect(),
        ..Reloaded::default()
    }
}

/// The settings that were changed and hold from the next start on.
fn needs_restart(started: &Checked, new: &RelayFile) -> Vec<&'static str> {
    let [old, new] = [&started.written.relay.value, new].map(|file| serde_json::to_value(file).unwrap_or_default());
    let is_changed = |path: &&&str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        old.pointer(&pointer) != new.pointer(&pointer)
    };
    AT_START.iter().filter(is_changed).copied().collect()
}

/// Says which routes have faults.
pub fn log_faulty(faulty: &FaultyRoutes) {
    let next = "correct the file; `serri-relay check` shows its faults with their lines";
    for (route, faulty) in faulty {
        let FaultyView { serves, faults, .. } = view(route, faulty);
        for fault in faults {
            tracing::error!(route, serves, fault, next, "a route has faults; the others run");
        }
    }
}

fn log(by: &'static str, reloaded: &Reloaded) {
    let Reloaded { taken, routes, added, changed, removed, faulty, faults, warnings, needs_restart } = reloaded;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for fault in faults {
        tracing::error!("{fault}");
    }
    if !needs_restart.is_empty() {
        let settings = needs_restart.join(", ");
        tracing::warn!(settings, "settings were changed that hold from the next start on");
    }
    let list = |names: &[String]| names.join(", ");
    if *taken {
        let (added, changed, removed) = (list(added), list(changed), list(removed));
        tracing::info!(by, routes, added, changed, removed, faulty = faulty.len(), "the configuration was taken anew");
    } else {
        let next = "correct the faults above; `serri-relay check` shows them with their lines";
        tracing::error!(by, faults = faults.len(), next, "the configuration was not taken; everything runs as before");
    }
}
