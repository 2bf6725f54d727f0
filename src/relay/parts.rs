//! The parts of a relay that work side by side, watched: one that ends before the relay does, ends the relay.

use std::collections::HashMap;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// A part that ended although nobody had told the relay to stop, or panicked while it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{part} {how}; everything was closed in order, and what was accepted is on disk: start the relay again (a container or a service manager does so), and report it with the lines of the log above"
)]
pub struct PartEnded {
    /// Which.
    pub part: &'static str,
    how: &'static str,
}

/// The parts that run.
#[derive(Debug, Default)]
pub struct Parts {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Parts {
    /// Starts a part, which runs until the relay is told to stop.
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(part).id();
        self.names.insert(id, name);
    }

    /// The same on threads of its own.
    pub fn spawn_on(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static, threads: &Handle) {
        let id = self.tasks.spawn_on(part, threads).id();
        self.names.insert(id, name);
    }

    /// Waits until the relay is told to stop.
    ///
    /// # Errors
    ///
    /// The first part that ended before.
    pub async fn watch(&mut self, stop: &CancellationToken) -> Result<(), PartEnded> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            Some(ended) = self.tasks.join_next_with_id() => {
                let how = if ended.is_err() { "panicked" } else { "ended by itself" };
                Err(self.ended(&ended, how))
            }
        }
    }

    /// Waits until all have ended.
    ///
    /// # Errors
    ///
    /// The first that panicked.
    pub async fn finish(&mut self) -> Result<(), PartEnded> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if ended.is_err() {
                result = result.and(Err(self.ended(&ended, "panicked while the relay stopped")));
            }
        }
        result
    }

    fn ended(&self, ended: &Result<(Id, ()), JoinError>, how: &'static str) -> PartEnded {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let part = self.names.get(&id).copied().unwrap_or("a part of the relay");
        tracing::error!(
            part,
            how,
            next = "the relay stops; start it again, and report this",
            "a part of the relay ended"
        );
        PartEnded { part, how }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Runs a part beside one that needs a while to stop; tells what came of it, and whether that one ended in order.
    async fn beside_another(part: impl Future<Output = ()> + Send + 'static) -> (Result<(), PartEnded>, bool) {
        let (stop, in_order) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let mut parts = Parts::default();
        let (told, ended) = (stop.clone(), Arc::clone(&in_order));
        parts.spawn("the other", async move {
            told.cancelled().await;
            tokio::task::yield_now().await;
            ended.store(true, Ordering::SeqCst);
        });
        parts.spawn("the part", part);
        let watched = parts.watch(&stop).await;
        stop.cancel();
        let finished = parts.finish().await;
        (watched.and(finished), in_order.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_part_that_panics_or_ends_is_named_and_the_others_end_in_order() {
        let (result, in_order) = beside_another(async { panic!("at once") }).await;
        assert_eq!((result, in_order), (Err(PartEnded { part: "the part", how: "panicked" }), true));
        let (result, in_order) = beside_another(async {}).await;
        assert_eq!((result, in_order), (Err(PartEnded { part: "the part", how: "ended by itself" }), true));
    }

    #[tokio::test]
    async fn what_ends_after_the_relay_was_told_to_is_no_fault_but_a_panic_is() {
        let stop = CancellationToken::new();
        stop.cancel();
        let mut parts = Parts::default();
        parts.spawn("well", async {});
        assert_eq!((parts.watch(&stop).await, parts.finish().await), (Ok(()), Ok(())));
        parts.spawn("badly", async { panic!("while stopping") });
        assert_eq!(parts.watch(&stop).await, Ok(()));
        assert_eq!(parts.finish().await.map_err(|ended| ended.part), Err("badly"));
    }
}
