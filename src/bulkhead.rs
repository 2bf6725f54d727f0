//! A runtime of its own for one part of the relay: a bulkhead.
//!
//! Tasks of one runtime take turns, so a flood of one kind (webhooks) starves the other (deliveries) on a busy machine.
//! Runtimes do not take turns: their threads are scheduled by the kernel, which shares the processor between them
//! fairly and gives each what the others leave. So deliveries keep up with what comes in, and nothing has to be taken in
//! more slowly for them, however long the far side takes to answer.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

/// How often [`heartbeat`] sets its timer. It must be less than the time of any timer that is set for each call, of which the
/// shortest are the slices of `outbound::Allowance` (250 ms).
const HEARTBEAT: Duration = Duration::from_millis(200);

/// Half as many threads as there are processors, at least one. What still runs on them when this is dropped is ended.
///
/// With as many threads as processors each call would be handed from one to the other: more wake-ups, and no more speed,
/// since accepting needs the processors, too.
#[derive(Debug)]
pub struct Bulkhead {
    handle: Handle,
    /// Taken when dropped.
    runtime: Option<Runtime>,
}

impl Bulkhead {
    /// Starts the threads; `name` is what `top -H` shows, at most 15 bytes.
    ///
    /// # Errors
    ///
    /// The system's, if it gives no more threads.
    pub fn new(name: &str) -> io::Result<Self> {
        let threads = available_parallelism().map_or(1, NonZero::get).div_ceil(2);
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Where tasks are spawned.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Bulkhead {
    fn drop(&mut self) {
        // waiting for the threads is not allowed inside another runtime
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Keeps a timer near on the runtime it runs on, until told to stop.
///
/// Whenever a timer is set that ends before all others, Tokio wakes the thread that waits for the network. Without this,
/// nearly every call's timer is such a one: two system calls and a change of threads for nothing.
pub async fn heartbeat(stop: CancellationToken) {
    while tokio::time::timeout(HEARTBEAT, stop.cancelled()).await.is_err() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_have_a_thread_and_leave_half_the_processors_to_others() {
        let bulkhead = Bulkhead::new("test").unwrap();
        let processors = available_parallelism().unwrap().get();
        let threads = bulkhead.handle().metrics().num_workers();
        assert!(threads >= 1 && threads <= processors.div_ceil(2), "{threads} of {processors}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_ends_when_it_is_told_to() {
        let stop = CancellationToken::new();
        let beats = tokio::time::timeout(HEARTBEAT * 100, heartbeat(stop.clone())).await;
        assert!(beats.is_err(), "it goes on until then");
        stop.cancel();
        heartbeat(stop).await;
    }
}
