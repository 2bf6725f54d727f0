//! What calls are taken with, whatever the configuration says; a new one finds here what calls under way have taken.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::Receiver;
use super::memory::{BodyMemory, StoreMemory, Taken};
use crate::clock::Clock;
use crate::route::{Route, Routes};
use crate::store::Intake;
use crate::telemetry::Metrics;

/// How many calls are authenticated, mapped and stored at once; those beyond wait their turn. More would not be faster,
/// since each shares a commit with the others, and they would keep the processor from delivering.
const WORKING: usize = 64;

/// What calls are taken with, under one configuration after another.
pub struct Means {
    /// Where events are kept.
    pub store: Arc<dyn Intake>,
    /// Told when something was stored.
    pub wake: Arc<Notify>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How many calls were let in and are not over, see `server.concurrency`.
    pub calls: Taken,
    /// How many calls are worked on at once, see `WORKING`.
    pub working: Semaphore,
    /// Whose turn it is among the calls larger than 128 KiB.
    pub large: Semaphore,
    /// What bodies take in memory together.
    pub memory: Arc<BodyMemory>,
    /// What events take in memory together while they are being stored.
    pub storing: StoreMemory,
    /// Calls whose senders hung up, and which are finished all the same.
    pub tasks: TaskTracker,
    /// The routes in force; none until a [`Receiver`] takes over.
    pub routes: watch::Sender<Arc<Routes>>,
}

impl Means {
    /// With nothing to do yet, and neither routes nor memory until a [`Receiver`] takes over.
    pub fn new(store: Arc<dyn Intake>, wake: Arc<Notify>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            wake,
            clock,
            metrics,
            calls: Taken::default(),
            working: Semaphore::new(WORKING),
            large: Semaphore::new(1),
            memory: Arc::new(BodyMemory::new(0)),
            storing: StoreMemory::new(0),
            tasks: TaskTracker::new(),
            routes: watch::Sender::new(Arc::default()),
        }
    }

    /// The route of the same name that is in force instead, if there is one.
    pub fn newer_than(&self, route: &Arc<Route>) -> Option<Arc<Route>> {
        let routes = self.routes.borrow();
        routes.get(&route.name).filter(|newest| !Arc::ptr_eq(newest, route)).cloned()
    }
}

impl Receiver {
    /// Its routes and bounds are in force from now on: for calls that were begun before, too.
    pub fn take_over(&self) {
        self.means.memory.limit_to(self.bounds.body_memory);
        self.means.storing.limit_to(self.bounds.body_memory);
        self.means.routes.send_replace(Arc::clone(&self.routes));
    }
}

/// The bounds of what is worked on.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest body, in bytes.
    pub body_limit: usize,
    /// What bodies, and what is made of them, may take in memory together, in bytes.
    pub body_memory: usize,
    /// How long a request may take until the store is asked to keep it.
    pub request_timeout: Duration,
    /// How many are worked on at once.
    pub concurrency: usize,
}
