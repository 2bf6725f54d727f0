//! A runtime of its own for one part of the relay: a bulkhead.
//!
//! Tasks of one runtime take turns, so a flood of one kind (webhooks) starves the other (deliveries) on a busy machine.
//! Runtimes do not take turns: their threads are scheduled by the kernel, which shares the processor between them
//! fairly and gives each what the others leave. So deliveries keep up with what comes in, and nothing has to be taken in
//! more slowly for them, however long the far side takes to answer.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads of their own, as many as there are processors. What still runs on them when this is dropped is ended.
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
        let runtime = Builder::new_multi_thread().thread_name(name).enable_all().build()?;
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
